// Package guard keeps what runs for the server's whole life: loops such as the
// scheduler's watcher or the front's sweeper. A panic in one of them must not
// end the service silently, nor leave a server that accepts requests and looks
// after none. The part is started again; if that does not help, the server
// finishes what runs and ends with a status, for whoever restarts it.
package guard

import (
	"fmt"
	"runtime/debug"
	"sync"
	"time"
)

// Logger is told what happened.
type Logger interface {
	Criticalf(format string, args ...any)
}

// Guard keeps the parts of one server. A nil Guard only runs them, so that a
// panic in a test is the test's failure.
type Guard struct {
	Log Logger
	// End is told, once, that the server cannot go on. It must not block.
	End func(why string)

	end      sync.Once
	mu       sync.Mutex
	restarts map[string]int // guarded by mu: by part
}

// Part is one loop.
type Part struct {
	Name string
	Run  func() // returns when the part is told to stop
	// Sound reports, after a panic, whether the part can begin again with what
	// it left behind: no lock is held for ever. Nil: it always can.
	Sound func() bool
}

// A part that panics more often than restartsMost times within restartsWithin
// does so for a reason that stays.
const (
	restartsMost   = 3
	restartsWithin = time.Minute
)

// Keep runs a part until it returns, or until the server has to end because the
// part cannot be kept.
func (g *Guard) Keep(p Part) {
	if g == nil {
		p.Run()
		return
	}
	var panics []time.Time
	for {
		if g.ran(&p) {
			return
		}
		now := time.Now()
		for len(panics) > 0 && now.Sub(panics[0]) > restartsWithin {
			panics = panics[1:]
		}
		panics = append(panics, now)
		switch {
		case len(panics) > restartsMost:
			g.giveUp(fmt.Sprintf("%s failed %d times within %v", p.Name, len(panics), restartsWithin))
			return
		case p.Sound != nil && !p.Sound():
			g.giveUp(p.Name + " failed, and left a lock behind")
			return
		}
		g.note(p.Name)
	}
}

// ran runs the part once, and reports whether it returned.
func (g *Guard) ran(p *Part) (returned bool) {
	defer func() {
		if v := recover(); v != nil {
			g.Log.Criticalf("panic in %s: %v\n%s", p.Name, v, debug.Stack())
		}
	}()
	p.Run()
	return true
}

func (g *Guard) giveUp(why string) {
	g.end.Do(func() {
		g.Log.Criticalf("The server finishes what runs and ends: %s", why)
		g.End(why)
	})
}

func (g *Guard) note(part string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.restarts == nil {
		g.restarts = map[string]int{}
	}
	g.restarts[part]++
	g.Log.Criticalf("%s is started again", part)
}

// Restarts is how often each part was started again.
func (g *Guard) Restarts() map[string]int {
	if g == nil {
		return nil
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	counts := make(map[string]int, len(g.restarts))
	for part, n := range g.restarts {
		counts[part] = n
	}
	return counts
}
