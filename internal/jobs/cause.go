package jobs

import (
	"errors"
	"fmt"

	"girin/internal/sched"
)

// cause is why there is no answer, as one node tells it another.
type cause uint32

const (
	causeDied      cause = 1 + iota // the worker, or its node
	causeLost                       // a dead worker had taken it
	causeFailed                     // the application
	causeTimeout                    //
	causeCancelled                  // nobody waits
	causeStopped                    // the node ends
	causeRefused                    // it was not begun: no room, no body
	causeNoFile                     // no descriptor
)

var causes = map[cause]error{
	causeDied: sched.ErrWorkerDied, causeLost: sched.ErrLost, causeFailed: sched.ErrAppFailed, causeTimeout: sched.ErrTimeout,
	causeCancelled: sched.ErrCancelled, causeStopped: sched.ErrStopped, causeRefused: sched.ErrQueueFull, causeNoFile: sched.ErrNoDescriptor,
}

func causeOf(err error) cause {
	if errors.Is(err, sched.ErrUnread) {
		return causeRefused
	}
	for c, e := range causes {
		if errors.Is(err, e) {
			return c
		}
	}
	return causeDied
}

func (c cause) err() error {
	if err, ok := causes[c]; ok {
		return err
	}
	return fmt.Errorf("the node that ran it says %d", c)
}

// ran reports whether the application may have begun.
func (c cause) ran() bool { return c != causeRefused }

// again reports whether another attempt may answer. May: the request may be run again.
func (c cause) again(may bool) bool {
	switch c {
	case causeRefused:
		return true
	case causeDied, causeLost, causeStopped:
		return may
	}
	return false
}
