package front

import (
	"sync"
	"time"
)

// proxyClock judges whether the times that a proxy tells make sense. Where its
// clock is wrong by half a minute, every request would be too late before it
// began. Of a right clock some requests come at once, whatever others wait for:
// none of those in many means that the clock is wrong, or that hardly anybody
// still waits for an answer.
type proxyClock struct {
	mu    sync.Mutex
	fresh int64 // guarded by mu: ns, when a request last came at once; 0: none has
	since int   // guarded by mu: requests after it
	told  bool  // guarded by mu: the log has it
	ahead int64 // guarded by mu: ns, of this machine's wall clock before its monotonic one, when fresh was set
}

const (
	// freshAge is the age up to which a request came at once.
	freshAge = time.Second
	// unprovenAge is what is believed of a clock before any request came at once,
	// oldestStart of one that is right: no client waits longer.
	unprovenAge = 5 * time.Second
	oldestStart = 60 * time.Second
	// doubts is how many requests in a row may not come at once; those of a
	// clock that was right must also have taken doubtTime.
	doubts    = 20
	doubtTime = 30 * time.Second
)

// judge reports whether an age is believed, and whether to tell that the clock
// no longer is. wall is this machine's own, in ns: where that was set, what is known of
// the proxy's says nothing any more.
func (c *proxyClock) judge(age time.Duration, now, wall int64) (believed, tell bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	ahead := wall - now
	if -freshAge < age && age < freshAge {
		c.fresh, c.since, c.told, c.ahead = now, 0, false, ahead
		return age >= 0, false
	}
	if max(ahead-c.ahead, c.ahead-ahead) > int64(freshAge) {
		c.fresh = 0
	}
	c.since++
	most, wrong := unprovenAge, c.since > doubts
	if c.fresh != 0 {
		most = oldestStart
		wrong = wrong && now-c.fresh > int64(doubtTime)
	}
	if wrong {
		tell = !c.told
		c.told = true
		return false, tell
	}
	return 0 <= age && age <= most, false
}

// proxyClocks are those of all proxies, by address.
type proxyClocks struct {
	mu sync.Mutex
	by map[string]*proxyClock // guarded by mu
}

// proxiesMost is how many addresses are remembered.
const proxiesMost = 1000

func (p *proxyClocks) of(addr string) *proxyClock {
	p.mu.Lock()
	defer p.mu.Unlock()
	if c := p.by[addr]; c != nil {
		return c
	}
	if p.by == nil || len(p.by) >= proxiesMost {
		p.by = map[string]*proxyClock{}
	}
	c := &proxyClock{}
	p.by[addr] = c
	return c
}
