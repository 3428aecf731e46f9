package sched

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"girin/internal/wire"
)

// Auto is what the class auto needs: requests wait in order of what their
// routes need, and workers take roles.
//
//	light      quick requests: at once to the main lane
//	waiting    long, but little CPU: to the main lane, as many at once as the
//	           route bears (see limiter); also what is not known (see widen)
//	computing  much CPU: to the compute lane, one per core, one per process, or
//	           more if they leave cores idle (see overlap) or there is no GIL
//	           (see perProcess)
//
// Workers in the compute role read the compute lane only, so a computing
// request has its process to itself; of the others at least one reads the main
// lane (see mainReaders), and no light request meets a computing one.
type Auto struct {
	Compute Lane
	Cores   int
	Workers int // to begin with
	Most    int // workers at most
	Threads int // waiting requests at once in the whole server
	// MemoryLeft is how many bytes more processes may take, if that is known.
	MemoryLeft func() (bytes int64, known bool)
	// Resize asks for so many workers. It must not wait for them.
	Resize func(workers int, why string)
	// Decided is told of each decision, with the numbers it was made from.
	Decided func(text string)
}

// Lanes as bits of a worker's selection.
const (
	mainLane    = 1
	computeLane = 2
)

// AutoWorker is a worker that can change its role.
type AutoWorker interface {
	Worker
	Select(lanes uint32)
	CPU() time.Duration // of the process so far
	Runnable() bool     // one of its threads runs or could
	Background(on bool) // its threads make way for others
	Memory() int64      // bytes that the process has to itself
}

// kind is what a call was placed as.
type kind uint8

const (
	light kind = iota
	waiting
	computing
)

func (k kind) String() string { return [...]string{"light", "waiting", "computing"}[k] }

// auto places calls by what their routes need.
type auto struct {
	q       *Queue
	cfg     Auto
	compute *line
	kick    chan struct{}
	loops   atomic.Int32 // so many event loops to begin with; 0: the workers are none
	single  atomic.Bool  // there is one worker, whatever the load
	roles   roles        // of the manager's goroutine

	mu      sync.Mutex
	slots   int      // guarded by mu: computing requests that may run
	loopful int      // guarded by mu: those, and such that need no core
	shares  bool     // guarded by mu: several of them in a process, which has no GIL
	idle    bool     // guarded by mu: cores were, at the last looks
	extra   int      // guarded by mu: how many more if they share processes (see overlap)
	busy    int      // guarded by mu: computing requests that have a slot
	blocks  int      // guarded by mu: of those, such that need no core
	queue   []*Call  // guarded by mu: computing requests without one
	waiting int      // guarded by mu: waiting requests on the lane or running
	room    int      // guarded by mu: how many of those the workers have threads for
	probes  bool     // guarded by mu: what nothing is known of has a loop to itself: see prober
	blocked []*Route // guarded by mu: routes with pending calls, in turn
	letIn   int64    // guarded by mu: when one of those last went to the main lane though it was crowded

	lanes map[Worker]uint32 // guarded by mu: what each worker was told to read
}

func newAuto(q *Queue, cfg Auto) *auto {
	return &auto{q: q, cfg: cfg, compute: newLine(q, cfg.Compute), kick: make(chan struct{}, 1), roles: newRoles(), lanes: map[Worker]uint32{}}
}

// place puts a call where its route belongs.
func (a *auto) place(c *Call, id uint64, now int64) {
	switch c.kind {
	case waiting:
		a.placeWaiting(c, id, now)
	case computing:
		a.placeComputing(c, id, now)
	default:
		if a.letsPass(c) {
			c.kind = waiting
			a.placeWaiting(c, id, now)
			return
		}
		a.send(a.q.main, c, id, now)
	}
}

// placeWaiting sends a call if its route and the server have room for one more
// thread that waits.
func (a *auto) placeWaiting(c *Call, id uint64, now int64) {
	r := c.Route
	a.mu.Lock()
	c.computes = false
	if r.limiter.asked == 0 {
		r.limiter.asked, r.limiter.untried = now, 1
	}
	if len(r.pending) > 0 || !a.roomLocked(c) || a.crowded(c, a.q.main.lane.Unread()) {
		if r.pending = append(r.pending, c); len(r.pending) == 1 {
			a.blocked = append(a.blocked, r)
		}
		known := c.yields || r.limiter.known()
		a.mu.Unlock()
		a.kept(c, id)
		if !known {
			a.wake()
		}
		return
	}
	a.takeLocked(c)
	l := a.waitingLineLocked(c)
	a.mu.Unlock()
	if !a.send(l, c, id, now) {
		a.feedWaiting()
	}
	if l != a.q.main || a.q.alone.on.Load() {
		a.wake()
	}
}

// kept is told of a call that was put into one of the lists.
func (a *auto) kept(c *Call, id uint64) {
	if !c.in(id, kept) {
		a.q.keeper.wake() // it was recalled before it was to be found there
	}
}

// roomLocked reports whether there is a thread for a waiting call. The limiter has no
// say in what may hold one for days, as sockets do: it measures routes by requests that
// end. Event loops have room for all once something is known, be it from when the route was light.
func (a *auto) roomLocked(c *Call) bool {
	if l := &c.Route.limiter; a.hasLoops() {
		return a.waiting < a.room && (c.mayTunnel() || c.yields || l.known() || !l.full())
	}
	return (c.mayTunnel() || !c.Route.limiter.full()) && a.waiting < min(a.room, a.cfg.Threads)
}

// waitingUnread is how many bytes may lie unread in the main lane when a waiting
// request is put there: a crowd of them, each of which needs a thread, would keep
// light ones waiting. The watcher lets the next ones in.
const waitingUnread = 4 << 10

// crowdedMost is for how long they are kept from it at most. Then one is let in each tick.
const crowdedMost = 100 * time.Millisecond

// loopUnread is how many of those that wait as coroutines may lie there for each loop: a loop
// reads one of them in each of its turns, in which it also goes on with others.
const loopUnread = 512

// crowded reports whether a waiting call must let others go first, while so much lies unread.
func (a *auto) crowded(c *Call, unread int) bool {
	if c.yields {
		return unread > loopUnread*int(a.loops.Load())
	}
	return unread > waitingUnread
}

// shortLocked reports whether requests wait for want of threads alone. Of many that end
// soon some have just done so at each look, and the next have not been let in.
func (a *auto) shortLocked() bool {
	return len(a.blocked) > 0 && a.waiting >= a.room-a.room/8 && a.room < a.cfg.Threads
}

func (a *auto) takeLocked(c *Call) {
	if !c.mayTunnel() {
		c.Route.limiter.take()
	}
	a.waiting++
	c.slot = true
}

// placeComputing sends a call if a slot is free, and otherwise keeps it in the
// order of arrival: with equal jobs that halves mean latency against sharing
// the cores.
func (a *auto) placeComputing(c *Call, id uint64, now int64) {
	a.mu.Lock()
	c.computes = true
	if len(a.queue) == 0 && a.slotLocked(c) {
		a.computeLocked(c)
		a.mu.Unlock()
		if !a.send(a.compute, c, id, now) {
			a.feedComputing()
		}
		return
	}
	a.queue = append(a.queue, c)
	full := a.slots >= a.cfg.Cores
	a.mu.Unlock()
	a.kept(c, id)
	if !full {
		a.wake()
	}
}

// slotLocked reports whether there is a slot for a computing request.
func (a *auto) slotLocked(c *Call) bool {
	if c.Route.blocks.Load() {
		return a.busy < a.loopful
	}
	busy := a.busy - a.blocks
	return busy < a.slots && a.busy < a.loopful || busy < a.slots+a.extra && c.Route.overlaps()
}

// computeLocked gives the call a slot. It keeps leadership, so that its process
// runs no other, unless that has no GIL or its kind may share one.
func (a *auto) computeLocked(c *Call) {
	a.busy++
	if c.slot, c.blocks = true, c.Route.blocks.Load(); c.blocks {
		a.blocks++
	}
	c.keepsLeadership(!a.shares && (a.extra == 0 || !c.Route.overlaps()))
}

// reads is which lanes a worker reads.
func (a *auto) reads(w Worker) uint32 {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.lanes[w]
}

// undisturbed reports whether what ran on w had the CPU when it wanted it.
func (a *auto) undisturbed(w Worker) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.idle && a.extra == 0 && a.lanes[w] == computeLane
}

// unread reports whether something waits on the compute lane for a worker that
// reads the main lane too.
func (a *auto) unread() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, lanes := range a.lanes {
		if lanes == mainLane|computeLane {
			return a.compute.lane.Unread() > 0
		}
	}
	return false
}

// choose tells a worker which lanes to read, of two for now the compute lane alone.
func (a *auto) choose(w AutoWorker, lanes uint32, first bool) {
	a.mu.Lock()
	a.lanes[w] = lanes
	a.mu.Unlock()
	if first {
		lanes = computeLane
	}
	w.Select(lanes)
}

// wake makes the manager look now.
func (a *auto) wake() {
	select {
	case a.kick <- struct{}{}:
	default:
	}
}

// takeRecalled takes out what nobody waits for.
func (a *auto) takeRecalled() (out []*Call) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.queue = withoutRecalled(a.queue, &out)
	a.blocked = slices.DeleteFunc(a.blocked, func(r *Route) bool {
		r.pending = withoutRecalled(r.pending, &out)
		return len(r.pending) == 0
	})
	return out
}

// observe notes what a route needed.
func (a *auto) observe(c *Call, w Worker, f *wire.Frame, failed bool) {
	r := c.Route
	if f.CPU != wire.NotMeasured && c.kind == computing && a.undisturbed(w) {
		r.observeShare(f.CPU, f.Service)
	}
	if c.kind != waiting || c.yields {
		return // loops have no limit for what is known to wait
	}
	a.mu.Lock()
	before, known := r.limiter.now(), r.limiter.known()
	r.limiter.observe(f.Service, int64(f.Began)+int64(f.Service)*1000, failed, a.cfg.Threads)
	after := r.limiter.now()
	a.mu.Unlock()
	if known && after != before {
		a.decided("%s: up to %d at once instead of %d (%s)", r.name, after, before, r.limiter.why)
	}
	if after > before {
		a.feedWaiting()
	}
}
