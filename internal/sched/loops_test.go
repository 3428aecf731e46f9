package sched

import (
	"strings"
	"testing"
	"time"
)

// loops is a machine of two cores with an event loop for each.
var loops = clusterSize{Cores: 2, Workers: 2, Most: 5, Threads: 1000, Waiting: 256, Boot: 300 * time.Millisecond, Loops: true}

var block = phase{Block: 200 * time.Millisecond}

// know has a route asked for once: of what nobody has asked for yet the first request waits for
// others that are new.
func (s *cluster) know(route string, phases ...phase) {
	_, j := s.ask(route, phases...)
	<-j.ended
	time.Sleep(time.Second)
}

// What holds a loop is learned and kept from the light requests.
func TestLoopsServeAMixedLoad(t *testing.T) {
	onCluster(t, loops, func(t *testing.T, s *cluster) {
		const lasts = 20 * time.Second
		s.know("/light", quick)
		began := time.Now()
		waits := []func(){
			s.clients(8, lasts, "/compute", heavy),
			s.clients(2, lasts, "/block", block),
			s.clients(64, lasts, "/sleep", sleep),
			s.every(20*time.Millisecond, lasts, "/light", quick),
		}
		for _, wait := range waits {
			wait()
		}
		if p99, n := latency(s.jobs, "/light", began.Add(-time.Second)); p99 > 10*time.Millisecond || n < 990 {
			t.Errorf("light, from the beginning: p99 %v of %d", p99, n)
		}
		settled := began.Add(3 * time.Second)
		if p99, n := latency(s.jobs, "/sleep", settled); p99 > 210*time.Millisecond || n < 5000 {
			t.Errorf("sleeping: p99 %v of %d", p99, n)
		}
		if _, n := latency(s.jobs, "/compute", settled); n < 120 {
			t.Errorf("computing: %d", n)
		}
	})
}

// Several routes that hold their loop, all new, come at once: light requests keep a loop.
func TestOfNewRoutesOneLoopAtMostIsHeld(t *testing.T) {
	onCluster(t, loops, func(t *testing.T, s *cluster) {
		s.know("/light", quick)
		const lasts = 10 * time.Second
		began := time.Now()
		waits := []func(){s.every(20*time.Millisecond, lasts, "/light", quick)}
		for _, route := range []string{"/a", "/b", "/c"} {
			waits = append(waits, s.clients(2, lasts, route, block))
		}
		waits = append(waits, s.clients(4, lasts, "/compute", heavy), s.clients(64, lasts, "/sleep", sleep))
		for _, wait := range waits {
			wait()
		}
		if p99, n := latency(s.jobs, "/light", began.Add(-1)); p99 > 10*time.Millisecond || n < 490 {
			t.Errorf("light: p99 %v of %d", p99, n)
		}
	})
}

// What holds the loop that takes what is new does not keep all that is new for long: nor if it
// was stopped, and does not tell that anything holds it.
func TestNewRoutesDoNotWaitForALoopThatIsHeldForLong(t *testing.T) {
	for name, held := range map[string]phase{"a request holds it": {Block: 20 * time.Second}, "it is stopped": {Stop: 20 * time.Second}} {
		t.Run(name, func(t *testing.T) {
			onCluster(t, loops, func(t *testing.T, s *cluster) {
				time.Sleep(time.Second)
				_, first := s.ask("/holds", held)
				time.Sleep(100 * time.Millisecond)
				_, other := s.ask("/other", quick)
				<-other.ended
				if took := time.Since(other.asked); took > time.Second {
					t.Errorf("it took %v", took)
				}
				<-first.ended
			})
		})
	}
}

// The first request of a route may run where nothing else will: the others do not wait for it.
func TestANewRouteDoesNotWaitForAWorkerThatDrains(t *testing.T) {
	onCluster(t, loops, func(t *testing.T, s *cluster) {
		wait := phase{Sleep: 20 * time.Second}
		_, first := s.ask("/poll", wait)
		s.reload()
		time.Sleep(time.Second)
		for range 10 {
			_, j := s.ask("/poll", wait)
			defer func() {
				<-j.ended
				if took := time.Since(j.asked); took > 22*time.Second {
					t.Errorf("it took %v", took)
				}
			}()
		}
		<-first.ended
	})
}

// The same where others of the route that holds it wait too, so that its loop computes.
func TestNewRoutesDoNotWaitForALoopThatComputes(t *testing.T) {
	onCluster(t, loops, func(t *testing.T, s *cluster) {
		time.Sleep(time.Second)
		var jobs []*autoJob
		for _, route := range []string{"/hangs", "/hangs", "/other"} {
			_, j := s.ask(route, phase{Block: map[string]time.Duration{"/hangs": 20 * time.Second, "/other": time.Millisecond}[route]})
			jobs = append(jobs, j)
		}
		other := jobs[2]
		<-other.ended
		if took := time.Since(other.asked); took > 3*time.Second {
			t.Errorf("it took %v", took)
		}
		for _, j := range jobs {
			<-j.ended
		}
	})
}

// A loop runs all that wait, however many, once it is known that they do.
func TestLoopsRunAllThatWait(t *testing.T) {
	onCluster(t, loops, func(t *testing.T, s *cluster) {
		var jobs []*autoJob
		for range 1500 {
			_, j := s.ask("/wait", phase{Sleep: 10 * time.Second})
			jobs = append(jobs, j)
		}
		for _, j := range jobs {
			<-j.ended
		}
		if took := time.Since(jobs[0].asked); took > 11*time.Second {
			t.Errorf("1500 requests that wait 10 s took %v on two loops", took)
		}
	})
}

// Of a route of which nothing is known one request tells what the others do.
func TestACrowdForABlockingRouteHoldsOneLoop(t *testing.T) {
	onCluster(t, loops, func(t *testing.T, s *cluster) {
		light := s.every(10*time.Millisecond, 3*time.Second, "/light", quick)
		time.Sleep(500 * time.Millisecond)
		crowd := s.clients(20, 2*time.Second, "/block", block)
		light()
		crowd()
		if p99, n := latency(s.jobs, "/light", time.Time{}); p99 > 10*time.Millisecond || n < 290 {
			t.Errorf("light: p99 %v of %d", p99, n)
		}
	})
}

// What is told of one hold twice counts once.
func TestOneHoldCountsOnce(t *testing.T) {
	inBubble(func(t *testing.T) {
		b := newBench(t, 1, nil)
		r := b.Route([]byte("GET"), []byte("/x"))
		for range 20 {
			r.observeCPU(100)
		}
		time.Sleep(40 * time.Millisecond)
		b.Held(r, 40*time.Millisecond)
		time.Sleep(40 * time.Millisecond)
		b.Held(r, 80*time.Millisecond)
		if want := heavyBottom + heavyStep; r.score != want {
			t.Errorf("the score is %d, want %d", r.score, want)
		}
		time.Sleep(time.Second)
		b.Held(r, 80*time.Millisecond)
		if want := heavyBottom + 2*heavyStep; r.score != want {
			t.Errorf("after another one the score is %d, want %d", r.score, want)
		}
	})(t)
}

// A request that blocks uses no CPU, and yet its loop runs no other: it keeps its slot.
func TestABlockingRequestKeepsItsSlot(t *testing.T) {
	onCluster(t, loops, func(t *testing.T, s *cluster) {
		s.clients(3, 5*time.Second, "/block", block)()
		for _, d := range s.decisions {
			if strings.Contains(d, "its slot is free") || strings.Contains(d, "may share") {
				t.Error(d)
			}
		}
	})
}

// What blocks its loop leaves its core to another: there are more loops than cores for it, and
// light requests keep one.
func TestBlockingRequestsHaveMoreLoopsThanCores(t *testing.T) {
	onCluster(t, loops, func(t *testing.T, s *cluster) {
		const lasts = 30 * time.Second
		began := time.Now()
		light := s.every(20*time.Millisecond, lasts, "/light", quick)
		s.clients(8, lasts, "/block", block)()
		light()
		if workers, _, _ := s.count(); workers != loops.Most {
			t.Errorf("%d loops, want %d", workers, loops.Most)
		}
		if _, n := latency(s.jobs, "/block", began.Add(20*time.Second)); n < 9*4*5 {
			t.Errorf("blocking: %d in the last 10 s, want nearly 4 loops' 20 a second", n)
		}
		if p99, n := latency(s.jobs, "/light", began); p99 > 10*time.Millisecond || n < 1400 {
			t.Errorf("light: p99 %v of %d", p99, n)
		}
	})
}

// Of a route that is new to a server that is busy, what waits is soon let in.
func TestLongPollsOfANewRouteAreLetInByABusyServer(t *testing.T) {
	onCluster(t, loops, func(t *testing.T, s *cluster) {
		for _, w := range s.readers() {
			w.lightly.Store(true)
		}
		busy := s.every(time.Millisecond, 8*time.Second, "/busy", phase{Compute: 1300 * time.Microsecond})
		time.Sleep(2 * time.Second)
		var jobs []*autoJob
		for range 300 {
			_, j := s.ask("/poll", phase{Sleep: 4 * time.Second})
			jobs = append(jobs, j)
		}
		for _, j := range jobs {
			<-j.ended
		}
		if took := time.Since(jobs[0].asked); took > 5*time.Second {
			t.Errorf("300 requests that wait 4 s took %v", took)
		}
		busy()
	})
}

// Calls that wait for threads, of which each loop has only so many, get more loops; when they
// are over the loops are given back.
func TestLoopsWhoseThreadsAreTakenGetOthers(t *testing.T) {
	onCluster(t, loops, func(t *testing.T, s *cluster) {
		const lasts = 150 * time.Second
		began := time.Now()
		s.clients(190, lasts, "/driver", phase{Thread: 500 * time.Millisecond})()
		if _, n := latency(s.jobs, "/driver", began.Add(lasts-10*time.Second)); n < 3300 {
			t.Errorf("%d in the last 10 s, want nearly 380 a second", n)
		}
		if n := len(s.resized()); n > 4 {
			t.Errorf("%d resizes under a steady load", n)
		}
		time.Sleep(6 * time.Minute)
		if workers, _, _ := s.count(); workers != 2 {
			t.Errorf("%d loops are left", workers)
		}
	})
}

// The processes that blocking requests needed are given back.
func TestLoopsAreGivenBack(t *testing.T) {
	onCluster(t, loops, func(t *testing.T, s *cluster) {
		light := s.every(20*time.Millisecond, 10*time.Second, "/light", quick)
		s.clients(4, 10*time.Second, "/compute", heavy)()
		light()
		if workers, _, _ := s.count(); workers != 3 {
			t.Errorf("%d loops while two requests compute, want 3", workers)
		}
		time.Sleep(3 * time.Minute)
		if workers, compute, _ := s.count(); workers != 2 || compute != 0 {
			t.Errorf("%d loops are left, %d compute", workers, compute)
		}
	})
}

// Where clients come back to what a process keeps for them, no load brings a second one.
func TestOneProcessStaysAlone(t *testing.T) {
	for _, loops := range []bool{true, false} {
		onCluster(t, clusterSize{Cores: 2, Workers: 1, Most: 5, Threads: 8, Waiting: 40, Boot: time.Second, Loops: loops, Single: true}, func(t *testing.T, s *cluster) {
			light := s.every(20*time.Millisecond, 10*time.Second, "/light", quick)
			s.clients(4, 10*time.Second, "/compute", heavy)()
			light()
			if n := len(s.resized()); n != 0 {
				t.Errorf("loops %v: %d resizes", loops, n)
			}
			if _, n := latency(s.jobs, "/light", time.Time{}); n < 450 {
				t.Errorf("loops %v: %d light requests have ended", loops, n)
			}
		})
	}
}

// What is new has its turn on a server that has as much to do as it can.
func TestANewRouteHasItsTurnOnABusyServer(t *testing.T) {
	onCluster(t, loops, func(t *testing.T, s *cluster) {
		s.know("/busy", phase{Compute: time.Millisecond})
		for _, w := range s.readers() {
			w.lightly.Store(true)
		}
		busy := s.clients(100, 5*time.Second, "/busy", phase{Compute: time.Millisecond})
		time.Sleep(time.Second)
		_, j := s.ask("/new", quick)
		<-j.ended
		if took := time.Since(j.asked); took > 200*time.Millisecond {
			t.Errorf("it took %v", took)
		}
		busy()
	})
}

// A crowd that waits as coroutines do comes in waves: light requests need not stand behind it.
func TestLightRequestsPassACrowdOfCoroutines(t *testing.T) {
	onCluster(t, loops, func(t *testing.T, s *cluster) {
		short := phase{Compute: 300 * time.Microsecond}
		s.know("/light", quick)
		s.know("/sleep", short, sleep, short)
		began := time.Now()
		waits := []func(){s.every(9*time.Millisecond, 10*time.Second, "/light", quick)}
		waits = append(waits, s.clients(200, 10*time.Second, "/sleep", short, sleep, short))
		for _, wait := range waits {
			wait()
		}
		if p99, n := latency(s.jobs, "/light", began); p99 > 14*time.Millisecond || n < 1000 { // 21 where they stand behind all that lie unread
			t.Errorf("light: p99 %v of %d", p99, n)
		}
		if _, n := latency(s.jobs, "/sleep", began); n < 8000 {
			t.Errorf("sleeping: %d", n)
		}
	})
}

// What is known to wait is not held to what is allowed of what is not, nor to the loop that takes
// that: its route may have been light until now.
func TestWhatIsKnownToWaitHasRoomInLoops(t *testing.T) {
	a := &auto{q: &Queue{main: new(line)}, compute: new(line), probes: true, room: 10}
	a.loops.Store(1)
	r := new(Route)
	r.limiter.untried = 1
	r.limiter.take()
	for _, yields := range []bool{true, false} {
		c := &Call{Route: r, yields: yields}
		if room, main := a.roomLocked(c), a.waitingLineLocked(c) == a.q.main; room != yields || main != yields {
			t.Errorf("known to wait: %v, room: %v, in the main lane: %v", yields, room, main)
		}
	}
}
