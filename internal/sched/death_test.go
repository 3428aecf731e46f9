package sched

import (
	"testing"
	"testing/synctest"
	"time"

	"girin/internal/wire"
)

func TestADeathFailsWhatTheWorkerRan(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 8, nil)
		dies, lives := newFakeWorker(1, 2), newFakeWorker(2, 1)
		b.Attach(dies)
		b.Attach(lives)
		noted, noting := b.call("/")
		b.submit(noted)
		dies.set(0, b.read().ID)
		streams, streaming := b.call("/")
		b.submit(streams)
		// It has begun to answer, and the slot's note is gone already.
		b.Frame(dies, &wire.Frame{ID: b.read().ID, Kind: wire.Response}, nil, nil)
		elsewhere, other := b.call("/")
		b.submit(elsewhere)
		id := b.read().ID
		lives.set(0, id)

		b.Died(dies)
		checkEnd(t, noting, ErrWorkerDied)
		checkEnd(t, streaming, ErrWorkerDied)
		if b.Capacity() != 1 {
			t.Errorf("capacity %d, want the living worker's", b.Capacity())
		}
		time.Sleep(10 * time.Second)
		checkRuns(t, other)
		b.Frame(lives, answer(id, 0), nil, nil)
		checkEnd(t, other, nil)
	})
}

func TestADrainingWorkerKeepsWhatItRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 8, nil)
		drains, dies := newFakeWorker(1, 1), newFakeWorker(2, 1)
		b.Attach(drains)
		b.Attach(dies)
		c, a := b.call("/")
		b.submit(c)
		id := b.read().ID
		drains.set(0, id)
		b.Detach(drains)
		b.Died(dies)
		time.Sleep(10 * time.Second)
		checkRuns(t, a)
		b.Frame(drains, answer(id, 0), nil, nil)
		checkEnd(t, a, nil)
	})
}

// What a dead worker had read without noting it is known to be lost when the
// lane is empty.
func TestATakenCallIsLostWhenTheLaneIsEmpty(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 8, nil)
		w := newFakeWorker(1, 1)
		b.Attach(w)
		c, a := b.call("/")
		b.submit(c)
		b.read()
		b.Died(w)
		checkRuns(t, a)
		time.Sleep(untilLost)
		synctest.Wait()
		checkEnd(t, a, ErrLost)
		if b.arena.flags[c.cell] == 0 {
			t.Error("its flag does not say that nobody waits")
		}
	})
}

func TestAnUnreadCallSurvivesADeath(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 8, nil)
		dies := newFakeWorker(1, 1)
		b.Attach(dies)
		c, a := b.call("/")
		b.submit(c)
		b.Died(dies)
		time.Sleep(time.Minute) // the next worker takes its time
		checkRuns(t, a)
		next := newFakeWorker(2, 1)
		b.Attach(next)
		b.Frame(next, answer(b.read().ID, 0), nil, nil)
		checkEnd(t, a, nil)
	})
}

// While packets lie in the lane a call may be one of them, until something
// that was sent later has begun.
func TestATakenCallIsLostWhenALaterOneHasBegun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 8, nil)
		dies, lives := newFakeWorker(1, 1), newFakeWorker(2, 1)
		b.Attach(dies)
		b.Attach(lives)
		taken, lost := b.call("/taken")
		b.submit(taken)
		b.read()
		time.Sleep(time.Second)
		later, next := b.call("/later")
		b.submit(later)
		last, end := b.call("/last")
		b.submit(last)
		b.Died(dies)

		time.Sleep(time.Minute) // nobody reads
		checkRuns(t, lost)
		id := b.read().ID
		lives.set(0, id)
		time.Sleep(untilLost)
		synctest.Wait()
		checkEnd(t, lost, ErrLost)
		checkRuns(t, next)
		checkRuns(t, end)

		lives.set(0, 0)
		b.Frame(lives, answer(id, 0), nil, nil)
		checkEnd(t, next, nil)
		checkRuns(t, end)
	})
}

// A worker that lives has answered, and the answer lies in its socket: on a busy machine,
// or while large answers before it are written, that may take long.
func TestACallWhoseAnswerWasNotPassedOnIsNotLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 8, nil)
		dies, lives := newFakeWorker(1, 1), newFakeWorker(2, 1)
		b.Attach(dies)
		b.Attach(lives)
		c, a := b.call("/")
		b.submit(c)
		id := b.read().ID
		lives.unheard.Store(true)
		b.Died(dies)
		time.Sleep(10 * time.Second)
		checkRuns(t, a)
		b.Frame(lives, answer(id, 0), nil, nil)
		checkEnd(t, a, nil)
	})
}

// On a busy machine the lane is seldom empty, no worker runs something at each look, and
// one or another always has an answer that was not passed on.
func TestATakenCallIsLostUnderLoad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 8, nil)
		dies, one, other := newFakeWorker(1, 1), newFakeWorker(2, 1), newFakeWorker(3, 1)
		b.Attach(dies)
		b.Attach(one)
		b.Attach(other)
		lost, taken := b.call("/taken")
		b.submit(lost)
		b.read()
		time.Sleep(time.Second)
		b.Died(dies)
		for i := range 20 {
			one.unheard.Store(i%2 == 0)
			other.unheard.Store(i%2 != 0)
			time.Sleep(3 * lostEvery / 4)
			waits, _ := b.call("/")
			b.submit(waits)
			time.Sleep(lostEvery / 2) // in which most looks fall
			b.Frame(one, answer(b.read().ID, 0), nil, nil)
		}
		checkEnd(t, taken, ErrLost)
	})
}

// A busy machine may stop whoever sends a request just before it is in the lane, which
// somebody finds empty then.
func TestACallThatIsSentLateIsNotLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 8, nil)
		dies, lives := newFakeWorker(1, 1), newFakeWorker(2, 1)
		b.Attach(dies)
		b.Attach(lives)
		c, a := b.call("/")
		b.submit(c)
		packet := b.lane.tryRead()
		time.Sleep(lostEvery)
		b.Died(dies)
		time.Sleep(3 * lostEvery / 2) // one look
		b.lane.TrySend(packet)
		time.Sleep(10 * time.Second) // all are busy
		checkRuns(t, a)
		b.Frame(lives, answer(b.read().ID, 0), nil, nil)
		checkEnd(t, a, nil)
	})
}

// Nor is one that others have overtaken meanwhile, however long they run.
func TestACallThatIsSentLateAndWasOvertakenIsNotLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 8, nil)
		dies, lives := newFakeWorker(1, 1), newFakeWorker(2, 1)
		b.Attach(dies)
		b.Attach(lives)
		c, a := b.call("/")
		b.submit(c)
		packet := b.lane.tryRead()
		time.Sleep(2 * lostEvery)
		overtakes, runs := b.call("/")
		b.submit(overtakes)
		id := b.read().ID
		lives.set(0, id)
		b.lane.TrySend(packet)
		b.Died(dies)
		time.Sleep(10 * time.Second)
		checkRuns(t, a)
		checkRuns(t, runs)
		lives.set(0, 0)
		b.Frame(lives, answer(id, 0), nil, nil)
		b.Frame(lives, answer(b.read().ID, 0), nil, nil)
		checkEnd(t, a, nil)
	})
}

// untilLost is by when a call that was taken is known to be lost.
const untilLost = time.Duration(lostAfter) + 3*lostEvery/2

// A thread needs a moment between reading and noting, a long one where many want to run.
func TestACallThatIsJustBeingNotedIsNotLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 8, nil)
		dies, lives := newFakeWorker(1, 1), newFakeWorker(2, 1)
		b.Attach(dies)
		b.Attach(lives)
		c, a := b.call("/")
		b.submit(c)
		b.Died(dies)
		time.Sleep(lostEvery - time.Millisecond)
		id := b.read().ID
		time.Sleep(500 * time.Millisecond) // looks fall between
		lives.set(0, id)
		time.Sleep(2 * time.Second)
		synctest.Wait()
		checkRuns(t, a)
		b.Frame(lives, answer(id, 0), nil, nil)
		checkEnd(t, a, nil)
	})
}

func TestWhatIsSubmittedAfterADeathIsNotLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 8, nil)
		dies, lives := newFakeWorker(1, 1), newFakeWorker(2, 1)
		b.Attach(dies)
		b.Attach(lives)
		b.Died(dies)
		time.Sleep(time.Nanosecond)
		c, a := b.call("/")
		b.submit(c)
		id := b.read().ID // taken by the living one, slow to note it
		time.Sleep(time.Second)
		checkRuns(t, a)
		b.Frame(lives, answer(id, 0), nil, nil)
		checkEnd(t, a, nil)
	})
}

// A worker that ends in order has taken nothing with it: what another one has read and
// not noted for long is not taken for lost.
func TestNothingIsLostWithAWorkerThatEndsInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 8, nil)
		leaves, reads := newFakeWorker(1, 1), newFakeWorker(2, 1)
		b.Attach(leaves)
		b.Attach(reads)
		c, a := b.call("/")
		b.submit(c)
		id := b.read().ID // a thread has it, and is not let run
		b.Left(leaves)
		time.Sleep(10 * time.Second)
		checkRuns(t, a)
		reads.set(0, id)
		b.Frame(reads, answer(id, time.Millisecond), nil, nil)
		checkEnd(t, a, nil)
	})
}
