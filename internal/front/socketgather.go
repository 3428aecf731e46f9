package front

import "girin/internal/sched"

// gathered are frames of messages that wait for Server.Rest: what a worker has written
// together goes to its client in one piece. It has room only while it holds some.
type gathered struct {
	room   *scratch
	frames []byte
	listed bool // in Server.unflushed
}

// gatherMost is up to where a message is copied to go out with others.
const gatherMost = 8 << 10

// appendLocked adds the next piece of s's message.
func (g *gathered) appendLocked(s *webSocket, body []byte) {
	if len(g.frames)+len(body) > gatherMost {
		g.flushLocked(s)
	}
	if g.room == nil {
		g.room = scratches.Get().(*scratch)
		g.frames = g.room[:0]
	}
	switch {
	case s.window > 0:
		g.frames = s.piece.Append(g.frames, body)
	case len(body) <= gatherMost:
		g.frames = append(s.piece.AppendHead(g.frames, len(body)), body...)
	default:
		g.writeLocked(s, s.piece.AppendHead(g.frames, len(body)), body)
		return
	}
	if !g.listed {
		g.listed = true
		s.c.srv.unflushed.add(s)
	}
}

// flushLocked writes what there is, before anything else is written.
func (g *gathered) flushLocked(s *webSocket) {
	if g.room != nil {
		g.writeLocked(s, g.frames, nil)
	}
}

func (g *gathered) writeLocked(s *webSocket, frames, body []byte) {
	room := g.room
	g.room, g.frames = nil, nil
	s.c.writeLocked(frames, body, nil)
	scratches.Put(room)
	s.c.grantLocked()
	s.boundLocked()
}

// boundLocked ends a socket for whose client much waits, where too much waits for all
// clients together. It could be told nothing: what waits would go before.
func (s *webSocket) boundLocked() {
	c := s.c
	if s.state != socketOpen || c.out.waiting() <= largeInput || c.srv.queued.Load() <= messagesMost {
		return
	}
	c.srv.warned.once(c.srv, "slow sockets", "WebSockets of clients that do not read are ended: too much waits for clients")
	c.srv.cfg.Queue.Leave(&c.call, sched.Gone{Code: uint16(errMessages.Code), Reason: errMessages.Reason})
	c.lostLocked()
}

func (s *webSocket) flush() {
	s.c.mu.Lock()
	defer s.c.unlockAnswer()
	s.gathered.listed = false
	s.gathered.flushLocked(s)
}
