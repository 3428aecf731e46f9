package serve

import (
	"errors"

	"girin/internal/program"
	"girin/internal/supervisor"
)

// partFailed ends the server, as TERM does, because a part of it could not be kept.
func (s *server) partFailed(why string) {
	s.broken.CompareAndSwap(nil, &why)
	if s.ending.quick.Err() != nil {
		return // it ends already
	}
	s.tellEnd()
	s.ending.begin()
	s.signals.beside(s.drain)
}

// outcome maps how the server ended to an exit status.
func (s *server) outcome(err error) int {
	s.log.Infof("Shutting down: Master")
	var boot *supervisor.BootError
	switch {
	case errors.As(err, &boot):
		s.log.Errorf("Reason: App failed to load.")
		return boot.Code
	case err != nil:
		return program.StatusOf(err)
	}
	if why := s.broken.Load(); why != nil {
		s.log.Errorf("Reason: %s", *why)
		return program.Broken
	}
	return 0
}
