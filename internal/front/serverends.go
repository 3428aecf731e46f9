package front

import (
	"context"
	"maps"
	"slices"
	"time"
)

// Draining reports whether the server stops.
func (s *Server) Draining() bool { return s.draining.Load() }

// Shutdown is Drain, and returns when all that the server has started has ended: also what
// waits for an application to read.
func (s *Server) Shutdown(ctx context.Context) error {
	err := s.Drain(ctx)
	s.once.Do(func() { close(s.stop) })
	s.left.Broadcast()
	s.done.Wait()
	return err
}

// Drain accepts what waits to be accepted and closes the listeners, lets
// running requests finish and idle connections go, and returns when there are
// none. If ctx ends first it closes those that are left, which is no error where none of
// them waits for an answer.
func (s *Server) Drain(ctx context.Context) error {
	empty := s.beginDrain(ctx)
	for _, h := range s.allStreams() {
		h.leave()
	}
	select {
	case <-empty:
		return nil
	case <-ctx.Done():
	}
	s.lastMoment(empty)
	owes := s.owesAnswers()
	s.closeAll()
	if owes {
		return context.Cause(ctx)
	}
	return nil
}

// lastMoment lets what has just come be read, and what is about to be answered leave:
// to close a connection with bytes unread resets it.
func (s *Server) lastMoment(empty <-chan struct{}) {
	t := time.NewTimer(closingMoment)
	defer t.Stop()
	select {
	case <-empty:
	case <-t.C:
	}
}

const closingMoment = 100 * time.Millisecond

// owesAnswers reports whether a client that is connected waits for something.
func (s *Server) owesAnswers() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		switch c.stage.now() {
		case stageNew, stageIdle, stageLinger, stageDiscards:
		default:
			return true
		}
	}
	return false
}

// beginDrain returns a channel that is closed when nothing is left.
func (s *Server) beginDrain(ctx context.Context) <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.drainBegan == 0 {
		s.drainBegan = s.had.now()
		if by, ends := ctx.Deadline(); ends {
			s.drainUntil = s.drainBegan + int64(time.Until(by))
		}
	}
	s.Leave()
	for _, l := range s.listeners {
		l.refuse()
	}
	s.draining.Store(true)
	s.spoken.tell()
	for _, l := range s.listeners {
		l.lastRound()
	}
	if s.empty == nil {
		s.empty = make(chan struct{})
	}
	empty := s.empty
	s.tellEmptyLocked()
	return empty
}

// tellEmptyLocked closes empty if nothing is left.
func (s *Server) tellEmptyLocked() {
	if s.empty == nil || len(s.conns) > 0 || s.accepting > 0 {
		return
	}
	select {
	case <-s.empty:
	default:
		close(s.empty)
	}
}

// closeAll closes all that is left. Connections are locked one by one, without the
// server's lock: who holds a connection's may be about to take a descriptor.
func (s *Server) closeAll() {
	for _, c := range s.lastConns() {
		c.closeSoon()
		c.abandon()
	}
}

// lastConns closes the listeners and returns the connections, after which none comes.
func (s *Server) lastConns() []*conn {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closing = true
	for _, l := range s.listeners {
		l.Close()
	}
	return slices.Collect(maps.Keys(s.conns))
}

// allStreams are the connections of HTTP/2.
func (s *Server) allStreams() (all []*streams) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		if h := c.streams.Load(); h != nil {
			all = append(all, h)
		}
	}
	return all
}
