package sched

import (
	"testing"
	"time"
)

// noGIL is a machine of four cores with a free-threaded Python.
var noGIL = clusterSize{Cores: 4, Workers: 5, Most: 9, Threads: 128, Waiting: 256, Boot: 300 * time.Millisecond, NoGIL: true}

// Without a GIL one process runs all that compute, on all cores, beside light requests.
func TestWithoutAGILOneProcessComputes(t *testing.T) {
	onCluster(t, noGIL, func(t *testing.T, s *cluster) {
		const lasts = 20 * time.Second
		began := time.Now()
		wait := s.clients(16, lasts, "/compute", heavy)
		light := s.every(20*time.Millisecond, lasts, "/light", quick)
		time.Sleep(lasts / 2)
		if workers, compute, _ := s.count(); workers != 5 || compute != 1 {
			t.Errorf("%d workers, of which %d compute; want 5 and 1", workers, compute)
		}
		wait()
		light()
		settled := began.Add(5 * time.Second)
		if p99, n := latency(s.jobs, "/light", settled); p99 > 5*time.Millisecond || n < 700 {
			t.Errorf("light: p99 %v of %d", p99, n)
		}
		if _, n := latency(s.jobs, "/compute", settled); float64(n)/15 < 0.95*40 {
			t.Errorf("computing: %d in 15 s on four cores, ideally 600", n)
		}
		time.Sleep(3 * time.Second)
		if _, compute, _ := s.count(); compute != 0 {
			t.Errorf("%d still compute", compute)
		}
	})
}

// A process runs no more of them at once than it has threads.
func TestWithoutAGILAsManyProcessesComputeAsThreadsNeed(t *testing.T) {
	small := noGIL
	small.Threads = 2
	onCluster(t, small, func(t *testing.T, s *cluster) {
		const lasts = 20 * time.Second
		began := time.Now()
		s.clients(16, lasts, "/compute", heavy)()
		if _, n := latency(s.jobs, "/compute", began.Add(5*time.Second)); float64(n)/15 < 0.95*40 {
			t.Errorf("computing: %d in 15 s on four cores, ideally 600", n)
		}
	})
}

// A module that turns the GIL on in one worker takes that away: each computes in a process.
func TestAGILThatIsTurnedOnSpreadsWhatComputes(t *testing.T) {
	onCluster(t, noGIL, func(t *testing.T, s *cluster) {
		wait := s.clients(16, 20*time.Second, "/compute", heavy)
		time.Sleep(5 * time.Second)
		if _, compute, _ := s.count(); compute != 1 {
			t.Errorf("%d compute before, want 1", compute)
		}
		for _, w := range s.readers() {
			w.gil.Store(true)
		}
		time.Sleep(10 * time.Second)
		if _, compute, _ := s.count(); compute != 4 {
			t.Errorf("%d compute after, want 4", compute)
		}
		wait()
	})
}
