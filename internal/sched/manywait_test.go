package sched

import (
	"testing"
	"time"
)

// A thousand clients of an application that hardly does anything but wait have all the threads that there may be, though each
// request takes some CPU time, so that they seem to queue a little: no fixed number of threads serves more.
func TestAThousandThatWaitHaveAllThreads(t *testing.T) {
	size := clusterSize{Cores: 2, Workers: 3, Most: 5, Threads: 128, Waiting: 640, Boot: 700 * time.Millisecond}
	onCluster(t, size, func(t *testing.T, s *cluster) {
		wait := s.clients(1000, 8*time.Second, "/sleep", phase{Compute: 300 * time.Microsecond}, phase{Sleep: 200 * time.Millisecond})
		time.Sleep(5 * time.Second)
		began := time.Now()
		wait()
		_, n := latency(s.jobs, "/sleep", began)
		if rate := float64(n) / 3; rate < 0.95*2900 {
			t.Errorf("%.0f/s; the threads of five workers less those kept for light requests could do 3,000", rate)
			for _, d := range s.decisions {
				t.Log(d)
			}
		}
	})
}

// Of many that wait shortly some have just ended at each look, and the next are not let in yet.
func TestThreadsAreShortWhereAFewHaveJustEnded(t *testing.T) {
	a := &auto{cfg: Auto{Threads: 640}, room: 360, blocked: []*Route{new(Route)}}
	for waiting, short := range map[int]bool{360: true, 340: true, 200: false} {
		if a.waiting = waiting; a.shortLocked() != short {
			t.Errorf("%d of %d threads are in use and some requests wait: short is %v", waiting, a.room, !short)
		}
	}
	if a.waiting, a.blocked = 360, nil; a.shortLocked() {
		t.Error("short although nothing waits")
	}
}
