package sched

import (
	"testing"
	"testing/synctest"
	"time"

	"girin/internal/wire"
)

// A loop has nobody who could take over; it is told to send what it has finished, and only
// where something holds it.
func TestALoopIsPromotedOnlyWhereSomethingHoldsIt(t *testing.T) {
	for name, test := range map[string]struct {
		stepping, silent time.Duration // for so long; 0: not
		quick            bool          // what runs was known to be
		want             bool
	}{
		"nothing holds it":             {},
		"short steps":                  {stepping: tick / 2},
		"short steps, quick":           {stepping: tick / 2, quick: true},
		"a step holds it":              {stepping: 3 * tick, want: true},
		"something else holds it":      {silent: 3 * tick, want: true},
		"it owes a sign since shortly": {silent: tick / 2},
	} {
		t.Run(name, inBubble(func(t *testing.T) {
			b, loops := loopBench(t, 4)
			l := loops[0]
			c := b.runsIn(l)
			look := b.cfg.Clock() + int64(tick) // the next one
			if test.stepping != 0 {
				l.stepping = look - int64(test.stepping)
			}
			if test.silent != 0 {
				l.silent = look - int64(test.silent)
			}
			c.trusted.Store(test.quick)
			other, _ := b.call("/")
			other.Form = wire.ASGIJoined
			b.submit(other)
			time.Sleep(tick)
			synctest.Wait()
			if promoted := len(l.promotions()) > 0; promoted != test.want {
				t.Errorf("promoted: %v, want %v", promoted, test.want)
			}
		}))
	}
}

// A request that was known to be quick has waited for a while, and only then holds its loop.
func TestALoopIsPromotedForWhatHoldsItLater(t *testing.T) {
	inBubble(func(t *testing.T) {
		b, loops := loopBench(t, 4)
		l := loops[0]
		c := b.runsIn(l)
		c.trusted.Store(true)
		l.stepping = b.cfg.Clock() + int64(tick/2) // at the next look it is short
		b.watch.arm()
		for i, want := range []bool{false, true} {
			time.Sleep(tick)
			synctest.Wait()
			if promoted := len(l.promotions()) > 0; promoted != want {
				t.Errorf("promoted at look %d: %v, want %v", i, promoted, want)
			}
		}
	})(t)
}

// runsIn is a request that a loop has had for a second.
func (b *bench) runsIn(l *fakeLoop) *Call {
	c, _ := b.call("/")
	c.Form = wire.ASGIJoined
	b.submit(c)
	l.set(0, b.read().ID)
	time.Sleep(time.Second)
	synctest.Wait()
	return c
}
