//go:build !restricted

package worker_test

import (
	"testing"

	"girin/internal/worker"
)

// An application may do to what it inherits whatever it wants, but for ending
// the master.
func TestSharedMemoryKeepsItsSize(t *testing.T) {
	arena, err := worker.NewArena()
	if err != nil {
		t.Fatal(err)
	}
	defer arena.Close()
	r := newRig(t)
	w := r.start("truncates")
	r.wait(w.Done(), "the end")
	if code := w.Process().ExitCode(); code != 0 {
		t.Errorf("exit code %d: it could change the size of what is shared", code)
	}
}
