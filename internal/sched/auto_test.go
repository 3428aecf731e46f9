package sched

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// two is the usual machine: two cores.
var two = clusterSize{Cores: 2, Workers: 3, Most: 5, Threads: 128, Waiting: 256, Boot: 300 * time.Millisecond}

// onCluster runs a scenario in virtual time.
func onCluster(t *testing.T, size clusterSize, scenario func(t *testing.T, s *cluster)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := newCluster(size)
		synctest.Wait()
		scenario(t, s)
		for _, fault := range s.close() {
			t.Error(fault)
		}
		if t.Failed() {
			for _, d := range s.decisions {
				t.Log(d)
			}
		}
	})
}

// latency is the time that the slowest of a hundredth of the jobs took, but for
// those that began before since.
func latency(jobs []*autoJob, route string, since time.Time) (p99 time.Duration, n int) {
	var times []time.Duration
	for _, j := range jobs {
		if j.route == route && j.asked.After(since) {
			times = append(times, j.answer.ended.Sub(j.asked))
		}
	}
	if len(times) == 0 {
		return 0, 0
	}
	slices.Sort(times)
	return times[len(times)*99/100], len(times)
}

var (
	quick = phase{Compute: 300 * time.Microsecond}
	heavy = phase{Compute: 100 * time.Millisecond}
	sleep = phase{Sleep: 200 * time.Millisecond}
)

// The load that no fixed setting serves well: all three at once.
func TestMixedLoad(t *testing.T) {
	onCluster(t, two, func(t *testing.T, s *cluster) {
		const lasts = 20 * time.Second
		began := time.Now()
		wait := s.clients(8, lasts, "/compute", heavy)
		wait2 := s.clients(64, lasts, "/sleep", sleep)
		s.every(20*time.Millisecond, lasts, "/light", quick)()
		wait()
		wait2()
		settled := began.Add(5 * time.Second)
		seconds := (lasts - 5*time.Second).Seconds()
		if p99, n := latency(s.jobs, "/light", settled); p99 > 5*time.Millisecond || n < 700 {
			t.Errorf("light: p99 %v of %d", p99, n)
		}
		if p99, n := latency(s.jobs, "/sleep", settled); p99 > 250*time.Millisecond || float64(n)/seconds < 0.95*320 {
			t.Errorf("sleeping: p99 %v of %d", p99, n)
		}
		if p99, n := latency(s.jobs, "/compute", settled); float64(n)/seconds < 0.95*20 || p99 > 600*time.Millisecond {
			t.Errorf("computing: p99 %v of %d", p99, n)
		}
	})
}

// A step from light to computing load settles within 5 s, and then nothing is
// resized any more.
func TestAStepSettles(t *testing.T) {
	onCluster(t, two, func(t *testing.T, s *cluster) {
		began := time.Now()
		wait := s.every(20*time.Millisecond, 60*time.Second, "/light", quick)
		time.Sleep(10 * time.Second)
		wait2 := s.clients(8, 50*time.Second, "/compute", heavy)
		time.Sleep(5 * time.Second)
		if workers, compute, _ := s.count(); compute != 2 || workers < 3 {
			t.Errorf("%d workers, %d compute", workers, compute)
		}
		wait()
		wait2()
		for _, at := range s.resized() {
			if at.Sub(began) > 15*time.Second {
				t.Errorf("a resize after %v", at.Sub(began))
			}
		}
		// All is given back: the roles soon, the processes after a minute.
		time.Sleep(2 * time.Second)
		if _, compute, _ := s.count(); compute != 0 {
			t.Errorf("%d workers still compute", compute)
		}
		time.Sleep(3 * time.Minute)
		if workers, _, _ := s.count(); workers != 3 {
			t.Errorf("%d workers are left, want 3", workers)
		}
	})
}

// The only worker there is computes at once, and others follow.
func TestOneWorkerIsNotStarvedOfComputing(t *testing.T) {
	size := two
	size.Cores, size.Workers, size.Most, size.Boot = 1, 1, 3, 20*time.Second
	onCluster(t, size, func(t *testing.T, s *cluster) {
		s.clients(1, 100*time.Millisecond, "/compute", heavy)()
		_, j := s.ask("/compute", heavy)
		<-j.ended
		if took := time.Since(j.asked); took > time.Second {
			t.Errorf("it took %v", took)
		}
	})
}

// Without room for another process the one there is does everything.
func TestOneWorkerAtMostDoesEverything(t *testing.T) {
	size := two
	size.Workers, size.Most = 1, 1
	onCluster(t, size, func(t *testing.T, s *cluster) {
		wait := s.clients(3, 5*time.Second, "/compute", heavy)
		wait2 := s.clients(10, 5*time.Second, "/sleep", sleep)
		time.Sleep(time.Second)
		began := time.Now()
		s.every(20*time.Millisecond, 2*time.Second, "/light", quick)()
		wait()
		wait2()
		if p99, _ := latency(s.jobs, "/light", began); p99 > 20*time.Millisecond {
			t.Errorf("light: p99 %v", p99)
		}
		if _, n := latency(s.jobs, "/sleep", began); n < 150 {
			t.Errorf("%d slept", n)
		}
	})
}

// When the worker that reads the main lane dies, one that computes reads it
// until another is there.
func TestTheMainLaneIsAlwaysRead(t *testing.T) {
	size := two
	size.Boot = 5 * time.Second
	onCluster(t, size, func(t *testing.T, s *cluster) {
		wait := s.clients(8, 30*time.Second, "/compute", heavy)
		time.Sleep(10 * time.Second)
		main := -1
		for i, w := range s.readers() {
			if w.lane.Load() == mainLane {
				main = i
			}
		}
		if main < 0 {
			t.Fatal("nobody reads the main lane alone")
		}
		s.kill(main)
		time.Sleep(100 * time.Millisecond)
		_, j := s.ask("/light", quick)
		<-j.ended
		if took := time.Since(j.asked); took > 20*time.Millisecond {
			t.Errorf("a light request took %v", took)
		}
		wait()
	})
}

// A request that computes and then waits gives its slot up.
func TestASlotIsHeldOnlyWhileItComputes(t *testing.T) {
	onCluster(t, two, func(t *testing.T, s *cluster) {
		wait := s.clients(8, 30*time.Second, "/both", phase{Compute: 50 * time.Millisecond}, phase{Sleep: 10 * time.Second})
		time.Sleep(15 * time.Second)
		_, j := s.ask("/compute", heavy)
		<-j.ended
		if took := time.Since(j.asked); took > time.Second {
			t.Errorf("a computing request took %v", took)
		}
		wait()
		if _, n := latency(s.jobs, "/both", time.Time{}); n < 20 {
			t.Errorf("%d of 24 were served", n)
		}
	})
}

// More requests wait than one worker has threads: another one comes, and light
// requests find a thread meanwhile.
func TestWaitingRequestsLeaveThreadsForLightOnes(t *testing.T) {
	size := two
	size.Cores, size.Workers, size.Threads = 1, 1, 32
	onCluster(t, size, func(t *testing.T, s *cluster) {
		wait := s.clients(120, 20*time.Second, "/sleep", sleep)
		time.Sleep(time.Second)
		began := time.Now()
		s.every(10*time.Millisecond, time.Second, "/light", quick)()
		time.Sleep(15 * time.Second)
		if workers, _, _ := s.count(); workers != 4 {
			t.Errorf("%d workers, want 4", workers)
		}
		wait()
		if p99, _ := latency(s.jobs, "/light", began); p99 > 10*time.Millisecond {
			t.Errorf("light: p99 %v", p99)
		}
	})
}

// A process that takes long to boot is not asked for twice.
func TestSlowBootsAreWaitedFor(t *testing.T) {
	size := two
	size.Most, size.Boot = 9, 30*time.Second
	onCluster(t, size, func(t *testing.T, s *cluster) {
		time.Sleep(time.Minute)
		wait := s.clients(8, 20*time.Second, "/compute", heavy)
		time.Sleep(15 * time.Second)
		if _, _, target := s.count(); target != 3 {
			t.Errorf("%d workers were asked for, want 3", target)
		}
		wait()
	})
}

// Bursts that lie unread for a moment, whenever anyone looks, are no reason for
// another process.
func TestBurstsAreNoNeed(t *testing.T) {
	onCluster(t, two, func(t *testing.T, s *cluster) {
		for range 200 {
			for range 20 {
				s.ask("/light", quick)
			}
			time.Sleep(50 * time.Millisecond)
		}
		if n := len(s.resized()); n != 0 {
			t.Errorf("%d resizes", n)
		}
	})
}

// Requests that compute a little and wait a little leave a process idle that has
// only one of them: several run in each.
func TestRequestsThatAlsoWaitShareProcesses(t *testing.T) {
	onCluster(t, two, func(t *testing.T, s *cluster) {
		const lasts = 20 * time.Second
		began := time.Now()
		wait := s.clients(32, lasts, "/page", phase{Compute: 3 * time.Millisecond}, phase{Sleep: 10 * time.Millisecond}, phase{Compute: 3 * time.Millisecond})
		s.every(20*time.Millisecond, lasts, "/light", quick)()
		wait()
		settled := began.Add(5 * time.Second)
		seconds := (lasts - 5*time.Second).Seconds()
		if _, n := latency(s.jobs, "/page", settled); float64(n)/seconds < 0.65*333 {
			t.Errorf("%.0f pages/s, the cores bear 333", float64(n)/seconds)
		}
		if p99, _ := latency(s.jobs, "/light", settled); p99 > 5*time.Millisecond {
			t.Errorf("light: p99 %v", p99)
		}
	})
}

// Of a route of which nothing is known yet a crowd comes, and computes: few of it
// are let in until the first have ended, so that light requests are answered.
func TestACrowdOfUnknownRequests(t *testing.T) {
	onCluster(t, two, func(t *testing.T, s *cluster) {
		s.clients(1, 10*time.Millisecond, "/light", quick)()
		wait := s.clients(32, 3*time.Second, "/compute", heavy)
		wait2 := s.clients(64, 3*time.Second, "/sleep", sleep)
		began := time.Now()
		s.every(20*time.Millisecond, time.Second, "/light", quick)()
		wait()
		wait2()
		if p99, _ := latency(s.jobs, "/light", began); p99 > 20*time.Millisecond {
			t.Errorf("light: p99 %v", p99)
		}
		if _, n := latency(s.jobs, "/sleep", began); n < 64*13 {
			t.Errorf("%d slept, want 64 in each 0.2 s", n)
		}
	})
}

// There is no memory for another worker.
func TestMemoryLimitsWorkers(t *testing.T) {
	size := two
	size.Workers, size.Memory = 2, 3*workerMemory+workerMemory/8
	onCluster(t, size, func(t *testing.T, s *cluster) {
		s.clients(8, 20*time.Second, "/compute", heavy)()
		if workers, _, target := s.count(); workers != 2 || target != 2 {
			t.Errorf("%d workers, %d asked for; want 2", workers, target)
		}
	})
}

// Where light requests keep the server as busy as it can be, others have their turn too.
func TestLightRequestsDoNotStarveOthers(t *testing.T) {
	onCluster(t, clusterSize{Cores: 2, Workers: 3, Most: 5, Threads: 128, Waiting: 256, Boot: 300 * time.Millisecond}, func(t *testing.T, s *cluster) {
		busy := phase{Compute: time.Millisecond}
		for range 40 {
			_, j := s.ask("/busy", busy)
			<-j.ended
		}
		done := s.clients(250, 5*time.Second, "/busy", busy)
		time.Sleep(time.Second)
		for range 3 { // the first one is new
			_, j := s.ask("/wait", phase{Sleep: 50 * time.Millisecond})
			if <-j.ended; time.Since(j.asked) > time.Second {
				t.Errorf("it took %v", time.Since(j.asked))
			}
		}
		done()
	})
}
