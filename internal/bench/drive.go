package bench

import (
	"errors"
	"os"
	"syscall"
	"time"
)

// driveStream speaks HTTP/1.1 on a connection that only reads and writes: TLS.
func (c *client) driveStream() {
	for {
		if !c.inFlight {
			c.begin()
			c.preceded = c.now-c.answered > idleBefore && spoken(c.conn)
			if len(c.out) > uploadAside {
				c.sendAside(c.out)
			} else if n, err := c.conn.Write(c.out); err != nil && !c.answeredEarly(err) {
				if n == 0 {
					err = &notSentError{err}
				}
				c.broke(err)
				return
			}
		}
		n, err := c.conn.Read(c.buf[c.filled:])
		if !c.received(n, err) {
			if c.err != nil {
				c.broke(c.err)
				return
			}
			continue
		}
		c.resp.close = c.resp.close || err != nil // TLS tells of the end together with the last bytes
		if !c.finish() {
			return
		}
	}
}

// idleBefore is for how many nanoseconds a connection must have carried nothing to be looked at before a request.
const idleBefore = int64(time.Millisecond)

// answeredEarly reports whether a write failed because the server has stopped reading: it may have sent its answer, such
// as 413, before that.
func (c *client) answeredEarly(err error) bool {
	return len(c.req.Body) > 0 && errors.Is(err, syscall.EPIPE)
}

// broke sorts out an error: a timeout may be the monitor's way to wake this client, for itself or because the run is over.
func (c *client) broke(err error) {
	if c.run.stopped.Load() {
		c.hangUp()
		return
	}
	c.lost(err)
}

// driveRaw speaks HTTP/1.1 on a socket.
//
// It stays inside one RawConn.Read from response to response. rawStep writes the next request and then asks the runtime
// to wait, without trying to read first; so a request costs one write, one read and its share of an epoll_wait, and no
// read that finds nothing.
func (c *client) driveRaw() {
	for {
		err := c.raw.Read(c.step)
		if err == nil {
			err = c.err
		}
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded) && !c.run.stopped.Load() && !c.timedOut():
			// A poke: look at the socket once more.
			c.poked = true
			if err := c.conn.SetDeadline(time.Time{}); err != nil {
				c.broke(err)
				return
			}
		case err != nil:
			c.broke(err)
			return
		case c.unsent != nil:
			c.sendAside(c.unsent)
			c.unsent = nil
		default:
			return
		}
	}
}

func (c *client) timedOut() bool {
	c.now = c.run.now()
	return c.inFlight && c.now >= c.timeoutAt()
}

// rawStep is called by the runtime when the socket may be readable. It returns false to wait for that, true to leave
// RawConn.Read: with c.err, with c.unsent, or when there is nothing to send now.
func (c *client) rawStep(fd uintptr) bool {
	for {
		if !c.inFlight {
			c.begin()
			return c.sendRaw(fd)
		}
		n, err := rawRead(fd, c.buf[c.filled:])
		switch {
		case err == syscall.EAGAIN:
			c.poked = false
			return false
		case err == syscall.EINTR:
			continue
		case n <= 0 && c.poked:
			// A reset answers what was sent, so it comes later than that and wakes by itself; an end may have come before.
			c.poked = err == nil && rawQuiet(fd) > time.Duration(c.run.now()-c.attempted)/2
		}
		if c.received(n, err) {
			if !c.finish() {
				return true
			}
		} else if c.err != nil {
			return true
		}
	}
}

// sendRaw writes the request and reports whether to leave RawConn.Read.
func (c *client) sendRaw(fd uintptr) bool {
	n, err := rawWrite(fd, c.out)
	if n == len(c.out) {
		return false
	}
	if err != nil && err != syscall.EAGAIN && err != syscall.EINTR {
		c.err = &notSentError{err}
		return true
	}
	c.unsent = c.out[max(n, 0):] // -1 with an error, but on Linux
	return true
}
