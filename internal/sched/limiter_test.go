package sched

import (
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// crowd is what stands behind a route: how long the i-th request takes when so
// many run at once.
type crowd func(active, i int) (us uint32, failed bool)

// settle lets so many clients ask for n rounds, and returns the limit.
func settle(behind crowd, clients, rounds int) *limiter {
	l := new(limiter)
	began := int64(1)
	for range rounds {
		active := min(l.now(), clients)
		for range active {
			l.take()
		}
		if clients > active {
			l.full()
		}
		last := began
		for i := range active {
			us, failed := behind(active, i)
			last = began + int64(us)*1000
			l.observe(us, last, failed, 256)
			l.active--
		}
		began = last
	}
	return l
}

func TestLimiter(t *testing.T) {
	const ms = 1000
	sleeps := func(int, int) (uint32, bool) { return 200 * ms, false }
	pool := func(n int) crowd {
		return func(_, i int) (uint32, bool) { return uint32((1 + i/n) * 100 * ms), false }
	}
	breaks := func(at int) crowd {
		return func(_, i int) (uint32, bool) { return 100 * ms, i >= at }
	}
	tests := map[string]struct {
		behind          crowd
		clients, rounds int
		low, top        int
	}{
		"nothing known":       {sleeps, 0, 0, limitFirst, limitFirst},
		"few sleep":           {sleeps, 10, 100, limitFirst, limitFirst},
		"as many as may":      {sleeps, limitFirst, 100, limitFirst, limitFirst},
		"many sleep":          {sleeps, 200, 5, 200, 256},
		"many sleep for long": {sleeps, 1000, 1000, 256, 256},
		"a pool of ten":       {pool(10), 1000, 100, 10, 20},
		"a pool of forty":     {pool(40), 1000, 100, 40, 80},
		"a pool of two":       {pool(2), 1000, 100, 4, 10},
		"the GIL":             {pool(1), 1000, 200, 4, 4},
		"fails beyond thirty": {breaks(30), 1000, 100, 10, 50},
		"fails always":        {breaks(0), 1000, 100, limitLeast, limitLeast},
		"hardly any time":     {func(int, int) (uint32, bool) { return 2 * ms, false }, 1000, 1000, 256, 256},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			l := settle(test.behind, test.clients, test.rounds)
			if got := l.now(); got < test.low || got > test.top {
				t.Errorf("limit %d, want %d to %d (%s)", got, test.low, test.top, l.why)
			}
		})
	}
}

// What ran under another limit says nothing of this one.
func TestTheLimiterWaitsForWhatItChanged(t *testing.T) {
	l := new(limiter)
	for range limitFirst {
		l.take()
	}
	l.full()
	for range limitFirst {
		l.observe(200_000, 200_000_001, false, 256)
	}
	if l.now() != 128 {
		t.Fatalf("limit %d, want 128", l.now())
	}
	for range 127 {
		l.observe(900_000, 1_100_000_001, false, 256)
	}
	if l.now() != 128 || l.count != 0 {
		t.Errorf("limit %d, want 128 still; %d were counted", l.now(), l.count)
	}
}

// Many that wait shortly end in waves: a window that holds one alone tells their number, not
// their rate.
func TestAWaveIsNoWindow(t *testing.T) {
	l := new(limiter)
	wave := func(at int64) {
		for range limitFirst {
			l.take()
		}
		l.full()
		for range limitFirst {
			l.observe(20_000, at, false, 256)
			l.active--
		}
	}
	for at := int64(20_000_000); at < limitLasts; at += 20_000_000 {
		if wave(at); l.now() != limitFirst {
			t.Fatalf("limit %d after %v, want %d still", l.now(), time.Duration(at), limitFirst)
		}
	}
	if wave(limitLasts); l.now() != 2*limitFirst {
		t.Errorf("limit %d after %v, want %d", l.now(), time.Duration(limitLasts), 2*limitFirst)
	}
}

// 200 clients that sleep all sleep at once, soon.
func TestAllWhoSleepSleepAtOnce(t *testing.T) {
	onCluster(t, two, func(t *testing.T, s *cluster) {
		wait := s.clients(200, 5*time.Second, "/sleep", sleep)
		time.Sleep(2*time.Second - 50*time.Millisecond)
		synctest.Wait()
		asleep := 0
		for _, w := range s.readers() {
			asleep += busySlots(w)
		}
		if asleep != 200 {
			t.Errorf("%d sleep at once", asleep)
		}
		wait()
	})
}

// What a request took before a pause does not hold back those that take longer.
func TestAPauseIsForgotten(t *testing.T) {
	onCluster(t, two, func(t *testing.T, s *cluster) {
		_, j := s.ask("/sleep/*", phase{Sleep: 200 * time.Millisecond})
		<-j.ended
		time.Sleep(5 * time.Second)
		wait := s.clients(200, 5*time.Second, "/sleep/*", phase{Sleep: 500 * time.Millisecond})
		time.Sleep(2 * time.Second)
		began := time.Now()
		wait()
		if _, n := latency(s.jobs, "/sleep/*", began); n < 1100 {
			t.Errorf("%d of 1200 were served in 3 s", n)
		}
	})
}

// A pool of ten behind a route raises if one waits for it for more than a
// second. It is not driven into that, and it is kept busy.
func TestAPoolIsNotStormed(t *testing.T) {
	for _, clients := range []int{20, 64, 200, 1000} {
		onCluster(t, two, func(t *testing.T, s *cluster) {
			p := newPool(10, time.Second)
			const lasts = 20 * time.Second
			s.clients(clients, lasts, "/database", phase{Pool: p, Hold: 100 * time.Millisecond})()
			if n := p.failed.Load(); n > 0 {
				t.Errorf("%d clients: %d of %d failed", clients, n, len(s.jobs))
			}
			if n := float64(p.held.Load()) / lasts.Seconds(); n < 95 {
				t.Errorf("%d clients: %.0f/s, want 100", clients, n)
			}
		})
	}
}

// A pool that raises soon costs some errors, and then hardly any.
func TestAnImpatientPoolIsLeftAlone(t *testing.T) {
	onCluster(t, two, func(t *testing.T, s *cluster) {
		p := newPool(10, 200*time.Millisecond)
		wait := s.clients(200, 20*time.Second, "/database", phase{Pool: p, Hold: 100 * time.Millisecond})
		time.Sleep(2 * time.Second)
		early := p.failed.Load()
		wait()
		if late, all := p.failed.Load()-early, p.held.Load(); late*20 > all {
			t.Errorf("%d failed after 2 s, %d did not", late, all)
		}
	})
}

// A route that takes longer than before is not taken for a crowded one.
func TestAChangedServiceTimeIsLearnedAnew(t *testing.T) {
	for _, change := range [][2]time.Duration{{50, 400}, {400, 50}} {
		onCluster(t, two, func(t *testing.T, s *cluster) {
			s.clients(100, 2*time.Second, "/sleep", phase{Sleep: change[0] * time.Millisecond})()
			wait := s.clients(100, 8*time.Second, "/sleep", phase{Sleep: change[1] * time.Millisecond})
			time.Sleep(6 * time.Second)
			began := time.Now()
			wait()
			took, n := latency(s.jobs, "/sleep", began)
			if ideal := change[1] * time.Millisecond; took > ideal*5/4 {
				t.Errorf("from %v to %v: %v of %d", change[0]*time.Millisecond, ideal, took, n)
			}
		})
	}
}

// Requests of one route that sleep for different times do not crowd each other.
func TestSleepsOfDifferentLengthAreNotHeldBack(t *testing.T) {
	onCluster(t, two, func(t *testing.T, s *cluster) {
		dice := newDice(3)
		var mu sync.Mutex
		stop := make(chan struct{})
		var all sync.WaitGroup
		for range 200 {
			all.Go(func() {
				s.client(stop, "/sleep/*", func() []phase {
					mu.Lock()
					defer mu.Unlock()
					return []phase{{Sleep: time.Duration(50+dice()%350) * time.Millisecond}}
				})
			})
		}
		time.Sleep(6 * time.Second) // the limit has grown to them by then
		began := time.Now()
		time.Sleep(2 * time.Second)
		close(stop)
		all.Wait()
		_, n := latency(s.jobs, "/sleep/*", began)
		if ideal := 200 / 0.225 * 2; float64(n) < 0.9*ideal {
			t.Errorf("%d were served, ideally %.0f", n, ideal)
		}
	})
}

// places are what a route's requests were placed as.
func places(jobs []*autoJob, route string) (list []kind) {
	for _, j := range jobs {
		if j.route == route {
			list = append(list, j.kind)
		}
	}
	return list
}

// A cache that misses one time in ten stays light.
func TestABimodalRouteStaysLight(t *testing.T) {
	onCluster(t, two, func(t *testing.T, s *cluster) {
		random := newDice(7)
		for range 2000 {
			p := quick
			if random()%10 == 0 {
				p = heavy
			}
			_, j := s.ask("/cache", p)
			<-j.ended
		}
		n := 0
		for _, k := range places(s.jobs, "/cache") {
			if k == computing {
				n++
			}
		}
		if n > 100 {
			t.Errorf("%d of 2000 were placed as computing", n)
		}
	})
}

// newDice returns numbers that are the same in each run (Knuth's MMIX
// generator).
func newDice(seed uint64) func() uint64 {
	return func() uint64 {
		seed = seed*6364136223846793005 + 1442695040888963407
		return seed >> 33
	}
}

// A route is light until it proves not to be, moves within a few requests when
// it begins to compute, and back.
func TestARouteMoves(t *testing.T) {
	onCluster(t, two, func(t *testing.T, s *cluster) {
		ask := func(n int, p phase) (moved int) {
			t.Helper()
			from := len(s.jobs)
			for range n {
				_, j := s.ask("/", p)
				<-j.ended
			}
			list := places(s.jobs[from:], "/")
			return slices.IndexFunc(list, func(k kind) bool { return (k == computing) == (p == heavy) })
		}
		if ask(1, heavy); s.jobs[0].kind == computing {
			t.Error("an unknown route is placed among those that compute")
		}
		if n := ask(5, heavy); n != 0 {
			t.Errorf("the second heavy request was placed as light, up to the %d.", n)
		}
		if n := ask(1000, quick); n < 1 || n > 15 {
			t.Errorf("it is light after %d quick requests", n)
		}
		if n := ask(100, heavy); n < 1 || n > 7 {
			t.Errorf("it computes after %d heavy requests", n)
		}
		if n := ask(1000, sleep); n > 15 {
			t.Errorf("it no longer computes after %d requests", n)
		}
		if last := s.jobs[len(s.jobs)-1].kind; last != waiting {
			t.Errorf("what sleeps is placed as %v", last)
		}
	})
}

// Threads start one after the other, on a busy machine slowly: what lies unread until then does not show that more at once bring
// nothing.
func TestALimitIsJudgedByWhatRan(t *testing.T) {
	l := new(limiter)
	threads, began, active := 130, []int64{}, 0
	for now := int64(1); now < 10e9; now += 10e6 {
		for !l.full() { // and more are there
			l.take()
			active++
		}
		if now > 5e9 {
			threads = 600
		}
		for len(began) < min(threads, active) {
			began = append(began, now)
		}
		for len(began) > 0 && now-began[0] >= 500e6 {
			l.observe(uint32((now-began[0])/1000), now, false, 640)
			l.active--
			active--
			began = began[1:]
		}
	}
	if l.now() != 640 {
		t.Errorf("limit %d (%s)", l.now(), l.why)
	}
}
