package front

import (
	"errors"
	"os"

	"girin/internal/http1"
)

// What a client still sends of a request's body when the answer is complete, nobody
// wants. Many clients look at an answer only when they have sent all: to one that is
// reset meanwhile its answer is lost, and on HTTP/2 it waits for a window that does not
// come. So a bounded part is read and dropped: on HTTP/1.1 after the connection's last
// answer (linger), on HTTP/2 by h2.discard. Who looks at its answer stops by itself.
const discardMost = 4 << 30 // bytes of one body

// unread is how many bytes of the request's body are read on when its answer is complete.
func (x *exchange) unread() int64 {
	came := x.body.came.Load()
	switch rest := x.req.ContentLength - came; {
	case x.body.whole, x.req.ContentLength == 0:
		return 0
	case x.req.ContentLength < 0:
		return discardMost
	default:
		return min(max(rest, 0), discardMost)
	}
}

// unreadAfter is unread after a verdict: what came too slowly is not waited for.
func (x *exchange) unreadAfter(verdict *http1.Error) int64 {
	if verdict == errSlowBody {
		return 0
	}
	return x.unread()
}

// Unread is the same of a stream (h2.Request). A WebSocket's is no body, and where
// nothing came for too long nothing is awaited.
func (st *stream) Unread() int64 {
	if st.late || st.carries != nil {
		return 0
	}
	return st.unread()
}

// discardWhileAnswering reads on while the answer is still being written, and returns how
// much that was: a client that looks at an answer only when it has sent all would wait for
// the server, which waits for it, once their sockets' buffers are full.
func (c *conn) discardWhileAnswering(rest int64) (discarded int64) {
	for c.makeRoomForBody(); discarded < rest && c.answering(); c.makeRoomForBody() {
		switch err := c.unlessNudged(c.in.fill()); {
		case err == nil:
			n := int64(len(c.in.unread()))
			discarded += n
			c.body.came.Add(n) // its time goes by what comes
		case errors.Is(err, os.ErrDeadlineExceeded):
			return discarded // it has sent nothing for too long
		default:
			c.stopped(err)
			return discarded
		}
	}
	return discarded
}

// linger reads on after the last response, for hangUpLocked's reason, until the client
// closes or a limit is reached. rest is what its request's body still owes.
func (c *conn) linger(rest int64) {
	began := c.srv.had.now()
	last, came := began, began
	for discarded := int64(0); discarded < rest+lingerBytes && !c.evicted.Load(); discarded += int64(len(c.in.unread())) {
		c.makeRoomForBody()
		err := c.unlessNudged(c.in.fill())
		now := c.srv.had.now()
		switch {
		case err == nil:
			came = now
		case c.evicted.Load(), rest <= 0 || !errors.Is(err, os.ErrDeadlineExceeded):
			return
		}
		if rest <= 0 || err == nil && now-last <= int64(c.srv.times.sweep) {
			continue
		}
		last = now
		switch longest, silent := c.srv.discardLimits(now, discarded); {
		case now-began < longest && now-came < silent:
			c.lingerOn()
		case err != nil:
			return
		}
	}
}

// lingerBytes is how much is read beyond what a client owes: it may have sent more requests
// before it looks at its answer.
const lingerBytes = 256 << 10

// lingerOn gives a client more time that has not sent all of its body.
func (c *conn) lingerOn() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stage.now() == stageLinger {
		c.stage.enter(stageLinger)
	}
}
