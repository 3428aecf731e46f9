package jobs

import (
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"girin/internal/jobs/job"
	"girin/internal/sched"
	"girin/internal/wire"
)

// run is one job that this node runs for a client that waits somewhere.
type run struct {
	r       *runner
	id      job.ID
	attempt uint16
	origin  string
	method  string // "": the message says it
	path    string
	call    sched.Call
	timeout time.Duration
	held    *nats.Msg // what is acknowledged when it has ended; nil: it was already
	done    chan struct{}
	refused bool // set before done is closed: it was not begun

	telling sync.Mutex // what is told goes in its order
	seq     uint32     // guarded by telling where others are told: of the next frame

	mu      sync.Mutex
	cond    *sync.Cond // credit or ended changed
	queued  bool       // guarded by mu: the queue has the call
	left    bool       // guarded by mu: nobody waits any more
	stopped bool       // guarded by mu: somebody does, but this node ends
	ended   bool       // guarded by mu: its end was told
	granted uint32     // guarded by mu: the sum of all credit so far, modulo 1<<32
	credit  int64      // guarded by mu: bytes of a file that may be sent
	sending bool       // guarded by mu: a file is the answer
}

func newRun(r *runner, id job.ID, attempt uint16, origin string) *run {
	x := &run{r: r, id: id, attempt: attempt, origin: origin, done: make(chan struct{})}
	x.cond = sync.NewCond(&x.mu)
	return x
}

// begin gives the queue the call that a message makes.
func (x *run) begin(m *job.Message, length int64) {
	q := x.r.n.queue
	x.r.register(x)
	if x.method == "" {
		request, err := job.ParseRequest(m.Form, m.Environ)
		if err != nil {
			x.refuse(err)
			return
		}
		x.method, x.path = request.Method, request.Path
	}
	x.call = sched.Call{
		Answer: x, Route: q.Route([]byte(x.method), []byte(x.path)), Base: x.base(m), Form: m.Form, Window: m.Window, Body: m.Body, Limit: x.timeout, Admitted: true,
	}
	environ := job.WithPairs(m.Form, m.Environ, [][2]string{{"girin.job.id", x.id.String()}, {"girin.job.attempt", itoa(int64(x.attempt))}})
	x.call.Request = append(make([]byte, wire.RequestHead, wire.RequestHead+len(environ)+len(m.Body)), environ...)
	if length > 0 {
		body, err := fetch(x.r.n, x.origin, x.id, length)
		if err != nil {
			x.refuse(err)
			return
		}
		x.call.Spool, x.call.Length = body, length
	}
	x.credit = int64(m.Window)
	if !q.Register(&x.call) {
		x.refuse(sched.ErrQueueFull)
		return
	}
	x.mu.Lock()
	left := x.left
	x.queued = !left
	x.mu.Unlock()
	if left {
		q.Release(&x.call)
		x.refuse(sched.ErrCancelled)
		return
	}
	if err := q.Submit(&x.call); err != nil {
		q.Release(&x.call)
		x.refuse(err)
		return
	}
	if x.isLeft() {
		q.Cancel(&x.call)
	}
}

// base is the listener whose environ the shim begins with: the same one on the node that
// the request came to. On another node the message's own pairs count for more.
func (x *run) base(m *job.Message) uint8 {
	if x.origin == x.r.n.name {
		return m.Base
	}
	return 0
}

// refuse tells that the call was not begun.
func (x *run) refuse(why error) {
	if x.call.Spool != nil {
		x.call.Spool.Close()
	}
	if why != sched.ErrCancelled {
		x.r.n.cfg.Log.Debugf("jobs: %s is not begun: %v", x.id, why)
	}
	x.end(func() {
		x.refused = true
		x.tell(&job.Word{Kind: job.Fail, N: uint32(causeRefused)})
	})
}

func (x *run) isLeft() bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.left
}

// leave notes that nobody waits any more, or that this node does not.
func (x *run) leave(why cause) {
	x.mu.Lock()
	x.left, x.stopped = true, x.stopped || why == causeStopped
	queued := x.queued && !x.ended
	x.cond.Broadcast()
	x.mu.Unlock()
	if queued {
		x.r.n.queue.Cancel(&x.call)
	}
}

// grant lets more of the answer come: sum says how much in all. The same sum is told now
// and then, since a word may be lost.
func (x *run) grant(sum uint32) {
	x.mu.Lock()
	n := sum - x.granted
	if int32(n) <= 0 {
		x.mu.Unlock()
		return
	}
	x.granted = sum
	sending, ended := x.sending, x.ended
	if x.credit += int64(n); sending {
		x.cond.Broadcast()
	}
	x.mu.Unlock()
	if !sending && !ended {
		x.r.n.queue.Grant(&x.call, int(n))
	}
}

func (x *run) tell(w *job.Word) {
	if x.origin != x.r.n.name { // to this node nothing is lost, and its answer may lead back here
		x.telling.Lock()
		defer x.telling.Unlock()
	}
	w.ID, w.Attempt, w.Seq = x.id, x.attempt, x.seq
	if w.Kind != job.Count {
		x.seq++
	}
	x.r.n.tell(x.origin, w)
}

// partMost is how much of a body goes in one message.
const partMost = 256 << 10

// Frame passes a frame on to the origin (sched.Answer).
func (x *run) Frame(f *wire.Frame, head, body []byte) {
	final := f.Flags&wire.Final != 0
	if len(head) > messageMost/2 {
		x.r.n.cfg.Log.Errorf("jobs: the head of an answer has %d bytes, which is too much for a job", len(head))
		x.Fail(sched.ErrAppFailed)
		return
	}
	pass := func() { x.pass(*f, head, body) }
	if final {
		x.end(pass)
	} else {
		pass()
	}
}

// pass tells a frame in parts. Of those only the last is Final, as with a worker's.
func (x *run) pass(f wire.Frame, head, body []byte) {
	flags := f.Flags &^ wire.InPage
	for {
		n := min(len(body), partMost)
		w := job.Word{Kind: job.Frame, Frame: f, Head: head, Body: body[:n]}
		body = body[n:]
		w.Frame.Flags = flags
		if len(body) > 0 {
			w.Frame.Flags &^= wire.Final | wire.Whole
		}
		x.tell(&w)
		if len(body) == 0 {
			return
		}
		f.Kind, f.Body, head = wire.Block, uint32(len(body)), nil
	}
}

// Fail tells why there is no answer (sched.Answer).
func (x *run) Fail(why error) {
	c := causeOf(why)
	x.mu.Lock()
	if c == causeCancelled && x.stopped {
		c = causeStopped
	}
	x.mu.Unlock()
	x.end(func() { x.tell(&job.Word{Kind: job.Fail, N: uint32(c)}) })
}

// end tells the end, once, and gives the slot back.
func (x *run) end(tell func()) {
	x.mu.Lock()
	ended, queued := x.ended, x.queued
	x.ended = true
	x.cond.Broadcast()
	x.mu.Unlock()
	if ended {
		return
	}
	x.r.unregister(x)
	tell()
	if queued {
		x.r.n.queue.Release(&x.call)
	}
	close(x.done)
}

// File sends an answer that is a file, as its client reads (sched.Answer).
func (x *run) File(f *wire.Frame, head []byte, body sched.FileBody) {
	x.mu.Lock()
	x.sending = true
	x.mu.Unlock()
	frame, block := *f, append([]byte(nil), head...)
	x.r.done.Go(func() { x.sendFile(frame, block, body) })
}

func (x *run) sendFile(f wire.Frame, head []byte, body sched.FileBody) {
	defer body.File.Close()
	buf := make([]byte, partMost)
	f.Flags &^= wire.Whole
	for at := int64(0); ; {
		n := x.await(min(body.Length-at, partMost))
		if n < 0 {
			x.Fail(sched.ErrCancelled)
			return
		}
		if _, err := body.File.ReadAt(buf[:n], body.Offset+at); err != nil {
			x.r.n.cfg.Log.Errorf("jobs: a file cannot be sent: %v", err)
			x.Fail(sched.ErrAppFailed)
			return
		}
		at += n
		last := at == body.Length
		f.Body = uint32(n)
		f.Flags &^= wire.Final
		if last {
			f.Flags |= wire.Final
			x.end(func() { x.pass(f, head, buf[:n]) })
			return
		}
		x.pass(f, head, buf[:n])
		f.Kind, head = wire.Block, nil
	}
}

// await waits for credit for at most n bytes of a file; -1: nobody waits any more.
func (x *run) await(n int64) int64 {
	x.mu.Lock()
	defer x.mu.Unlock()
	for x.credit <= 0 && n > 0 && !x.left && !x.ended {
		x.cond.Wait()
	}
	if x.left || x.ended {
		return -1
	}
	n = min(n, max(x.credit, 0))
	x.credit -= n
	return n
}
