package h2

import (
	"runtime"
	"testing"
	"time"

	"golang.org/x/net/http2"
)

// Frames that do nothing end the connection after a bounded number of them.
func TestFloods(t *testing.T) {
	raw := func(kind http2.FrameType, flags http2.Flags, id uint32, payload string) func(*client, uint32) error {
		return func(h *client, _ uint32) error { return h.WriteRawFrame(kind, flags, id, []byte(payload)) }
	}
	for name, test := range map[string]struct {
		before func(*client)
		again  func(*client, uint32) error
	}{
		"ping":             {nil, raw(http2.FramePing, 0, 0, "12345678")},
		"ping answers":     {nil, raw(http2.FramePing, http2.FlagPingAck, 0, "12345678")},
		"settings":         {nil, raw(http2.FrameSettings, 0, 0, "")},
		"settings answers": {nil, raw(http2.FrameSettings, http2.FlagSettingsAck, 0, "")},
		"moving windows":   {nil, raw(http2.FrameSettings, 0, 0, "\x00\x04\x00\x00\x00\x01\x00\x04\x00\x00\xff\xff")},
		"moving tables":    {nil, raw(http2.FrameSettings, 0, 0, "\x00\x01\x00\x00\x00\x00\x00\x01\x00\x00\x10\x00")},
		"priority":         {nil, func(h *client, i uint32) error { return h.WritePriority(2*i+1, http2.PriorityParam{}) }},
		"priority updates": {nil, func(h *client, i uint32) error { return h.WritePriorityUpdate(2*i+1, "u=1") }},
		"unknown":          {nil, raw(0xcc, 0, 0, "x")},
		"windows":          {nil, raw(http2.FrameWindowUpdate, 0, 0, "\x00\x00\x00\x01")},
		"empty data":       {func(h *client) { h.request(1, false) }, raw(http2.FrameData, 0, 1, "")},
		"padding":          {func(h *client) { h.request(1, false) }, raw(http2.FrameData, http2.FlagDataPadded, 1, "\x00")},
		"continuation": {func(h *client) {
			h.must(0, h.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: []byte{0x82}}))
		}, raw(http2.FrameContinuation, 0, 1, "")},
		"filled continuation": {func(h *client) {
			h.must(0, h.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: []byte{0x82}}))
		}, raw(http2.FrameContinuation, 0, 1, string(make([]byte, 1000)))},
		"resets of a closed stream": {func(h *client) { h.request(1, true); h.answer(1) }, raw(http2.FrameRSTStream, 0, 1, "\x00\x00\x00\x08")},
		"data for a closed stream":  {func(h *client) { h.request(1, true); h.answer(1) }, raw(http2.FrameData, 0, 1, "x")},
		"rapid reset": {nil, func(h *client, i uint32) error {
			if err := h.tryRequest(2*i+1, false); err != nil {
				return err
			}
			return h.WriteRSTStream(2*i+1, http2.ErrCodeCancel)
		}},
		"resets that the client causes": {nil, func(h *client, i uint32) error {
			if err := h.tryRequest(2*i+1, false); err != nil {
				return err
			}
			return h.WriteRawFrame(http2.FrameWindowUpdate, 0, 2*i+1, []byte{0, 0, 0, 0})
		}},
		"streams that depend on themselves": {nil, func(h *client, i uint32) error {
			return h.WriteHeaders(http2.HeadersFrameParam{
				StreamID: 2*i + 1, BlockFragment: h.encode(plain...), EndHeaders: true, Priority: http2.PriorityParam{StreamDep: 2*i + 1},
			})
		}},
		"streams beyond what it may have": {nil, func(h *client, i uint32) error {
			return h.tryRequest(2*i+1, true)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			r := &rig{}
			if test.before != nil {
				r.end = hello
			}
			r.head = func(k *call) {
				if test.before == nil && name != "streams beyond what it may have" {
					k.r.locked(k.s.Done) // nothing runs for it
				}
			}
			h := serve(t, r).begin()
			h.AllowIllegalWrites = true
			if test.before != nil {
				test.before(h)
			}
			sent := make(chan uint32)
			go func() {
				i := uint32(0)
				for ; i < 1e6; i++ {
					if test.again(h, i) != nil {
						break
					}
				}
				sent <- i
			}()
			h.wantAway(http2.ErrCodeEnhanceYourCalm)
			h.Close()
			if n := <-sent; n >= 1e6 {
				t.Error("it was never stopped")
			}
			r.locked(func() {
				if n := r.c.idle.burst - r.c.idle.left; n > 2*idleBurst {
					t.Errorf("%d frames were taken", n)
				}
				if n := len(r.c.early); n > earlyMost {
					t.Errorf("%d priorities are kept", n)
				}
			})
		})
	}
}

// Thousands of settings in one frame, each of which moves the windows of all streams, are as
// many frames.
func TestManySettingsInAFrame(t *testing.T) {
	for n, ends := range map[int]bool{settingsMost: false, 2000: true} {
		h := serve(t, &rig{end: hello}).begin()
		settings := make([]http2.Setting, n)
		for i := range settings {
			settings[i] = http2.Setting{ID: http2.SettingInitialWindowSize, Val: uint32(65535 - i)}
		}
		h.must(0, h.WriteSettings(settings...))
		if ends {
			h.wantAway(http2.ErrCodeEnhanceYourCalm)
			continue
		}
		h.request(1, true)
		h.answer(1)
	}
}

// Who does as much over time is no flood.
func TestPatience(t *testing.T) {
	now := int64(0)
	b := newCalm(idleBurst, idleRate, now)
	for range 100 * idleRate {
		now += int64(time.Second) / idleRate
		if !b.spend(1, func() int64 { return now }) {
			t.Fatal("a slow client is sent away")
		}
	}
}

// A client that acknowledges each of many small frames is no flood.
func TestAcknowledgingEachFrame(t *testing.T) {
	k := make(chan *call, 1)
	r := &rig{end: func(c *call) { k <- c }}
	h := serve(t, r).begin()
	h.request(1, true)
	c := <-k
	r.locked(func() { c.s.BeginHead(200); c.s.EndHead(false) })
	h.next()
	for range 3 * idleBurst {
		r.locked(func() { c.s.Write([]byte("data: x\n\n"), false) })
		h.wantData(1, 9, false)
		h.must(0, h.WriteWindowUpdate(1, 9))
		h.must(0, h.WriteWindowUpdate(0, 9))
	}
}

// Windows of a byte make a frame of each byte; after a while that is enough.
func TestDribblingWindows(t *testing.T) {
	r := &rig{end: func(k *call) { k.answer(200, string(make([]byte, 1<<20))) }}
	h := serve(t, r).begin(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 0})
	h.request(1, true)
	go func() {
		for h.WriteWindowUpdate(1, 1) == nil {
		}
	}()
	h.wantAway(http2.ErrCodeEnhanceYourCalm)
	h.Close()
}

// An idle connection holds no buffers.
func TestIdleConnectionsAreSmall(t *testing.T) {
	const n = 200
	rigs := make([]*rig, n)
	clients := make([]*client, n)
	for i := range rigs {
		rigs[i] = &rig{end: hello}
		clients[i] = serve(t, rigs[i]).begin()
		clients[i].request(1, true)
		clients[i].answer(1)
	}
	measure := func() uint64 {
		runtime.GC()
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	with := measure()
	for _, r := range rigs {
		r.locked(func() {
			if r.c.out != nil {
				t.Error("a buffer is held")
			}
			r.calls = nil
		})
	}
	for i := range rigs {
		rigs[i].locked(func() {
			rigs[i].c.framer, rigs[i].c.decoder, rigs[i].c.control.framer = nil, nil, nil
			rigs[i].c.encoder, rigs[i].c.streams = encoder{}, nil
		})
	}
	if each := int64(with-measure()) / n; each > 8<<10 {
		t.Errorf("an idle connection holds %d bytes", each)
	}
	for i := range rigs { // so that Close finds what it expects
		rigs[i].c.newFramer()
	}
}

// A frame that would have to be kept is never as large as one of DATA may be.
func TestLargeFrames(t *testing.T) {
	r := &rig{end: hello}
	h := serve(t, r, func(c *Config) { c.MaxFrame = 1 << 20 }).begin()
	h.request(1, false)
	h.must(0, h.WriteData(1, true, make([]byte, 60000)))
	h.answer(1)
	h.must(0, h.WriteRawFrame(0xcc, 0, 0, make([]byte, 500_000)))
	h.wantAway(http2.ErrCodeFrameSize)
}

// What was on its way when the farewell was said is nobody's, and no fault.
func TestRequestsAfterTheFarewell(t *testing.T) {
	r := &rig{end: func(k *call) {
		if k.s.ID() > 1 {
			hello(k)
		}
	}}
	h := serve(t, r).begin()
	h.request(1, true)
	h.settle()
	r.locked(r.c.Farewell)
	for id := uint32(3); id < 203; id += 2 {
		h.request(id, false)
		h.must(0, h.WriteData(id, true, []byte("body")))
	}
	h.must(0, h.WritePing(false, [8]byte{42}))
	for {
		f, err := h.ReadFrame()
		h.must(0, err)
		if f.Header().Type == http2.FrameRSTStream {
			t.Fatalf("a stream was reset: %v", f)
		}
		if f.Header().Type == http2.FramePing {
			break
		}
	}
	hello(r.calls[0])
	h.answer(1)
}

// Who resets streams whose answers are whole, as clients of WebSockets may, takes nothing back.
func TestResetsAfterTheEndOfAnAnswer(t *testing.T) {
	h := serve(t, &rig{end: hello, head: func(k *call) {
		if k.ends {
			return
		}
		k.r.locked(func() {
			k.s.BeginHead(200)
			k.s.EndHead(false)
			k.s.EndSending()
			k.s.Done()
		})
	}}).begin()
	id := uint32(1)
	for range 4 * resetBurst {
		h.request(id, false)
		h.next()
		h.wantData(id, 0, true)
		h.must(0, h.WriteRSTStream(id, http2.ErrCodeCancel))
		id += 2
	}
	h.request(id, true)
	h.answer(id)
}

// Who takes nothing of the answers is no better than who resets before them.
func TestResetsOfAnswersThatAreNotTaken(t *testing.T) {
	h := serve(t, &rig{end: func(k *call) { k.answer(200, "hello") }}).begin(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 0})
	go func() {
		for id := uint32(1); h.tryRequest(id, true) == nil && h.WriteRSTStream(id, http2.ErrCodeCancel) == nil; id += 2 {
		}
	}()
	h.wantAway(http2.ErrCodeEnhanceYourCalm)
	h.Close()
}
