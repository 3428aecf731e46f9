package jobs

import (
	"bytes"
	"container/list"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"

	"girin/internal/jobs/job"
	"girin/internal/offload"
	"girin/internal/sched"
)

// Header fields of a message.
const (
	fieldReply   = "Girin-Reply"   // the origin: who is asked, and told the answer
	fieldBody    = "Girin-Body"    // how long the body is that the origin has: see askBody
	fieldTimeout = "Girin-Timeout" // how long the route lets it run
)

// inlineMost is the largest body that goes with its message. NATS takes 1 MB.
const inlineMost = 512 << 10

// answerLimit is within what the engine must have acknowledged a message, or a runner
// asked for it, before the call runs here.
const answerLimit = 250 * time.Millisecond

// origin has the calls of this node's clients that run elsewhere.
//
//	kept ──taken by a slot of this node─┐  nobody else could take it
//	  │ another node is heard           ▼
//	queued ──────begin?──────────────→ begun ─the last frame, or why there is none→ gone
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
	kept  list.List             // guarded by mu: of *placed that wait for a slot of this node
	sent  int                   // guarded by mu: how many the stream may have that nobody has begun
	some  chan struct{}         // has a word when one was kept
	hint  sync.Once             // it was said what would answer a client later
}

type placed struct {
	id       job.ID
	call     uint64 // of the queue
	version  string // whose runners it is for
	class    string
	subject  string
	timeout  time.Duration // of its route; 0: none
	retry    int           // how often it may still be run again
	method   string
	path     string
	message  job.Message   // without what all requests of its listener share: see publish
	packed   sync.Once     // makes data
	data     []byte        // the message as it is sent
	kept     *list.Element // of origin.kept; nil: it is not there
	sent     bool          // the stream may have it, and nobody has begun it
	inStream bool          // the stream had it once
	body     []byte        // in memory, where it is too large for the message
	length   int64         // of a body that is not in the message; 0: it is
	came     int64         // ns
	since    int64         // ns, when it was sent
	known    bool          // the engine has it
	attempt  uint16        // of who may answer
	granted  uint32        // bytes of the answer that this attempt may have sent in all, without its first window
	runner   string        // who has begun it; "": nobody
	began    int64         // ns
	seq      uint32        // of the next frame
	headed   bool          // the answer's head was passed on
	left     bool          // its client has left
	refused  int           // how often it was not begun after all
	file     *os.File
}

func newOrigin(n *Node) *origin {
	o := &origin{n: n, jobs: map[job.ID]*placed{}, calls: map[uint64]*placed{}, here: map[uint64]*responder{}, some: make(chan struct{}, n.cfg.Slots)}
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
	route := o.n.route(request)
	if route == nil {
		return false
	}
	m := job.Message{Form: c.Form, Base: c.Base, Window: c.Window, Environ: c.Environ}
	prefer := request.Field("Prefer")
	if prefer != "" && route.Mode == offload.Sync && preferenceOf(prefer).async {
		o.hint.Do(func() {
			o.n.cfg.Log.Infof("A client asks to be answered later (%s, Prefer: respond-async), and waits: --offload '%s,both' would allow it", c.Route, route.Text)
		})
	}
	if accepts(route, prefer) {
		m.Environ, m.Body = bytes.Clone(job.WithPairs(m.Form, m.Environ, o.n.base(m.Base))), bytes.Clone(c.Body)
		o.answerHere(c, request, http.HandlerFunc(o.n.accept), &m)
		return true
	}
	return o.place(c, request, route, m)
}

// route is the one of a request: as its client has named it, or where a proxy has taken the
// mount point off, as it was told.
func (n *Node) route(r *job.Request) *offload.Route {
	method := []byte(r.Method)
	route := n.cfg.Routes.Find(method, []byte(r.Raw))
	if rest, below := strings.CutPrefix(r.Raw, r.Mount); route == nil && below && r.Mount != "" {
		route = n.cfg.Routes.Find(method, []byte(rest))
	}
	return route
}

// place takes the call of a client that waits.
func (o *origin) place(c sched.RemoteCall, request *job.Request, route *offload.Route, m job.Message) bool {
	now := o.n.cfg.Clock()
	if why := o.n.cannotPlace(now); why != placeable {
		o.n.counts.local[why].Add(1)
		return false
	}
	p := &placed{id: job.NewID(), call: c.ID, came: now, since: now, attempt: 1, version: o.n.Version(), class: route.Class(), timeout: route.Timeout, method: request.Method, path: request.Path}
	p.subject = o.n.names.syncSubject(p.version, p.class, p.id)
	if request.Idempotent() {
		p.retry = o.n.retries(route)
	}
	switch {
	case c.Spooled:
		p.length = c.Length
	case len(c.Body) > inlineMost:
		p.body, p.length = append([]byte(nil), c.Body...), int64(len(c.Body))
	default:
		m.Body = bytes.Clone(c.Body)
	}
	if m.Size() > messageMost {
		o.n.counts.local[hereSize].Add(1)
		return false
	}
	m.Environ = bytes.Clone(m.Environ)
	p.message = m
	o.mu.Lock()
	o.jobs[p.id], o.calls[p.call] = p, p
	o.mu.Unlock()
	o.queue(p)
	return true
}

// messageMost leaves room for a message's header within NATS's 1 MB.
const messageMost = 1<<20 - 4096

func (n *Node) retries(route *offload.Route) int {
	if route.Retry >= 0 {
		return route.Retry
	}
	return n.cfg.Retry
}

// publish sends a job to the stream. If that fails it runs here.
func (o *origin) publish(p *placed, subject string) {
	p.packed.Do(func() {
		m := p.message
		m.Environ = job.WithPairs(m.Form, m.Environ, o.n.base(m.Base))
		p.data = m.Append(make([]byte, 0, m.Size()))
	})
	m := nats.NewMsg(subject)
	m.Header[fieldReply] = []string{o.n.name}
	if p.length > 0 {
		m.Header[fieldBody] = []string{itoa(p.length)}
	}
	if p.timeout > 0 {
		m.Header[fieldTimeout] = []string{p.timeout.String()}
	}
	m.Reply = o.n.names.node(o.n.name, "stored."+p.id.String())
	m.Data = p.data
	o.n.outbox.publish(m, func() {
		if o.forget(p) {
			o.home(p, hereEngine)
		}
	})
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
	if p.kept != nil {
		o.kept.Remove(p.kept)
		p.kept = nil
	}
	o.sentLocked(p, false)
	if p.file != nil {
		p.file.Close()
		p.file = nil
	}
	return true
}
