package front

import (
	"bytes"
	"strconv"
	"sync"

	"girin/internal/http1"
	"girin/internal/wire"
)

// request is room for a packet: most requests fit.
type request [wire.MaxPacket]byte

var requests = sync.Pool{New: func() any { return new(request) }}

// takeRequest and releaseRequest lend the call its room.
func (x *exchange) takeRequest() []byte {
	if x.call.Request == nil {
		x.call.Request = requests.Get().(*request)[:]
	}
	return x.call.Request[:wire.RequestHead]
}

func (x *exchange) releaseRequest() {
	if !x.call.InFlight() {
		ReuseRequest(x.call.Request)
	}
	x.call.Request = nil
}

// ReuseRequest takes the room of a request that was sent (sched.Config.Sent). So the
// next one is packed where this one was, and not where one was that another core has
// answered.
func ReuseRequest(room []byte) {
	if cap(room) == wire.MaxPacket {
		requests.Put((*request)(room[:wire.MaxPacket]))
	}
}

// makeEnviron writes the request's environ (PEP 3333) into the call. What is
// the same for all requests of a listener is in its base environ.
func (x *exchange) makeEnviron() *http1.Error {
	req := &x.req
	x.call.Body, x.call.Spool, x.call.Length, x.call.Streamed = nil, nil, 0, false
	x.call.Route = x.srv.cfg.Queue.Route(req.Method, req.Path)
	x.call.Since, x.call.Window = x.requestStart(), x.srv.window()
	x.call.Remote, x.call.Limit = x.srv.cfg.Remote != nil && x.srv.cfg.Remote(req.Method, req.Path), 0
	if x.call.Remote {
		if verdict := x.refusedRemote(); verdict != nil {
			return verdict
		}
	}
	x.isHead = string(req.Method) == "HEAD"
	if x.srv.asgi.Load() {
		return x.makeScope()
	}
	e := environ{b: x.takeRequest(), form: wire.Joined}
	verdict := x.writeEnviron(&e)
	if verdict == nil && e.nul {
		// A value holds a NUL, which would end it in the joined form and
		// begin keys of the client's choice.
		e = environ{b: e.b[:wire.RequestHead], form: wire.Lengths}
		verdict = x.writeEnviron(&e)
	}
	x.call.Request, x.call.Form = e.b, e.form
	return verdict
}

// refusedRemote is why a request is not taken that would run elsewhere: its client need
// not send the body then.
func (x *exchange) refusedRemote() *http1.Error {
	req := &x.req
	x.call.Limit = x.srv.cfg.Limit(req.Method, req.Path)
	var prefer []byte
	for i := range req.Fields {
		if f := &req.Fields[i]; f.Kind == http1.KindOther && bytes.EqualFold(f.Name, preferField) {
			if prefer != nil {
				prefer = append(bytes.Clone(prefer), ',')
			}
			prefer = append(prefer, f.Value...)
		}
	}
	length := req.ContentLength
	if req.Chunked {
		length = -1
	}
	if reason := x.srv.cfg.Refuses(req.Method, req.Path, prefer, length); reason != "" {
		return &http1.Error{Status: 503, Reason: reason}
	}
	return nil
}

var preferField = []byte("Prefer")

func (x *exchange) writeEnviron(e *environ) *http1.Error {
	req := &x.req
	e.add("REQUEST_METHOD", req.Method)
	e.add("RAW_URI", req.Target)
	e.add("QUERY_STRING", req.Query)
	if verdict := x.addPath(e); verdict != nil {
		return verdict
	}
	if proto := x.protocol(); proto != baseProtocol {
		e.addString("SERVER_PROTOCOL", proto)
	}
	e.addString("REMOTE_ADDR", x.peer.addr)
	if x.peer.port != "" {
		e.addString("REMOTE_PORT", x.peer.port)
	}
	for _, f := range x.peer.facts {
		e.add(f.key, []byte(f.value))
	}
	e.addFields(req)
	return x.addForwarded(e)
}

// addPath adds PATH_INFO, decoded, and SCRIPT_NAME where the application is
// mounted below the root.
func (x *exchange) addPath(e *environ) *http1.Error {
	path := x.req.Path
	mount, verdict := x.scriptName()
	if verdict != nil {
		return verdict
	}
	if len(mount) > 0 {
		rest, below := bytes.CutPrefix(path, mount)
		if !below || len(rest) > 0 && rest[0] != '/' && mount[len(mount)-1] != '/' {
			return &http1.Error{Status: 404, Reason: "nothing is served here"}
		}
		e.add("SCRIPT_NAME", mount)
		path = rest
	}
	if bytes.IndexByte(path, '%') < 0 {
		e.add("PATH_INFO", path)
		return nil
	}
	e.add("PATH_INFO", http1.AppendUnescaped(make([]byte, 0, 256), path))
	return nil
}

// environ is a block being written.
type environ struct {
	b    []byte
	form wire.Form
	nul  bool // a value of a joined block holds a NUL
}

func (e *environ) add(key string, value []byte) {
	if e.form == wire.Lengths {
		e.b = wire.AppendLengths(e.b, key, value)
		return
	}
	e.key(key)
	e.b = append(e.b, value...)
	e.nul = e.nul || bytes.IndexByte(value, 0) >= 0
}

// addString adds a value of our own making.
func (e *environ) addString(key, value string) {
	if e.form == wire.Lengths {
		e.b = wire.AppendLengths(e.b, key, []byte(value))
		return
	}
	e.key(key)
	e.b = append(e.b, value...)
}

// key begins a pair of the joined form.
func (e *environ) key(key string) {
	if len(e.b) > wire.RequestHead {
		e.b = append(e.b, 0)
	}
	e.b = append(e.b, key...)
	e.b = append(e.b, 0)
}

// addFields adds the header fields. An environ has a key once: fields of one
// name are joined as gunicorn joins them, cookies as RFC 9113 section 8.2.3
// does. The host is the effective one: an absolute-form target's counts for
// more than the field (RFC 9112 section 3.2.2).
func (e *environ) addFields(req *http1.Request) {
	fields := req.Fields
	if len(fields) > manyFields {
		fields = joinAll(fields)
	}
	host := false
	for i := range fields {
		f := &fields[i]
		value := f.Value
		switch f.Kind {
		case http1.KindTransferEncoding:
			continue // undone: see addLength
		case http1.KindHost:
			value, host = req.Host, true
		default:
			if repeated(fields[:i], f) {
				continue
			}
			if repeated(fields[i+1:], f) {
				value = joinFields(fields[i:], f)
			}
		}
		e.addField(f.Name, value)
	}
	if !host && len(req.Host) > 0 {
		e.add("HTTP_HOST", req.Host)
	}
}

// addField adds one field, whose value holds no NUL: http1 has seen to that.
func (e *environ) addField(name, value []byte) {
	if e.form == wire.Lengths {
		e.b = wire.AppendLengths(e.b, string(http1.EnvironName(nil, name)), value)
		return
	}
	e.b = append(e.b, 0)
	e.b = http1.EnvironName(e.b, name)
	e.b = append(e.b, 0)
	e.b = append(e.b, value...)
}

// repeated reports whether one of fields shares f's environ key.
func repeated(fields []http1.Field, f *http1.Field) bool {
	for i := range fields {
		if len(fields[i].Name) == len(f.Name) && sameEnvironName(fields[i].Name, f.Name) {
			return true
		}
	}
	return false
}

// sameEnvironName compares names of one length as environ keys are made:
// without case, and with underscores (where they are allowed) for hyphens.
func sameEnvironName(a, b []byte) bool {
	for i := range a {
		if a[i] != b[i] && http1.EnvironByte(a[i]) != http1.EnvironByte(b[i]) {
			return false
		}
	}
	return true
}

// joinFields joins the values of f's name.
func joinFields(fields []http1.Field, f *http1.Field) (joined []byte) {
	separator := separatorOf(f)
	for i := range fields {
		if len(fields[i].Name) != len(f.Name) || !sameEnvironName(fields[i].Name, f.Name) {
			continue
		}
		if i > 0 {
			joined = append(joined, separator...)
		}
		joined = append(joined, fields[i].Value...)
	}
	return joined
}

func separatorOf(f *http1.Field) string {
	if f.Kind == http1.KindCookie {
		return "; "
	}
	return ","
}

// manyFields is up to how many fields comparing each with each is quickest.
const manyFields = 100

// joinAll joins fields of one name in linear time.
func joinAll(fields []http1.Field) (joined []http1.Field) {
	at := map[string]int{}
	for _, f := range fields {
		key := string(http1.EnvironName(nil, f.Name))
		i, seen := at[key]
		if !seen {
			at[key] = len(joined)
			f.Value = bytes.Clone(f.Value)
			joined = append(joined, f)
			continue
		}
		joined[i].Value = append(append(joined[i].Value, separatorOf(&f)...), f.Value...)
	}
	return joined
}

// addLength tells the length of a body that came in chunks: it is known now,
// and the coding is undone (RFC 9112 section 7.1.3).
func (x *exchange) addLength() {
	if !x.req.Chunked || x.call.Task() {
		return
	}
	n := int64(len(x.call.Body))
	if x.call.Spool != nil {
		n = x.call.Length
	}
	e := environ{b: x.call.Request, form: x.call.Form}
	e.addString("CONTENT_LENGTH", strconv.FormatInt(n, 10))
	x.call.Request = e.b
}
