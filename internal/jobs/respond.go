package jobs

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"

	"girin/internal/jobs/job"
	"girin/internal/sched"
	"girin/internal/wire"
)

// responder answers a client's request in place of a worker, so that the answer goes the
// way of all others. It is an http.ResponseWriter.
type responder struct {
	n      *Node
	call   uint64
	began  int64
	header http.Header
	method string
	cancel context.CancelFunc

	status int
	buf    []byte
	headed bool // the head is out
	err    error

	mu     sync.Mutex
	cond   *sync.Cond
	credit int64 // guarded by mu: body bytes that may be sent
	left   bool  // guarded by mu: nobody waits
}

// answerHere lets a handler answer a call. Its goroutine ends with the answer.
func (o *origin) answerHere(c sched.RemoteCall, request *job.Request, handler http.Handler, m *job.Message) {
	ctx, cancel := context.WithCancel(o.n.ctx)
	w := &responder{
		n: o.n, call: c.ID, began: o.n.cfg.Clock(), header: http.Header{}, method: request.Method, cancel: cancel, credit: int64(c.Window),
	}
	w.cond = sync.NewCond(&w.mu)
	o.mu.Lock()
	o.here[c.ID] = w
	o.mu.Unlock()
	r := (&http.Request{Method: request.Method, URL: &url.URL{Path: request.Path, RawQuery: request.Query}, Header: http.Header{}, ProtoMajor: 1, ProtoMinor: 1}).WithContext(
		context.WithValue(ctx, messageKey{}, &asked{call: c, message: m, request: request}))
	request.Fields(func(name, value string) {
		r.Header.Set(strings.ReplaceAll(name, "_", "-"), value)
	})
	o.n.done.Go(func() {
		defer cancel()
		defer context.AfterFunc(ctx, func() { w.grant(wire.Cancelled) })()
		defer func() {
			o.mu.Lock()
			delete(o.here, c.ID)
			o.mu.Unlock()
		}()
		defer func() {
			if p := recover(); p != nil { // one request's fault is not all clients'
				o.n.cfg.Log.Errorf("jobs: an answer of the server's own panics: %v\n%s", p, debug.Stack())
				o.n.queue.Lost(c.ID, sched.ErrAppFailed)
			}
		}()
		handler.ServeHTTP(w, r)
		w.finish()
	})
}

// messageKey finds what an accepted job is made of in a request's context.
type messageKey struct{}

type asked struct {
	call    sched.RemoteCall
	message *job.Message
	request *job.Request
}

// Header is as http.ResponseWriter says.
func (w *responder) Header() http.Header { return w.header }

// WriteHeader is as http.ResponseWriter says.
func (w *responder) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
}

// flushAt is how much is collected before it is sent.
const flushAt = 64 << 10

// Write is as http.ResponseWriter says.
func (w *responder) Write(b []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	if w.method == http.MethodHead {
		return len(b), nil
	}
	w.buf = append(w.buf, b...)
	if len(w.buf) >= flushAt {
		w.send(false)
	}
	return len(b), w.err
}

// Flush is as http.Flusher says.
func (w *responder) Flush() {
	w.WriteHeader(http.StatusOK)
	w.send(false)
}

var errLeft = errors.New("the client has left")

// send passes on what was collected, as the client takes it.
func (w *responder) send(final bool) {
	for w.err == nil {
		n := w.await(len(w.buf))
		if n < 0 {
			w.err = errLeft
			break
		}
		last := n == len(w.buf)
		w.frame(w.buf[:n], final && last)
		w.buf = w.buf[n:]
		if last {
			w.buf = nil
			return
		}
	}
	if final { // the call must end all the same
		w.frame(nil, true)
	}
}

func (w *responder) frame(body []byte, final bool) {
	f := wire.Frame{ID: w.call, Began: uint64(w.began), Kind: wire.Block, Body: uint32(len(body)), CPU: wire.NotMeasured}
	f.Service = uint32(min((w.n.cfg.Clock()-w.began)/1000, wire.NotMeasured-1))
	if final {
		f.Flags = wire.Final
	}
	var head []byte
	if !w.headed {
		w.headed = true
		f.Kind, head = wire.Response, w.head(&f)
		if final && w.method != http.MethodHead && w.status != http.StatusNoContent && w.status != http.StatusNotModified {
			f.Flags |= wire.Whole
		}
	}
	if err := w.n.queue.Frame(w.n.origin.peer, &f, head, body); err != nil {
		w.n.cfg.Log.Errorf("jobs: an answer of the server's own is refused: %v", err)
		w.n.queue.Lost(w.call, sched.ErrAppFailed)
	}
	w.n.cfg.Rest()
}

func (w *responder) head(f *wire.Frame) []byte {
	b := append(strconv.AppendInt(nil, int64(w.status), 10), ' ')
	b = append(b, http.StatusText(w.status)...)
	for name, values := range w.header {
		for _, value := range values {
			b = append(append(append(append(b, 0), name...), 0), value...)
			f.Fields++
		}
	}
	f.Head = uint32(len(b))
	return b
}

func (w *responder) await(n int) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	for w.credit <= 0 && n > 0 && !w.left {
		w.cond.Wait()
	}
	if w.left {
		return -1
	}
	n = min(n, int(max(w.credit, 0)))
	w.credit -= int64(n)
	return n
}

// grant is credit of the client's, or that it has left.
func (w *responder) grant(n uint32) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if n == wire.Cancelled {
		w.left = true
		w.cancel()
	} else {
		w.credit += int64(n)
	}
	w.cond.Broadcast()
}

func (w *responder) finish() {
	w.WriteHeader(http.StatusOK)
	w.send(true)
}

// body opens the body of what was asked.
func (a *asked) body(n *Node) (io.ReadCloser, error) {
	if a.call.Spooled {
		file := n.queue.RemoteBody(a.call.ID)
		if file == nil {
			return nil, errNoBody
		}
		return struct {
			io.Reader
			io.Closer
		}{io.NewSectionReader(file, 0, a.call.Length), file}, nil
	}
	return io.NopCloser(newBytes(a.message.Body)), nil
}
