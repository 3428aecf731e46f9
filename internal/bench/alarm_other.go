//go:build !linux

package bench

import (
	"os"
	"sync"
	"time"
)

// alarm sleeps with the precision of the runtime's timers.
type alarm struct {
	once   sync.Once
	closed chan struct{}
}

func newAlarm() (*alarm, error) { return &alarm{closed: make(chan struct{})}, nil }

// sleep waits for d, or until the alarm is closed.
func (a *alarm) sleep(d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-a.closed:
		return os.ErrClosed
	}
}

// close ends a sleep that is under way; it may be called from any goroutine.
func (a *alarm) close() { a.once.Do(func() { close(a.closed) }) }
