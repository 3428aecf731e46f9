package sched

import (
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"girin/internal/wire"
)

// reports collects what the deadline keeper tells.
type reports struct {
	mu      sync.Mutex
	overdue []Overdue
	stuck   []string
}

func (r *reports) deadlines(timeout, grace time.Duration) Deadlines {
	return Deadlines{
		Timeout: timeout, Grace: grace,
		Overdue: func(o Overdue) {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.overdue = append(r.overdue, o)
		},
		Stuck: func(_ Worker, why string) {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.stuck = append(r.stuck, why)
		},
	}
}

func (r *reports) counts() (overdue, stuck int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.overdue), len(r.stuck)
}

// runs returns a call that w runs in its first slot under a timeout of a
// second and a grace time of three.
func runs(t *testing.T, slots int) (b *bench, w *fakeWorker, c *Call, a *fakeAnswer, id uint64, r *reports) {
	r = new(reports)
	b = newBench(t, 8, func(c *Config) { c.Deadlines = r.deadlines(time.Second, 3*time.Second) })
	w = newFakeWorker(1, slots)
	b.Attach(w)
	c, a = b.call("/slow/7")
	time.Sleep(5 * time.Second)
	b.submit(c)
	time.Sleep(5 * time.Second) // waiting in the queue does not count
	id = b.read().ID
	w.set(0, id)
	return b, w, c, a, id, r
}

func TestARequestOverTheTimeoutIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, w, c, a, id, r := runs(t, 2)
		time.Sleep(990 * time.Millisecond)
		checkRuns(t, a)
		time.Sleep(100 * time.Millisecond)
		checkEnd(t, a, ErrTimeout)
		if n, stuck := r.counts(); n != 1 || stuck != 0 {
			t.Fatalf("%d told overdue, %d stuck", n, stuck)
		}
		if o := r.overdue[0]; o.Worker != Worker(w) || o.ID != id || o.Route != "GET /slow/*" || o.Age < time.Second || o.Cut {
			t.Errorf("told %+v", o)
		}
		if b.arena.flags[c.cell] == 0 || !c.InFlight() {
			t.Errorf("flag %d, in flight: %v", b.arena.flags[c.cell], c.InFlight())
		}

		// What the thread sends in the end is nobody's.
		b.Frame(w, &wire.Frame{ID: id, Kind: wire.Response}, nil, []byte("late"))
		b.Frame(w, &wire.Frame{ID: id, Kind: wire.Block, Flags: wire.Final}, nil, []byte("later"))
		w.set(0, 0)
		checkEnd(t, a, ErrTimeout)
		if len(a.frames) != 0 || c.InFlight() || b.InFlight() != 0 {
			t.Errorf("%d frames were passed on; in flight: %v, %d", len(a.frames), c.InFlight(), b.InFlight())
		}
		time.Sleep(10 * time.Second)
		if n, stuck := r.counts(); n != 1 || stuck != 0 {
			t.Errorf("%d told overdue, %d stuck, of a thread that returned", n, stuck)
		}
	})
}

func TestAStuckThreadIsToldOnce(t *testing.T) {
	for name, test := range map[string]struct {
		slots int
		after time.Duration
		why   string
	}{
		"one of two": {2, 3 * time.Second, "a thread did not return"},
		"the only":   {1, 500 * time.Millisecond, "none of its threads is left"},
	} {
		t.Run(name, inBubble(func(t *testing.T) {
			b, w, c, a, _, r := runs(t, test.slots)
			time.Sleep(time.Second + test.after)
			if _, stuck := r.counts(); stuck != 0 {
				t.Fatalf("told %v too early", r.stuck)
			}
			time.Sleep(200 * time.Millisecond)
			if _, stuck := r.counts(); stuck != 1 || r.stuck[0] != test.why {
				t.Fatalf("told %v, want %q", r.stuck, test.why)
			}
			time.Sleep(time.Minute)
			b.Died(w)
			checkEnd(t, a, ErrTimeout)
			if n, stuck := r.counts(); n != 1 || stuck != 1 || c.InFlight() || b.InFlight() != 0 {
				t.Errorf("%d overdue, %d stuck, in flight: %v, %d", n, stuck, c.InFlight(), b.InFlight())
			}
		}))
	}
}

func TestAStreamIsNotCutWhileItMoves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, w, c, a, id, r := runs(t, 2)
		b.Frame(w, &wire.Frame{ID: id, Kind: wire.Response}, nil, nil)
		for range 20 {
			time.Sleep(900 * time.Millisecond)
			b.Frame(w, &wire.Frame{ID: id, Kind: wire.Block}, nil, make([]byte, 10))
		}
		checkRuns(t, a)

		// With a whole window unread it is the client that is waited for.
		b.Frame(w, &wire.Frame{ID: id, Kind: wire.Block}, nil, make([]byte, 1<<10-20*10))
		time.Sleep(time.Minute)
		checkRuns(t, a)
		b.Grant(c, 1<<10)
		time.Sleep(900 * time.Millisecond)
		checkRuns(t, a)
		time.Sleep(200 * time.Millisecond)
		if ends, cause := a.end(); ends != 1 || !errors.Is(cause, ErrTimeout) {
			t.Fatalf("ended %d times with %v", ends, cause)
		}
		if n, _ := r.counts(); n != 1 || !r.overdue[0].Cut {
			t.Errorf("told %+v", r.overdue)
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		if last := w.grants[len(w.grants)-1]; last != (grant{id, wire.Cancelled}) {
			t.Errorf("the worker was told %v, want to look at its flag", last)
		}
	})
}

// flag is what the flag table says of a request.
func (b *bench) flag(id uint64) byte {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.flags[id&(wire.FlagTable-1)]
}

func TestWhoRunsARequestIsAskedToEndItBeforeItCountsAsStuck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, w, _, _, id, r := runs(t, 2)
		time.Sleep(time.Second + 1900*time.Millisecond)
		if b.flag(id) == wire.FlagEnd {
			t.Error("it was asked at once")
		}
		time.Sleep(400 * time.Millisecond)
		if flag := b.flag(id); flag != wire.FlagEnd {
			t.Errorf("its flag is %d a second before the grace time ends", flag)
		}
		w.set(0, 0) // it ends
		time.Sleep(5 * time.Second)
		if overdue, stuck := r.counts(); overdue != 1 || stuck != 0 {
			t.Errorf("%d overdue, %d stuck", overdue, stuck)
		}
	})
}

func TestAWorkerStreamsWhileAnAnswerOfItMoves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, w, _, _, id, _ := runs(t, 2)
		if b.Streams(w) {
			t.Error("it has sent nothing")
		}
		b.Frame(w, &wire.Frame{ID: id, Kind: wire.Response}, nil, nil)
		if !b.Streams(w) || b.Streams(newFakeWorker(2, 1)) {
			t.Error("it has sent a head, and nobody else has")
		}
		time.Sleep(1100 * time.Millisecond)
		if b.Streams(w) {
			t.Error("it has been silent for longer than the timeout")
		}
	})
}

func TestADeadClientsCallThatIsGivenUpFreesItsCell(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, w, c, a, id, _ := runs(t, 2)
		time.Sleep(2 * time.Second)
		checkEnd(t, a, ErrTimeout)
		b.Release(c)
		next, _ := b.call("/")
		if next.cell == c.cell {
			t.Error("the cell was given away while a thread is in it")
		}
		b.Frame(w, &wire.Frame{ID: id, Kind: wire.Failed, Flags: wire.Final}, nil, nil)
		checkEnd(t, a, ErrTimeout)
		if after, _ := b.call("/"); after.cell != c.cell {
			t.Error("the cell was not given back")
		}
	})
}
