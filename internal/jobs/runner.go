package jobs

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"

	"girin/internal/guard"
	"girin/internal/jobs/job"
	"girin/internal/sched"
)

// runner runs jobs of any node here. Each of its slots asks for one message when it is
// free, so that nothing is pulled that another node could begin now.
type runner struct {
	n       *Node
	stop    chan struct{} // closed by drain
	once    sync.Once     // closes stop
	expects atomic.Pointer[chan struct{}]
	turn    atomic.Uint32  // see classes.ofPriority
	asks    []atomic.Int64 // by slot of waiting clients: since when it asks for a job, ns; 0: it runs one
	done    sync.WaitGroup

	otherFormat atomic.Bool // it was said that there are messages of one

	mu    sync.Mutex
	runs  map[job.ID]*run      // guarded by mu: those whose clients wait
	works map[job.ID]*workload // guarded by mu: accepted ones
	// guarded by mu: accepted ones that are about to be among them, by so many slots. The engine may
	// know that long before this node does.
	claims map[job.ID]int
}

func newRunner(n *Node) *runner {
	r := &runner{n: n, stop: make(chan struct{}), runs: map[job.ID]*run{}, works: map[job.ID]*workload{}, claims: map[job.ID]int{}, asks: make([]atomic.Int64, n.cfg.Slots)}
	expects := make(chan struct{})
	r.expects.Store(&expects)
	return r
}

func (r *runner) start() {
	for i := range r.n.cfg.Slots {
		r.launch("slot "+strconv.Itoa(i)+" of the jobs whose clients wait", func() { newSlot(r, &r.asks[i]).loop() })
		r.launch("slot "+strconv.Itoa(i)+" of the accepted jobs", r.workSlot)
	}
	if r.n.cfg.Slots > 0 {
		r.launch("the timer of the jobs", r.n.timer)
	}
}

func (r *runner) launch(what string, run func()) {
	r.done.Go(func() { r.n.cfg.Guard.Keep(guard.Part{Name: what, Run: run}) })
}

// wake makes the slots ask anew: who was asked before has forgotten it.
func (r *runner) wake() {
	next := make(chan struct{})
	close(*r.expects.Swap(&next))
}

func (r *runner) drain() { r.once.Do(func() { close(r.stop) }) }

// close cancels what still runs, and waits for the slots: those of accepted jobs hear of
// the end by the node's context.
func (r *runner) close(ctx context.Context) {
	r.drain()
	for _, run := range r.all() {
		run.leave(causeStopped)
	}
	awaitFor(ctx, &r.done)
}

// closeLimit is how long the end waits for who may wait for an engine that is silent.
const closeLimit = 3 * time.Second

// awaitFor waits for goroutines, but not for long: what hangs ends with the process.
func awaitFor(ctx context.Context, all *sync.WaitGroup) {
	done := make(chan struct{})
	go func() {
		all.Wait()
		close(done)
	}()
	select {
	case <-done:
	case <-time.After(closeLimit):
	case <-ctx.Done():
	}
}

func (r *runner) all() (all []*run) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, run := range r.runs {
		all = append(all, run)
	}
	return all
}

// idle is for how long a slot has asked in vain, ns.
func (r *runner) idle(now int64) (longest int64) {
	for i := range r.asks {
		if since := r.asks[i].Load(); since != 0 {
			longest = max(longest, now-since)
		}
	}
	return longest
}

// syncQueues are the consumers of jobs whose clients wait; none while there is no engine.
func (r *runner) syncQueues() (queues []string) {
	s := r.n.store.Load()
	if s == nil || !r.n.up.Load() {
		return nil
	}
	for _, class := range s.routeClasses(r.turn.Add(1)) {
		queues = append(queues, consumer(s.version, class))
	}
	return queues
}

// pause waits a moment after a refusal, which would come again at once.
func (r *runner) pause(m *nats.Msg) {
	if m.Header.Get("Status") != "408" {
		r.pauseFor(reconnectWait)
	}
}

func (r *runner) pauseFor(d time.Duration) {
	select {
	case <-r.stop:
	case <-time.After(d):
	}
}

// giveBack returns what has come to a slot that runs nothing any more.
func (r *runner) giveBack(messages chan *nats.Msg) {
	select {
	case m := <-messages:
		_ = m.Nak()
	default:
	}
}

// run begins a job, if its origin allows it, and returns when it has ended. What comes to
// messages meanwhile is given back.
func (r *runner) run(m *nats.Msg, messages chan *nats.Msg) {
	id, ok := idOf(m.Subject)
	origin := m.Header.Get(fieldReply)
	message, err := job.ParseMessage(m.Data)
	if !ok || origin == "" || err != nil {
		r.unread("a message", err)
		_ = m.NakWithDelay(beginWait)
		return
	}
	if s := r.n.store.Load(); s == nil || lineIn(m.Subject) != line(s.version) { // it was asked for before a reload
		_ = m.Nak()
		return
	}
	select {
	case <-r.stop:
		_ = m.Nak()
		return
	default:
	}
	attempt, err := r.n.askBegin(origin, id)
	if err != nil {
		r.n.cfg.Log.Debugf("jobs: %v", err)
		return // it is delivered again
	}
	limited := r.n.limited(classOf(m.Subject))
	if attempt == 0 || !limited {
		_ = m.Ack()
	}
	if attempt == 0 {
		return
	}
	r.n.counts.pulled.Add(1)
	r.n.counts.in.Add(int64(len(m.Data)))
	run := newRun(r, id, attempt, origin)
	run.timeout, _ = time.ParseDuration(m.Header.Get(fieldTimeout))
	if limited { // the engine lets no more begin than are not acknowledged
		run.held = m
		defer func() { _ = m.Ack() }()
	}
	length, _ := strconv.ParseInt(m.Header.Get(fieldBody), 10, 64)
	run.begin(&message, length)
	r.await(run, messages)
}

// unread says that a message is not for this node. Of those of another format there may be
// many, and each comes again.
func (r *runner) unread(what string, err error) {
	if errors.Is(err, job.ErrFormat) && r.otherFormat.Swap(true) {
		return
	}
	r.n.cfg.Log.Errorf("jobs: %s is left to other nodes: %v", what, err)
}

// renew says that what is held goes on: else it would be delivered again.
func (r *runner) renew() {
	for _, run := range r.all() {
		if run.held != nil {
			_ = run.held.InProgress()
		}
	}
}

// recount tells other nodes how much of their answers was sent: where the last frames that
// credit allowed were lost, no later one would show it.
func (r *runner) recount() {
	for _, run := range r.all() {
		if run.origin != r.n.name {
			run.tell(&job.Word{Kind: job.Count})
		}
	}
}

// await returns when a job has ended, or after the end of this node. What comes meanwhile is
// given back.
func (r *runner) await(run *run, messages chan *nats.Msg) (came bool) {
	ended := r.n.ctx.Done()
	var over <-chan time.Time
	for {
		select {
		case <-run.done:
			if run.refused {
				r.pauseFor(reconnectWait) // or it would come again at once
			}
			return came
		case m := <-messages:
			if came = true; m.Header.Get("Status") == "" {
				_ = m.Nak()
			}
		case <-ended:
			ended, over = nil, time.After(endMoment)
		case <-over: // it lies where no worker is left that takes it
			return came
		}
	}
}

// endMoment is how long a node that ends waits for the end of what it has cancelled.
const endMoment = 500 * time.Millisecond

func (r *runner) hear(w *job.Word) {
	r.mu.Lock()
	run := r.runs[w.ID]
	r.mu.Unlock()
	if run == nil || run.attempt != w.Attempt {
		return
	}
	if w.Kind == job.Cancel {
		run.leave(causeCancelled)
	} else {
		run.grant(w.N)
	}
}

// ofNobody stands for the origin of accepted jobs: nobody waits for them.
const ofNobody = "accepted"

// forOthers names, by origin, what runs here for other nodes.
func (r *runner) forOthers() map[string][]string {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := map[string][]string{}
	for id, run := range r.runs {
		if run.origin != r.n.name {
			all[run.origin] = append(all[run.origin], id.String())
		}
	}
	for id := range r.works {
		all[ofNobody] = append(all[ofNobody], id.String())
	}
	for id := range r.claims {
		if r.works[id] == nil {
			all[ofNobody] = append(all[ofNobody], id.String())
		}
	}
	return all
}

// lookAtOrigins cancels what runs for nodes of which nothing is heard.
func (r *runner) lookAtOrigins(dead func(node string) bool) {
	for _, run := range r.all() {
		if run.origin != r.n.name && dead(run.origin) {
			run.leave(causeCancelled)
		}
	}
}

func (r *runner) register(run *run) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.runs[run.id] = run
}

func (r *runner) unregister(run *run) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.runs[run.id] == run {
		delete(r.runs, run.id)
	}
}

// working is how many accepted jobs run here.
func (r *runner) working() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.works)
}

// Busy is how many jobs of clients that wait run here.
func (n *Node) Busy() int {
	n.runner.mu.Lock()
	defer n.runner.mu.Unlock()
	return len(n.runner.runs)
}

var _ sched.Answer = (*run)(nil)
