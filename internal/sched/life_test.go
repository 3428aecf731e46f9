package sched

import (
	"testing"

	"pgregory.net/rapid"
)

// TestTheTableOfALife walks the table along random events, and checks what must hold
// of every life, whatever comes in whatever order:
//
//   - its answer is told its end once: with 504, with 502, or when it becomes idle;
//   - it counts as waited for from its beginning until nobody waits, once;
//   - a request that nobody waits for is never waited for again, and its flag, once
//     set, stays until it is idle;
//   - the lane has it at most once, and only what may lie in the lane is answered;
//   - from every state it can end.
func TestTheTableOfALife(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		s := next[idle][keep]
		tolds, flagged, waited := 0, s.flagged(), s.waited()
		inLane := false
		for range 60 {
			e := event(rapid.IntRange(0, int(events)-1).Draw(r, "event"))
			if (e == unplace || e.isFrame()) && !inLane {
				continue // nobody could cause it
			}
			to := next[s][e]
			if to == never || to == naught {
				continue
			}
			switch e {
			case place:
				if inLane {
					r.Fatalf("%v: it is in the lane twice", s)
				}
				inLane = true
			case unplace:
				inLane = false
			}
			if e.isFrame() && !s.mayRun() {
				r.Fatalf("a worker answers with %v what is %v", e, s)
			}
			if !s.told() && (to.told() || to == idle) {
				tolds++
			}
			if to != idle && (flagged && !to.flagged() || !waited && to.waited()) {
				r.Fatalf("%v by %v becomes %v: somebody waits again", s, e, to)
			}
			if s = to; s == idle {
				break
			}
			flagged, waited = s.flagged(), s.waited()
		}
		if s.told() {
			s = next[s][stop]
		} else if s != idle {
			s = next[s][stop]
			tolds++
		}
		if s != idle || tolds != 1 {
			r.Fatalf("it ends as %v, and was told %d times", s, tolds)
		}
	})
}

// isFrame reports whether a worker causes the event.
func (e event) isFrame() bool { return e >= early && e <= failed }

// mayRun reports whether a worker can have it.
func (s state) mayRun() bool { return s >= placed }

func TestEachStateCanEndAndIsReached(t *testing.T) {
	reached := map[state]bool{idle: true}
	for range states {
		for s := range reached {
			for e := range event(events) {
				if to := next[s][e]; to < states {
					reached[to] = true
				}
			}
		}
	}
	for s := idle + 1; s < states; s++ {
		if !reached[s] {
			t.Errorf("%v is never reached", s)
		}
		if next[s][stop] != idle {
			t.Errorf("%v does not end with the server", s)
		}
	}
}

// The word's parts do not touch each other.
func TestTheWordOfALife(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		c := &Call{}
		cell := rapid.Uint64Range(0, 1<<cellBits-1).Draw(r, "cell")
		serial := rapid.Uint64Range(0, idMask>>cellBits).Draw(r, "serial")
		rel := rapid.Bool().Draw(r, "released")
		word := serial<<cellBits | cell
		if rel {
			word |= released
		}
		c.life.Store(word)
		id := (word + serialOne) & idMask
		c.begin(id, kept)
		if c.id() != id || id&(1<<cellBits-1) != cell || stateOf(c.life.Load()) != kept {
			r.Fatalf("the word %x begins as %x", word, c.life.Load())
		}
		if s := c.step(id, place); !s.done || s.released != rel || !c.in(id, placed) {
			r.Fatalf("placed: %+v, %x", s, c.life.Load())
		}
		if s := c.step(id+serialOne, cancel); s.done || s.refused {
			r.Fatalf("another request was cancelled: %+v", s)
		}
		if s := c.step(id, place); s.done || !s.refused {
			r.Fatalf("it was placed twice: %+v", s)
		}
		if s := c.step(id, whole); !s.done || s.to != idle || c.id() != 0 {
			r.Fatalf("ended: %+v, %x", s, c.life.Load())
		}
		if c.life.Load()&idMask != id || c.life.Load()&released != 0 != rel {
			r.Fatalf("the next request would not count on: %x after %x", c.life.Load(), id)
		}
	})
}
