package jobs

import (
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// wall is what this server's own clock shows.
func (n *Node) wall() time.Time {
	if n.cfg.Wall == nil {
		return time.Now()
	}
	return n.cfg.Wall()
}

// now is what the engine's clock shows: a time is noted by one server and read by another,
// whose own clock may be wrong.
func (n *Node) now() time.Time { return n.wall().Add(time.Duration(n.behind.Load())) }

// clockNear is what the way of the engine's answer may make of a clock that is right; an
// answer that took longer says too little.
const clockNear = 250 * time.Millisecond

// wasSet reports whether this server's clock was set since off was noted: how far it is before the
// one that nobody sets.
func (n *Node) wasSet(off *int64) bool {
	was := *off
	*off = n.wall().UnixNano() - n.cfg.Clock()
	return time.Duration(*off-was).Abs() > clockNear
}

// lookAtClock compares the clocks: what a stream was told to be has just come, and was asked
// for at a time.
func (n *Node) lookAtClock(s jetstream.Stream, asked time.Time) {
	shows, took := s.CachedInfo().TimeStamp, n.wall().Sub(asked)
	if shows.IsZero() || took > clockNear {
		n.fill.stirred.Store(true) // soon again
		return
	}
	behind := shows.Sub(asked.Add(took / 2))
	if behind.Abs() < clockNear {
		behind = 0
	}
	n.behind.Store(int64(behind))
}
