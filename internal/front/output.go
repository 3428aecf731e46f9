package front

import (
	"sync"
	"sync/atomic"
	"syscall"
	"unsafe"
)

// scratch is room for a head and a small body.
type scratch [16 << 10]byte

var scratches = sync.Pool{New: func() any { return new(scratch) }}

// output is what a client has not taken yet. What is not atomic is under
// conn.mu.
type output struct {
	c        *conn
	busy     bool // drain writes; others only append
	cut      bool // end without the client thinking that it has all
	socket   bool // it is a WebSocket's
	spilling bool // it is looked soon whether the client is slow: see outrunLocked

	write, wait, send func(fd uintptr) bool // passed to raw.Write; made once

	vec   [3]syscall.Iovec
	total int
	n     int
	errno syscall.Errno

	queue   []byte    // queue[at:] waits for drain
	at      int       // of queue
	spill   *spill    // follows the queue; nil: nothing is spilled
	file    *fileBody // follows the queue, and ends the response
	sending *fileBody // what trySendFile sends
	pace    pace
}

func (o *output) init(c *conn) {
	o.c = c
	o.write, o.wait, o.send = o.tryWrite, o.untilWritten, o.trySendFile
}

// waiting is how many bytes the client has not taken, of those that come next.
func (o *output) waiting() int { return len(o.queue) - o.at }

// clearLocked forgets what waits.
func (o *output) clearLocked() {
	o.countLocked(-o.waiting())
	o.queue, o.at = nil, 0
	o.spill.forget()
}

// tookLocked notes that the client's side has the queue's first n bytes.
func (o *output) tookLocked(n int) {
	o.at += n
	o.countLocked(-n)
	switch {
	case o.at == len(o.queue):
		o.queue, o.at = nil, 0
	case o.at >= compactFrom && o.at > len(o.queue)/2:
		o.queue = o.queue[:copy(o.queue, o.queue[o.at:])]
		o.at = 0
	}
}

// compactFrom is how much of a queue must be written before what is left is
// moved to its front.
const compactFrom = 256 << 10

// writeLocked writes what belongs together: at once what the socket takes, later
// the rest. The room behind head may be used to make one piece of it.
func (c *conn) writeLocked(head, body, end []byte) {
	if c.dead {
		return
	}
	if c.tls != nil {
		c.sealLocked(head, body, end)
		return
	}
	if len(head)+len(body)+len(end) <= cap(head) {
		head = append(append(head, body...), end...)
		body, end = nil, nil
	}
	c.passLocked(head, body, end)
}

// passLocked is writeLocked for bytes as they go over the wire.
func (c *conn) passLocked(parts ...[]byte) {
	o := &c.out
	if o.busy {
		o.appendLocked(0, parts)
		return
	}
	o.set(parts)
	if o.total == 0 {
		return
	}
	if c.raw == nil {
		n := 0
		if c.over != nil {
			n = c.over.writeSome(parts)
		}
		if n < o.total {
			o.appendLocked(n, parts)
			o.startLocked()
		}
		o.vec = [3]syscall.Iovec{}
		return
	}
	if err := c.raw.Write(o.write); err != nil {
		o.errno = syscall.EPIPE
	}
	o.vec = [3]syscall.Iovec{}
	switch {
	case o.errno != 0 && o.errno != syscall.EAGAIN:
		c.lostLocked()
	case o.n < o.total:
		o.appendLocked(o.n, parts)
		o.startLocked()
	}
}

func (o *output) set(parts [][]byte) {
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
			n, _, o.errno = syscall.RawSyscall6(syscall.SYS_SENDTO, fd, uintptr(unsafe.Pointer(o.vec[0].Base)), uintptr(o.vec[0].Len), 0, 0, 0)
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

// untilWritten writes what the socket takes; it reports false if that is
// nothing yet.
func (o *output) untilWritten(fd uintptr) bool {
	o.tryWrite(fd)
	return o.errno != syscall.EAGAIN
}

func (o *output) appendLocked(skip int, parts [][]byte) {
	if o.spill != nil {
		for _, p := range parts {
			o.spill.add(p)
		}
		return
	}
	before := len(o.queue)
	for _, p := range parts {
		k := min(skip, len(p))
		skip -= k
		o.queue = append(o.queue, p[k:]...)
	}
	o.countLocked(len(o.queue) - before)
}

// countLocked counts what waits for all clients.
func (o *output) countLocked(n int) {
	o.c.srv.queued.Add(int64(n))
	if o.socket {
		o.c.srv.sockets.Add(int64(n))
	}
}

// becomeSocketLocked has what waits counted as a WebSocket's: its limit is another.
func (o *output) becomeSocketLocked() {
	o.socket = true
	o.c.srv.sockets.Add(int64(o.waiting()))
}

// startLocked starts drain if it does not run. It needs a connection that is
// not dead: then its goroutine still counts, and done is not counted from zero.
func (o *output) startLocked() {
	if o.busy {
		return
	}
	o.busy = true
	o.pace.waits.Store(true)
	c := o.c
	c.srv.done.Add(1)
	go func() {
		defer c.srv.done.Done()
		c.drain()
	}()
}

// lostLocked notes that the client can no longer be reached.
func (c *conn) lostLocked() {
	if c.reply.running {
		c.srv.cfg.Queue.Cancel(&c.call)
	}
	c.dieLocked()
	c.closeSoon()
}

// dieLocked says that nothing can be written any more.
func (c *conn) dieLocked() {
	if c.dead {
		return
	}
	c.dead = true
	if room, _ := c.parts.take(); room != nil {
		scratches.Put(room)
	}
	c.out.clearLocked()
	c.loggedLocked()
	c.changedLocked()
	if h := c.streams.Load(); h != nil {
		h.conn.Wake()
	}
	if c.tunnel != nil {
		c.tunnel.wake() // its end wakes who waits for the application to read
	}
}

// closeSoon closes the connection, which ends its goroutine's reading. Close
// itself waits until nobody reads, and who reads may wait for mu.
func (c *conn) closeSoon() {
	c.srv.done.Add(1) // not from zero: the connection's goroutine still counts
	go func() {
		defer c.srv.done.Done()
		c.nc.Close()
	}()
}

// pace is how a client takes what waits for it.
type pace struct {
	waits atomic.Bool  // drain runs
	wrote atomic.Int64 // bytes that drain has written

	expired bool // guarded by conn.mu: the sweeper ended the writing

	// Of the sweeper.
	looked, since, acked int64
	came                 int64 // of the request's body, at the last look
}
