package sched

import (
	"fmt"

	"girin/internal/wire"
)

// ErrUnread is ErrStopped for a call that no worker has begun, and none will.
var ErrUnread = fmt.Errorf("%w before it was begun", ErrStopped)

// recallable is a lane whose packets can be had back.
type recallable interface {
	TakeBack(visit func(packet []byte))
}

// TakeBack ends the calls that no worker has read: for when the workers have ended.
func (q *Queue) TakeBack() {
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
	q.each(func(c *Call, id uint64) {
		if c.in(id, kept) || c.in(id, recalled) {
			q.endUnread(id)
		}
	})
}

func (q *Queue) endUnread(id uint64) {
	if c := q.find(id); c != nil {
		q.fail(c, id, stop, ErrUnread)
	}
}
