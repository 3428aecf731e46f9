package front

import (
	"cmp"
	"errors"
	"net"
	"os"
	"time"

	"girin/internal/front/spool"
)

// accept passes connections to goroutines of their own. Without descriptors it
// waits; the listener stays. When the server drains it accepts what waits, so
// that nobody who has connected is refused, and closes the listener.
func (s *Server) accept(l *listener) {
	failing := false
	for !s.draining.Load() && !l.retired.Load() || l.pending() {
		nc, err := l.Accept()
		switch {
		case err == nil:
			failing = false
			if !s.admit(nc, l) {
				return
			}
		case errors.Is(err, os.ErrDeadlineExceeded):
			l.again()
		case errors.Is(err, net.ErrClosed):
			return
		default:
			if !failing {
				s.cfg.Log.Warningf("accept on %s: %v; it is tried again", l.Addr(), err)
			}
			failing = true
			if !s.pause(acceptPause) {
				return
			}
		}
	}
}

// acceptPause is how long accepting rests when it fails: without descriptors
// it would fail at once again.
const acceptPause = 50 * time.Millisecond

// pause waits, and reports whether the server goes on.
func (s *Server) pause(d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-s.stop:
		return false
	}
}

// accepted closes a listener on which no more is accepted.
func (s *Server) accepted(l *listener) {
	l.Close()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.accepting--
	s.tellEmptyLocked()
}

// admit starts a connection's goroutine. At the limit of connections it waits
// until there is room; meanwhile nobody is accepted, and the connections that
// have been idle longest go. It reports whether the server goes on.
func (s *Server) admit(nc net.Conn, l *listener) bool {
	c := newConn(s, nc, l)
	if !s.enroll(c) {
		nc.Close()
		return false
	}
	s.done.Add(1)
	go func() {
		defer s.done.Done()
		c.serve()
	}()
	return true
}

func (s *Server) enroll(c *conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.fullLocked() {
		if s.stopped() {
			return false
		}
		s.evictLocked()
		s.left.Wait()
	}
	if s.closing {
		return false
	}
	s.conns[c] = struct{}{}
	s.held.Add(1)
	return true
}

func (s *Server) stopped() bool {
	select {
	case <-s.stop:
		return true
	default:
		return false
	}
}

// fullLocked reports whether there may be no connection more. Files count as
// well: what the system allows beyond is for workers.
func (s *Server) fullLocked() bool {
	return s.cfg.MaxConns > 0 && len(s.conns) >= s.cfg.MaxConns || s.filesFull()
}

// filesFull reports whether all descriptors are taken that are not for workers.
func (s *Server) filesFull() bool { return s.cfg.MaxFiles > 0 && int(s.held.Load()) >= s.cfg.MaxFiles }

// takeFile takes a descriptor for a spool file: a free one, or unless it yields
// that of an idle connection, which it closes. It reports false if there is none. Of all
// that there are spool files may have half: the streams of a few connections could fill
// the rest, too, and nobody else would be accepted.
func (s *Server) takeFile(yields bool) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if most := s.cfg.MaxFiles; most > 0 && s.spool.Files() >= int64(max(most/2, 1)) {
		return false
	}
	if s.filesFull() && (yields || !s.evictLocked()) {
		return false
	}
	s.held.Add(1)
	return true
}

func (s *Server) giveFile() { s.held.Add(-1) }

// closedAtOnce is up to what size a spool file is closed at once: of a larger one the
// system takes long to give the room back, and whoever lets go of it may hold a connection's lock.
const closedAtOnce = 1 << 20

// closeSpool closes a spool file of a connection that still counts.
func (s *Server) closeSpool(f *spool.File) {
	if f.Size() <= closedAtOnce {
		f.Close()
		return
	}
	s.done.Add(1) // not from zero: the connection counts
	go func() {
		defer s.done.Done()
		f.Close()
	}()
}

// evictLocked closes the connection that has been idle longest, if any is; or else the one
// whose first request has been awaited longest, or that has had its answers longest and sends
// on what nobody wants, and either for times.silent/2: many of these would keep all others
// out until their time is over. Else it is one whose body is slow, and which was not told so
// already: it may be waiting for its application.
func (s *Server) evictLocked() bool {
	var idle, silent, slow *conn
	now := s.had.now()
	for c := range s.conns {
		c.stage.note(c.stage.word.Load(), now)
		switch c.stage.last & (1<<stageBits - 1) { // what since is of: it may be another by now
		case stageIdle:
			idle = older(idle, c)
		case stageNew, stageProxy, stageHandshake, stageHead, stageLinger, stageDiscards:
			if now-c.stage.began > int64(s.times.silent/2) {
				silent = older(silent, c)
			}
		case stageBody:
			if c.stage.judged.Load() != c.stage.last && s.times.slow(now-c.stage.began, c.body.came.Load()) {
				slow = older(slow, c)
			}
		}
	}
	evicted := cmp.Or(idle, silent, slow)
	if evicted != nil {
		switch evicted.stage.last & (1<<stageBits - 1) {
		case stageLinger, stageBody:
			evicted.evicted.Store(true)
		}
		evicted.expireRead(evicted.stage.last)
	}
	return evicted != nil
}

// older is the one of two connections that has been longer in its stage; nil: there is none.
func older(a, b *conn) *conn {
	if a == nil || b.stage.began < a.stage.began {
		return b
	}
	return a
}

func (s *Server) forget(c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, c)
	if c.over == nil {
		s.held.Add(-1)
	}
	s.left.Signal()
	s.tellEmptyLocked()
}
