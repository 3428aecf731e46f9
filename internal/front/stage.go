package front

import (
	"os"
	"sync/atomic"
	"time"
)

var errWriteTimeout = os.ErrDeadlineExceeded

// stage is what a connection does, for the sweeper to time: it counts changes,
// so that nobody needs to look at a clock to enter one.
type stage struct {
	word atomic.Uint32 // changes<<3 | what

	// nudged is set when the sweeper ends a read only to have it made again.
	// tryServe leaves the poller's edge unused when a client leaves together
	// with its request: that is found out here, once a request takes long or
	// none has followed it for a while.
	nudged atomic.Bool

	// Of the sweeper.
	last   uint32
	since  int64
	looked uint32 // the word for which it nudged
}

const (
	stageNew    = iota // no byte has come yet
	stageHead          // a head has begun
	stageBody          // a body is being read
	stageBusy          // the application has it
	stageWrite         // a response waits for the client
	stageIdle          // between requests
	stageLinger        // the last response is sent
)

func (s *stage) enter(what uint32) {
	s.word.Store((s.word.Load()&^7 + 8) | what)
}

// note notes since when the stage is what it is, and reports whether it has
// changed since the last time. It is the sweeper's.
func (s *stage) note(word uint32, now int64) (changed bool) {
	if word == s.last {
		return false
	}
	s.last, s.since = word, now
	return true
}

func (s *stage) now() uint32 { return s.word.Load() & 7 }

// How long a connection may stay in a stage.
const (
	headLimit   = 20 * time.Second
	lingerLimit = 2 * time.Second
	drainLimit  = 2 * time.Second // idle, while the server stops
	bodyLimit   = 20 * time.Second
	bodyRate    = 500 // bytes that buy a second more
)

const sweepEvery = 250 * time.Millisecond

var (
	noDeadline = time.Time{}
	longAgo    = time.Unix(1, 0)
)

// sweeper ends what has taken too long. One goroutine looks at all
// connections, which costs 0.1 ms for 10,000; a timer for each would cost two
// changes per request.
func (s *Server) sweeper() {
	defer s.done.Done()
	t := time.NewTicker(sweepEvery)
	defer t.Stop()
	for {
		select {
		case <-s.stop:
			return
		case now := <-t.C:
			s.second.Store(now.Unix())
			s.sweep(s.cfg.Clock())
		}
	}
}

func (s *Server) sweep(now int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		if word := c.stage.word.Load(); c.stage.note(word, now) {
			continue
		} else if c.raw != nil && (word&7 == stageBusy || word&7 == stageIdle) && c.stage.looked != word {
			c.stage.looked = word
			c.stage.nudged.Store(true)
			_ = c.nc.SetReadDeadline(longAgo)
			continue
		}
		if limit := s.limitOf(c); limit > 0 && now-c.stage.since > int64(limit) {
			_ = c.nc.SetReadDeadline(longAgo)
		}
	}
	if s.filesFull() {
		s.evictLocked()
	}
	s.relieveLocked(now)
	s.left.Broadcast() // who waits for room may find another to evict
}

// limitOf is how long c may stay in its stage; 0: for ever.
func (s *Server) limitOf(c *conn) time.Duration {
	switch c.stage.now() {
	case stageNew, stageIdle:
		limit := s.cfg.KeepAlive
		if c.stage.now() == stageNew {
			limit = headLimit
		}
		if s.drainBegan > 0 {
			idle := max(s.drainBegan-c.stage.since, 0) // when the draining began
			limit = min(limit, time.Duration(idle)+drainLimit)
		}
		return limit
	case stageHead:
		return headLimit
	case stageBody:
		return bodyLimit + time.Duration(c.body.came.Load())*time.Second/bodyRate
	case stageLinger:
		return lingerLimit
	}
	return 0
}

// afterHalfClose runs f if the request is still queued some time after its
// client closed its sending side. The returned function calls it off.
func (s *Server) afterHalfClose(f func()) (stop func() bool) {
	return time.AfterFunc(halfCloseGrace, f).Stop
}

const halfCloseGrace = 200 * time.Millisecond
