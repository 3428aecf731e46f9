package sched

import (
	"sync"
	"sync/atomic"
	"time"

	"girin/internal/wire"
)

// What counts as quick and as slow: a finished answer may wait for a quick
// request's, and a thread switch (10 to 60 us) is little beside a slow one.
const (
	quickBelow = uint32(time.Millisecond / time.Microsecond)
	slowFrom   = uint32(2 * time.Millisecond / time.Microsecond)
)

const (
	recentTimes = 32
	recentCPU   = 16
	recentWaits = 16
	waitsEvery  = 8 // of a route's requests one in so many tells how long it was queued
)

// Route is a method and a path pattern, and what its requests needed lately.
// Service time is counted from when a thread began a request, never with the
// time it was queued.
type Route struct {
	// What a request looks at comes first: each line of memory that answers write costs
	// it as much as a lock.
	hash   uint64
	known  atomic.Uint32 // wire.RequestFlags
	seen   atomic.Uint32
	long   atomic.Bool // the last one was not quick
	heavy  atomic.Bool // its requests compute
	blocks atomic.Bool // of those: they hold their event loop and need no core
	lasts  atomic.Bool // its answers are streams that last
	shared bool        // many routes' times say nothing of the next: it stays slow

	proven atomic.Bool   // the application has answered it with something else than 404
	heat   atomic.Uint32 // how much it is used: see routes.victimLocked
	parent uint64        // the hash of its path without the last segment
	name   string
	sums   sums
	waits  [recentWaits]atomic.Uint32 // us in the queue, a ring of samples
	recent [recentTimes]atomic.Uint32 // us, a ring
	heldAt atomic.Int64               // ns, when it was last told that one held its event loop

	measured atomic.Uint32
	cpu      [recentCPU]atomic.Uint32 // us, a ring
	computed atomic.Uint32
	shares   [recentCPU]atomic.Uint32 // percent of a core that requests used on the compute lane, a ring

	mu    sync.Mutex
	score int // guarded by mu: how heavy the last ones were

	// Guarded by auto.mu.
	limiter limiter
	pending []*Call
}

// Name is the method and the pattern: "GET /sleep/*".
func (r *Route) Name() string { return r.name }

// flags says what is known: Quick, Slow or neither. A new route counts as slow,
// so that its first requests hold up nobody.
func (r *Route) flags() wire.RequestFlags { return wire.RequestFlags(r.known.Load()) }

// observe notes a service time and how long the request was queued, in microseconds.
func (r *Route) observe(us, wait uint32) {
	if r.shared {
		return
	}
	n := r.seen.Add(1) - 1
	if n%waitsEvery == 0 {
		r.waits[n/waitsEvery%recentWaits].Store(wait)
	}
	r.recent[n%recentTimes].Store(us)
	if long := us >= quickBelow; r.long.Load() != long {
		r.long.Store(long)
	}
	if n < recentTimes || n%8 == 0 || us >= quickBelow {
		r.known.Store(uint32(r.classify(min(n+1, recentTimes))))
	}
}

// heavyFrom is from how much CPU time on a request computes: beside it, in one
// process, no other request would be answered in good time.
const heavyFrom = uint32(5 * time.Millisecond / time.Microsecond)

// measureOften is how many requests of a route are measured before its quick
// ones are only sampled, one in measureEvery: reading the clock twice costs about 1 us.
const (
	measureOften = 16
	measureEvery = 64
)

// kind says how to place the route's next request. One of which nothing is
// known may wait for long: so many of them run at once as of those that do.
func (r *Route) kind() kind {
	switch {
	case r.heavy.Load():
		return computing
	case r.flags() == wire.Slow && !r.shared:
		return waiting
	}
	return light
}

// wantsCPU reports whether the next request's CPU time should be measured: for a
// quick route that of one in so many, and of the one after one that was long.
func (r *Route) wantsCPU() bool {
	n := r.seen.Load()
	return n < measureOften || n%measureEvery == 0 || r.flags() != wire.Quick || r.long.Load()
}

// A route is judged by a score that a heavy request raises by heavyStep and any
// other lowers by one, so that a quarter of heavy ones keeps it where it is: it
// is Page's test for a change (CUSUM, 1954). At the top the route is heavy, at
// the bottom it is not, between them it stays what it was. Nothing being known,
// one heavy request decides; later it takes five in a row, or fifteen others
// for the way back. One heavy request in ten, a slow miss of a cache, looks
// like more than a quarter for about 2 % of the time.
const (
	heavyStep   = 3
	heavyTop    = 3
	heavyBottom = -12
)

// observeCPU notes a CPU time in microseconds.
func (r *Route) observeCPU(us uint32) {
	n := r.measured.Add(1) - 1
	r.cpu[n%recentCPU].Store(us)
	r.mu.Lock()
	defer r.mu.Unlock()
	if us >= heavyFrom {
		r.score = min(r.score+heavyStep, heavyTop)
	} else {
		r.score = max(r.score-1, heavyBottom)
	}
	switch r.score {
	case heavyTop:
		r.heavy.Store(true)
	case heavyBottom:
		r.heavy.Store(false)
	}
}

// classify judges by the last n times: slow if half were, quick if three
// quarters were. A few long ones do not count against a route: on a busy machine
// any thread may lose its core for some milliseconds, and if a request trusted
// to be quick is not, the watcher sees to what waits for it (lookAtQuick).
func (r *Route) classify(n uint32) wire.RequestFlags {
	var long, slow uint32
	for i := range n {
		us := r.recent[i].Load()
		if us >= quickBelow {
			long++
		}
		if us >= slowFrom {
			slow++
		}
	}
	switch {
	case 2*slow >= n:
		return wire.Slow
	case 4*long < n:
		return wire.Quick
	}
	return 0
}
