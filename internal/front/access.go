package front

import (
	"bytes"
	"slices"
	"strings"
	"time"

	"girin/internal/http1"
	"girin/internal/logs"
)

// record is what the access log needs of a request when its response ends:
// a copy of its head, made only if there is such a log.
type record struct {
	kept   bool // of the present request, whether or not there is a log
	on     bool
	began  int64 // ns
	head   []byte
	fields []http1.Field // slices of head
	method, target,
	path, query []byte
	proto string
}

// keep copies what will be logged.
func (r *record) keep(x *exchange) {
	r.kept = true
	r.on = x.srv.cfg.Access.Wanted()
	if !r.on {
		return
	}
	r.began = x.srv.cfg.Clock()
	req := &x.req
	r.head = r.head[:0]
	r.method = r.copy(req.Method)
	r.target = r.copy(req.Target)
	r.path = r.copy(req.Path)
	r.query = r.copy(req.Query)
	r.proto = ""
	if len(req.Method) > 0 { // else no request line was read
		r.proto = x.protocol()
	}
	r.fields = r.fields[:0]
	for i := range req.Fields {
		f := &req.Fields[i]
		r.fields = append(r.fields, http1.Field{Name: r.copy(f.Name), Value: r.copy(f.Value), Kind: f.Kind})
	}
}

// copy appends b to the copy and returns where it lies. An earlier slice stays
// good when the copy grows.
func (r *record) copy(b []byte) []byte {
	start := len(r.head)
	r.head = append(r.head, b...)
	return r.head[start:len(r.head):len(r.head)]
}

// statusLeft is logged where the client left before any of its answer was sent,
// as nginx logs it.
const statusLeft = 499

// ended counts and logs the response that has ended. It needs mu.
func (x *exchange) ended() {
	if x.reply.upgraded {
		x.logAccess() // its beginning was counted
		return
	}
	if x.reply.status == 0 {
		x.reply.status = statusLeft
	}
	x.srv.cfg.Metrics.Answered(x.reply.status, x.reply.sent)
	x.logAccess()
}

// logLeft logs a request whose client left before its body had come: no answer
// has begun.
func (c *conn) logLeft() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if r := &c.reply; r.record.on && !r.running && !r.given {
		r.status, r.sent, r.noted = statusLeft, 0, nil // of the request before
		c.logAccess()
	}
}

// logAccess writes the line of the response that has ended. It needs mu.
func (x *exchange) logAccess() {
	r := &x.reply.record
	r.kept = false
	if !r.on {
		return
	}
	r.on = false
	pid := x.srv.pid
	if w := x.call.Worker(); w != nil {
		pid = w.PID()
	}
	fields := accessFields{x}
	x.srv.cfg.Access.Log(&logs.AccessRecord{
		Time: time.Now(), Duration: time.Duration(x.srv.cfg.Clock() - r.began),
		RemoteAddr: fields.Environ("remote_addr"), Method: r.method, URI: r.target,
		Path: fields.Environ("path_info"), Query: fields.Environ("query_string"),
		Proto: []byte(r.proto), Status: x.reply.status, Sent: x.reply.sent, PID: pid, Fields: fields,
	})
}

// plainPath is the path as PATH_INFO has it, which is what gunicorn logs.
func (r *record) plainPath() []byte {
	if bytes.IndexByte(r.path, '%') < 0 {
		return r.path
	}
	return http1.AppendUnescaped(nil, r.path)
}

// accessFields finds what a format names, while the line is made.
type accessFields struct{ x *exchange }

func (a accessFields) RequestHeader(name string) []byte {
	for _, f := range slices.Backward(a.x.reply.record.fields) { // of repeated ones the last, as gunicorn
		if bytes.EqualFold(f.Name, []byte(name)) {
			return f.Value
		}
	}
	return nil
}

func (a accessFields) ResponseHeader(name string) []byte {
	return fieldOf(a.x.reply.sentHead, name)
}

// KnowsEnviron reports whether of a variable, whose name is in lower case, what the
// application makes of it is not looked at: of the request's fields.
func KnowsEnviron(name string) bool { return strings.HasPrefix(name, "http_") }

// Environ finds what the application left in the environ, or else what the front itself
// put there.
func (a accessFields) Environ(name string) []byte {
	x := a.x
	for _, f := range x.reply.noted {
		if string(f.Name) == name {
			return f.Value
		}
	}
	switch name {
	case "request_method":
		return x.reply.record.method
	case "raw_uri":
		return x.reply.record.target
	case "query_string":
		return x.reply.record.query
	case "path_info":
		return x.reply.record.plainPath()
	case "remote_addr":
		return []byte(x.peer.addr)
	case "remote_port":
		return []byte(x.peer.port)
	case "server_protocol":
		return []byte(x.reply.record.proto)
	}
	if rest, ok := bytes.CutPrefix([]byte(name), []byte("http_")); ok {
		return a.joined(bytes.ReplaceAll(rest, []byte("_"), []byte("-")))
	}
	return nil
}

// joined is a field as the environ has it: of a repeated one all values.
func (a accessFields) joined(name []byte) (value []byte) {
	for i := range a.x.reply.record.fields {
		f := &a.x.reply.record.fields[i]
		switch {
		case !bytes.EqualFold(f.Name, name):
		case value == nil:
			value = f.Value
		default:
			value = slices.Concat(value, []byte(separatorOf(f)), f.Value)
		}
	}
	return value
}

// fieldOf finds a field in a response head as it was sent.
func fieldOf(head []byte, name string) []byte {
	for len(head) > 0 {
		line, rest, _ := bytes.Cut(head, []byte("\r\n"))
		if n, value, ok := bytes.Cut(line, []byte(": ")); ok && bytes.EqualFold(n, []byte(name)) {
			return value
		}
		head = rest
	}
	return nil
}
