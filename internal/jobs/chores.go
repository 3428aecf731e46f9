package jobs

import "sync"

// chores are what those who serve clients leave for another goroutine to do. There is at
// most one for each call.
type chores struct {
	mu     sync.Mutex
	cond   *sync.Cond
	list   []func() // guarded by mu
	closed bool     // guarded by mu
}

func newChores() *chores {
	c := new(chores)
	c.cond = sync.NewCond(&c.mu)
	return c
}

func (c *chores) add(do func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.list = append(c.list, do)
	c.cond.Signal()
}

func (c *chores) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	c.cond.Signal()
}

// run does them until close, and then those that are left.
func (c *chores) run() {
	for {
		c.mu.Lock()
		for len(c.list) == 0 && !c.closed {
			c.cond.Wait()
		}
		list, closed := c.list, c.closed
		c.list = nil
		c.mu.Unlock()
		for _, do := range list {
			do()
		}
		if closed {
			return
		}
	}
}
