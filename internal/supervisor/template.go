package supervisor

import (
	"errors"
	"os/exec"
	"syscall"

	"girin/internal/worker"
)

// Template is a process from which a generation's workers are forked.
type Template interface {
	// Start starts it, also again when it has ended. Done is called once, from a
	// goroutine of its own: it is ready, or why it will not be.
	Start(done func(error))
	// Close ends it; the workers stay.
	Close()
}

// prepare reports whether workers of the current generation can be started, and
// otherwise sees to it.
func (s *Supervisor) prepare() bool {
	g := s.gen
	if g.template == nil || g.prepared {
		return true
	}
	if !g.preparing {
		g.preparing = true
		g.template.Start(func(err error) { s.do(func() { s.isPrepared(g, err) }) })
	}
	return false
}

func (s *Supervisor) isPrepared(g *generation, err error) {
	g.preparing = false
	switch {
	case g != s.gen || s.stopping:
		g.close()
	case err != nil:
		s.failed(g, templateError(err))
	default:
		g.prepared = true
	}
}

func templateError(err error) *BootError {
	var broken *worker.Broken
	if errors.As(err, &broken) {
		return &BootError{Code: broken.Code, Text: broken.Text}
	}
	killed := false
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		status, ok := exit.Sys().(syscall.WaitStatus)
		killed = ok && status.Signaled() && fromOutside(status.Signal())
	}
	return &BootError{Code: 3, Text: "the application cannot be imported: " + err.Error(), killed: killed}
}

// close ends what workers would be forked from.
func (g *generation) close() {
	if g != nil && g.template != nil {
		g.template.Close()
	}
}
