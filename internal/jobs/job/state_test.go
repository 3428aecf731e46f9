package job

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

// Whatever happens in whatever order: a job ends once, one that must not run twice is
// begun once, and nobody is begun more often than was allowed.
func TestAJobEndsOnceAndIsBegunAsOftenAsItMay(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := Record{Status: Queued, Once: rapid.Bool().Draw(t, "once"), Retries: rapid.IntRange(0, 4).Draw(t, "retries")}
		now, begun, refused := time.Unix(0, 0), 0, 0
		for range rapid.IntRange(1, 40).Draw(t, "steps") {
			e := Event(rapid.IntRange(0, int(Retried)-1).Draw(t, "event"))
			before := r
			changed := r.Apply(e, now)
			if before.Status.Ended() && (changed || r.Status != before.Status) {
				t.Fatalf("%v changes a job that has ended: %s to %s", e, before.Status, r.Status)
			}
			if changed && before.Status == Queued && r.Status == Running {
				begun++
			}
			if changed && e == Refused {
				refused++
			}
			if r.Status.Ended() != !r.Ended.IsZero() {
				t.Fatalf("%s, ended %v", r.Status, r.Ended)
			}
			if r.Attempt < 0 || r.Attempt > r.Retries+1 {
				t.Fatalf("attempt %d of %d", r.Attempt, r.Retries+1)
			}
		}
		if r.Once && begun-refused > 1 {
			t.Fatalf("begun %d times although it must not run twice", begun-refused)
		}
		if begun-refused > r.Retries+1 {
			t.Fatalf("begun %d times, %d of them in vain, with %d retries", begun, refused, r.Retries)
		}
	})
}

// Once concerns deaths: what has ended by an answer was told.
func TestWhatMustNotRunTwiceIsLostWithItsRunner(t *testing.T) {
	r := Record{Status: Queued, Once: true, Retries: 3}
	now := time.Now()
	if !r.Apply(Begin, now) || !r.Apply(Died, now) || r.Status != Lost {
		t.Errorf("%+v", r)
	}
	again := Record{Status: Queued, Retries: 1}
	for _, want := range []Status{Running, Queued, Running, Dead} {
		e := Begin
		if again.Status == Running {
			e = Died
		}
		if !again.Apply(e, now) || again.Status != want {
			t.Fatalf("%s, not %s", again.Status, want)
		}
	}
	if !again.Apply(Retried, now) || again.Status != Queued || again.Attempt != 0 {
		t.Errorf("a person wants it again: %+v", again)
	}
}

func TestBackoffGrowsAndHasAnEnd(t *testing.T) {
	var last time.Duration
	for attempt := 1; attempt < 30; attempt++ {
		wait := (&Record{Attempt: attempt}).Wait()
		if wait < last || wait > longestBackoff {
			t.Errorf("attempt %d: %v after %v", attempt, wait, last)
		}
		last = wait
	}
}
