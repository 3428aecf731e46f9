package sched

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// selected is a worker that notes what it was told to read.
type selected struct {
	*fakeWorker
	mu    sync.Mutex
	lanes uint32 // guarded by mu
}

func newSelected(pid int) *selected {
	return &selected{fakeWorker: newFakeWorker(pid, 1), lanes: mainLane}
}

func (w *selected) Select(lanes uint32) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.lanes = lanes
}

func (w *selected) reads() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.lanes == mainLane
}

// pair is two workers that have served quick requests until one stands by.
type pair struct {
	*bench
	call          *Call
	first, second *selected
}

func newPair(t *testing.T, alone bool) *pair {
	p := &pair{bench: newBench(t, 8, func(c *Config) { c.Alone = alone }), first: newSelected(1), second: newSelected(2)}
	p.Attach(p.first)
	p.Attach(p.second)
	p.call, _ = p.bench.call("/")
	return p
}

// serve answers a request each gap, of which the worker has it for so long. A look each
// millisecond must meet every part of a gap, so no gap divides that.
func (p *pair) serve(during, gap, service time.Duration) {
	for range during / gap {
		p.prepare(p.call, "/")
		p.submit(p.call)
		id := p.read().ID
		p.first.set(0, id)
		time.Sleep(service)
		p.first.set(0, 0)
		p.Frame(p.first, answer(id, 0), nil, nil)
		time.Sleep(gap - service)
	}
	synctest.Wait()
}

func TestOneWorkerReadsAloneWhileItKeepsUp(t *testing.T) {
	for name, test := range map[string]struct {
		alone        bool
		gap, service time.Duration
		want         bool
	}{
		"quick requests":       {true, 47 * time.Microsecond, 5 * time.Microsecond, true},
		"slower ones":          {true, 47 * time.Microsecond, 20 * time.Microsecond, false},
		"few":                  {true, 211 * time.Microsecond, 5 * time.Microsecond, false},
		"another worker class": {false, 47 * time.Microsecond, 5 * time.Microsecond, false},
	} {
		t.Run(name, inBubble(func(t *testing.T) {
			p := newPair(t, test.alone)
			p.serve(time.Second, test.gap, test.service)
			if stands := !p.second.reads(); stands != test.want || !p.first.reads() {
				t.Errorf("the second stands by: %v, the first reads: %v", stands, p.first.reads())
			}
			if lane := p.laneOf(p.second); (lane == StandingBy) != test.want {
				t.Errorf("the status says %q", lane)
			}
		}))
	}
}

func TestTheOthersReadAgain(t *testing.T) {
	for name, test := range map[string]struct {
		change func(p *pair)
		within time.Duration
	}{
		"when it is stuck": {func(p *pair) {
			p.first.set(0, 99)
			p.prepare(p.call, "/")
			p.submit(p.call)
		}, 5 * time.Millisecond},
		"when it has gone": {func(p *pair) {
			p.Died(p.first)
			p.prepare(p.call, "/")
			p.submit(p.call)
		}, 2 * time.Millisecond},
		"when requests take longer": {func(p *pair) { p.serve(300*time.Millisecond, 47*time.Microsecond, 40*time.Microsecond) }, 0},
		"when there are few":        {func(p *pair) { p.serve(300*time.Millisecond, 1013*time.Microsecond, 5*time.Microsecond) }, 0},
		"when something lies in a grave": {func(p *pair) {
			p.deaths.watching.Store(true)
			p.serve(300*time.Millisecond, 47*time.Microsecond, 5*time.Microsecond)
		}, 0},
		"when there was none for long": {func(p *pair) {
			time.Sleep(time.Second)
			p.prepare(p.call, "/")
			p.submit(p.call)
		}, 2 * time.Millisecond},
		"when there is one more": {func(p *pair) {
			p.Attach(newSelected(3))
			p.prepare(p.call, "/")
			p.submit(p.call)
		}, 2 * time.Millisecond},
	} {
		t.Run(name, inBubble(func(t *testing.T) {
			p := newPair(t, true)
			p.serve(time.Second, 47*time.Microsecond, 5*time.Microsecond)
			if p.second.reads() {
				t.Fatal("it does not stand by")
			}
			test.change(p)
			time.Sleep(test.within)
			synctest.Wait()
			if !p.second.reads() {
				t.Error("it stands by")
			}
		}))
	}
}

// starved is a worker of which it is known what it does while it answers nothing.
type starved struct {
	*selected
	used     func() time.Duration
	runnable bool
}

func (w *starved) CPU() time.Duration { return w.used() }
func (w *starved) Runnable() bool     { return w.runnable }

// Who lacks a core is not relieved by another, who would lack it too; who has one, or
// waits for something, is.
func TestOneThatLacksACoreGoesOnAlone(t *testing.T) {
	began := time.Now()
	for name, test := range map[string]struct {
		used     func() time.Duration
		runnable bool
		after    time.Duration
		alone    bool
	}{
		"it lacks a core":      {func() time.Duration { return time.Second }, true, 6 * time.Millisecond, true},
		"it lacks it for long": {func() time.Duration { return time.Second }, true, 20 * time.Millisecond, false},
		"it computes":          {func() time.Duration { return time.Hour + time.Since(began) }, true, 6 * time.Millisecond, false},
		"it waits":             {func() time.Duration { return time.Second }, false, 6 * time.Millisecond, false},
		"nobody knows":         {func() time.Duration { return 0 }, true, 6 * time.Millisecond, false},
	} {
		t.Run(name, inBubble(func(t *testing.T) {
			p := &pair{bench: newBench(t, 8, func(c *Config) { c.Alone = true }), first: newSelected(1), second: newSelected(2)}
			p.Attach(&starved{p.first, test.used, test.runnable})
			p.Attach(p.second)
			p.call, _ = p.bench.call("/")
			p.serve(time.Second, 47*time.Microsecond, 5*time.Microsecond)
			if p.second.reads() {
				t.Fatal("it does not stand by")
			}
			p.prepare(p.call, "/")
			p.submit(p.call)
			time.Sleep(test.after)
			synctest.Wait()
			if alone := !p.second.reads(); alone != test.alone {
				t.Errorf("after %v it reads alone: %v", test.after, alone)
			}
		}))
	}
}

// tiny is what one worker can do alone.
var tiny = phase{Compute: 5 * time.Microsecond}

// mainReaders is how many workers were told to read the main lane.
func (s *cluster) mainReaders() (n int) {
	for _, w := range s.readers() {
		if w.lane.Load()&mainLane != 0 {
			n++
		}
	}
	return n
}

// Under auto the manager tells the workers, and others read as soon as something waits, or
// computes in the one that reads alone.
func TestOneWorkerReadsAloneUnderAuto(t *testing.T) {
	onCluster(t, two, func(t *testing.T, s *cluster) {
		done := s.every(47*time.Microsecond, 4*time.Second, "/tiny", tiny)
		time.Sleep(time.Second)
		if n := s.mainReaders(); n != 1 {
			t.Errorf("%d workers read", n)
		}
		waits := s.clients(10, 500*time.Millisecond, "/sleep", sleep)
		time.Sleep(2 * lookBusy)
		if n := s.mainReaders(); n != 3 {
			t.Errorf("beside requests that wait %d workers read", n)
		}
		waits()
		time.Sleep(2 * time.Second)
		if n := s.mainReaders(); n != 1 {
			t.Errorf("after that %d workers read", n)
		}
		done()
		if n := len(s.resized()); n != 0 {
			t.Errorf("other sizes were asked for %d times", n)
		}
	})
}

func TestLightRequestsOfOneThatReadsAloneAreNotHeldUp(t *testing.T) {
	onCluster(t, two, func(t *testing.T, s *cluster) {
		done := s.every(47*time.Microsecond, 3*time.Second, "/tiny", tiny)
		time.Sleep(time.Second)
		began := time.Now()
		computes := s.clients(4, time.Second, "/compute", heavy)
		computes()
		done()
		if p99, n := latency(s.jobs, "/tiny", began); p99 > 5*time.Millisecond || n < 20_000 {
			t.Errorf("light: p99 %v of %d", p99, n)
		}
	})
}
