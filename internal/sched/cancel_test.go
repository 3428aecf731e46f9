package sched

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"girin/internal/wire"
)

// spooled returns a call whose body is in a file, and that w has read and noted.
func spooled(t *testing.T, b *bench, w *fakeWorker) (c *Call, a *fakeAnswer, s *fakeSpool, id uint64) {
	t.Helper()
	c, a = b.call("/upload")
	s = newFakeSpool(t)
	c.Spool, c.Length = s, 10
	b.submit(c)
	id = b.read().ID
	w.set(0, id)
	return c, a, s, id
}

// A client that sends a large body and resets once hung a Python thread for ever: the
// request was cancelled before it had an owner, and nobody told the worker that asked.
func TestWhoAsksForTheBodyOfACancelledRequestIsToldSo(t *testing.T) {
	fetch := func(b *bench, w *fakeWorker, id uint64) {
		b.Frame(w, &wire.Frame{ID: id, Kind: wire.Fetch}, nil, nil)
	}
	for name, test := range map[string]struct {
		change func(b *bench, w *fakeWorker, c *Call, id uint64)
		cause  error
	}{
		"cancelled, then asked": {func(b *bench, w *fakeWorker, c *Call, id uint64) { b.Cancel(c); fetch(b, w, id) }, ErrCancelled},
		"asked, then cancelled": {func(b *bench, w *fakeWorker, c *Call, id uint64) { fetch(b, w, id); b.Cancel(c) }, ErrCancelled},
		"given up, then asked":  {func(b *bench, w *fakeWorker, c *Call, id uint64) { time.Sleep(2 * time.Second); fetch(b, w, id) }, ErrTimeout},
		"asked, then given up":  {func(b *bench, w *fakeWorker, c *Call, id uint64) { fetch(b, w, id); time.Sleep(2 * time.Second) }, ErrTimeout},
	} {
		t.Run(name, inBubble(func(t *testing.T) {
			r := new(reports)
			b := newBench(t, 8, func(c *Config) { c.Deadlines = r.deadlines(time.Second, time.Minute) })
			w := newFakeWorker(1, 2)
			b.Attach(w)
			c, a, s, id := spooled(t, b, w)
			test.change(b, w, c, id)
			synctest.Wait()
			w.mu.Lock()
			told := len(w.grants) > 0 && w.grants[len(w.grants)-1] == grant{id, wire.Cancelled}
			w.mu.Unlock()
			if !told || b.arena.flags[c.cell] == 0 {
				t.Errorf("the worker was told %v; flag %d", w.grants, b.arena.flags[c.cell])
			}
			if s.closed.Load() != 1 || b.keeper.open.Load() != 0 {
				t.Error("the file is still held")
			}
			b.Frame(w, &wire.Frame{ID: id, Kind: wire.Dropped, Flags: wire.Final}, nil, nil)
			checkEnd(t, a, test.cause)
			if all, _ := b.inFlight(); all != 0 {
				t.Error("the request has not ended")
			}
		}))
	}
}

// Ten queued clients that reset once filled a queue of ten.
func TestOnlyWhatSomebodyWaitsForCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 4, func(c *Config) { c.Waits = 10 })
		b.Attach(newFakeWorker(1, 1))
		var calls []*Call
		for range 11 {
			c, _ := b.call("/")
			b.submit(c)
			calls = append(calls, c)
		}
		if !b.Full() {
			t.Fatal("the queue is not full")
		}
		for _, c := range calls {
			b.Cancel(c)
			b.Cancel(c)
			b.Release(c)
		}
		synctest.Wait()
		if b.Full() || b.InFlight() != 0 {
			t.Errorf("%d count", b.InFlight())
		}
		// What was held back has ended; what lies in the lane waits for its reader.
		if all, _ := b.inFlight(); all > 5 {
			t.Errorf("%d requests have not ended", all)
		}
	})
}

// A Cancel that comes while its request ends must not mark the next of the connection.
func TestACancelNeverMarksTheNextRequest(t *testing.T) {
	q := New(Config{Lane: sinkLane{}, Arena: newFakeArena(), Cells: 4, Waits: 10, Window: 1 << 10, Clock: clock})
	w := newFakeWorker(1, 1)
	q.Attach(w)
	c := &Call{Answer: noAnswer{}, Form: wire.Joined, Request: make([]byte, wire.RequestHead, wire.MaxPacket), Route: q.Route([]byte("GET"), []byte("/"))}
	q.Register(c)
	ids := make(chan uint64)
	marked := make(chan bool)
	go func() { // the connection's other goroutine: it cancels the request it knows
		for id := range ids {
			q.abandon(c, id, cancel, ErrCancelled)
			marked <- true
		}
		close(marked)
	}()
	for range 20_000 {
		if err := q.Submit(c); err != nil {
			t.Fatal(err)
		}
		id := c.id()
		ids <- id
		if err := q.Frame(w, answer(id, 0), nil, nil); err != nil {
			t.Fatal(err)
		}
		if err := q.Submit(c); err != nil {
			t.Fatal(err)
		}
		<-marked
		q.mu.Lock()
		flag, waited := q.flags[c.cell], c.in(c.id(), placed)
		q.mu.Unlock()
		if flag != 0 || !waited {
			t.Fatalf("the next request begins with flag %d; it is waited for: %v", flag, waited)
		}
		if err := q.Frame(w, answer(c.id(), 0), nil, nil); err != nil {
			t.Fatal(err)
		}
	}
	close(ids)
	<-marked
}

// What is given up while it is held back is told once, and the lane never has it.
func TestWhatIsGivenUpWhileItIsHeldBackIsToldOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := new(reports)
		b := newBench(t, 1, func(c *Config) { c.Deadlines = r.deadlines(time.Second, time.Minute) })
		w := newFakeWorker(1, 1)
		b.Attach(w)
		first, _ := b.call("/")
		b.submit(first)
		var answers []*fakeAnswer
		for range 3 {
			c, a := b.call("/")
			c.Since = clock()
			b.submit(c)
			answers = append(answers, a)
		}
		time.Sleep(3 * time.Second)
		synctest.Wait()
		for _, a := range answers[1:] { // the first is in the feeder's hands
			checkEnd(t, a, ErrTimeout)
		}
		for b.lane.Unread() > 0 {
			id := b.read().ID
			if b.arena.flags[id&0xffff] != 0 {
				b.Frame(w, &wire.Frame{ID: id, Kind: wire.Dropped, Flags: wire.Final}, nil, nil)
			} else {
				b.Frame(w, answer(id, 0), nil, nil)
			}
			synctest.Wait()
		}
		checkEnd(t, answers[0], ErrTimeout)
		if all, _ := b.inFlight(); all != 0 {
			t.Errorf("%d requests have not ended", all)
		}
	})
}

// A thread that was stopped between reading a request and noting it must find neither
// another request's bytes nor a flag that says go on.
func TestALostRequestsCellIsNotReusedWhileALivingWorkerMayHaveIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 8, nil)
		dies, lives := newFakeWorker(1, 1), newFakeWorker(2, 2)
		b.Attach(dies)
		b.Attach(lives)
		c, a := b.call("/")
		c.Body = make([]byte, wire.MaxPacket)
		b.submit(c)
		id := b.read().ID // by the living one, which is stopped there
		b.Died(dies)
		time.Sleep(untilLost)
		checkEnd(t, a, ErrLost)
		b.Release(c)
		if b.arena.blocks() != 1 {
			t.Error("its block was given back in the moment when it was marked")
		}
		time.Sleep(time.Minute)
		if b.arena.blocks() != 0 {
			t.Error("its block is kept, though nobody can read it any more")
		}
		if all, graves := b.inFlight(); all != 1 || graves != 1 || b.arena.flags[c.cell] == 0 {
			t.Errorf("%d requests, %d lost; flag %d", all, graves, b.arena.flags[c.cell])
		}
		lives.set(0, id) // it goes on: notes it, looks at the flag, drops it
		b.Frame(lives, &wire.Frame{ID: id, Kind: wire.Dropped, Flags: wire.Final}, nil, nil)
		lives.set(0, 0)
		checkEnd(t, a, ErrLost)
		if all, _ := b.inFlight(); all != 0 {
			t.Error("the cell is not free")
		}
	})
}

func TestALostRequestsCellIsFreeWhenEachWorkerHasGoneOn(t *testing.T) {
	for name, pass := range map[string]func(b *bench, w *fakeWorker){
		"answered something": func(b *bench, w *fakeWorker) {
			c, a := b.call("/next")
			b.submit(c)
			f := answer(b.read().ID, 0)
			f.Began = uint64(clock())
			b.Frame(w, f, nil, nil)
			checkEnd(t, a, nil)
			b.Release(c)
		},
		"died": func(b *bench, w *fakeWorker) { b.Died(w) },
	} {
		t.Run(name, inBubble(func(t *testing.T) {
			b := newBench(t, 8, nil)
			dies, lives := newFakeWorker(1, 1), newFakeWorker(2, 1)
			b.Attach(dies)
			b.Attach(lives)
			c, a := b.call("/")
			b.submit(c)
			b.read()
			b.Died(dies)
			time.Sleep(untilLost)
			checkEnd(t, a, ErrLost)
			b.Release(c)
			pass(b, lives)
			time.Sleep(3 * time.Second)
			if all, _ := b.inFlight(); all != 0 {
				t.Error("the cell is not free")
			}
			if next, _ := b.call("/"); next.cell != c.cell {
				t.Error("the cell is not used again")
			}
		}))
	}
}

// A crowd that leaves while auto keeps it back ends at once, without a call of the
// scheduler within another for each.
func TestACrowdThatLeavesWhileItIsKeptBackEndsAtOnce(t *testing.T) {
	onCluster(t, two, func(t *testing.T, s *cluster) {
		_, first := s.ask("/compute", heavy)
		<-first.ended
		_, second := s.ask("/compute", heavy)
		<-second.ended
		var calls []*Call
		var jobs []*autoJob
		for range 5000 {
			c, j := s.ask("/compute", heavy)
			calls, jobs = append(calls, c), append(jobs, j)
		}
		for i, c := range calls {
			jobs[i].left.Store(true)
			s.queue.Cancel(c)
		}
		if n := s.queue.InFlight(); n != 0 {
			t.Errorf("%d count", n)
		}
		synctest.Wait()
		ended := 0
		for _, j := range jobs {
			if n, cause := j.answer.end(); n == 1 && errors.Is(cause, ErrCancelled) {
				ended++
			}
		}
		if ended < 4900 {
			t.Errorf("%d of 5000 have ended", ended)
		}
	})
}
