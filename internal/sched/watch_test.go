package sched

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestAFollowerIsPromotedWhenABusyLeaderKeepsSomethingWaiting(t *testing.T) {
	type situation struct {
		*bench
		w *fakeWorker // one of two slots is busy since long ago
	}
	tests := map[string]struct {
		waits  int // calls that lie unread
		change func(s *situation)
		want   bool
	}{
		"one waits":          {waits: 1, want: true},
		"nothing waits":      {waits: 0, want: false},
		"both slots busy":    {waits: 1, change: func(s *situation) { s.w.set(1, 99) }, want: false},
		"a thread is free":   {waits: 1, change: func(s *situation) { s.w.set(0, 0) }, want: false},
		"it reads no longer": {waits: 1, change: func(s *situation) { s.Detach(s.w) }, want: false},
	}
	for name, test := range tests {
		t.Run(name, inBubble(func(t *testing.T) {
			s := &situation{bench: newBench(t, 8, nil), w: newFakeWorker(1, 2)}
			s.Attach(s.w)
			s.w.set(0, 77)
			time.Sleep(time.Second)
			if test.change != nil {
				test.change(s)
				time.Sleep(time.Second)
			}
			began := time.Now()
			for range test.waits {
				c, _ := s.call("/")
				s.submit(c)
			}
			time.Sleep(1500 * time.Microsecond)
			synctest.Wait()
			promoted := s.w.promotions()
			if len(promoted) > 0 != test.want {
				t.Fatalf("promoted %d times, want: %v", len(promoted), test.want)
			}
			if test.want && promoted[0].Sub(began) > 1100*time.Microsecond {
				t.Errorf("promoted after %v", promoted[0].Sub(began))
			}
		}))
	}
}

func TestNobodyIsPromotedWhileThingsBegin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 64, nil)
		w := newFakeWorker(1, 4)
		b.Attach(w)
		for range 3 {
			c, _ := b.call("/")
			b.submit(c)
		}
		for i := range uint64(50) {
			w.set(int(i%3), i+1000)
			time.Sleep(700 * time.Microsecond)
		}
		if n := len(w.promotions()); n != 0 {
			t.Errorf("promoted %d times", n)
		}
	})
}

func TestTheOneWithFewestBusyThreadsIsPromoted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 8, nil)
		busy, full, idle := newFakeWorker(1, 4), newFakeWorker(2, 2), newFakeWorker(3, 4)
		for _, w := range []*fakeWorker{busy, full, idle} {
			b.Attach(w)
		}
		for i := range 3 {
			busy.set(i, uint64(i)+500)
		}
		full.set(0, 600)
		full.set(1, 601)
		idle.set(2, 700)
		time.Sleep(time.Second)
		c, _ := b.call("/")
		b.submit(c)
		time.Sleep(2 * time.Millisecond)
		if len(busy.promotions())+len(full.promotions()) > 0 || len(idle.promotions()) == 0 {
			t.Errorf("promoted %v, %v, %v", busy.promotions(), full.promotions(), idle.promotions())
		}
	})
}

// The watcher ticks only while something waits: then virtual time has nothing
// to stop at before the next timer, an hour on.
func TestTheWatcherRestsWhenNothingWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 8, nil)
		w := newFakeWorker(1, 2)
		b.Attach(w)
		c, _ := b.call("/")
		b.submit(c)
		id := b.read().ID
		time.Sleep(10 * time.Millisecond)
		b.Frame(w, answer(id, 0), nil, nil)
		if b.watch.armed.Load() {
			t.Error("it ticks although nothing waits")
		}

		// It begins again with the next call that waits.
		w.set(0, 77)
		time.Sleep(time.Second)
		b.prepare(c, "/")
		b.submit(c)
		time.Sleep(1100 * time.Microsecond)
		if !b.watch.armed.Load() || len(w.promotions()) == 0 {
			t.Errorf("armed: %v, promoted %d times", b.watch.armed.Load(), len(w.promotions()))
		}
	})
}

// Finished answers may wait for one that is known to be quick; if it is not,
// they must wait no longer.
func TestATrustedCallThatTurnsSlowIsPromotedOnce(t *testing.T) {
	for name, test := range map[string]struct {
		service time.Duration // of earlier requests
		want    int
	}{
		"quick before": {100 * time.Microsecond, 1},
		"slow before":  {10 * time.Millisecond, 0},
	} {
		t.Run(name, inBubble(func(t *testing.T) {
			b := newBench(t, 8, nil)
			w := newFakeWorker(1, 2)
			b.Attach(w)
			c, _ := b.call("/x")
			b.submit(c)
			b.Frame(w, answer(b.read().ID, test.service), nil, nil)

			b.prepare(c, "/x")
			b.submit(c)
			id := b.read().ID
			began := time.Now()
			w.set(0, id)
			time.Sleep(time.Second)
			promoted := w.promotions()
			if len(promoted) != test.want {
				t.Fatalf("promoted %d times, want %d", len(promoted), test.want)
			}
			if test.want > 0 && promoted[0].Sub(began) > 4*time.Millisecond {
				t.Errorf("promoted after %v", promoted[0].Sub(began))
			}
			if b.watch.armed.Load() {
				t.Error("the watcher still ticks")
			}
			b.Frame(w, answer(id, time.Second), nil, nil)
		}))
	}
}

// blindLane shows nothing of what it holds for a while, as a lane does whose watcher
// looks between two packets.
type blindLane struct {
	*fakeLane
	blind atomic.Bool
}

func (l *blindLane) Unread() int {
	if l.blind.Load() {
		return 0
	}
	return l.fakeLane.Unread()
}

func TestWhatWasHeldIsWatchedWhenItComesToTheLane(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var lane *blindLane
		b := newBench(t, 1, func(c *Config) {
			lane = &blindLane{fakeLane: c.Lane.(*fakeLane)}
			c.Lane = lane
		})
		w := newFakeWorker(1, 2)
		b.Attach(w)
		w.set(0, 77)
		time.Sleep(time.Second)
		lane.blind.Store(true)
		for range 2 {
			c, _ := b.call("/")
			b.submit(c)
		}
		time.Sleep(10 * time.Millisecond)
		if b.watch.armed.Load() {
			t.Fatal("the watcher does not rest")
		}
		lane.blind.Store(false)
		b.read() // makes room for the one that is held
		time.Sleep(5 * time.Millisecond)
		if lane.Unread() == 0 || len(w.promotions()) == 0 {
			t.Errorf("%d bytes lie unread, promoted %d times", lane.Unread(), len(w.promotions()))
		}
	})
}

// A thread that has read a packet and not noted it is nowhere to be seen: one look that
// sees nothing does not mean that nothing is to be watched.
func TestTheWatcherLooksAgainBeforeItRests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 8, nil)
		w := newFakeWorker(1, 2)
		b.Attach(w)
		c, _ := b.call("/x")
		b.submit(c)
		b.Frame(w, answer(b.read().ID, 100*time.Microsecond), nil, nil)
		time.Sleep(time.Second)
		b.prepare(c, "/x")
		b.submit(c)
		id := b.read().ID
		time.Sleep(1100 * time.Microsecond)
		w.set(0, id)
		time.Sleep(10 * time.Millisecond)
		if len(w.promotions()) == 0 {
			t.Error("it is known to be quick, is not, and nobody looks")
		}
		b.Frame(w, answer(id, time.Second), nil, nil)
	})
}

// A request may begin after the look has read the clock: it is new, not very old.
func TestWhatBeginsDuringALookIsNotOld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 8, nil)
		w := newFakeWorker(1, 2)
		b.Attach(w)
		c, _ := b.call("/x")
		b.submit(c)
		b.Frame(w, answer(b.read().ID, 100*time.Microsecond), nil, nil)
		b.prepare(c, "/x")
		b.submit(c)
		id := b.read().ID
		other, _ := b.call("/y")
		b.submit(other) // lies unread
		w.mu.Lock()
		w.slots[0] = [2]uint64{id, uint64(clock() + int64(5*tick))}
		w.mu.Unlock()
		time.Sleep(4 * tick)
		if n := len(w.promotions()); n != 0 {
			t.Errorf("promoted %d times", n)
		}
	})
}

// Who was woken for a packet may be told to drain in this moment, and leave it there.
func TestReadersThatSleepBesideAPacketAreRoused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 8, nil)
		w := newSelected(1)
		b.Attach(w)
		w.Select(0) // to see that it is told
		c, _ := b.call("/")
		b.submit(c)
		time.Sleep(10 * tick)
		synctest.Wait()
		if !w.reads() {
			t.Error("a packet lies unread, nothing runs, and nobody is roused")
		}
		w.Select(0)
		b.read()
		time.Sleep(time.Second)
		if w.reads() {
			t.Error("it is roused though nothing lies unread")
		}
	})
}
