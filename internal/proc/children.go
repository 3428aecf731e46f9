package proc

import (
	"fmt"
	"sync"
)

// children are the processes whose end is somebody's to wait for: whoever
// started or adopted one. The reaper takes only the others.
type children struct {
	mu     sync.Mutex
	pids   map[int]bool  // guarded by mu
	coming int           // guarded by mu: starts under way, whose process ids are not known yet
	look   chan struct{} // has room for one: the reaper may see more than before
}

func newChildren() children {
	return children{pids: map[int]bool{}, look: make(chan struct{}, 1)}
}

// add knows the child that begin makes before the reaper can take it. No lock
// is held meanwhile: to begin may take as long as another process wants.
func (c *children) add(begin func() (pid int, err error)) (pid int, err error) {
	c.mu.Lock()
	c.coming++
	c.mu.Unlock()
	pid, err = begin()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.coming--
	if err == nil {
		c.pids[pid] = true
	}
	c.lookAgain()
	return pid, err
}

// forget is told that a child was waited for.
func (c *children) forget(pid int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.pids, pid)
	c.lookAgain()
}

func (c *children) lookAgain() {
	select {
	case c.look <- struct{}{}:
	default:
	}
}

// mayAdopt refuses a process id that is no child of ours, or somebody's already:
// it would be signalled, 1 even as kill(-1), and waited for.
func (c *children) mayAdopt(pid int) error {
	c.mu.Lock()
	known := c.pids[pid]
	c.mu.Unlock()
	if pid <= 1 || known || !isChild(pid) {
		return fmt.Errorf("process %d is no child that can be adopted", pid)
	}
	return nil
}
