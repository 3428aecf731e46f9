package jobs

import (
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// now is what the engine's clock shows: when a job may begin is said by one server, and read
// by another, whose own clock may be wrong.
func (n *Node) now() time.Time { return time.Now().Add(time.Duration(n.behind.Load())) }

// lookAtClock compares the clocks. A little is the way of the engine's answer.
func (n *Node) lookAtClock(s jetstream.Stream) {
	behind := time.Until(s.CachedInfo().TimeStamp)
	if s.CachedInfo().TimeStamp.IsZero() || behind.Abs() < clockOdd {
		behind = 0
	}
	n.behind.Store(int64(behind))
}
