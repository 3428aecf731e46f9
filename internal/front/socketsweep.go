package front

import (
	"girin/internal/sched"
	"girin/internal/ws"
)

// pulse is what the sweeper knows of a WebSocket's client.
type pulse struct {
	heard  uint32 // at the last look
	since  int64  // when something was heard last
	pinged int64  // when it was asked since then; 0: it was not
	paused bool   // at the last look; pinged is then when it was pinged last, or the pause began
	acked  int64  // what it had acknowledged when its time to answer began
}

// judgeSocket asks a client of which nothing is heard whether it is there, and ends
// the socket if it does not answer. Who still takes what the kernel held before the
// ping has its time when that is taken. While the server stops, each is closed at a
// moment of its own, so that not all come back at once.
func (s *Server) judgeSocket(c *conn, now int64) {
	k := c.socket
	if s.drainBegan != 0 && now-s.drainBegan >= s.moment(k.share) {
		c.shut(ws.CodeRestart, "", sched.Gone{Code: ws.CodeRestart})
		return
	}
	p := &k.pulse
	if k.paused.Load() {
		k.arrival = arrival{}
		s.judgePaused(c, p, now)
		return
	}
	if k.arrival.late(k.unfinished.Load(), now, &s.times) {
		c.shut(ws.CodePolicy, "the message took too long", sched.Gone{Code: ws.CodePolicy, Reason: "the message took too long"})
		return
	}
	if heard := k.heard.Load(); p.since == 0 || heard != p.heard || p.paused {
		*p = pulse{heard: heard, since: now}
		return
	}
	switch {
	case s.times.ping == 0:
	case p.pinged == 0 && now-p.since >= int64(s.times.ping) && c.ping():
		p.pinged, p.acked = now, c.acknowledged()
	case p.pinged == 0 || s.times.pong == 0 || now-p.pinged < int64(s.times.pong):
	case c.takes(p):
		p.pinged = now
	default:
		c.shut(ws.CodeInternal, "keepalive ping timeout", sched.Gone{Code: ws.CodeAbnormal})
	}
}

// arrival is what the sweeper knows of a message that comes.
type arrival struct {
	message uint64 // which one
	since   int64  // when it was first seen; 0: there is none
}

// late reports whether what is unfinished comes more slowly than a request's body may.
func (a *arrival) late(unfinished uint64, now int64, t *times) bool {
	if message := unfinished >> arrivalBits; unfinished == 0 || a.since == 0 || a.message != message {
		*a = arrival{}
		if unfinished != 0 {
			*a = arrival{message, now}
		}
		return false
	}
	return now-a.since > int64(t.bodyTime(int64(unfinished&(1<<arrivalBits-1))))
}

// judgePaused looks after a socket of which nothing is read, as its application receives
// nothing. An answer to a ping would not be seen; but the kernel of a client that has left
// answers with a reset.
func (s *Server) judgePaused(c *conn, p *pulse, now int64) {
	if !p.paused {
		*p = pulse{paused: true, pinged: now}
	}
	if s.times.ping != 0 && now-p.pinged >= int64(s.times.ping) && c.ping() {
		p.pinged = now
	}
	c.loseReset()
}

// loseReset gives up a connection that was reset, unless whoever holds the lock may just
// do so: then the next look is soon enough.
func (c *conn) loseReset() {
	reset := c.over != nil && c.over.hasGone()
	if c.raw != nil {
		_ = c.raw.Control(func(fd uintptr) { reset = wasReset(fd) })
	}
	if reset && c.mu.TryLock() {
		defer c.mu.Unlock()
		c.lostLocked()
	}
}

// takes reports whether the client has acknowledged more than the ping since it was
// last looked: it has that to read, too.
func (c *conn) takes(p *pulse) bool {
	before := p.acked
	p.acked = c.acknowledged()
	return p.acked > before+pingMost
}

// pingMost is what a ping takes at most, as a record of TLS.
const pingMost = 64

// acknowledged grows with what the client acknowledges.
func (c *conn) acknowledged() (n int64) {
	if c.over != nil {
		return c.over.acknowledged()
	}
	if c.raw != nil {
		_ = c.raw.Control(func(fd uintptr) { n = acknowledged(int(fd)) })
	}
	return n
}

// moment is when within the time to leave a socket is closed.
func (s *Server) moment(share uint32) int64 {
	const shares = 64
	return int64(s.times.leave) * int64(share%shares) / shares
}

// shut closes an open socket, unless whoever holds the lock may just do so: then the
// next look is soon enough.
func (c *conn) shut(code int, reason string, why sched.Gone) {
	if !c.mu.TryLock() {
		return
	}
	defer c.mu.Unlock()
	if c.socket != nil && c.socket.state == socketOpen {
		c.socket.shutLocked(code, reason, why)
	}
}

// ping sends a ping. It reports false if that must wait: while the client does not
// read what there is, its time for that counts.
func (c *conn) ping() bool {
	if !c.mu.TryLock() {
		return false
	}
	defer c.mu.Unlock()
	if c.out.busy || c.socket == nil || c.socket.state != socketOpen {
		return false
	}
	c.writeLocked(ws.AppendFrame(make([]byte, 0, 16), ws.Ping, nil), nil, nil)
	if c.over != nil {
		c.over.mark()
	}
	return true
}
