package front

import (
	"errors"
	"io"
	"maps"
	"net/http"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"girin/internal/http1"
	"girin/internal/sched"
	"girin/internal/wire"
)

// stream is a request that came as a stream of HTTP/2. Its goroutine (serve)
// owns all but what is under mu.
type stream struct {
	exchange
	carrier *conn
	begun   atomic.Bool // a worker has begun to answer
	w       http.ResponseWriter
	r       *http.Request
	control *http.ResponseController
	gone    bool // the client takes no more
	cut     bool // the response must not look whole

	wake chan struct{} // has room for one: something was added to parts

	mu    sync.Mutex
	parts []part // guarded by mu: of the answer, what serve has not taken
}

// part is a part of an answer: a frame, a frame whose body is a file, or how
// it failed.
type part struct {
	frame      wire.Frame
	head, body []byte
	file       *sched.FileBody
	cause      error
}

// ends reports whether it is the last part.
func (p *part) ends() bool { return p.cause != nil || p.frame.Flags&wire.Final != 0 }

func newStream(c *conn, w http.ResponseWriter, r *http.Request) *stream {
	st := &stream{
		exchange: exchange{srv: c.srv, peer: c.peer, streamed: true},
		carrier:  c, w: w, r: r, control: http.NewResponseController(w), wake: make(chan struct{}, 1),
	}
	st.call.Answer, st.call.Base = st, c.ls.base
	return st
}

// serve takes the request and gives its response. It returns when the call has
// ended, even if the client has left before: so what one client can keep busy
// stays bounded by the streams that it may have.
func (st *stream) serve() {
	defer st.release()
	if verdict := st.take(); verdict != nil {
		st.refuse(verdict)
		return
	}
	if st.gone || st.reply.started || !st.submit() {
		return
	}
	st.answer()
	st.ended()
	if st.cut {
		panic(http.ErrAbortHandler) // net/http resets the stream
	}
}

// release gives back what the request held.
func (st *stream) release() {
	st.releaseRequest()
	st.body.discard(st.srv)
}

// take reads the request. A verdict is why it is refused.
func (st *stream) take() *http1.Error {
	if verdict := st.readHead(); verdict != nil {
		return verdict
	}
	if st.ownAnswer() {
		return nil
	}
	if st.srv.cfg.Queue.Full() {
		return errOverload
	}
	if verdict := st.makeEnviron(); verdict != nil {
		return verdict
	}
	st.reply.record.keep(&st.exchange)
	if verdict := st.readBody(); verdict != nil || st.gone {
		return verdict
	}
	st.addLength()
	return nil
}

// readHead checks the request as one of HTTP/1.1 is checked: by the same
// reader, which gets the head in that form. Package net/http has refused what
// could not be told apart in it, such as line breaks in values.
func (st *stream) readHead() *http1.Error {
	r := st.r
	head := make([]byte, 0, 1024)
	head = append(head, r.Method...)
	head = append(head, ' ')
	head = append(head, r.RequestURI...)
	head = append(head, " HTTP/1.1\r\n"...)
	head = http1.AppendField(head, "Host", r.Host)
	for _, name := range slices.Sorted(maps.Keys(r.Header)) {
		if name == "Host" && slices.Equal(r.Header[name], []string{r.Host}) {
			continue // what :authority says, or in its place (RFC 9113 section 8.3.1)
		}
		for _, value := range r.Header[name] {
			head = http1.AppendField(head, name, value)
		}
	}
	n, verdict := st.req.Parse(http1.AppendEndOfHead(head), st.limits())
	st.isHead = r.Method == "HEAD"
	switch {
	case verdict != nil:
		return verdict
	case n == 0:
		return errIncomplete
	}
	if r.ContentLength < 0 {
		// Only the end of the stream tells how long the body is.
		st.req.Chunked, st.req.ContentLength = true, -1
	}
	return nil
}

// errIncomplete is for a head that ends too late, which only a line break in a
// field could make.
var errIncomplete = &http1.Error{Status: 400, Reason: "malformed head"}

// ownAnswer answers what the front answers itself, and reports whether it did.
func (st *stream) ownAnswer() bool {
	if path := st.srv.cfg.HealthPath; path != "" && string(st.req.Path) == path {
		status, text := st.srv.health()
		st.own(status, plainText, text)
		return true
	}
	if page := st.srv.fault.Load(); page != nil {
		st.own("500 Internal Server Error", htmlText, *page)
		return true
	}
	return false
}

// own gives a response of the front's own.
func (st *stream) own(status, contentType string, body []byte) {
	st.reply.record.keep(&st.exchange)
	code, _ := http1.StatusCode(status)
	st.send(code, contentType, body)
	st.ended()
}

// send sends a whole response of the front's own.
func (st *stream) send(status int, contentType string, body []byte) {
	b := http1.AppendStatusLine(nil, 1, "")
	b = textHead{&st.exchange}.appendDate(append(b, serverLine...))
	b = http1.AppendField(b, "Content-Type", contentType)
	b = http1.AppendContentLength(b, int64(len(body)))
	if status == 503 {
		b = append(b, "Retry-After: 1\r\n"...)
	}
	st.reply.started, st.reply.status = true, status
	st.writeHead(http1.AppendEndOfHead(b))
	if !st.isHead {
		st.reply.sent = int64(len(body))
		st.write(body)
	}
}

// refuse answers with a verdict of the front's own.
func (st *stream) refuse(verdict *http1.Error) {
	st.refused(verdict.Status, verdict.Reason)
	st.send(verdict.Status, plainText, []byte(verdict.Reason+"\n"))
	st.ended()
}

// readBody reads the body to its end, into memory or a file. Without a verdict
// it may have found that the client has gone.
func (st *stream) readBody() *http1.Error {
	limit := st.srv.cfg.MaxBody
	switch {
	case st.req.ContentLength == 0:
		return nil
	case limit > 0 && st.req.ContentLength > limit:
		return errTooLarge
	}
	buf := largeInputs.Get().(*[largeInput]byte)
	defer largeInputs.Put(buf)
	deadline := bodyDeadline{began: time.Now()}
	for {
		deadline.extend(st.control, st.body.came.Load())
		n, err := st.r.Body.Read(buf[:])
		if verdict := st.keep(buf[:n]); verdict != nil {
			return verdict
		}
		switch {
		case errors.Is(err, io.EOF):
			return st.kept()
		case errors.Is(err, os.ErrDeadlineExceeded):
			return errSlowBody
		case err != nil:
			st.gone = true
			return nil
		}
	}
}

var errSlowBody = &http1.Error{Status: 408, Reason: "the request body took too long"}

// bodyDeadline is until when a body must be there: later with each byte.
type bodyDeadline struct{ began, set time.Time }

// extend sets the deadline, at most once a second.
func (d *bodyDeadline) extend(control *http.ResponseController, came int64) {
	if now := time.Now(); now.Sub(d.set) > time.Second {
		d.set = now
		_ = control.SetReadDeadline(d.began.Add(bodyLimit + time.Duration(came)*time.Second/bodyRate))
	}
}

// submit hands the request to the scheduler, and reports whether an answer
// will come.
func (st *stream) submit() bool {
	queue := st.srv.cfg.Queue
	if !queue.Register(&st.call) {
		st.refuse(errBusy)
		return false
	}
	st.reply = reply{
		running: true, keep: true, head: st.isHead, whole: true, minor: st.req.Minor, remain: -1,
		record: st.reply.record,
	}
	st.carrier.unread.enter(st)
	if err := queue.Submit(&st.call); err != nil {
		st.carrier.unread.leave(st)
		st.fail(err)
		st.ended()
		queue.Release(&st.call)
		return false
	}
	st.body.spool = nil // the queue's, until no worker can ask for it
	return true
}

// streamHead is a head of which net/http makes one of HTTP/2: the stream tells
// how the body ends.
type streamHead struct{ textHead }

func (streamHead) appendEndless(b []byte) []byte     { return b }
func (streamHead) appendEnd(b []byte, _ bool) []byte { return http1.AppendEndOfHead(b) }

func (st *stream) headEncoder() headEncoder { return streamHead{textHead{&st.exchange}} }
