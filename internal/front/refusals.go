package front

import (
	"bytes"
	"fmt"
	"strings"
	"sync"

	"girin/internal/logs"
)

// refusals tells the error log which requests the front refuses. Clients can
// send bad ones as fast as they like: of each second the first few are told, of
// the rest how many they were.
type refusals struct {
	mu     sync.Mutex
	second int64 // guarded by mu: the Unix time that the rest is about
	told   int   // guarded by mu: in that second
	more   int   // guarded by mu: not told, since it was said how many
}

// refusalsTold is how many are told of each second.
const refusalsTold = 10

// admit reports whether a refusal in this second is told.
func (r *refusals) admit(second int64) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.second != second {
		r.second, r.told = second, 0
	}
	if r.told < refusalsTold {
		r.told++
		return true
	}
	r.more++
	return false
}

// rest is how many were not told before this second.
func (r *refusals) rest(second int64) (n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.second != second {
		n, r.more = r.more, 0
	}
	return n
}

// tellRest says how many refusals were not told. The sweeper does it.
func (r *refusals) tellRest(second int64, log *logs.ErrorLog) {
	if n := r.rest(second); n > 0 {
		log.Warningf("%d more requests were refused in that second", n)
	}
}

// refused notes that the front refuses a request: for the access log with what
// is known of it, and for the error log.
func (x *exchange) refused(status int, reason string) {
	r := &x.reply.record
	request := ""
	switch {
	case !r.kept:
		request = aboutRequest(x.req.Method, x.req.Target)
		r.keep(x)
	case r.on:
		request = aboutRequest(r.method, r.target)
	case x.call.Route != nil: // its head was read and is gone, and is not logged
		request = " (" + x.call.Route.Name() + ")"
	}
	if x.srv.refusals.admit(x.srv.second.Load()) {
		x.srv.cfg.Log.Warningf("a request from %s was refused: %d %s%s", x.peer.name(), status, reason, request)
	}
}

// aboutRequest is what an error log says of a request: its client wrote it.
func aboutRequest(method, target []byte) string {
	if len(target) == 0 {
		return ""
	}
	return fmt.Sprintf(" (%q)", strings.TrimSpace(string(method)+" "+string(target[:min(len(target), mostOfLine)])))
}

// knowHead makes what has come of a head known to logs, when no more of it will:
// what earlier reads found may lie in buffers that are gone.
func (c *conn) knowHead() {
	if c.reply.record.kept || c.in.held {
		return // it was read whole
	}
	b := c.in.unread()
	c.req.Reset()
	if _, _ = c.req.Parse(b, c.limits()); len(c.req.Target) == 0 {
		c.req.Target, _, _ = bytes.Cut(b[:min(len(b), mostOfLine)], crlf) // no request line: what there is instead
	}
}

// mostOfLine is how much of a bad request line is shown.
const mostOfLine = 200
