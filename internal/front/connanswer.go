package front

import (
	"errors"

	"girin/internal/http1"
	"girin/internal/sched"
	"girin/internal/wire"
)

// This file is where a connection gets its answers: a worker's by sched.Answer,
// and the interim one that asks for a body.

var _ sched.Answer = (*conn)(nil)

// Frame gets a part of the answer (sched.Answer).
func (c *conn) Frame(f *wire.Frame, head, body []byte) {
	c.mu.Lock()
	defer c.unlockAnswer()
	if c.reply.running {
		injectFault(faultInAnswer, &c.exchange)
	}
	if c.socket != nil && c.socket.frameLocked(f, head, body) || c.tunnel != nil && c.tunnel.frameLocked(f, head, body) {
		return
	}
	c.frameLocked(f, head, body)
}

// File gets an answer whose body is a part of a file (sched.Answer).
func (c *conn) File(f *wire.Frame, head []byte, body sched.FileBody) {
	c.mu.Lock()
	defer c.unlockAnswer()
	if c.tunnel != nil && c.tunnel.fileLocked(body) {
		return
	}
	c.fileLocked(f, head, body)
}

// Fail ends the answer without the application (sched.Answer).
func (c *conn) Fail(cause error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.socket != nil && c.socket.failLocked(cause) || c.tunnel != nil && c.tunnel.failLocked(cause) {
		return
	}
	c.failLocked(cause)
}

// unlockAnswer ends a method that got a part of the answer, or sends what was gathered of it. A panic in it ends
// this connection, not the worker on whose goroutine it ran.
func (c *conn) unlockAnswer() {
	if p := recover(); p != nil {
		c.panickedLocked(p)
	}
	c.mu.Unlock()
}

// verdictOf maps a cause to what the client is told. Want of descriptors is the
// administrator's business as well.
func (s *Server) verdictOf(cause error) (status int, reason string) {
	if errors.Is(cause, sched.ErrNoDescriptor) {
		s.warned.once(s, cause.Error(), "a response was not sent: "+cause.Error())
	}
	if verdict := (*http1.Error)(nil); errors.As(cause, &verdict) {
		return verdict.Status, verdict.Reason
	}
	switch {
	case errors.Is(cause, sched.ErrAppFailed), errors.Is(cause, errNonconforming):
		return 500, appFailed
	case errors.Is(cause, sched.ErrQueueFull):
		return 503, errOverload.Reason
	case errors.Is(cause, sched.ErrTimeout):
		return 504, "the application took too long"
	case errors.Is(cause, sched.ErrStopped), errors.Is(cause, sched.ErrNoDescriptor):
		return 503, cause.Error()
	}
	return 502, cause.Error()
}

// appFailed is the whole body of such an answer, without a line's end: other servers say just this,
// and their clients' tests compare it.
const appFailed = "Internal Server Error"

// errNonconforming is the application's fault: what it answered is not HTTP.
var errNonconforming = errors.New("the application's response is not valid")

// sendContinue tells the client to send the body. It is not the response.
func (c *conn) sendContinue() {
	var room [32]byte
	c.mu.Lock()
	defer c.mu.Unlock()
	c.writeLocked(http1.AppendContinue(room[:0]), nil, nil)
}

// sendContinueUnlessAnswered does the same while the application runs, which may
// have begun its answer.
func (c *conn) sendContinueUnlessAnswered() {
	var room [32]byte
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.reply.running && !c.reply.started {
		c.writeLocked(http1.AppendContinue(room[:0]), nil, nil)
	}
}
