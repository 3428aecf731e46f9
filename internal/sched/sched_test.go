package sched

import (
	"bytes"
	"errors"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"girin/internal/wire"
)

func TestACallGoesFromSubmitToItsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 8, nil)
		w := newFakeWorker(1, 1)
		b.Attach(w)
		c, a := b.call("/")
		c.Base = 3
		b.submit(c)
		if !c.InFlight() || b.InFlight() != 1 || c.Worker() != nil {
			t.Fatalf("in flight: %v, %d; worker %v", c.InFlight(), b.InFlight(), c.Worker())
		}
		r := b.read()
		if r.Base != 3 || r.Form != wire.Joined || r.Window != 1<<10 || r.Environ != uint32(len("PATH_INFO\x00/")) || r.Body != 0 {
			t.Errorf("packet: %+v", r)
		}
		b.Frame(w, answer(r.ID, 0), nil, []byte("hello"))
		checkEnd(t, a, nil)
		if c.InFlight() || b.InFlight() != 0 || c.Worker() != Worker(w) || string(a.body) != "hello" {
			t.Errorf("in flight: %v, %d; worker %v; body %q", c.InFlight(), b.InFlight(), c.Worker(), a.body)
		}
	})
}

// An idle slot holds 0, which names no call: not the one of the first cell either,
// that has never had a request.
func TestNoCallIsFoundForAnIdleSlot(t *testing.T) {
	b := newBench(t, 8, nil)
	if !b.Register(&Call{Answer: &fakeAnswer{}}) {
		t.Fatal("no cell is free")
	}
	if c := b.find(0); c != nil {
		t.Errorf("found %+v", c)
	}
}

func TestAnAnswerInPartsEndsWithTheFinalOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 8, nil)
		w := newFakeWorker(1, 1)
		b.Attach(w)
		c, a := b.call("/")
		b.submit(c)
		id := b.read().ID
		b.Frame(w, &wire.Frame{ID: id, Kind: wire.Early}, nil, nil)
		b.Frame(w, &wire.Frame{ID: id, Kind: wire.Response}, nil, []byte("one"))
		b.Frame(w, &wire.Frame{ID: id, Kind: wire.Block}, nil, []byte("two"))
		checkRuns(t, a)
		b.Frame(w, &wire.Frame{ID: id, Kind: wire.Block, Flags: wire.Final}, nil, nil)
		checkEnd(t, a, nil)
		b.refuses(w, &wire.Frame{ID: id, Kind: wire.Block, Flags: wire.Final}, []byte("late"), errNotIts)
		checkEnd(t, a, nil)
		if len(a.frames) != 4 || string(a.body) != "onetwo" {
			t.Errorf("%d frames, body %q", len(a.frames), a.body)
		}
	})
}

func TestWhatAWorkerSaysOfACall(t *testing.T) {
	tests := map[string]struct {
		kind  wire.Kind
		cause error
	}{
		"Failed": {wire.Failed, ErrAppFailed},
	}
	for name, test := range tests {
		t.Run(name, inBubble(func(t *testing.T) {
			b := newBench(t, 8, nil)
			w := newFakeWorker(1, 1)
			b.Attach(w)
			c, a := b.call("/")
			b.submit(c)
			b.Frame(w, &wire.Frame{ID: b.read().ID, Kind: test.kind, Flags: wire.Final}, nil, nil)
			checkEnd(t, a, test.cause)
		}))
	}
}

func TestAFetchAfterTheHeadIsAnswered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 8, nil)
		w := newFakeWorker(1, 1)
		b.Attach(w)
		c, _ := b.call("/")
		c.Spool, c.Length = newFakeSpool(t), 10
		b.submit(c)
		id := b.read().ID
		for _, f := range []wire.Frame{{Kind: wire.Response}, {Kind: wire.Fetch}, {Kind: wire.Block, Flags: wire.Final}} {
			f.ID = id
			b.Frame(w, &f, nil, nil)
		}
		if len(w.bodies) != 1 || w.bodies[0] != id {
			t.Errorf("bodies sent for %v, want for %d", w.bodies, id)
		}
		b.Frame(w, &wire.Frame{ID: id, Kind: wire.Fetch}, nil, nil) // too late
		if len(w.bodies) != 1 {
			t.Errorf("after the end bodies were sent for %v", w.bodies)
		}
	})
}

func TestFetchSendsTheSpooledBody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 8, nil)
		w := newFakeWorker(1, 1)
		b.Attach(w)
		c, a := b.call("/")
		spool := newFakeSpool(t)
		c.Spool, c.Length = spool, 10
		b.submit(c)
		r := b.read()
		if r.Flags&wire.Spooled == 0 {
			t.Errorf("flags %b do not say Spooled", r.Flags)
		}
		b.Frame(w, &wire.Frame{ID: r.ID, Kind: wire.Fetch}, nil, nil)
		if len(w.bodies) != 1 || w.bodies[0] != r.ID {
			t.Errorf("bodies sent for %v, want for %d", w.bodies, r.ID)
		}
		checkRuns(t, a)
		b.refuses(w, &wire.Frame{ID: r.ID, Kind: wire.Fetch}, nil, errTwice)
		b.Frame(w, answer(r.ID, 0), nil, nil)
		synctest.Wait()
		if n := spool.closed.Load(); n != 1 || b.keeper.open.Load() != 0 {
			t.Errorf("the file was closed %d times; %d are open", n, b.keeper.open.Load())
		}
	})
}

func TestAFileAnswersOneCallOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 8, nil)
		w := newFakeWorker(1, 1)
		b.Attach(w)
		c, a := b.call("/")
		b.submit(c)
		id := b.read().ID
		for i := range 2 {
			f, err := os.Open(os.DevNull)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			if err := b.File(w, answer(id, 0), nil, FileBody{File: f, Length: 5}); (err != nil) != (i == 1) {
				t.Errorf("file %d: %v", i, err)
			}
			if _, err := f.Stat(); (err != nil) != (i == 1) {
				t.Errorf("file %d is closed: %v", i, err)
			}
		}
		checkEnd(t, a, nil)
		if len(a.files) != 1 {
			t.Errorf("%d files, want 1", len(a.files))
		}
	})
}

func TestWhatNoPacketHoldsLiesInTheArena(t *testing.T) {
	environ := wire.MaxPacket - wire.RequestHead - len("PATH_INFO\x00/")
	for name, test := range map[string]struct {
		body    int
		inArena bool
	}{
		"fits":          {environ, false},
		"one byte more": {environ + 1, true},
		"64 KiB":        {64 << 10, true},
	} {
		t.Run(name, inBubble(func(t *testing.T) {
			b := newBench(t, 8, nil)
			w := newFakeWorker(1, 1)
			b.Attach(w)
			c, a := b.call("/")
			c.Body = bytes.Repeat([]byte("b"), test.body)
			b.submit(c)
			p := b.lane.tryRead()
			r, err := wire.ParseRequest(p)
			if err != nil || len(p) > wire.MaxPacket {
				t.Fatalf("packet of %d bytes: %v", len(p), err)
			}
			if got := r.Flags&wire.InArena != 0; got != test.inArena || b.arena.blocks() == 1 != test.inArena {
				t.Fatalf("in the arena: %v, %d blocks; want %v", got, b.arena.blocks(), test.inArena)
			}
			block := p[wire.RequestHead:]
			if test.inArena {
				block = b.arena.mem[r.At:][:r.Environ+r.Body]
			}
			if want := append([]byte("PATH_INFO\x00/"), c.Body...); !bytes.Equal(block, want) {
				t.Errorf("block of %d bytes is not environ and body", len(block))
			}
			b.Frame(w, answer(r.ID, 0), nil, nil)
			checkEnd(t, a, nil)
			if b.arena.blocks() != 0 {
				t.Error("the block was not given back")
			}
		}))
	}
}

func TestAFullArenaRefuses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 8, nil)
		b.arena.full = true
		c, a := b.call("/")
		c.Body = make([]byte, wire.MaxPacket)
		if err := b.Submit(c); !errors.Is(err, ErrQueueFull) {
			t.Errorf("got %v, want %v", err, ErrQueueFull)
		}
		checkRuns(t, a)
		if c.InFlight() || b.InFlight() != 0 {
			t.Error("it counts as in flight")
		}
	})
}

func TestTheQueueIsFullAtItsWaitsBeyondTheThreads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 64, func(c *Config) { c.Waits = 2 })
		w := newFakeWorker(1, 3)
		b.Attach(w)
		if b.Capacity() != 3 {
			t.Fatalf("capacity %d, want 3", b.Capacity())
		}
		for range 5 {
			c, _ := b.call("/")
			b.submit(c)
		}
		c, a := b.call("/")
		if err := b.Submit(c); !b.Full() || !errors.Is(err, ErrQueueFull) {
			t.Fatalf("full: %v; Submit: %v", b.Full(), err)
		}
		checkRuns(t, a)
		b.Frame(w, answer(b.read().ID, 0), nil, nil)
		b.submit(c)

		b.Detach(w)
		b.Detach(w)
		if b.Capacity() != 0 || !b.Full() {
			t.Errorf("capacity %d after Detach; full: %v", b.Capacity(), b.Full())
		}
	})
}

func TestCellsAreUsedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 8, func(c *Config) { c.Cells = 2 })
		w := newFakeWorker(1, 1)
		b.Attach(w)
		c1, _ := b.call("/")
		c2, a2 := b.call("/")
		if b.Register(&Call{}) {
			t.Fatal("a third call got one of two cells")
		}
		b.Release(c1)
		c3, a3 := b.call("/")
		if c3.cell != c1.cell {
			t.Errorf("cell %d, want the free one, %d", c3.cell, c1.cell)
		}

		// A call that is still in flight keeps its cell until it ends.
		b.submit(c2)
		id := b.read().ID
		b.Release(c2)
		b.Release(c2)
		if b.Register(&Call{}) {
			t.Fatal("the cell of a call in flight was given away")
		}
		b.Frame(w, answer(id, 0), nil, nil)
		checkEnd(t, a2, nil)
		c4, a4 := b.call("/")
		if b.Register(&Call{}) {
			t.Fatal("one cell was freed twice")
		}

		// The old id names nobody now.
		b.submit(c4)
		b.refuses(w, answer(id, 0), nil, errNotIts)
		checkRuns(t, a4)
		checkRuns(t, a3)
		if next := b.read().ID; next == id {
			t.Errorf("id %d was used twice", id)
		}
	})
}

func TestAFrameForNobodyIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 8, nil)
		w := newFakeWorker(1, 1)
		c, a := b.call("/")
		b.submit(c)
		for _, id := range []uint64{0, 1 << 48, b.read().ID + 1<<16, 63, wire.FlagTable - 1, 1<<64 - 1} {
			b.refuses(w, answer(id, 0), nil, errNotIts)
		}
		checkRuns(t, a)
	})
}

func TestCancel(t *testing.T) {
	type state struct {
		*bench
		w *fakeWorker
		c *Call
		a *fakeAnswer
	}
	tests := map[string]struct {
		room   int
		before func(s *state)
		check  func(t *testing.T, s *state)
	}{
		"in the lane": {
			room: 8,
			check: func(t *testing.T, s *state) {
				checkRuns(t, s.a) // the worker will say Dropped
				if s.arena.flags[s.c.cell] == 0 {
					t.Error("its flag is not set")
				}
				s.Frame(s.w, &wire.Frame{ID: s.read().ID, Kind: wire.Dropped, Flags: wire.Final}, nil, nil)
				checkEnd(t, s.a, ErrCancelled)
			},
		},
		"held": {
			room: 1,
			before: func(s *state) {
				s.prepare(s.c, "/held")
			},
			check: func(t *testing.T, s *state) {
				synctest.Wait()
				checkEnd(t, s.a, ErrCancelled) // at once, though the lane is full
				s.read()
				synctest.Wait()
				if s.lane.Unread() != 0 {
					t.Error("it went to the lane")
				}
			},
		},
		"running": {
			room: 8,
			before: func(s *state) {
			},
			check: func(t *testing.T, s *state) {
				checkRuns(t, s.a)
			},
		},
	}
	for name, test := range tests {
		t.Run(name, inBubble(func(t *testing.T) {
			s := &state{bench: newBench(t, test.room, nil), w: newFakeWorker(1, 1)}
			s.Attach(s.w)
			if test.room == 1 {
				first, _ := s.call("/")
				s.submit(first)
			}
			s.c, s.a = s.call("/")
			s.submit(s.c)
			s.Cancel(s.c)
			test.check(t, s)
		}))
	}
}

func TestCancelTellsTheWorkerThatHasBegunToAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 8, nil)
		w := newFakeWorker(1, 1)
		b.Attach(w)
		c, a := b.call("/")
		b.submit(c)
		id := b.read().ID
		b.Frame(w, &wire.Frame{ID: id, Kind: wire.Response}, nil, nil)
		b.Cancel(c)
		if len(w.grants) != 1 || w.grants[0] != (grant{id, wire.Cancelled}) || b.arena.flags[c.cell] == 0 {
			t.Errorf("grants %v, flag %d", w.grants, b.arena.flags[c.cell])
		}
		checkRuns(t, a)
		b.Frame(w, &wire.Frame{ID: id, Kind: wire.Failed, Flags: wire.Final}, nil, nil)
		checkEnd(t, a, ErrCancelled)

		// The cell's next request is not cancelled, and a late Cancel does nothing.
		b.Cancel(c)
		b.prepare(c, "/next")
		b.submit(c)
		if b.arena.flags[c.cell] != 0 {
			t.Error("the next request begins cancelled")
		}
		b.read()
	})
}

func TestCancelQueuedSparesWhatRuns(t *testing.T) {
	for name, runs := range map[string]func(b *bench, w *fakeWorker, id uint64){
		"in a slot": func(_ *bench, w *fakeWorker, id uint64) { w.set(0, id) },
		"begun to answer": func(b *bench, w *fakeWorker, id uint64) {
			b.Frame(w, &wire.Frame{ID: id, Kind: wire.Response}, nil, nil)
		},
		"nobody has begun": nil,
	} {
		t.Run(name, inBubble(func(t *testing.T) {
			b := newBench(t, 8, nil)
			w := newFakeWorker(1, 1)
			b.Attach(w)
			c, _ := b.call("/")
			b.submit(c)
			if runs != nil {
				runs(b, w, b.read().ID)
			}
			b.CancelQueued(c)
			if cancelled := b.arena.flags[c.cell] != 0; cancelled != (runs == nil) {
				t.Errorf("cancelled: %v", cancelled)
			}
		}))
	}
}

func TestGrantReachesWhoAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 8, nil)
		w := newFakeWorker(1, 1)
		b.Attach(w)
		c, _ := b.call("/")
		b.Grant(c, 1)
		b.submit(c)
		b.Grant(c, 2)
		id := b.read().ID
		b.Frame(w, &wire.Frame{ID: id, Kind: wire.Response}, nil, nil)
		b.Grant(c, 3)
		b.Frame(w, &wire.Frame{ID: id, Kind: wire.Block, Flags: wire.Final}, nil, nil)
		b.Grant(c, 4)
		if len(w.grants) != 1 || w.grants[0] != (grant{id, 3}) {
			t.Errorf("grants %v, want one of 3 for %d", w.grants, id)
		}
	})
}

func TestFlagsSayWhatIsKnownOfTheRoute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 8, nil)
		w := newFakeWorker(1, 1)
		b.Attach(w)
		c, _ := b.call("/x")
		for _, step := range []struct {
			want    wire.RequestFlags // before this request's time is known
			service time.Duration
		}{
			{wire.Slow, 100 * time.Microsecond},
			{wire.Quick, 1500 * time.Microsecond},
			{0, 5 * time.Millisecond},
			{0, 5 * time.Millisecond},
			{wire.Slow, 5 * time.Millisecond},
		} {
			b.prepare(c, "/x")
			b.submit(c)
			r := b.read()
			if got := r.Flags & (wire.Quick | wire.Slow); got != step.want {
				t.Errorf("before %v: flags %b, want %b", step.service, got, step.want)
			}
			b.Frame(w, answer(r.ID, step.service), nil, nil)
		}
	})
}
