package sched

import (
	"testing"
	"testing/synctest"
)

// givingLane is a fakeLane whose packets can be had back.
type givingLane struct{ *fakeLane }

func (l givingLane) TakeBack(visit func(packet []byte)) {
	for p := l.tryRead(); p != nil; p = l.tryRead() {
		visit(p)
	}
}

// Also what a feeder has in hand, and what waits behind it.
func TestAllThatNobodyHasReadIsTakenBack(t *testing.T) {
	inBubble(func(t *testing.T) {
		b := newBench(t, 1, func(c *Config) { c.Lane = givingLane{c.Lane.(*fakeLane)} })
		var answers []*fakeAnswer
		for range 5 {
			c, a := b.call("/")
			b.submit(c)
			answers = append(answers, a)
		}
		synctest.Wait()
		b.TakeBack()
		for _, a := range answers {
			checkEnd(t, a, ErrUnread)
		}
	})(t)
}
