package sched

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

func TestHeldCallsReachTheLaneInTheirOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 2, nil)
		w := newFakeWorker(1, 1)
		b.Attach(w)
		var ids []uint64
		for i := range 10 {
			c, _ := b.call(fmt.Sprint("/", i))
			b.submit(c)
			ids = append(ids, c.id())
		}
		synctest.Wait()
		for i, id := range ids {
			if got := b.read().ID; got != id {
				t.Fatalf("packet %d has id %d, want %d", i, got, id)
			}
			synctest.Wait()
		}
	})
}

// A call that the feeder has in its hands is older than any that comes now.
func TestNoCallOvertakesTheOneThatTheFeederHolds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 1, nil)
		b.Attach(newFakeWorker(1, 1))
		first, _ := b.call("/first")
		b.submit(first)
		held, _ := b.call("/held")
		b.submit(held)
		synctest.Wait() // the feeder waits in Send

		// The lane has room before the feeder wakes.
		b.lane.mu.Lock()
		b.lane.packets = nil
		b.lane.mu.Unlock()
		late, _ := b.call("/late")
		b.submit(late)
		b.lane.wake()
		synctest.Wait()
		if got, want := b.read().ID, held.id(); got != want {
			t.Errorf("read %d, want the held call, %d", got, want)
		}
		synctest.Wait()
		if got, want := b.read().ID, late.id(); got != want {
			t.Errorf("read %d, want the late call, %d", got, want)
		}
	})
}

func TestAHeldCallThatIsCancelledLetsTheNextThrough(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 1, nil)
		b.Attach(newFakeWorker(1, 1))
		var calls []*Call
		var answers []*fakeAnswer
		for range 5 {
			c, a := b.call("/")
			b.submit(c)
			calls, answers = append(calls, c), append(answers, a)
		}
		synctest.Wait() // the second is in the feeder's hands
		b.Cancel(calls[2])
		b.Cancel(calls[3])
		for _, i := range []int{0, 1, 4} {
			if got, want := b.read().ID, calls[i].id(); got != want {
				t.Errorf("read %d, want call %d with %d", got, i, want)
			}
			synctest.Wait()
		}
		checkEnd(t, answers[2], ErrCancelled)
		checkEnd(t, answers[3], ErrCancelled)
	})
}

// sentLane calls sent when a call lies in the lane that the feeder has not let go of.
type sentLane struct {
	*fakeLane
	sent func()
}

func (l *sentLane) Send(packet []byte) error {
	err := l.fakeLane.Send(packet)
	l.sent()
	return err
}

// A call may be answered, held again as the next request and cancelled before the feeder
// has let go of it. Those behind it stay.
func TestTheFeederTakesOutNoOtherCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lane := &sentLane{}
		b := newBench(t, 1, func(c *Config) {
			lane.fakeLane = c.Lane.(*fakeLane)
			c.Lane = lane
		})
		w := newFakeWorker(1, 1)
		b.Attach(w)
		first, _ := b.call("/first")
		b.submit(first)
		held, twice := b.call("/held")
		b.submit(held)
		behind, _ := b.call("/behind")
		b.submit(behind)
		lane.sent = func() {
			lane.sent = func() {}
			b.Frame(w, answer(b.read().ID, 0), nil, nil)
			b.prepare(held, "/next")
			b.submit(held)
			b.Cancel(held)
			time.Sleep(time.Millisecond) // the keeper takes it out
		}
		b.read()
		time.Sleep(time.Second)
		if got, want := b.read().ID, behind.id(); got != want {
			t.Errorf("read %d, want the call behind, %d", got, want)
		}
		if ends, cause := twice.end(); ends != 2 || !errors.Is(cause, ErrCancelled) {
			t.Errorf("ended %d times, with %v", ends, cause)
		}
		if n := b.main.held.Load(); n != 0 {
			t.Errorf("%d are held", n)
		}
	})
}

func TestCloseFailsWhatIsInTheQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := New(Config{Lane: newFakeLane(1), Arena: newFakeArena(), Cells: 8, Waits: 8, Clock: clock})
		q.Start()
		b := &bench{Queue: q, t: t}
		var answers []*fakeAnswer
		for range 4 { // in the lane, in the feeder's hands, held twice
			c, a := b.call("/")
			b.submit(c)
			answers = append(answers, a)
		}
		synctest.Wait()
		b.Close()
		for _, a := range answers {
			checkEnd(t, a, ErrStopped)
		}
		if b.InFlight() != 0 {
			t.Errorf("%d calls are in flight", b.InFlight())
		}
	})
}

func TestALaneThatFailsFailsTheHeldCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 1, nil)
		b.Attach(newFakeWorker(1, 1))
		first, _ := b.call("/")
		b.submit(first)
		c, a := b.call("/")
		b.submit(c)
		b.lane.Stop()
		synctest.Wait()
		if ends, cause := a.end(); ends != 1 || !errors.Is(cause, ErrStopped) {
			t.Errorf("ended %d times with %v", ends, cause)
		}
	})
}
