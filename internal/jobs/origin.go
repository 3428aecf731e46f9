package jobs

import (
	"bytes"
	"encoding/binary"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"

	"girin/internal/jobs/job"
	"girin/internal/sched"
	"girin/internal/wire"
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

// stored notes what the engine says of a message: that it has it, or why not.
func (o *origin) stored(id job.ID, refused bool) {
	o.mu.Lock()
	p := o.jobs[id]
	home := p != nil && refused && p.runner == "" && o.forgetLocked(p)
	if p != nil {
		p.known = true
	}
	o.mu.Unlock()
	if home {
		o.home(p)
	}
}

// begin answers a runner that asks whether it may begin a job. The attempt is 0 if not.
func (o *origin) begin(id job.ID, runner string) (attempt uint16) {
	o.mu.Lock()
	defer o.mu.Unlock()
	p := o.jobs[id]
	if p == nil || p.runner != "" {
		return 0
	}
	p.runner, p.began, p.known, p.seq = runner, o.n.cfg.Clock(), true, 0
	return p.attempt
}

// Withdraw takes a job back that nobody waits for (sched.Remote).
func (o *origin) Withdraw(call uint64) {
	o.mu.Lock()
	p, w := o.calls[call], o.here[call]
	o.mu.Unlock()
	if w != nil {
		w.grant(wire.Cancelled)
	}
	if p == nil {
		return // it is about to be told its end
	}
	o.n.chores.add(func() { o.withdraw(p) })
}

func (o *origin) withdraw(p *placed) {
	o.mu.Lock()
	runner, attempt, subject := p.runner, p.attempt, p.subject
	p.left = true
	gone := runner == "" && o.forgetLocked(p)
	o.mu.Unlock()
	switch {
	case gone:
		o.n.purge(subject)
		o.n.queue.Lost(p.call, sched.ErrCancelled)
	case runner != "":
		o.n.tell(runner, &job.Word{Kind: job.Cancel, ID: p.id, Attempt: attempt})
	}
}

// home runs a job here that was taken out.
func (o *origin) home(p *placed) {
	o.n.counts.local.Add(1)
	o.n.purge(p.subject)
	o.n.queue.Home(p.call)
}

// homeAll runs here what nobody has begun.
func (o *origin) homeAll() {
	for _, p := range o.takeIf(func(p *placed) bool { return p.runner == "" }) {
		o.n.chores.add(func() { o.home(p) })
	}
}

// takeIf takes jobs out.
func (o *origin) takeIf(is func(*placed) bool) (out []*placed) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, p := range o.jobs {
		if is(p) && o.forgetLocked(p) {
			out = append(out, p)
		}
	}
	return out
}

// slowFor is how long nothing is placed after the engine has not answered.
const slowFor = time.Second

// lookAtQueued runs here what the engine has not acknowledged.
func (o *origin) lookAtQueued() {
	now := o.n.cfg.Clock()
	late := o.takeIf(func(p *placed) bool { return !p.known && p.runner == "" && now-p.since > int64(answerLimit) })
	if len(late) == 0 {
		return
	}
	o.slow.Store(now + int64(slowFor))
	o.n.cfg.Log.Warningf("The engine of the jobs has not answered for %v: %d requests run here", answerLimit, len(late))
	for _, p := range late {
		o.home(p)
	}
}

// lookAtVersions takes what nobody has begun along when another version is served: those
// who ran the one before pull no more.
func (o *origin) lookAtVersions() {
	if !o.n.up.Load() {
		return
	}
	version, now := o.n.Version(), o.n.cfg.Clock()
	type move struct {
		p        *placed
		from, to string
	}
	var moves []move
	o.mu.Lock()
	for _, p := range o.jobs {
		if p.runner == "" && p.version != version {
			from := p.subject
			p.version, p.subject, p.known, p.since = version, o.n.names.syncSubject(version, p.id), false, now
			moves = append(moves, move{p, from, p.subject})
		}
	}
	o.mu.Unlock()
	for _, m := range moves {
		o.n.purge(m.from)
		if o.publish(m.p, m.to) != nil && o.forget(m.p) {
			o.home(m.p)
		}
	}
}

// lookAtBegun gives up runners that nobody hears of any more.
func (o *origin) lookAtBegun(dead func(runner string, id job.ID, began int64) bool) {
	var gone []*placed
	o.mu.Lock()
	for _, p := range o.jobs {
		if p.runner != "" && p.runner != o.n.name && dead(p.runner, p.id, p.began) {
			gone = append(gone, p)
		}
	}
	o.mu.Unlock()
	for _, p := range gone {
		o.failed(p, p.attempt, causeDied)
	}
}

// refusedMost is how often a job is sent again that nobody can begin. Then it runs here.
const refusedMost = 3

// failed sends a job once more whose attempt has failed, or ends its call.
func (o *origin) failed(p *placed, attempt uint16, why cause) {
	o.mu.Lock()
	if o.jobs[p.id] != p || p.attempt != attempt {
		o.mu.Unlock()
		return
	}
	again := why.again(p.retry > 0) && !p.headed && p.runner != "" && !p.left
	runner, subject := p.runner, p.subject
	if p.left {
		why = causeCancelled
	}
	if again {
		if why.ran() {
			p.retry--
		} else {
			p.refused++
		}
		p.attempt++
		p.runner, p.known, p.since = "", false, o.n.cfg.Clock()
	} else {
		o.forgetLocked(p)
	}
	o.mu.Unlock()
	if why == causeDied {
		o.n.tell(runner, &job.Word{Kind: job.Cancel, ID: p.id, Attempt: attempt})
	}
	if !again {
		o.n.queue.Lost(p.call, why.err())
		return
	}
	o.n.counts.again.Add(1)
	if o.n.up.Load() && p.refused < refusedMost && o.publish(p, subject) == nil {
		return
	}
	if o.forget(p) {
		o.n.counts.local.Add(1)
		o.n.queue.Home(p.call)
	}
}

// readBody is a part of the body that a runner asks for.
func (o *origin) readBody(id job.ID, at int64) []byte {
	o.mu.Lock()
	defer o.mu.Unlock()
	p := o.jobs[id]
	if p == nil || at < 0 || at >= p.length {
		return nil
	}
	if p.body != nil {
		return p.body[at:min(at+bodyStep, p.length)]
	}
	if p.file == nil {
		if p.file = o.n.queue.RemoteBody(p.call); p.file == nil {
			return nil
		}
	}
	part := make([]byte, min(bodyStep, p.length-at))
	if _, err := p.file.ReadAt(part, at); err != nil {
		return nil
	}
	return part
}

// bodyStep is how much of a body is asked for at once.
const bodyStep = 512 << 10

// bodyRequest asks for the part of a body that begins at a place.
func bodyRequest(id job.ID, at int64) []byte {
	return binary.LittleEndian.AppendUint64(append([]byte(nil), id[:]...), uint64(at))
}

// waiting counts the jobs that nobody has begun.
func (o *origin) waiting() (n int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, p := range o.jobs {
		if p.runner == "" {
			n++
		}
	}
	return n
}
