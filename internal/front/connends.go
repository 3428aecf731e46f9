package front

import (
	"errors"
	"os"

	"girin/internal/http1"
)

// This file ends connections: with an answer of the front's own, because the
// client has left, or because its time is over.

// refuse answers with a verdict of the front's own and ends the connection. It
// returns false, for its callers to return.
func (c *conn) refuse(verdict *http1.Error) bool {
	if !c.waitReply() {
		return false
	}
	c.knowHead()
	c.refused(verdict.Status, verdict.Reason)
	if c.stage.now() != stageBody {
		c.dropBody() // what came is of the request before
	}
	rest := c.unreadAfter(verdict)
	c.dropBody() // others may need its room while the client lingers
	c.sendLast(verdict.Status, verdict.Reason)
	c.linger(rest)
	return false
}

// sendLast sends a response of one line, after which the connection ends.
func (c *conn) sendLast(status int, reason string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.reply.begin(&c.exchange)
	c.reply.last, c.reply.whole = true, false
	c.ownLocked(status, plainText, []byte(reason+"\n"))
}

var (
	errBusy     = &http1.Error{Status: 503, Reason: "too many connections"}
	errOverload = &http1.Error{Status: 503, Reason: "the server is overloaded"}

	errHalfHead = &http1.Error{Status: 400, Reason: "the request head is not complete"}
	errHalfBody = &http1.Error{Status: 400, Reason: "the request body is not complete"}
)

// gone notes that no more bytes come. A client that has only closed its
// sending side still wants the answer; one that was reset does not.
func (c *conn) gone(err error) {
	if isEOF(err) && !c.hungUp() {
		switch c.stage.now() {
		case stageHead:
			c.refuse(errHalfHead)
		case stageBody:
			c.refuse(errHalfBody)
		default:
			c.halfClosed()
		}
		return
	}
	c.reset()
}

// stopped is gone for a client whose answer has begun, or is to come: what it owes is not
// wanted.
func (c *conn) stopped(err error) {
	if isEOF(err) && !c.hungUp() {
		c.halfClosed()
		return
	}
	c.reset()
}

// reset notes that the client wants no answer.
func (c *conn) reset() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.reply.running {
		c.srv.cfg.Queue.Cancel(&c.call)
	}
	c.dieLocked()
}

// halfClosed lets a running response finish. TCP does not tell a client that
// left from one that has said all it wants to say; a request that nobody has
// begun some time later is taken to be the former's, and so is one whose
// connection is then reset: TLS closes its sending side with a notice, so a client
// that leaves in the middle of an answer is known by the reset alone.
func (c *conn) halfClosed() {
	c.mu.Lock()
	c.halfShut = true
	running := c.reply.running
	c.mu.Unlock()
	if running && c.call.Task() {
		defer c.watchSilence()()
	} else if running {
		stop := c.srv.afterHalfClose(func() { c.srv.cfg.Queue.CancelQueued(&c.call) })
		defer stop()
	}
	for c.raw != nil && c.answering() {
		err := c.raw.Read(wasReset)
		_ = c.nc.SetReadDeadline(noDeadline)
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			c.lost()
			return
		}
	}
	c.waitOutput()
}

// answering reports whether an answer is still to be written.
func (c *conn) answering() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return (c.reply.running || c.out.busy) && !c.dead
}

// changedLocked wakes who waits for the answer's end: on changed, or in
// halfClosed.
func (c *conn) changedLocked() {
	c.changed.Broadcast()
	if c.halfShut {
		_ = c.nc.SetReadDeadline(longAgo)
	}
}

// lost is lostLocked for the reading goroutine.
func (c *conn) lost() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lostLocked()
}

// expired ends a connection whose time is over. It reports true if it is not:
// a request may have come in the very moment.
func (c *conn) expired() bool {
	switch c.stage.now() {
	case stageHead:
		return c.refuse(&http1.Error{Status: 408, Reason: "the request head took too long"})
	case stageBody:
		return c.refuse(errSlowBody)
	case stageLinger:
		return false
	}
	return c.in.fillNow()
}
