package jobs

import (
	"bytes"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"

	"girin/internal/jobs/job"
	"girin/internal/sched"
)

// Header fields of a message.
const (
	fieldReply = "Girin-Reply" // the origin: who is asked, and told the answer
	fieldBody  = "Girin-Body"  // how long the body is that the origin has: see askBody
)

// inlineMost is the largest body that goes with its message. NATS takes 1 MB.
const inlineMost = 512 << 10

// answerLimit is within what the engine must have acknowledged a message, or a runner
// asked for it, before the call runs here.
const answerLimit = 250 * time.Millisecond

// origin has the calls of this node's clients that run elsewhere.
//
//	queued ─begin?→ begun ─the last frame, or why there is none→ gone
//	  │ home: the engine does not answer; the call runs here, and nobody else may begin it
type origin struct {
	n    *Node
	peer *peer

	// slow is until when nothing is placed, since the engine does not answer, ns.
	slow atomic.Int64

	mu    sync.Mutex
	jobs  map[job.ID]*placed    // guarded by mu, and so is what is in them
	calls map[uint64]*placed    // guarded by mu
	here  map[uint64]*responder // guarded by mu: calls that this process answers itself
}

type placed struct {
	id      job.ID
	call    uint64 // of the queue
	version string // whose runners it is for
	subject string
	retry   int    // how often it may still be run again
	data    []byte // the message
	body    []byte // in memory, where it is too large for the message
	length  int64  // of a body that is not in the message; 0: it is
	since   int64  // ns, when it was sent
	known   bool   // the engine has it
	attempt uint16 // of who may answer
	runner  string // who has begun it; "": nobody
	began   int64  // ns
	seq     uint32 // of the next frame
	headed  bool   // the answer's head was passed on
	left    bool   // its client has left
	refused int    // how often it was not begun after all
	file    *os.File
}

func newOrigin(n *Node) *origin {
	o := &origin{n: n, jobs: map[job.ID]*placed{}, calls: map[uint64]*placed{}, here: map[uint64]*responder{}}
	o.peer = &peer{o}
	return o
}

// Place answers a call here, or sends it to the stream (sched.Remote).
func (o *origin) Place(c sched.RemoteCall) bool {
	request, err := job.ParseRequest(c.Form, c.Environ)
	if err != nil {
		o.n.cfg.Log.Errorf("jobs: %v", err)
		return false
	}
	if strings.HasPrefix(request.Path, Prefix) {
		o.answerHere(c, request, o.n.served, nil)
		return true
	}
	m := job.Message{Form: c.Form, Base: c.Base, Window: c.Window, Environ: job.WithPairs(c.Form, c.Environ, o.n.base(c.Base))}
	if route := o.n.cfg.Routes.Find([]byte(request.Method), []byte(request.Path)); o.n.accepts(route, request) {
		m.Environ, m.Body = bytes.Clone(m.Environ), bytes.Clone(c.Body)
		o.answerHere(c, request, http.HandlerFunc(o.n.accept), &m)
		return true
	}
	return o.place(c, request, m)
}

// place sends the call of a client that waits to the stream.
func (o *origin) place(c sched.RemoteCall, request *job.Request, m job.Message) bool {
	now := o.n.cfg.Clock()
	if !o.n.up.Load() || o.n.draining.Load() || now < o.slow.Load() {
		o.n.counts.local.Add(1)
		return false
	}
	p := &placed{id: job.NewID(), call: c.ID, since: now, attempt: 1, version: o.n.Version()}
	subject := o.n.names.syncSubject(p.version, p.id)
	p.subject = subject
	if request.Idempotent() {
		p.retry = o.retries(request)
	}
	switch {
	case c.Spooled:
		p.length = c.Length
	case len(c.Body) > inlineMost:
		p.body, p.length = append([]byte(nil), c.Body...), int64(len(c.Body))
	default:
		m.Body = c.Body
	}
	if m.Size() > messageMost {
		return false
	}
	p.data = m.Append(make([]byte, 0, m.Size()))
	o.mu.Lock()
	o.jobs[p.id], o.calls[p.call] = p, p
	o.mu.Unlock()
	if err := o.publish(p, subject); err != nil {
		o.forget(p)
		o.n.counts.local.Add(1)
		return false
	}
	o.n.counts.placed.Add(1)
	return true
}

// messageMost leaves room for a message's header within NATS's 1 MB.
const messageMost = 1<<20 - 4096

func (o *origin) retries(r *job.Request) int {
	if route := o.n.cfg.Routes.Find([]byte(r.Method), []byte(r.Path)); route != nil && route.Retry >= 0 {
		return route.Retry
	}
	return o.n.cfg.Retry
}

func (o *origin) publish(p *placed, subject string) error {
	m := nats.NewMsg(subject)
	m.Header[fieldReply] = []string{o.n.name}
	if p.length > 0 {
		m.Header[fieldBody] = []string{itoa(p.length)}
	}
	m.Reply = o.n.names.node(o.n.name, "stored."+p.id.String())
	m.Data = p.data
	return o.n.nc.PublishMsg(m)
}

// forget takes a job out, and reports whether it was there: whoever does that tells its
// call what becomes of it.
func (o *origin) forget(p *placed) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.forgetLocked(p)
}

func (o *origin) forgetLocked(p *placed) bool {
	if o.jobs[p.id] != p {
		return false
	}
	delete(o.jobs, p.id)
	delete(o.calls, p.call)
	if p.file != nil {
		p.file.Close()
		p.file = nil
	}
	return true
}
