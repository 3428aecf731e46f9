package sched

import (
	"fmt"
	"slices"
	"time"

	"girin/internal/wire"
)

// ErrUnread is ErrStopped for a call that no worker has begun, and none will.
var ErrUnread = fmt.Errorf("%w before it was begun", ErrStopped)

// recallable is a lane whose packets can be had back.
type recallable interface {
	TakeBack(visit func(packet []byte))
}

// TakeBack ends the calls that no worker has read: for when the workers have ended. Those
// that are kept come first, or a feeder would send them where there is room again.
func (q *Queue) TakeBack() {
	q.each(func(c *Call, id uint64) {
		if c.in(id, kept) || c.in(id, recalled) {
			q.endUnread(id)
		}
	})
	for range feederTries {
		q.takeBackLanes()
		if !slices.ContainsFunc(q.lines, func(l *line) bool { return l.held.Load() != 0 }) {
			break
		}
		time.Sleep(time.Millisecond) // one that a feeder has in hand is still to come
	}
	q.takeBackLanes()
}

const feederTries = 50

func (q *Queue) takeBackLanes() {
	for _, l := range q.lines {
		lane, ok := l.lane.(recallable)
		if !ok {
			continue
		}
		lane.TakeBack(func(packet []byte) {
			if head, err := wire.ParseRequest(packet); err == nil {
				q.endUnread(head.ID)
			}
		})
	}
}

func (q *Queue) endUnread(id uint64) {
	if c := q.find(id); c != nil {
		q.fail(c, id, stop, ErrUnread)
	}
}
