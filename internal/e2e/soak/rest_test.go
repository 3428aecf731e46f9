package soak

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// settled waits until nothing is under way any more, all connections have ended, and
// returns what is held.
// What is held only for a while (idle connections, drained workers, a pool's
// rests) is waited for: the least of what was seen in a row counts.
func (s *server) settled(t *testing.T) held {
	t.Helper()
	time.Sleep(time.Second)
	var last held
	same := 0
	rests := func() bool {
		now := s.held()
		if now.descriptors == last.descriptors && now.threads == last.threads && fmt.Sprint(now.figures) == fmt.Sprint(last.figures) {
			same++
		} else {
			same = 0
		}
		last = now
		return same >= 6 && len(now.figures) == figureCount && now.figures["sched.in_flight"] == 0 && now.figures["sched.calls"] == 0 && now.figures["connections"] == 0 // three seconds of rest
	}
	for end := time.Now().Add(limit); !rests(); time.Sleep(500 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not after %v: the server is at rest. It was at rest %d times in a row, and holds %v\n%s", limit, same, last, s.stands())
		}
	}
	return last
}

// stands is where its processes stand: what each thread waits for in the kernel, and the
// master's goroutines, with whose stacks it ends.
func (s *server) stands() string {
	var at strings.Builder
	for _, pid := range append([]int{s.cmd.Process.Pid}, s.children()...) {
		threads, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*", pid))
		for _, thread := range threads {
			name, _ := os.ReadFile(filepath.Join(thread, "comm"))
			waits, _ := os.ReadFile(filepath.Join(thread, "wchan"))
			fmt.Fprintf(&at, "%s %s in %s\n", thread, strings.TrimSpace(string(name)), waits)
		}
	}
	s.mu.Lock()
	s.all = true
	s.mu.Unlock()
	_ = s.cmd.Process.Signal(syscall.SIGABRT)
	select {
	case <-s.done: // its log, which follows, has the stacks
	case <-time.After(10 * time.Second):
	}
	return at.String()
}
