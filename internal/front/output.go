package front

import (
	"errors"
	"sync"
	"syscall"
	"time"
	"unsafe"

	"girin/internal/sched"
)

// scratch is room for a head and a small body.
type scratch [16 << 10]byte

var scratches = sync.Pool{New: func() any { return new(scratch) }}

// output is what a client has not taken yet. All of it is under conn.mu.
type output struct {
	c     *conn
	busy  bool            // drain writes; others only append
	cut   bool            // end without the client thinking that it has all
	queue []byte          // waits for drain
	file  *sched.FileBody // follows the queue, and ends the response

	writing int // bytes that drain has taken from queue and not written
	write   func(fd uintptr) bool
	vec     [3]syscall.Iovec
	total   int
	n       int
	errno   syscall.Errno
}

func (o *output) init(c *conn) {
	o.c = c
	o.write = o.tryWrite
}

// waiting is how many bytes the client has not taken.
func (o *output) waiting() int { return len(o.queue) + o.writing }

func (o *output) clearLocked() {
	o.c.srv.queued.Add(-int64(len(o.queue)))
	o.queue = nil
}

// sendLocked writes head, body and end: at once what the socket takes, later
// the rest.
func (c *conn) sendLocked(head, body, end []byte) {
	if c.dead {
		return
	}
	o := &c.out
	total := len(head) + len(body) + len(end)
	if o.busy || total == 0 {
		o.appendLocked(0, head, body, end)
		return
	}
	if c.raw == nil {
		o.startLocked(0, head, body, end)
		return
	}
	if total <= cap(head) {
		head = append(append(head, body...), end...)
		body, end = nil, nil
	}
	o.set(head, body, end)
	if err := c.raw.Write(o.write); err != nil {
		o.errno = syscall.EPIPE
	}
	o.vec = [3]syscall.Iovec{}
	switch {
	case o.errno != 0 && o.errno != syscall.EAGAIN:
		c.lostLocked()
	case o.n < total:
		o.startLocked(o.n, head, body, end)
	}
}

// lostLocked notes that the client can no longer be reached.
func (c *conn) lostLocked() {
	if c.reply.running {
		c.srv.cfg.Queue.Cancel(&c.call)
	}
	c.dieLocked()
	c.closeSoon()
}

// closeSoon closes the connection, which ends its goroutine's reading. Close
// itself waits until nobody reads, and who reads may wait for mu.
func (c *conn) closeSoon() {
	nc := c.transport()
	c.srv.done.Add(1) // not from zero: the connection's goroutine still counts
	go func() {
		defer c.srv.done.Done()
		nc.Close()
	}()
}

func (o *output) set(parts ...[]byte) {
	o.total, o.n, o.errno = 0, 0, 0
	n := 0
	for _, p := range parts {
		if len(p) > 0 {
			o.vec[n].Base = unsafe.SliceData(p)
			o.vec[n].SetLen(len(p))
			o.total += len(p)
			n++
		}
	}
	for ; n < len(o.vec); n++ {
		o.vec[n] = syscall.Iovec{}
	}
}

// tryWrite writes what the socket takes. It always returns true: nobody waits
// here.
func (o *output) tryWrite(fd uintptr) bool {
	for {
		var n uintptr
		if o.vec[1].Base == nil {
			n, _, o.errno = syscall.RawSyscall(syscall.SYS_WRITE, fd, uintptr(unsafe.Pointer(o.vec[0].Base)), uintptr(o.vec[0].Len))
		} else {
			n, _, o.errno = syscall.RawSyscall(syscall.SYS_WRITEV, fd, uintptr(unsafe.Pointer(&o.vec[0])), uintptr(len(o.vec)))
		}
		if o.errno == syscall.EINTR {
			continue
		}
		if o.errno == 0 {
			o.n = int(n)
		}
		return true
	}
}

// startLocked queues what follows the first skip bytes and starts drain.
func (o *output) startLocked(skip int, parts ...[]byte) {
	o.appendLocked(skip, parts...)
	o.busy = true
	o.c.stage.enter(stageWrite)
	o.c.startDrain()
}

func (o *output) appendLocked(skip int, parts ...[]byte) {
	before := len(o.queue)
	for _, p := range parts {
		k := min(skip, len(p))
		skip -= k
		o.queue = append(o.queue, p[k:]...)
	}
	o.c.srv.queued.Add(int64(len(o.queue) - before))
}

// writeStep is the most that is written before the worker hears of it, and
// writeLimit how long a client may take for none of it.
const (
	writeStep  = 64 << 10
	writeLimit = 60 * time.Second
)

// startDrain starts drain. It needs mu and a connection that is not dead: then
// its goroutine still counts, and done is not counted from zero.
func (c *conn) startDrain() {
	c.srv.done.Add(1)
	go func() {
		defer c.srv.done.Done()
		c.drain()
	}()
}

// drain writes the queue, and all that is added meanwhile, then ends.
func (c *conn) drain() {
	c.mu.Lock()
	defer c.mu.Unlock()
	defer func() {
		if p := recover(); p != nil {
			c.panicked(p)
			c.out.busy = false
			c.lostLocked()
		}
	}()
	c.drainLocked()
	c.out.busy = false
	switch {
	case c.dead:
		c.changed.Broadcast()
	case c.reply.running:
		c.stage.enter(stageBusy)
	default:
		c.writtenLocked()
	}
}

func (c *conn) drainLocked() {
	for !c.dead && len(c.out.queue) > 0 {
		c.out.writing = len(c.out.queue)
		b := c.out.queue
		c.out.queue = nil
		c.writeQueueLocked(b)
	}
	if c.out.file != nil {
		c.sendFileLocked()
		c.reply.running = false
		c.releaseRequest()
	}
}

// writeUnlocked frees the lock while it writes. It gives up when the client has
// taken nothing for writeLimit.
func (c *conn) writeUnlocked(b []byte) (n int, err error) {
	c.mu.Unlock()
	defer c.mu.Lock()
	injectFault(faultInWriter, &c.exchange)
	_ = c.nc.SetWriteDeadline(time.Now().Add(writeLimit))
	return c.nc.Write(b)
}

// writeQueueLocked writes b in steps. The lock is free while it waits.
func (c *conn) writeQueueLocked(b []byte) {
	for len(b) > 0 && !c.dead {
		n, err := c.writeUnlocked(b[:min(len(b), writeStep)])
		b = b[n:]
		c.out.writing -= n
		c.srv.queued.Add(-int64(n))
		if err != nil && !(n > 0 && errors.Is(err, errWriteTimeout)) {
			if errors.Is(err, errWriteTimeout) {
				c.srv.cfg.Log.Debugf("client %s read nothing for %v", c.peer.addr, writeLimit)
			}
			c.srv.queued.Add(-int64(len(b)))
			c.out.writing = 0
			c.lostLocked()
			return
		}
		c.grantLocked()
	}
}
