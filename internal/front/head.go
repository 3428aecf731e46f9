package front

import (
	"bytes"
	"strconv"

	"girin/internal/http1"
	"girin/internal/wire"
)

// appendHead appends the response's head. A fault is what the application did
// wrong; then the head must not be sent.
func (x *exchange) appendHead(to headEncoder, dst []byte, f *wire.Frame, block []byte) (b []byte, fault string) {
	r := &x.reply
	status, rest := wire.CutString(block)
	code, ok := http1.StatusCode(status)
	if !ok || code < 200 {
		return nil, "its status is not three digits and a reason: " + strconv.Quote(string(status))
	}
	r.status = code
	r.noBody = r.head || code == 204 || code == 304
	b = to.appendStatus(dst, code, status)
	b, seen, fault := x.appendFields(to, b, f, rest)
	if fault != "" {
		return nil, fault
	}
	if !seen.server {
		b = to.appendServer(b)
	}
	if !seen.date {
		b = to.appendDate(b)
	}
	if x.srv.cfg.ServerTiming {
		b = to.appendField(b, []byte("Server-Timing"), x.timing(f), http1.KindOther)
	}
	b = r.appendFraming(to, b, f, seen.length)
	if r.record.on {
		x.keepAdded(seen)
	}
	return to.appendEnd(b, false), ""
}

// keepAdded keeps what the front added to a head for the access log.
func (x *exchange) keepAdded(seen seenFields) {
	r := &x.reply
	if !seen.server {
		r.sentHead = append(r.sentHead, x.srv.nameLine...)
	}
	if !seen.date {
		r.sentHead = x.srv.date.Append(r.sentHead, x.srv.second.Load())
	}
	if !seen.length && !r.noBody && r.remain >= 0 {
		r.sentHead = http1.AppendContentLength(r.sentHead, r.remain)
	}
}

// nameLine is the field that says who serves, or nil.
func nameLine(name string) []byte {
	if name == "" {
		return nil
	}
	return append([]byte(serverField+name), crlf...)
}

const serverField = "Server: "

// appendFraming decides how the body's end is told.
func (r *reply) appendFraming(to headEncoder, b []byte, f *wire.Frame, declared bool) []byte {
	switch {
	case declared || r.noBody:
		return b
	case r.file > 0:
		r.remain = r.file
	case f.Flags&wire.Whole != 0:
		r.remain = int64(f.Body)
	default:
		return to.appendEndless(b)
	}
	return to.appendLength(b, r.remain)
}

// seenFields says which fields an application gave that the front would add.
type seenFields struct{ length, date, server bool }

// appendFields appends an application's fields, in their order. Those that
// speak of the connection are not its to give and are left out, as gunicorn
// does.
func (x *exchange) appendFields(to headEncoder, b []byte, f *wire.Frame, rest []byte) (_ []byte, seen seenFields, fault string) {
	r := &x.reply
	for range f.Fields {
		if rest == nil {
			return nil, seen, "its header fields are not as many as it says"
		}
		var name, value []byte
		name, rest = wire.CutString(rest)
		value, rest = wire.CutString(rest)
		if len(name) > 0 && name[0] == ':' { // a variable for the access log
			r.noted = append(r.noted, http1.Field{Name: bytes.Clone(name[1:]), Value: bytes.Clone(value)})
			continue
		}
		if !http1.ValidFieldName(name) || !http1.ValidFieldValue(value) {
			return nil, seen, "header field " + strconv.Quote(string(name)) + " has a name or value that HTTP does not allow"
		}
		kind := http1.KindOf(name)
		switch {
		case kind == http1.KindContentLength:
			n, err := strconv.ParseUint(string(value), 10, 63)
			if err != nil || seen.length && int64(n) != r.remain {
				return nil, seen, "its Content-Length is " + strconv.Quote(string(value))
			}
			if seen.length || r.status == 204 || r.status == 101 { // RFC 9110 section 8.6
				continue
			}
			seen.length, r.remain = true, int64(n)
		case kind == http1.KindDate:
			seen.date = true
		case kind == http1.KindServer:
			seen.server = true
		case http1.IsHopByHop(kind) && !(kind == http1.KindTrailer && x.srv.asgi.Load()):
			if x.srv.asgi.Load() { // which does not forbid them
				r.last = r.last || kind == http1.KindConnection && http1.HasItem(value, "close")
			} else {
				x.srv.warned.once(x.srv, "hop "+string(name), "the application sets the hop-by-hop field "+string(name)+"; it is left out (PEP 3333)")
			}
			continue
		}
		b = to.appendField(b, name, value, kind)
		if r.record.on {
			r.sentHead = http1.AppendField(r.sentHead, name, value)
		}
	}
	if rest != nil {
		return nil, seen, "its header fields are not as many as it says"
	}
	return b, seen, ""
}

// appendEarly appends the head of an informational response; not ok: it is not
// one, and is left out.
func (x *exchange) appendEarly(to headEncoder, b []byte, f *wire.Frame, head []byte) (_ []byte, ok bool) {
	status, rest := wire.CutString(head)
	code, ok := http1.StatusCode(status)
	if !ok || code != 103 {
		return b, false
	}
	b = to.appendStatus(b, code, status)
	for range f.Fields {
		var name, value []byte
		name, rest = wire.CutString(rest)
		value, rest = wire.CutString(rest)
		if !http1.ValidFieldName(name) || !http1.ValidFieldValue(value) {
			x.lied("an early hint is no valid field")
			return b, false
		}
		b = to.appendField(b, name, value, http1.KindOf(name))
	}
	return to.appendEnd(b, true), true
}

// timing tells what the request cost, for a browser's tools and for measuring
// (W3C Server Timing): milliseconds queued, in the application, and of CPU
// where known.
func (x *exchange) timing(f *wire.Frame) []byte {
	queued := max(int64(f.Began)-x.call.Submitted(), 0)
	b := append(make([]byte, 0, 64), "queue;dur="...)
	b = strconv.AppendFloat(b, float64(queued)/1e6, 'f', 3, 64)
	b = append(b, ", app;dur="...)
	b = strconv.AppendFloat(b, float64(f.Service)/1e3, 'f', 3, 64)
	if f.CPU != wire.NotMeasured {
		b = append(b, ", cpu;dur="...)
		b = strconv.AppendFloat(b, float64(f.CPU)/1e3, 'f', 3, 64)
	}
	return b
}
