package serve

import (
	"os"
	"syscall"
)

// brokeDown is told that a part of the server cannot be kept. The server ends as by
// a TERM, so that what runs is finished, and with a status that says so.
func (s *server) brokeDown(why string) {
	s.broken.CompareAndSwap(nil, &why)
	_ = syscall.Kill(os.Getpid(), syscall.SIGTERM)
}

// refused is told of what cannot be in the life of a request.
func (s *server) refused(what string) {
	s.metrics.Refused()
	s.log.Errorf("a fault of the server: %s", what)
}
