package sched

import (
	"os"
	"sync"
	"syscall"

	"girin/internal/wire"
)

// Remote is what can run a call elsewhere than on this machine's workers, or answer it
// without any. It answers through Queue.Frame as a Worker, or gives the call back with
// Home or Lost. Its methods are called by whoever serves a client, and must not block.
type Remote interface {
	// Place takes a call. False: not now, and it runs here.
	Place(c RemoteCall) bool
	// Withdraw says that nobody waits for a call of which no frame has come. It is
	// still to be given back, from another goroutine.
	Withdraw(id uint64)
}

// RemoteCall is a call as a Remote sees it. Slices are valid until Place returns.
type RemoteCall struct {
	ID      uint64
	Route   string
	Form    wire.Form
	Base    uint8
	Window  uint32
	Environ []byte
	Body    []byte // the inline body
	Spooled bool   // the body is in a file: see Queue.RemoteBody
	Length  int64  // of the body
	Since   int64  // when it was submitted, ns of CLOCK_MONOTONIC
}

// placeRemote offers a call that is marked for it to the Remote, and reports whether
// that has taken it. If not it is kept, as before.
func (q *Queue) placeRemote(c *Call, id uint64) bool {
	c.line.Store(q.remote)
	c.sent.Store(c.submitted)
	if !q.step(c, id, place).done {
		return false
	}
	environ, body := c.packed()
	if q.cfg.Remote.Place(RemoteCall{
		ID: id, Route: c.Route.Name(), Form: c.Form, Base: c.Base, Window: c.window.Load(), Environ: environ, Body: body,
		Spooled: c.Spool != nil, Length: c.bodySize(), Since: c.submitted,
	}) {
		return true
	}
	return q.takenBack(c, id)
}

// takenBack makes a call that is with the Remote a kept one. True: there is nothing
// left to do, since nobody waits for it any more.
func (q *Queue) takenBack(c *Call, id uint64) bool {
	switch s := q.step(c, id, unplace); {
	case !s.done:
		return true
	case s.to == idle:
		q.ended(c, s)
		q.tellFailure(c, s, ErrCancelled)
		return true
	}
	return false
}

// packed returns a packed call's environ block and inline body, where they lie.
func (c *Call) packed() (environ, body []byte) {
	n := len(c.Request) - wire.RequestHead
	if c.flags&wire.InArena != 0 {
		return c.block[:n], c.block[n:c.size]
	}
	return c.packet[wire.RequestHead : wire.RequestHead+n], c.packet[wire.RequestHead+n:]
}

// atRemote reports whether the call was last placed with the Remote.
func (q *Queue) atRemote(c *Call) bool { return q.remote != nil && c.line.Load() == q.remote }

// withRemote finds a call that the Remote has.
func (q *Queue) withRemote(id uint64) *Call {
	if c := q.find(id); c != nil && q.atRemote(c) {
		return c
	}
	return nil
}

// Home runs a call here after all, that the Remote has and nobody else can have begun.
func (q *Queue) Home(id uint64) {
	c := q.withRemote(id)
	if c == nil || q.closed.Load() || q.takenBack(c, id) {
		return
	}
	q.place(c, id)
	q.watch.arm()
}

// Lost ends a call that the Remote has, and tells its answer the cause.
func (q *Queue) Lost(id uint64, cause error) {
	if c := q.withRemote(id); c != nil {
		q.fail(c, id, perish, cause)
	}
}

// Beside says that a call that the Remote has waits for something else than workers, until
// done: it leaves its place in the queue to others.
func (q *Queue) Beside() (done func()) {
	q.beside.Add(1)
	return sync.OnceFunc(func() { q.beside.Add(-1) })
}

// RemoteBody returns the file of a call that the Remote has, under a descriptor of its
// own; nil: nobody waits for the call any more.
func (q *Queue) RemoteBody(id uint64) *os.File {
	c := q.withRemote(id)
	if c == nil {
		return nil
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if c.spool == nil || c.id() != id {
		return nil
	}
	fd, err := dup(c.spool.OS())
	if err != nil {
		return nil
	}
	return os.NewFile(fd, "body")
}

func dup(f *os.File) (uintptr, error) {
	raw, err := f.SyscallConn()
	if err != nil {
		return 0, err
	}
	fd := -1
	if failed := raw.Control(func(from uintptr) {
		syscall.ForkLock.RLock()
		defer syscall.ForkLock.RUnlock()
		if fd, err = syscall.Dup(int(from)); err == nil {
			syscall.CloseOnExec(fd)
		}
	}); failed != nil {
		return 0, failed
	}
	return uintptr(fd), err
}
