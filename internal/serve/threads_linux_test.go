package serve

import (
	"os"
	"testing"
)

// The runtime has as many threads afterwards, whatever runs.
func TestThreadsAreMadeAtOnce(t *testing.T) {
	const n = 40
	makeThreads(n)
	tasks, err := os.ReadDir("/proc/self/task")
	if err != nil {
		t.Fatal(err)
	}
	if len(tasks) < n {
		t.Errorf("there are %d threads", len(tasks))
	}
}
