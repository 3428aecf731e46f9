package sched

import (
	"hash/maphash"
	"math/bits"
	"sync"
	"sync/atomic"

	"girin/internal/metrics"
	"girin/internal/wire"
)

const (
	routeSets = 512 // a power of two
	routeWays = 8   // their hashes are one cache line
)

// routes is a table of a bounded number of routes: a cache of sets, in each of which
// the least used goes when another comes. Whatever clients ask for, it learns of what
// the application has:
//
//   - a path that is answered with 404, and never with anything else, leaves the table
//     with its answer, and all such share one entry;
//   - of a parent with very many children, each used once or twice, those that come
//     later share one: "/posts/*". Who is used more keeps its own;
//   - a route under load stays: what is used often takes long to cool.
//
// Lookups take no lock.
type routes struct {
	seed    maphash.Seed
	sets    [routeSets]routeSet
	missing Route // what is not there
	other   Route // what finds no place for the moment
	// strangers are the outcomes of the last new paths, a bit each: 1 is a 404.
	strangers atomic.Uint32
	folded    atomic.Pointer[map[uint64]bool] // parents whose children share one

	mu       sync.Mutex
	children map[uint64]int // guarded by mu: how many proven routes a parent has here
	gone     metrics.Sums   // guarded by mu: of the routes that have left
}

type routeSet struct {
	hashes [routeWays]atomic.Uint64
	routes [routeWays]atomic.Pointer[Route]
	came   uint8 // guarded by routes.mu: how many have come, to cool the others now and then
}

func (t *routes) set(h uint64) *routeSet { return &t.sets[h>>32%routeSets] }

const (
	// hot is what a route's heat is at most. It cools by one when coolEvery others have
	// come into its set, so that it takes many of those, and no use, before it goes.
	hot       = 200
	coolEvery = 8
	// warm routes are not driven out by one that is new.
	warm = hot / 2
	// foldFrom is how many children of a parent are many, if most of them are cold:
	// used coldUses times at most.
	foldFrom = 64
	coldUses = 2
	// foldedMost bounds the parents; beyond it their children come and go.
	foldedMost = 256
	// Of the last 32 new paths so many must have been missing for the next to be
	// taken for missing, too.
	missingMost = 24
)

func (t *routes) init() {
	t.seed = maphash.MakeSeed()
	t.other.name, t.other.shared = "other", true
	t.other.known.Store(uint32(wire.Slow))
	t.missing.name = "404"
	t.missing.known.Store(uint32(wire.Slow))
	t.folded.Store(&map[uint64]bool{})
	t.children = map[uint64]int{}
}

// find returns the route of a request.
func (t *routes) find(method, path []byte) *Route {
	h, parent := t.hash(method, path, nil)
	if r := t.at(h); r != nil {
		return r
	}
	name := func() string { return string(method) + " " + pattern(path) }
	if folded := *t.folded.Load(); len(folded) > 0 {
		if fh, fp := t.hash(method, path, folded); fh != h {
			h, parent = fh, fp
			if r := t.at(h); r != nil {
				return r
			}
			name = func() string { return string(method) + " " + t.foldedPattern(method, path, folded) }
		}
	}
	return t.add(h, parent, name)
}

// at is the route with a hash, if it is there.
func (t *routes) at(h uint64) *Route {
	set := t.set(h)
	for i := range set.hashes {
		if set.hashes[i].Load() == h {
			if r := set.routes[i].Load(); r != nil && r.hash == h {
				return r
			}
		}
	}
	return nil
}

// add makes a route, and takes the place of another if need be.
func (t *routes) add(h, parent uint64, name func() string) *Route {
	t.mu.Lock()
	defer t.mu.Unlock()
	if r := t.at(h); r != nil {
		return r // somebody was quicker
	}
	set := t.set(h)
	i, ok := t.victimLocked(set)
	if !ok {
		return &t.other
	}
	r := &Route{hash: h, parent: parent, name: name()}
	r.known.Store(uint32(wire.Slow))
	if bits.OnesCount32(t.strangers.Load()) >= missingMost {
		r.known.Store(t.missing.known.Load())
	}
	set.routes[i].Store(r)
	set.hashes[i].Store(h)
	return r
}

// victimLocked frees a place in a set: one that is empty, or the coldest one's; not
// ok: all are warm. Those that stay cool down a little.
func (t *routes) victimLocked(set *routeSet) (i int, ok bool) {
	coldest, least := 0, uint32(1<<32-1)
	set.came++
	for i := range set.routes {
		r := set.routes[i].Load()
		if r == nil {
			return i, true
		}
		heat := r.heat.Load()
		if heat < least {
			coldest, least = i, heat
		}
		if heat > 0 && set.came%coolEvery == 0 {
			r.heat.Store(heat - 1)
		}
	}
	if least >= warm {
		return 0, false
	}
	t.removeLocked(set, coldest)
	return coldest, true
}

func (t *routes) removeLocked(set *routeSet, i int) {
	r := set.routes[i].Load()
	set.hashes[i].Store(0)
	set.routes[i].Store(nil)
	t.gone.Add(r.sums.now())
	if !r.proven.Load() {
		return
	}
	if t.children[r.parent]--; t.children[r.parent] <= 0 {
		delete(t.children, r.parent)
	}
}

// whose is the route that an answer counts for: of a path that is not there, the one
// that all such share.
func (t *routes) whose(r *Route, missing bool) *Route {
	if missing && !r.shared && !r.proven.Load() {
		return &t.missing
	}
	return r
}

// answered notes how the application has answered a route's request, and returns the
// route whose time it was.
func (t *routes) answered(r *Route, missing bool) *Route {
	if !r.proven.Load() && !r.shared {
		t.strangers.Store(t.strangers.Load()<<1 | uint32(bit(missing)))
		if missing {
			t.forget(r)
			return t.whose(r, missing)
		}
		t.prove(r)
	}
	if heat := r.heat.Load(); heat < hot {
		r.heat.Store(heat + 1)
	}
	return r
}

// forget takes a route out that is not the application's.
func (t *routes) forget(r *Route) {
	t.mu.Lock()
	defer t.mu.Unlock()
	set := t.set(r.hash)
	for i := range set.routes {
		if set.routes[i].Load() == r && !r.proven.Load() {
			t.removeLocked(set, i)
		}
	}
}

// prove notes that a route is the application's.
func (t *routes) prove(r *Route) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if r.proven.Load() || t.at(r.hash) != r {
		r.proven.Store(true)
		return
	}
	r.proven.Store(true)
	if t.children[r.parent]++; t.children[r.parent] >= foldFrom && !(*t.folded.Load())[r.parent] {
		t.foldLocked(r.parent)
	}
}

// foldLocked lets the children of a parent share one route from now on, if most are
// cold; those leave the table.
func (t *routes) foldLocked(parent uint64) {
	type place struct {
		set *routeSet
		i   int
	}
	var cold []place
	all := 0
	for s := range t.sets {
		set := &t.sets[s]
		for i := range set.routes {
			if r := set.routes[i].Load(); r != nil && r.proven.Load() && r.parent == parent {
				all++
				if r.seen.Load() <= coldUses {
					cold = append(cold, place{set, i})
				}
			}
		}
	}
	old := *t.folded.Load()
	if 2*len(cold) < all || len(old) >= foldedMost {
		return
	}
	now := make(map[uint64]bool, len(old)+1)
	for p := range old {
		now[p] = true
	}
	now[parent] = true
	t.folded.Store(&now)
	for _, p := range cold {
		t.removeLocked(p.set, p.i)
	}
}

// visit calls a function for each route.
func (t *routes) visit(f func(r *Route)) {
	for s := range t.sets {
		for i := range t.sets[s].routes {
			if r := t.sets[s].routes[i].Load(); r != nil {
				f(r)
			}
		}
	}
	if t.missing.seen.Load() > 0 {
		f(&t.missing)
	}
}

func bit(b bool) int {
	if b {
		return 1
	}
	return 0
}
