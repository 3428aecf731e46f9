package e2e_test

import (
	"syscall"
	"testing"
)

// gunicorn's USR2 is not built; whoever sends it must be told.
func TestUSR2IsAnswered(t *testing.T) {
	s := start(t, options{})
	if err := s.cmd.Process.Signal(syscall.SIGUSR2); err != nil {
		t.Fatal(err)
	}
	s.wait(t, "USR2 changes nothing")
	s.get(t, "/")
	if err := s.end(t, syscall.SIGTERM); err != nil {
		t.Error(err)
	}
}
