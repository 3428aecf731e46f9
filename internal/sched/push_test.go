package sched

import (
	"testing"
	"time"

	"girin/internal/wire"
)

// fakeLoop is a fakeWorker with an event loop.
type fakeLoop struct {
	*fakeWorker
	lag      time.Duration
	stepping int64
	silent   int64
	begun    uint64
}

func (l *fakeLoop) Loop() (lag time.Duration, tasks int) { return l.lag, 0 }
func (l *fakeLoop) Stepping() int64                      { return l.stepping }
func (l *fakeLoop) Silent() int64                        { return l.silent }
func (l *fakeLoop) Threads() (wanted, there int)         { return 0, 0 }
func (l *fakeLoop) Beside() time.Duration                { return 0 }
func (l *fakeLoop) Opened() uint64                       { return l.begun }

// opened are the ids of the sockets that the loop was told to open.
func (l *fakeLoop) opened() (ids []uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, s := range l.said {
		if s.f.Kind == wire.Open {
			ids = append(ids, s.f.ID)
		}
	}
	return ids
}

// loopBench is a queue with so many loops.
func loopBench(t *testing.T, slots ...int) (*bench, []*fakeLoop) {
	b := newBench(t, 16, nil)
	var loops []*fakeLoop
	for i, n := range slots {
		loops = append(loops, &fakeLoop{fakeWorker: newFakeWorker(i+1, n)})
		b.Attach(loops[i])
	}
	return b, loops
}

// socket submits a request for a WebSocket.
func (b *bench) socket() (*Call, *fakeAnswer) {
	b.t.Helper()
	c, a := b.call("/ws")
	c.Form, c.Upgrade = wire.ASGIJoined, true
	b.submit(c)
	return c, a
}

func (b *bench) accept(l *fakeLoop, id uint64) {
	b.t.Helper()
	l.set(0, id)
	b.Frame(l, &wire.Frame{ID: id, Kind: wire.Accept, CPU: wire.NotMeasured}, []byte("101 Switching Protocols"), nil)
}

func (b *bench) closeSocket(l *fakeLoop, id uint64) {
	b.t.Helper()
	b.Frame(l, &wire.Frame{ID: id, Kind: wire.Close, Flags: wire.Final, Body: 2}, nil, []byte{0xe8, 3})
	l.set(0, 0)
}

func TestSocketsAreSpreadOverTheLoops(t *testing.T) {
	inBubble(func(t *testing.T) {
		b, loops := loopBench(t, 8, 8, 8)
		for range 9 {
			b.socket()
		}
		for i, l := range loops {
			if n := len(l.opened()); n != 3 {
				t.Errorf("loop %d has %d of 9 sockets", i, n)
			}
		}
		if n := b.lane.Unread(); n != 0 {
			t.Errorf("%d bytes lie in the lane", n)
		}
	})(t)
}

func TestAnEndedSocketNoLongerCounts(t *testing.T) {
	inBubble(func(t *testing.T) {
		b, loops := loopBench(t, 8, 8)
		first, a := b.socket()
		if len(loops[0].opened()) != 1 {
			t.Fatal("the first loop did not get the first socket")
		}
		b.accept(loops[0], first.id())
		b.closeSocket(loops[0], first.id())
		checkEnd(t, a, nil)
		b.socket()
		b.socket()
		if n, m := len(loops[0].opened()), len(loops[1].opened()); n != 2 || m != 1 {
			t.Errorf("the loops were given %d and %d", n, m)
		}
	})(t)
}

func TestSocketsGoPastALoopThatIsHeld(t *testing.T) {
	inBubble(func(t *testing.T) {
		b, loops := loopBench(t, 8, 8)
		loops[0].stepping = clock() - int64(time.Second)
		for range 3 {
			b.socket()
		}
		if n := len(loops[0].opened()); n != 0 {
			t.Errorf("a loop that is held was given %d of 3", n)
		}
		loops[0].stepping, loops[1].stepping = 0, clock() // a step that has just begun says nothing
		b.socket()
		if n := len(loops[0].opened()); n != 1 {
			t.Errorf("the loop with fewest sockets was given %d", n)
		}
	})(t)
}

// What holds a loop need not be a request: a task that the application has begun on its own.
func TestSocketsGoPastALoopThatIsSilent(t *testing.T) {
	inBubble(func(t *testing.T) {
		b, loops := loopBench(t, 8, 8)
		loops[0].silent = clock() - int64(time.Second)
		for range 3 {
			b.socket()
		}
		if n := len(loops[0].opened()); n != 0 {
			t.Errorf("a loop that gives no sign of life was given %d of 3", n)
		}
	})(t)
}

// stream submits a request for an event loop.
func (b *bench) stream() (*Call, *fakeAnswer) {
	b.t.Helper()
	c, a := b.call("/events")
	c.Form = wire.ASGIJoined
	b.submit(c)
	return c, a
}

// part passes on a part of a stream that has lasted for so long.
func (b *bench) part(l *fakeLoop, c *Call, lasted time.Duration, kind wire.Kind, flags wire.FrameFlags) {
	b.t.Helper()
	f := &wire.Frame{ID: c.id(), Kind: kind, Flags: flags, Service: uint32(lasted.Microseconds()), CPU: wire.NotMeasured}
	b.Frame(l, f, map[wire.Kind][]byte{wire.Response: []byte("200 OK")}[kind], nil)
}

func TestStreamsThatLastAreSpreadOverTheLoops(t *testing.T) {
	inBubble(func(t *testing.T) {
		b, loops := loopBench(t, 8, 8)
		first, _ := b.stream()
		if b.lane.Unread() == 0 {
			t.Fatal("a stream of which nothing is known was not taken by who has time for it")
		}
		b.read()
		loops[0].set(0, first.id())
		b.part(loops[0], first, time.Millisecond, wire.Response, 0)
		b.part(loops[0], first, 2*time.Second, wire.Block, 0)
		if b.sockets[loops[0]] != 1 {
			t.Errorf("%d long streams are counted, want 1", b.sockets[loops[0]])
		}
		for range 3 {
			b.stream()
		}
		if n, m := len(loops[0].opened()), len(loops[1].opened()); n != 1 || m != 2 {
			t.Errorf("the loops were given %d and %d of 3", n, m)
		}
		b.part(loops[0], first, 3*time.Second, wire.Block, wire.Final)
		if b.sockets[loops[0]] != 1 {
			t.Errorf("%d are counted after the end of one of 2", b.sockets[loops[0]])
		}
	})(t)
}

func TestStreamsThatEndSoonAreTakenByWhoHasTime(t *testing.T) {
	inBubble(func(t *testing.T) {
		b, loops := loopBench(t, 8)
		c, _ := b.stream()
		b.read()
		b.part(loops[0], c, time.Millisecond, wire.Response, 0)
		b.part(loops[0], c, 2*time.Second, wire.Block, 0)
		next, _ := b.stream()
		loops[0].set(1, next.id())
		b.part(loops[0], next, time.Millisecond, wire.Response, 0)
		b.part(loops[0], next, 2*time.Millisecond, wire.Block, wire.Final)
		b.stream()
		if n := len(loops[0].opened()); n != 1 {
			t.Errorf("the loop was given %d streams, want only that before a short one", n)
		}
		b.read()
	})(t)
}

func TestOfEqualLoopsTheOneWithLessLagHasTheNextSocket(t *testing.T) {
	inBubble(func(t *testing.T) {
		b, loops := loopBench(t, 8, 8)
		loops[0].lag = 50 * time.Millisecond
		b.socket()
		if len(loops[1].opened()) != 1 {
			t.Error("the loop that was late has it")
		}
	})(t)
}

func TestSocketsBeyondAllPlacesWaitInTheLane(t *testing.T) {
	inBubble(func(t *testing.T) {
		b, loops := loopBench(t, 1, 1)
		for range 3 {
			b.socket()
		}
		if n, m := len(loops[0].opened()), len(loops[1].opened()); n != 1 || m != 1 {
			t.Errorf("the loops were given %d and %d", n, m)
		}
		id := b.read().ID
		loops[0].set(0, 0)
		b.accept(loops[0], id) // and counts there
		if b.sockets[loops[0]] != 2 {
			t.Errorf("%d sockets are counted, want 2", b.sockets[loops[0]])
		}
	})(t)
}

// Requests that are no sockets take a loop's places too: one that waits for a place there
// may wait for long, while another loop has some.
func TestSocketsGoPastALoopThatIsFull(t *testing.T) {
	inBubble(func(t *testing.T) {
		b, loops := loopBench(t, 2, 2)
		loops[0].set(0, 901)
		loops[0].set(1, 902)
		b.socket()
		b.socket()
		if n, m := len(loops[0].opened()), len(loops[1].opened()); n != 0 || m != 2 {
			t.Errorf("the full loop was given %d, the other one %d", n, m)
		}
		loops[1].set(0, 903)
		loops[1].set(1, 904)
		b.socket()
		if b.lane.Unread() == 0 {
			t.Error("no loop has a place, and the next socket is not in the lane")
		}
	})(t)
}

// A loop that dies takes only what it had begun with it.
func TestWhatADeadLoopHadNotBegunIsPlacedAnew(t *testing.T) {
	inBubble(func(t *testing.T) {
		b, loops := loopBench(t, 8)
		begun, itsAnswer := b.socket()
		_, answerOfDone := b.socket() // its application has returned, its answer was not sent
		waits, answer := b.socket()
		left, itsEnd := b.socket()
		b.Cancel(left)
		loops[0].set(0, begun.id())
		loops[0].begun = 2
		b.Died(loops[0])
		checkEnd(t, answerOfDone, ErrWorkerDied)
		checkEnd(t, itsAnswer, ErrWorkerDied)
		checkEnd(t, itsEnd, ErrCancelled)
		checkRuns(t, answer)
		other := &fakeLoop{fakeWorker: newFakeWorker(2, 8)}
		b.Attach(other)
		id := b.read().ID
		if id != waits.id() {
			t.Fatalf("%d was placed anew, want %d", id, waits.id())
		}
		b.accept(other, id)
		b.closeSocket(other, id)
		checkEnd(t, answer, nil)
		if len(b.sockets) != 0 {
			t.Errorf("sockets are counted that have ended: %v", b.sockets)
		}
	})(t)
}

// Who leaves before its loop has looked never reaches the application.
func TestASocketWhoseClientLeavesBeforeItBegins(t *testing.T) {
	inBubble(func(t *testing.T) {
		b, loops := loopBench(t, 8)
		c, a := b.socket()
		id := c.id()
		b.Cancel(c)
		if b.arena.flags[c.cell] == 0 {
			t.Error("the flag does not say so")
		}
		b.Frame(loops[0], &wire.Frame{ID: id, Kind: wire.Dropped, Flags: wire.Final}, nil, nil)
		checkEnd(t, a, ErrCancelled)
		if len(b.sockets) != 0 {
			t.Error("it still counts")
		}
	})(t)
}
