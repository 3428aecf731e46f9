package h2

import (
	"slices"

	"golang.org/x/net/http2"
)

// discard is a stream whose answer is complete while its client still sends the request's
// body, which nobody wants any more. Such a stream may be reset with NO_ERROR at once
// (RFC 9113 section 8.1), but a client that sends all before it looks at an answer waits
// for a window and never sees either. So what comes is dropped for a while and the
// window opens again; the reset follows if the client does not end its side itself.
//
//	answer complete ─▶ discard ─┬─ its client ends or resets it ─────────────────▶ gone
//	                            └─ too many bytes, too long, or nothing comes ─▶ RST_STREAM
//
// Nothing of it is kept. The request and the stream's place are others' already, and
// there are no more of these than a client may have streams.
type discard struct {
	id    uint32
	recv  inflow
	rest  int64 // bytes that are still read on
	got   int64 // bytes that were dropped
	began int64 // ns: since when
	came  int64 // ns: when something came last
}

// What all streams of a connection may have dropped: so many bytes at once, and so many
// more a second. Beyond it each is reset when its answer is complete. It costs the
// server less than an upload that is wanted.
const discardBurst, discardRate = 4 << 30, 64 << 20

// discard has the rest of a request dropped, and reports whether anything is awaited.
func (c *Conn) discard(s *Stream) bool {
	rest := s.req.Unread()
	if rest <= 0 || len(c.discards) >= c.cfg.MaxStreams || !c.dropping.spend(0, c.cfg.Clock) {
		return false
	}
	now := c.cfg.Clock()
	d := discard{id: s.id, recv: inflow{window: s.recv.window, whole: s.recv.whole}, rest: rest, began: now, came: now}
	d.reopen(c, int(max(d.recv.whole-d.recv.window, 0)))
	c.discards = append(c.discards, d)
	return true
}

// reopen lets the client send n bytes more.
func (d *discard) reopen(c *Conn, n int) {
	if more := d.recv.give(n); more > 0 {
		_ = c.control.framer.WriteWindowUpdate(d.id, more)
	}
}

// discarding finds the index of a stream's discard; -1: it has none.
func (c *Conn) discarding(id uint32) int {
	return slices.IndexFunc(c.discards, func(d discard) bool { return d.id == id })
}

// dropData takes a DATA frame of n bytes for a discard, of which the connection's window
// knows already.
func (c *Conn) dropData(i, n int, ends bool) *Error {
	d := &c.discards[i]
	if !d.recv.take(n) {
		return c.streamFault(d.id, http2.ErrCodeFlowControl)
	}
	d.rest -= int64(n)
	d.got += int64(n)
	spent := !c.dropping.spend(int64(n), c.cfg.Clock)
	switch {
	case ends:
		c.endDiscard(i)
	case d.rest < 0 || spent:
		c.reset(d.id, http2.ErrCodeNo)
		c.endDiscard(i)
	case n == 0:
		return c.idled()
	default:
		c.skips = d.id
		d.reopen(c, n)
	}
	return nil
}

// skipped notes that a frame of nobody's was read to its end.
func (c *Conn) skipped() {
	if i := c.discarding(c.skips); i >= 0 {
		c.discards[i].came = c.cfg.Clock()
	}
	c.skips = 0
}

// endDiscard forgets a discard.
func (c *Conn) endDiscard(i int) {
	if c.discards = slices.Delete(c.discards, i, i+1); len(c.discards) > 0 {
		return
	}
	c.discards = nil
	if c.places == 0 && c.cfg.Rested != nil {
		c.cfg.Rested()
	}
}

// Discarding is how many streams there are whose answer is complete and whose request
// is read on.
func (c *Conn) Discarding() int { return len(c.discards) }

// EndDiscards resets those that have been read on for long enough, or of which nothing
// has come for a while; limits, in ns, are those of one of which so many bytes came. A frame
// of which the rest is awaited comes.
func (c *Conn) EndDiscards(limits func(got int64) (longest, silent int64)) {
	if len(c.discards) == 0 {
		return
	}
	now := c.cfg.Clock()
	for i := len(c.discards) - 1; i >= 0; i-- {
		d := &c.discards[i]
		longest, silent := limits(d.got)
		if now-d.began > longest || now-d.came > silent && d.id != c.skips {
			c.reset(d.id, http2.ErrCodeNo)
			c.endDiscard(i)
		}
	}
}
