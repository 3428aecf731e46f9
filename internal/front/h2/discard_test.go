package h2

import (
	"slices"
	"testing"
	"time"

	"golang.org/x/net/http2"
)

// early answers each request when its head has come, and would read so much on.
func early(unread int64) *rig {
	return &rig{head: func(k *call) {
		k.unread = unread
		k.answer(200, "early")
	}}
}

// upload sends n bytes on a stream that has been answered, as its own window allows, and
// then ends it. It returns the frames that came meanwhile, but for windows.
func (h *client) upload(id uint32, n int) (came []http2.Frame) {
	h.t.Helper()
	window := 65535
	_ = h.SetReadDeadline(time.Now().Add(10 * time.Second))
	for n > 0 {
		k := min(n, window, 16384)
		if k > 0 {
			n -= k
			h.must(0, h.WriteData(id, n == 0, make([]byte, k)))
			window -= k
			continue
		}
		f, err := h.ReadFrame()
		h.must(0, err)
		switch f := f.(type) {
		case *http2.WindowUpdateFrame:
			if f.StreamID == id {
				window += int(f.Increment)
			}
		case *http2.SettingsFrame:
		default:
			came = append(came, f)
			if _, ok := f.(*http2.RSTStreamFrame); ok {
				return came
			}
		}
	}
	return came
}

func (r *rig) discarding() (n int) {
	r.locked(func() { n = r.c.Discarding() })
	return n
}

// A client that sends all before it looks at its answer can do so, and its stream then ends
// as any other. Its place and its request are others' by then.
func TestTheRestOfABodyIsDropped(t *testing.T) {
	r := early(1 << 20)
	h := serve(t, r, func(c *Config) { c.MaxStreams, c.ConnWindow = 1, 1<<30 }).begin()
	for id := uint32(1); id < 7; id += 2 {
		h.request(id, false)
		h.answer(id)
		if came := h.upload(id, 500_000); len(came) > 0 {
			t.Fatalf("there came %v", came)
		}
		h.settle()
		if n := r.discarding(); n != 0 {
			t.Errorf("%d streams are still read", n)
		}
	}
	if n := len(r.calls[0].body); n != 0 {
		t.Errorf("%d bytes came to the request", n)
	}
}

// How a stream ends whose answer is complete and whose client sends on: by a code, or -1
// without a reset.
func TestHowTheRestOfABodyEnds(t *testing.T) {
	const quietly = -1
	for name, test := range map[string]struct {
		unread int64
		then   func(*rig, *client)
		code   int
	}{
		"nothing is read on": {0, func(*rig, *client) {}, int(http2.ErrCodeNo)},
		"it is longer than it may": {30_000, func(_ *rig, h *client) {
			h.must(0, h.WriteData(1, false, make([]byte, 16_000)))
			h.must(0, h.WriteData(1, false, make([]byte, 16_000)))
		}, int(http2.ErrCodeNo)},
		"the connection has sent too much": {1 << 20, func(r *rig, h *client) {
			r.locked(func() { r.c.dropping.left, r.c.dropping.rate = 100, 0 })
			h.must(0, h.WriteData(1, false, make([]byte, 101)))
		}, int(http2.ErrCodeNo)},
		"nothing comes": {1 << 20, func(r *rig, _ *client) {
			time.Sleep(2 * time.Millisecond)
			r.locked(func() { r.c.EndDiscards(within(time.Hour, time.Millisecond)) })
		}, int(http2.ErrCodeNo)},
		"it takes too long": {1 << 20, func(r *rig, _ *client) {
			time.Sleep(2 * time.Millisecond)
			r.locked(func() { r.c.EndDiscards(within(time.Millisecond, time.Hour)) })
		}, int(http2.ErrCodeNo)},
		"it goes beyond its window": {1 << 20, func(r *rig, h *client) {
			r.locked(func() { r.c.discards[0].recv.window = 10 })
			h.must(0, h.WriteData(1, false, make([]byte, 11)))
		}, int(http2.ErrCodeFlowControl)},
		"trailers that do not end it": {1 << 20, func(_ *rig, h *client) {
			h.request(1, false)
		}, int(http2.ErrCodeProtocol)},
		"a malformed frame": {1 << 20, func(_ *rig, h *client) {
			h.must(0, h.WriteRawFrame(http2.FrameWindowUpdate, 0, 1, make([]byte, 4)))
		}, int(http2.ErrCodeProtocol)},
		"trailers":     {1 << 20, func(_ *rig, h *client) { h.request(1, true) }, quietly},
		"its end":      {1 << 20, func(_ *rig, h *client) { h.must(0, h.WriteData(1, true, nil)) }, quietly},
		"a reset":      {1 << 20, func(_ *rig, h *client) { h.must(0, h.WriteRSTStream(1, http2.ErrCodeCancel)) }, quietly},
		"padding only": {1 << 20, func(_ *rig, h *client) { h.must(0, h.WriteDataPadded(1, true, nil, make([]byte, 200))) }, quietly},
	} {
		t.Run(name, func(t *testing.T) {
			r := early(test.unread)
			h := serve(t, r).begin()
			h.request(1, false)
			h.answer(1)
			if test.then(r, h); test.code != quietly {
				h.wantReset(1, http2.ErrCode(test.code))
			}
			h.request(3, true)
			h.answer(3)
			if n := r.discarding(); n != 0 {
				t.Errorf("%d streams are still read", n)
			}
		})
	}
}

// There are never more of them than a client may have streams, and what all of them may
// send comes back with time.
func TestTheRestOfBodiesIsBounded(t *testing.T) {
	r := early(1 << 30)
	now := time.Now().UnixNano()
	h := serve(t, r, func(c *Config) { c.MaxStreams, c.Clock = 2, func() int64 { return now } }).begin()
	for id := uint32(1); id <= 5; id += 2 {
		h.request(id, false)
		h.answer(id)
	}
	h.wantReset(5, http2.ErrCodeNo)
	h.must(0, h.WriteData(1, true, nil))
	h.must(0, h.WriteData(3, true, nil))
	h.request(7, false)
	h.answer(7)
	r.locked(func() { r.c.dropping.left = -1 })
	h.must(0, h.WriteData(7, false, make([]byte, 1000)))
	h.wantReset(7, http2.ErrCodeNo)
	h.request(9, false) // nothing is left for it
	h.answer(9)
	h.wantReset(9, http2.ErrCodeNo)
	r.locked(func() { now += int64(time.Second) })
	h.request(11, false)
	h.answer(11)
	if came := h.upload(11, 10_000); len(came) > 0 {
		t.Errorf("there came %v", came)
	}
}

// An answer that is given in the middle of a frame has the rest of it dropped as well, and
// counts none of it twice.
func TestAnAnswerInTheMiddleOfAFrame(t *testing.T) {
	r := &rig{}
	h := serve(t, r).begin()
	h.request(1, false)
	h.settle()
	r.locked(func() { r.calls[0].unread = 1 << 20 })
	h.must(0, ignore(h.Conn.Write([]byte{0, 0x3e, 0x80, 0, 0, 0, 0, 0, 1}))) // DATA of 16,000 bytes
	h.must(0, ignore(h.Conn.Write(make([]byte, 1000))))
	for ready := false; !ready; time.Sleep(time.Millisecond) {
		r.locked(func() { ready = len(r.calls[0].body) == 1000 })
	}
	r.calls[0].answer(200, "early")
	h.answer(1)
	h.must(0, ignore(h.Conn.Write(make([]byte, 15_000))))
	h.settle()
	r.locked(func() {
		d := r.c.discards
		if len(d) != 1 || d[0].recv.window+d[0].recv.unsent != 65535 {
			t.Errorf("it is read on as %v", d)
		}
	})
	h.must(0, h.WriteData(1, true, nil))
}

// The farewell waits until all of it has been read, and is told when.
func TestTheFarewellWaitsForTheRestOfBodies(t *testing.T) {
	r := early(1 << 20)
	rested := 0
	h := serve(t, r, func(c *Config) { c.Rested = func() { rested++ } }).begin()
	for _, id := range []uint32{1, 3} {
		h.request(id, false)
		h.answer(id)
	}
	var over []bool
	look := func() { r.locked(func() { over = append(over, r.c.Over()) }) }
	r.locked(func() { r.c.Farewell() })
	look()
	h.must(0, h.WriteData(1, true, nil))
	h.wantAway(http2.ErrCodeNo)
	h.settle()
	look()
	h.must(0, h.WriteData(3, true, nil))
	h.settle()
	look()
	if !slices.Equal(over, []bool{false, false, true}) || rested != 1 {
		t.Errorf("over: %v, told %d times", over, rested)
	}
}

// What a connection may send comes back, however long it was unused.
func TestABudgetComesBackAfterAnyTime(t *testing.T) {
	for after := time.Second; after < 10*365*24*time.Hour; after *= 2 {
		b := newCalm(discardBurst, discardRate, 0)
		if b.spend(discardBurst+1, func() int64 { return 0 }) {
			t.Fatal("more was left than there was")
		}
		if !b.spend(0, func() int64 { return int64(after) }) || b.left > b.burst {
			t.Fatalf("after %v %d are left", after, b.left)
		}
	}
}

// within are limits that do not depend on how much has come.
func within(longest, silent time.Duration) func(int64) (int64, int64) {
	return func(int64) (int64, int64) { return int64(longest), int64(silent) }
}
