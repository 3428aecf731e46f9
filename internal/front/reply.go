package front

import (
	"strconv"

	"girin/internal/http1"
	"girin/internal/wire"
)

// reply is the response that a connection is giving.
type reply struct {
	running  bool // from Submit until its last byte is with output
	started  bool // its head is with output
	last     bool // the connection ends with it
	keep     bool // the client would take another response
	head     bool // the request was HEAD
	whole    bool // the request was read to its end
	minor    int  // of the request's version
	streamed bool // it goes to a stream of HTTP/2, which frames it

	status  int
	noBody  bool
	chunked bool
	remain  int64 // body bytes still to come; -1: no length is declared
	file    int64 // length of the file that is the body; 0: there is none
	got     int64 // body bytes that came from the worker
	granted int64 // of those, how many the worker may send again
	sent    int64 // body bytes that went to the client

	record   record
	sentHead []byte // the response's head, for a record
}

// begin starts the response to the request that c has read.
func (r *reply) begin(c *conn) {
	keep := c.req.KeepAlive && c.srv.cfg.KeepAlive > 0 && !c.srv.draining.Load()
	*r = reply{
		running: true, last: !keep, keep: keep, head: c.isHead, whole: c.body.whole,
		minor: c.req.Minor, remain: -1,
		record: r.record, sentHead: r.sentHead[:0],
	}
}

// refused notes a response of the front's own.
func (r *reply) refused(status int) { r.started, r.status = true, status }

// appendConnection appends what the client must know of the connection.
func (r *reply) appendConnection(dst []byte) []byte {
	switch {
	case r.streamed:
	case r.last:
		return append(dst, "Connection: close\r\n"...)
	case r.minor == 0:
		return append(dst, "Connection: keep-alive\r\n"...)
	}
	return dst
}

// frameLocked passes a frame on to the client.
func (c *conn) frameLocked(f *wire.Frame, head, body []byte) {
	r := &c.reply
	buf := scratches.Get().(*scratch)
	defer scratches.Put(buf)
	b := buf[:0]
	switch f.Kind {
	case wire.Early:
		c.earlyLocked(b, f, head)
		return
	case wire.Response:
		var fault string
		if b, fault = c.appendHead(b, f, head); fault != "" {
			c.faultLocked(f, fault)
			return
		}
		r.started = true
		if r.record.on {
			r.sentHead = append(r.sentHead[:0], b...)
		}
	}
	r.got += int64(len(body))
	body, cut := c.fit(body)
	var end []byte
	switch {
	case r.noBody:
		body = nil
	case r.chunked && len(body) > 0:
		b = http1.AppendChunkSize(b, len(body))
		end = crlf
	}
	r.sent += int64(len(body))
	final := f.Flags&wire.Final != 0
	if final && r.chunked {
		end = lastChunks[len(end)]
	}
	c.sendLocked(b, body, end)
	switch {
	case final && r.remain > 0 && !r.noBody:
		c.lied("its response is shorter than its Content-Length")
		c.cutLocked()
	case final:
		c.endLocked()
	default:
		c.grantLocked()
	}
	if cut {
		c.lied("its response is longer than its Content-Length; the rest was cut")
	}
}

var (
	crlf = []byte("\r\n")
	// lastChunks are the ends of a chunked body: alone, and after a chunk.
	lastChunks = [...][]byte{0: []byte("0\r\n\r\n"), 2: []byte("\r\n0\r\n\r\n")}
)

// fit cuts a body to what its declared length leaves.
func (x *exchange) fit(body []byte) (fitting []byte, cut bool) {
	r := &x.reply
	if r.remain < 0 {
		return body, false
	}
	if int64(len(body)) > r.remain && !r.noBody {
		body, cut = body[:r.remain], true
	}
	r.remain -= int64(len(body))
	return body, cut
}

// earlyLocked passes on an informational response (RFC 8297); HTTP/1.0 has
// none.
func (c *conn) earlyLocked(b []byte, f *wire.Frame, head []byte) {
	if c.reply.minor == 0 || c.reply.started {
		return
	}
	if b, ok := c.appendEarly(b, f, head); ok {
		c.sendLocked(b, nil, nil)
	}
}

// appendEarly appends the head of an informational response; not ok: it is not
// one, and is left out.
func (x *exchange) appendEarly(b []byte, f *wire.Frame, head []byte) (_ []byte, ok bool) {
	status, rest := wire.CutString(head)
	b = http1.AppendStatusLine(b, 1, status)
	for range f.Fields {
		var name, value []byte
		name, rest = wire.CutString(rest)
		value, rest = wire.CutString(rest)
		if !http1.ValidFieldName(name) || !http1.ValidFieldValue(value) {
			x.lied("an early hint is no valid field")
			return b, false
		}
		b = http1.AppendField(b, name, value)
	}
	return http1.AppendEndOfHead(b), true
}

// appendHead appends the response's head. A fault is what the application did
// wrong; then the head must not be sent.
func (x *exchange) appendHead(dst []byte, f *wire.Frame, block []byte) (b []byte, fault string) {
	r := &x.reply
	status, rest := wire.CutString(block)
	code, ok := http1.StatusCode(status)
	if !ok || code < 200 {
		return nil, "its status is not three digits and a reason: " + strconv.Quote(string(status))
	}
	r.status = code
	r.noBody = r.head || code == 204 || code == 304
	b = http1.AppendStatusLine(dst, 1, status)
	b, seen, fault := x.appendFields(b, f, rest)
	if fault != "" {
		return nil, fault
	}
	if !seen.server {
		b = append(b, "Server: girin\r\n"...)
	}
	if !seen.date {
		b = x.srv.date.Append(b, x.srv.second.Load())
	}
	if x.srv.cfg.ServerTiming {
		b = x.appendTiming(b, f)
	}
	b = r.appendFraming(b, f, seen.length)
	b = r.appendConnection(b)
	return http1.AppendEndOfHead(b), ""
}

// appendFraming decides how the body's end is told (RFC 9112 section 6).
func (r *reply) appendFraming(b []byte, f *wire.Frame, declared bool) []byte {
	switch {
	case declared || r.noBody:
		return b
	case r.file > 0:
		r.remain = r.file
		return http1.AppendContentLength(b, r.remain)
	case r.streamed && f.Flags&wire.Whole == 0:
		return b // the end of the stream tells
	case f.Flags&wire.Whole != 0:
		r.remain = int64(f.Body)
		return http1.AppendContentLength(b, r.remain)
	case r.minor == 1:
		r.chunked = true
		return append(b, "Transfer-Encoding: chunked\r\n"...)
	}
	r.last = true
	return b
}

// seenFields says which fields an application gave that the front would add.
type seenFields struct{ length, date, server bool }

// appendFields appends an application's fields, in their order. Those that
// speak of the connection are not its to give and are left out, as gunicorn
// does.
func (x *exchange) appendFields(b []byte, f *wire.Frame, rest []byte) (_ []byte, seen seenFields, fault string) {
	r := &x.reply
	for range f.Fields {
		if rest == nil {
			return nil, seen, "its header fields are not as many as it says"
		}
		var name, value []byte
		name, rest = wire.CutString(rest)
		value, rest = wire.CutString(rest)
		if !http1.ValidFieldName(name) || !http1.ValidFieldValue(value) {
			return nil, seen, "header field " + strconv.Quote(string(name)) + " has a name or value that HTTP does not allow"
		}
		switch kind := http1.KindOf(name); {
		case kind == http1.KindContentLength:
			n, err := strconv.ParseUint(string(value), 10, 63)
			if err != nil || seen.length && int64(n) != r.remain {
				return nil, seen, "its Content-Length is " + strconv.Quote(string(value))
			}
			if seen.length || r.status == 204 {
				continue
			}
			seen.length, r.remain = true, int64(n)
		case kind == http1.KindDate:
			seen.date = true
		case kind == http1.KindServer:
			seen.server = true
		case http1.IsHopByHop(kind):
			x.srv.warned.once(x.srv, "hop "+string(name), "the application sets the hop-by-hop field "+string(name)+"; it is left out (PEP 3333)")
			continue
		}
		b = http1.AppendField(b, name, value)
	}
	if rest != nil {
		return nil, seen, "its header fields are not as many as it says"
	}
	return b, seen, ""
}

// appendTiming appends what the request cost, for a browser's tools and for
// measuring (W3C Server Timing): milliseconds queued, in the application, and
// of CPU where known.
func (x *exchange) appendTiming(b []byte, f *wire.Frame) []byte {
	queued := max(int64(f.Began)-x.call.Submitted(), 0)
	b = append(b, "Server-Timing: queue;dur="...)
	b = strconv.AppendFloat(b, float64(queued)/1e6, 'f', 3, 64)
	b = append(b, ", app;dur="...)
	b = strconv.AppendFloat(b, float64(f.Service)/1e3, 'f', 3, 64)
	if f.CPU != wire.NotMeasured {
		b = append(b, ", cpu;dur="...)
		b = strconv.AppendFloat(b, float64(f.CPU)/1e3, 'f', 3, 64)
	}
	return append(b, "\r\n"...)
}

// faultLocked answers for an application that broke the rules.
func (c *conn) faultLocked(f *wire.Frame, fault string) {
	c.lied(fault)
	if f.Flags&wire.Final == 0 {
		c.srv.cfg.Queue.Cancel(&c.call)
	}
	c.failLocked(errNonconforming)
}

// lied logs a fault of the application's.
func (x *exchange) lied(fault string) {
	name := "?"
	if route := x.call.Route; route != nil {
		name = route.Name()
	}
	x.srv.cfg.Log.Errorf("application error in %s: %s", name, fault)
}

// cutLocked ends the connection so that the client sees that the response is
// not whole.
func (c *conn) cutLocked() {
	c.reply.last = true
	c.out.cut = true
	c.endLocked()
}

// grantLocked lets the worker send as much again as the client has taken.
func (c *conn) grantLocked() {
	r := &c.reply
	step := c.creditStep()
	if !r.running || r.got-r.granted < step {
		return
	}
	taken := r.got - int64(c.out.waiting())
	if n := taken - r.granted; n >= step {
		r.granted += n
		c.srv.cfg.Queue.Grant(&c.call, int(n))
	}
}

// creditStep is how much a client must have taken before the worker is told.
const creditStep = 64 << 10

// What waits for slow clients may be so much in all. Beyond it an answer's
// window is small: its thread, not the master's memory, waits for the client.
// What the kernel has taken of an answer does not count.
const (
	// AnswerWindow is how much of an answer is taken from its worker before the
	// client reads any of it.
	AnswerWindow = 1 << 20

	queuedMost  = 64 << 20
	smallWindow = 16 << 10
)

// window is how much of the next answer may be taken from its worker at once;
// 0: as much as usual.
func (s *Server) window() uint32 {
	if s.queued.Load() > queuedMost {
		return smallWindow
	}
	return 0
}

// creditStep is smaller where the window is.
func (x *exchange) creditStep() int64 {
	if x.call.Window != 0 {
		return int64(x.call.Window)
	}
	return creditStep
}

// endLocked ends the response. With the last one the connection goes.
func (c *conn) endLocked() {
	if !c.reply.running {
		return
	}
	c.reply.running = false
	c.releaseRequest()
	switch {
	case c.dead:
		c.ended()
		c.changed.Broadcast()
	case !c.out.busy: // else drain goes on from here
		c.writtenLocked()
	}
}

// writtenLocked goes on when a response has ended and is written.
func (c *conn) writtenLocked() {
	c.ended()
	if c.reply.last {
		c.hangUpLocked()
	} else {
		c.stage.enter(stageIdle)
	}
	c.changed.Broadcast()
}

// hangUpLocked ends a connection whose last response is written. Closing with
// bytes unread would make the kernel reset the connection, and the client might
// never see the response: then its goroutine reads on for a while (see linger).
func (c *conn) hangUpLocked() {
	if c.dead {
		return
	}
	if c.out.cut {
		c.cut()
		c.dieLocked()
		return
	}
	if c.reply.whole && c.raw != nil && c.in.pendingBytes() == 0 {
		c.closeSoon()
		c.dieLocked()
		return
	}
	if half, ok := c.nc.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite()
	}
	c.stage.enter(stageLinger)
}
