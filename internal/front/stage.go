package front

import (
	"errors"
	"os"
	"sync/atomic"
	"time"
)

// stage is what a connection does, for the sweeper to time: it counts changes,
// so that nobody needs to look at a clock to enter one. How long each may last
// is in one place, limitOf; nobody else sets a deadline for reading. For
// writing there is one limit in every stage: see sweeper.judgeWriting.
//
//	stage      what is awaited                       for how long
//	proxy      the PROXY header                      times.proxy
//	handshake  all of TLS's handshake                times.handshake
//	new        the first byte                        times.head
//	head       the rest of a head                    times.head
//	body       the rest of a body                    times.body, and more for what comes
//	busy       the application, or a slow client     its own deadlines
//	idle       the next request                      keep-alive
//	linger     the client's end of the connection    times.linger, and more for a body that comes
//	streams    (HTTP/2) whatever comes               its own deadlines
//	discards   (HTTP/2) bodies that nobody wants     discardLimits
//	socket     (WebSocket) whatever comes            pings: see judgeSocket
//	closing    (WebSocket) the client's close frame  times.closing
//	tunnel     (a WSGI application's) whatever comes the application's own pings
//
// The sweeper ends a stage by making its read fail. It says for which change
// it did, so that a stage which began in the very moment is not ended.
type stage struct {
	word   atomic.Uint32 // changes<<4 | what
	judged atomic.Uint32 // the word whose time is over; 0: none

	// Of the sweeper.
	last   uint32
	since  int64
	began  int64  // the same, but a linger that goes on is one
	looked uint32 // the word for which it nudged

	left, leftSince int64 // what the client had not acknowledged of its answers, and when that became less last
}

const (
	stageNew = iota
	stageProxy
	stageHandshake
	stageHead
	stageBody
	stageBusy
	stageIdle
	stageLinger
	stageStreams
	stageDiscards
	stageSocket
	stageClosing
	stageTunnel

	stageBits = 4
)

func (s *stage) enter(what uint32) {
	s.word.Store((s.word.Load()>>stageBits+1)<<stageBits | what)
}

// note notes since when the stage is what it is, and reports whether it has
// changed since the last time. It is the sweeper's.
func (s *stage) note(word uint32, now int64) (changed bool) {
	if word == s.last {
		return false
	}
	if what := word & (1<<stageBits - 1); what != stageLinger { // which goes on with what an idle client has left
		s.began, s.left = now, 0
	} else if s.last&(1<<stageBits-1) != stageLinger {
		s.began = now
	}
	s.last, s.since = word, now
	return true
}

func (s *stage) now() uint32 { return s.word.Load() & (1<<stageBits - 1) }

// expireRead ends the stage that word stands for.
func (c *conn) expireRead(word uint32) {
	c.stage.judged.Store(word)
	_ = c.nc.SetReadDeadline(longAgo)
}

// nudge has a read made again. tryServe leaves the poller's edge unused when a
// client leaves together with its request: that is found out so, once a request
// takes long or none has followed it for a while.
func (c *conn) nudge() { _ = c.nc.SetReadDeadline(longAgo) }

// unlessNudged judges a read's end: unless the stage's time is over it goes on
// reading when the sweeper has ended the read.
func (c *conn) unlessNudged(err error) error {
	for errors.Is(err, os.ErrDeadlineExceeded) && !c.overdue() {
		err = c.in.fill()
	}
	return err
}

// overdue clears the deadline by which the sweeper has ended a read, and
// reports whether it did so because the present stage's time is over.
func (c *conn) overdue() bool {
	_ = c.nc.SetReadDeadline(noDeadline)
	judged := c.stage.judged.Swap(0)
	return judged != 0 && judged == c.stage.word.Load()
}

var (
	noDeadline = time.Time{}
	longAgo    = time.Unix(1, 0)
)
