package front

import (
	"errors"
	"time"

	"girin/internal/sched"
	"girin/internal/wire"
	"girin/internal/ws"
)

// messagesMost is what messages of all WebSockets may take of memory together, those
// that are not whole and those that no application has received; and what may wait for
// all slow clients. Beyond it large ones end their sockets; small ones go on.
const messagesMost = 512 << 20

// socketWindow is how much may wait for a slow client before its application does, and
// then a message more: of a socket, which may be slow for days, less than of an answer.
const socketWindow = 256 << 10

var errMessages = &ws.Error{Code: 1013, Reason: "too many large messages at once"}

// serveSocket serves a request for a WebSocket. It reports whether another request
// may follow: only if the application has denied this one.
func (c *conn) serveSocket() bool {
	s, verdict := c.newSocket()
	if verdict == nil {
		verdict = c.makeEnviron()
	}
	if verdict != nil {
		return c.refuse(verdict)
	}
	c.reply.record.keep(&c.exchange)
	c.body.discard(c.srv)
	c.body.whole = true
	c.setSocket(s)
	c.call.Upgrade = true
	if c.call.Window == 0 {
		c.call.Window = socketWindow
	}
	defer func() { c.call.Upgrade = false }()
	if !c.submit() {
		c.setSocket(nil)
		return true
	}
	there := c.awaitAccept(s)
	if c.denied(s) {
		return there
	}
	if there {
		c.srv.cfg.Queue.Opened(&c.call)
		c.readMessages(s)
	}
	return c.leaveSocket(s)
}

func (c *conn) setSocket(s *webSocket) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.socket = s
}

// denied forgets a socket that the application has answered otherwise, and reports
// whether it was.
func (c *conn) denied(s *webSocket) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if s.state != socketAsked || c.reply.running {
		return false
	}
	c.socket = nil
	return true
}

// awaitAccept waits until the application has answered. It reports false if the
// client has gone. Of one that speaks before its turn that is not noticed: it waits.
func (c *conn) awaitAccept(s *webSocket) bool {
	for c.asking(s, !c.in.empty()) {
		if err := c.unlessNudged(c.in.fill()); err != nil {
			return c.answeredOtherwise(s) && c.came(err)
		}
		s.heard.Add(1) // it may be the answer to a ping: the read began before the acceptance
	}
	return true
}

// answeredOtherwise reports whether the application has answered, and not accepted.
func (c *conn) answeredOtherwise(s *webSocket) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return s.state == socketAsked && !c.reply.running
}

// asking reports whether the application has not answered; with wait it waits for
// that.
func (c *conn) asking(s *webSocket, wait bool) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for wait && s.state == socketAsked && c.reply.running && !c.dead {
		c.changed.Wait()
	}
	return s.state == socketAsked && c.reply.running && !c.dead
}

// readMessages reads until the socket is over.
func (c *conn) readMessages(s *webSocket) {
	for s.goOn() && s.awaitRoom() {
		s.makeRoom()
		if c.unlessNudged(s.fill()) != nil || s.ended {
			return
		}
	}
}

// goOn hands over what was read, and reports false if the socket is over.
func (s *webSocket) goOn() bool {
	c := s.c
	s.heard.Add(1)
	more, err := s.take()
	if s.account(); err == nil && c.srv.messages.Load() > messagesMost && s.held > largeInput {
		err = errMessages
	}
	if err != nil {
		c.breakOff(s, err)
		return false
	}
	if more {
		c.srv.cfg.Queue.Flush(&c.call)
		s.noteUnfinished()
	}
	return more
}

// fill reads, and hands over small messages by the way, as fillServing serves requests:
// no read is needed to find that there is nothing more.
func (s *webSocket) fill() error {
	in := &s.c.in
	if s.c.raw == nil || in.buf != nil {
		return in.fill()
	}
	if err := s.c.raw.Read(s.serve); err != nil {
		return err
	}
	return in.err
}

// tryServe reads and hands over what comes while it is whole messages. It reports false
// if it must wait for the next.
func (s *webSocket) tryServe(fd uintptr) bool {
	in := &s.c.in
	in.polled()
	for in.tryRead(fd) {
		in.w += in.n
		more := in.w == len(in.buf) || s.c.tls != nil // which may hold more than it gave
		if in.err != nil {
			return true
		}
		s.ended = !s.goOn()
		if s.ended || !in.empty() || s.reader.InMessage() || !s.hasRoom() {
			return true
		}
		if in.release(); !more {
			return false
		}
	}
	return false
}

// take takes the messages that were read, and reports false after the client's close
// frame.
func (s *webSocket) take() (more bool, err error) {
	in := &s.c.in
	for !in.empty() {
		n, m, err := s.reader.Next(in.unread())
		in.take(n)
		if err != nil {
			return false, err
		}
		switch m.Opcode {
		case ws.Text, ws.Binary:
			if len(m.Data) > largeInput && s.c.srv.messages.Load() > messagesMost {
				return false, errMessages // inflated, it may be so much more than what was held of it
			}
			s.came(m)
		case ws.Ping:
			s.pinged(m.Data)
		case ws.Close:
			s.clientClosed(m)
			in.consumed()
			return false, nil
		}
		if in.held = false; n == 0 {
			break // the rest of a frame's head must come
		}
	}
	return true, nil
}

// makeRoom prepares for the next bytes: of a message that comes quickly with a large
// buffer, and else with none until they are there.
func (s *webSocket) makeRoom() {
	switch in := &s.c.in; {
	case !in.empty():
	case s.reader.InMessage():
		s.c.makeRoomForBody()
	default:
		in.release()
	}
}

// noteUnfinished tells the sweeper of what has begun to come and must go on: a frame, or
// a message that takes much of what those of all may take. Between the frames of others
// as much time may pass as the client likes.
func (s *webSocket) noteUnfinished() {
	word := uint64(0)
	if s.reader.InFrame() || !s.c.in.empty() || s.held > largeInput {
		word = s.messages<<arrivalBits | uint64(s.reader.Came()) + 1
	}
	if s.unfinished.Load() != word {
		s.unfinished.Store(word)
	}
}

// arrivalBits are those that count an unfinished message's bytes.
const arrivalBits = 40

// came hands a message to the application. What comes after the server's close frame
// reaches nobody, and counts for nothing.
func (s *webSocket) came(m ws.Message) {
	kind := wire.BinaryCame
	if m.Opcode == ws.Text {
		kind = wire.TextCame
	}
	s.messages++
	n := int64(len(m.Data)) + wire.MessageCost
	s.unread.Add(n)
	s.c.srv.messages.Add(n)
	if !s.c.srv.cfg.Queue.Say(&s.c.call, kind, m.Data) {
		s.unread.Add(-n)
		s.c.srv.messages.Add(-n)
	}
	s.reader.Release()
	if !s.hasRoom() {
		s.c.srv.cfg.Queue.Flush(&s.c.call)
		s.awaitRoom()
	}
}

// awaitRoom waits until the application has received enough of what came. It reports
// false if nothing can be said or heard any more.
func (s *webSocket) awaitRoom() bool {
	if s.hasRoom() {
		return true
	}
	c := s.c
	c.mu.Lock()
	defer c.mu.Unlock()
	s.paused.Store(true)
	for !s.hasRoom() && s.state == socketOpen && !c.dead {
		c.changed.Wait()
	}
	s.paused.Store(false)
	return !c.dead
}

func (s *webSocket) pinged(payload []byte) {
	s.c.mu.Lock()
	defer s.c.mu.Unlock()
	s.pongLocked(payload)
}

// clientClosed answers the client's close frame, unless it is itself the answer.
func (s *webSocket) clientClosed(m ws.Message) {
	c := s.c
	c.mu.Lock()
	defer c.mu.Unlock()
	if s.state == socketOpen {
		s.shutLocked(m.Code, "", sched.Gone{Code: uint16(m.Code), Reason: m.Reason})
	}
	s.overLocked()
}

// breakOff ends a socket whose client has broken the rules.
func (c *conn) breakOff(s *webSocket, err error) {
	why := (*ws.Error)(nil)
	if !errors.As(err, &why) {
		why = &ws.Error{Code: ws.CodeInternal}
	}
	c.srv.cfg.Queue.Flush(&c.call)
	c.mu.Lock()
	defer c.mu.Unlock()
	s.settleLocked()
	if s.state == socketOpen {
		s.shutLocked(why.Code, why.Reason, sched.Gone{Code: uint16(why.Code), Reason: why.Reason})
	}
	s.overLocked()
}

// settleLocked lets the application answer what came before its client broke the
// rules, for a moment.
func (s *webSocket) settleLocked() {
	s.paused.Store(true)
	s.c.awaitLocked(settleLimit, func() bool { return s.unread.Load() <= 0 || s.state != socketOpen })
	s.paused.Store(false)
}

// awaitLocked waits until something is so, or the client has gone, for some time at
// most.
func (c *conn) awaitLocked(limit time.Duration, so func() bool) {
	over := false
	t := time.AfterFunc(limit, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		over = true
		c.changedLocked()
	})
	defer t.Stop()
	for !so() && !c.dead && !over {
		c.changed.Wait()
	}
}

const settleLimit = 50 * time.Millisecond

// account counts what the reader holds of a message.
func (s *webSocket) account() {
	if now := int64(s.reader.Holds()); now != s.held {
		s.c.srv.messages.Add(now - s.held)
		s.held = now
	}
}

// leaveSocket ends the connection of a socket, after what is still to be written. It
// returns false, for its callers to return.
func (c *conn) leaveSocket(s *webSocket) bool {
	c.mu.Lock()
	if s.state != socketOver {
		c.srv.cfg.Queue.Leave(&c.call, sched.Gone{Code: ws.CodeAbnormal})
		if c.reply.upgraded {
			c.reply.status = ws.CodeAbnormal
		}
		c.dieLocked()
		s.overLocked()
	}
	c.mu.Unlock()
	c.srv.messages.Add(-s.held - s.unread.Swap(0))
	s.held, s.reader = 0, ws.Reader{}
	c.waitOutput()
	c.linger(0)
	return false
}
