package supervisor

import (
	"context"
	"errors"
)

// Alive returns nil when the goroutine of Run answers, or why it does not.
func (s *Supervisor) Alive(ctx context.Context) error {
	answered := make(chan struct{})
	select {
	case s.commands <- func() { close(answered) }:
	case <-s.stopped:
		return errors.New("it has ended")
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	select {
	case <-answered:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
