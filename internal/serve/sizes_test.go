package serve

import (
	"testing"

	"girin/internal/config"
)

// Under auto as many requests may wait as the most workers have threads: a number of its own would hold back, on a machine with many
// cores, what a fixed number of threads serves.
func TestAutoMayWaitInAllThreads(t *testing.T) {
	for _, c := range []*config.Config{{WorkerClass: "auto"}, {WorkerClass: "auto", Workers: 4, Threads: 16}} {
		p := sizesOf(c)
		if p.waiting != p.most*p.threads || p.threads == 0 || p.most < p.workers {
			t.Errorf("%+v", p)
		}
	}
}
