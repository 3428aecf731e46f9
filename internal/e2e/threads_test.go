package e2e_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"
)

// Under auto a worker starts a thread for each request that runs at once, and keeps it:
// however many requests there are, it has no more than those, one that leads, one to
// spare, its main thread and the one of control.
func TestThreadsAreStartedForWhatRunsAtOnce(t *testing.T) {
	const atOnce, each = 6, 300
	dir := filepath.Join(t.TempDir(), "run")
	s := start(t, options{args: []string{"-k", "auto", "-w", "2", "--threads", "64"}, env: []string{"GIRIN_RUNTIME_DIR=" + dir}})
	paths := []string{"/", "/", "/wait?0.005", "/compute?0.006", "/large?300000"}
	for round := range 3 {
		var clients sync.WaitGroup
		for i := range atOnce {
			random := rand.New(rand.NewPCG(uint64(round), uint64(i)))
			clients.Go(func() {
				for range each {
					path := paths[random.IntN(len(paths))]
					if n := s.exchange(t, "GET "+path+" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"); n != 200 {
						t.Errorf("GET %s: status %d", path, n)
						return
					}
				}
			})
		}
		clients.Wait()
		for _, w := range holds(t, dir).Sched.Workers {
			threads, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", w.PID))
			if err != nil {
				t.Fatal(err)
			}
			if n := len(threads); n > atOnce+4 {
				t.Errorf("after %d requests, %d at once, worker %d has %d threads", (round+1)*atOnce*each, atOnce, w.PID, n)
			}
		}
	}
}
