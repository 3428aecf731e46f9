package front

import (
	"errors"
	"io"
	"os"
	"syscall"
)

// writeStep is the most that is written before the worker hears of it.
const writeStep = 64 << 10

// pipeStep is that of a connection that is no socket: how much of a step its
// client has taken cannot be seen.
const pipeStep = 4 << 10

// drain writes what waits, and all that is added meanwhile, then ends.
func (c *conn) drain() {
	c.mu.Lock()
	defer c.mu.Unlock()
	defer func() {
		if p := recover(); p != nil {
			c.srv.panicked(p)
			c.lostLocked()
			c.drainedLocked()
		}
	}()
	for !c.dead && c.drainLocked() {
	}
	c.drainedLocked()
}

// drainLocked writes a step of what waits, and reports whether there was any.
func (c *conn) drainLocked() bool {
	switch o := &c.out; {
	case o.waiting() > 0:
		c.writeQueueLocked(o.queue[o.at:])
	case o.spill != nil:
		c.sendSpillLocked()
	case o.file != nil:
		c.sendStepLocked()
	default:
		h := c.streams.Load()
		return h != nil && h.refillLocked()
	}
	return true
}

// drainedLocked goes on when nothing waits any more. The sweeper's verdict ends
// with the writing that it judged.
func (c *conn) drainedLocked() {
	o := &c.out
	o.busy = false
	o.pace.waits.Store(false)
	if o.file != nil {
		o.closeFileLocked()
	}
	if o.pace.expired {
		o.pace.expired = false
		_ = c.nc.SetWriteDeadline(noDeadline)
	}
	if !c.dead && c.reply.given {
		c.writtenLocked()
		return
	}
	if h := c.streams.Load(); h != nil {
		h.drainedLocked()
	}
	if c.socket != nil {
		c.socket.drainedLocked()
	}
	c.changedLocked()
}

// writeQueueLocked writes a step of the queue. The lock is free while it waits.
func (c *conn) writeQueueLocked(b []byte) {
	n, err := c.writeUnlocked(b)
	if c.dead {
		return
	}
	c.out.tookLocked(n)
	if err != nil {
		c.giveUpLocked(err)
		return
	}
	if h := c.streams.Load(); h != nil {
		h.conn.Written()
		return
	}
	c.grantLocked()
}

// writeUnlocked frees the lock while it writes what the socket takes of b, at
// least a byte.
func (c *conn) writeUnlocked(b []byte) (n int, err error) {
	c.mu.Unlock()
	defer c.mu.Lock()
	injectFault(faultInWriter, &c.exchange)
	defer func() { c.out.pace.wrote.Add(int64(n)) }()
	if c.over != nil {
		return c.over.Write(b[:min(len(b), writeStep)])
	}
	if c.raw == nil {
		return c.nc.Write(b[:min(len(b), pipeStep)])
	}
	o := &c.out
	o.set([][]byte{b[:min(len(b), writeStep)]})
	if err := c.raw.Write(o.wait); err != nil {
		return 0, err
	}
	o.vec[0].Base = nil
	if o.errno != 0 {
		return 0, o.errno
	}
	return o.n, nil
}

// giveUpLocked ends a connection to which nothing can be written.
func (c *conn) giveUpLocked(err error) {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		c.srv.cfg.Log.Debugf("client %s read nothing for %v", c.peer.addr, c.srv.times.write)
	}
	c.lostLocked()
}

// sendStepLocked sends a step of the file that follows what was queued.
func (c *conn) sendStepLocked() {
	o := &c.out
	if o.file.left == 0 {
		o.closeFileLocked()
		return
	}
	n, err := c.sendUnlocked(o.file)
	if c.dead {
		return
	}
	c.reply.sent += n
	switch {
	case errors.Is(err, io.EOF):
		c.lied("its file became shorter than its Content-Length")
		o.cut, c.reply.last = true, true
		o.closeFileLocked()
	case errors.Is(err, errUnreadable):
		c.lied("its file cannot be read: " + err.Error())
		o.cut, c.reply.last = true, true
		o.closeFileLocked()
	case err != nil:
		c.giveUpLocked(err)
	}
}

// sendUnlocked sends a step of a file: by sendfile(2) where the connection is
// cleartext, else through memory. The lock is free while it waits.
func (c *conn) sendUnlocked(body *fileBody) (int64, error) {
	if c.tls == nil && c.raw != nil && c.srv.cfg.SendFile && !body.copied {
		n, err := c.sendFileUnlocked(body)
		if !errors.Is(err, errNoSendFile) {
			return n, err
		}
		body.copied = true
	}
	buf := largeInputs.Get().(*[largeInput]byte)
	defer largeInputs.Put(buf)
	b, err := c.readUnlocked(body, buf[:])
	if len(b) > 0 && !c.dead {
		c.writeLocked(b, nil, nil) // which appends to the queue
	}
	return int64(len(b)), err
}

// sendFileUnlocked sends what the socket takes of a file's next bytes.
func (c *conn) sendFileUnlocked(body *fileBody) (int64, error) {
	c.mu.Unlock()
	defer c.mu.Lock()
	return c.trySendUnlocked(body)
}

// trySendUnlocked is sendFileUnlocked for who has freed the lock.
func (c *conn) trySendUnlocked(body *fileBody) (int64, error) {
	o := &c.out
	o.n, o.errno, o.sending = 0, 0, body
	err := c.raw.Write(o.send)
	if o.sending = nil; err != nil {
		return 0, err
	}
	o.pace.wrote.Add(int64(o.n))
	switch {
	case o.errno == syscall.EINVAL, o.errno == syscall.ENOSYS, o.errno == syscall.EOPNOTSUPP, o.errno == syscall.EIO:
		return 0, errNoSendFile // reading it says what is wrong with it, if anything
	case o.errno != 0:
		return 0, o.errno
	case o.n == 0:
		return 0, io.EOF
	}
	body.advance(int64(o.n))
	return int64(o.n), nil
}
