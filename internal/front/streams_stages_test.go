package front

import (
	"crypto/tls"
	"testing"
	"time"

	"golang.org/x/net/http2"
)

// What HTTP/2 adds to the tables of deadlines: what stands still and what moves there.

// serveStreams starts a server that speaks HTTP/2 on the transport.
func (o over) serveStreams(t *testing.T, run func(*appCall), change ...func(*Config)) *served {
	t.Helper()
	if o.tls {
		s, _ := serveHTTP2App(t, run, change...)
		return s
	}
	return serveApp(t, run, append(change, trusting("127.0.0.0/8"), speakClear)...)
}

// startStreams starts a server in a hurry and brings a client to it into a stage.
func (o over) startStreams(t *testing.T, window uint32, to func(*rawHTTP2)) (s *served, h *rawHTTP2, w watch) {
	starting.Lock()
	defer starting.Unlock()
	s = o.serveStreams(t, patterned(t), hurried, func(c *Config) { c.MaxBody = 0 })
	nc := dialNarrow(t, s)
	if o.tls {
		secure := tls.Client(nc, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h2"}})
		if err := secure.Handshake(); err != nil {
			t.Fatal(err)
		}
		nc = secure
	}
	h = newRawHTTP2(t, nc, http2.Setting{ID: http2.SettingInitialWindowSize, Val: window})
	if err := h.framer.WriteWindowUpdate(0, http2Most-65535); err != nil {
		t.Fatal(err)
	}
	w = s.watch()
	to(h)
	return s, h, w
}

// http2Most is the largest window.
const http2Most = 1<<31 - 1

// streamStand is a stream, or its connection, that stands still.
type streamStand struct {
	limit  time.Duration
	window uint32
	to     func(*rawHTTP2)
	ends   func(*rawHTTP2, *testing.T) // waits for what becomes of it
}

func streamsThatStandStill() map[string]streamStand {
	limits := newTimes(hurry, SocketOptions{})
	get := func(path string) func(*rawHTTP2) { return func(h *rawHTTP2) { h.get(1, path) } }
	post := func(fields ...string) func(*rawHTTP2) {
		return func(h *rawHTTP2) { h.send(1, false, append(fields, ":method", "POST")...) }
	}
	over := func(h *rawHTTP2, t *testing.T) { h.wantEnd(t) }
	late := func(h *rawHTTP2, t *testing.T) {
		h.wantHead(t, 1, ":status", "408")
		h.wantReset(t, 1, http2.ErrCodeNo)
		h.still(t, 3)
	}
	cut := func(h *rawHTTP2, t *testing.T) {
		for {
			if f, ok := h.read(t).(*http2.RSTStreamFrame); ok {
				if f.StreamID != 1 || f.ErrCode != http2.ErrCodeCancel {
					t.Errorf("reset is %v", f)
				}
				break
			}
		}
		h.still(t, 3)
	}
	return map[string]streamStand{
		"new": {limits.head, 0, func(*rawHTTP2) {}, over},
		"head": {limits.head, 0, func(h *rawHTTP2) {
			_ = h.framer.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: []byte{0x82}})
		}, over},
		"body":            {limits.body, 1 << 16, post("content-length", "1000"), late},
		"body, no length": {limits.body, 1 << 16, post(), late},
		"body that is awaited": {limits.body, 1 << 16, post("expect", "100-continue"), func(h *rawHTTP2, t *testing.T) {
			h.wantHead(t, 1, ":status", "100")
			late(h, t)
		}},
		"idle":                          {idleFor, 1 << 16, get("/"), over},
		"answer, a shut window":         {limits.write, 0, get("/stream"), cut},
		"answer, a window that is full": {limits.write, 1 << 16, get("/stream"), cut},
		"file, a shut window":           {patience * limits.write, 0, get("/file"), cut},
		"answer that is whole":          {patience * limits.write, 0, get("/whole"), cut},
		"a socket that is not read": {limits.write, http2Most, func(h *rawHTTP2) {
			h.get(1, "/stream")
			_, _ = h.nc.Read(make([]byte, 1))
		}, nil},
		"a socket that is not read, of a file": {limits.write, http2Most, func(h *rawHTTP2) {
			h.get(1, "/file")
			_, _ = h.nc.Read(make([]byte, 1))
		}, nil},
	}
}

// standStill tests that each ends when its time is over, and not before.
func (o over) standStill(t *testing.T, st streamStand) {
	t.Parallel()
	s, h, watch := o.startStreams(t, st.window, st.to)
	if st.ends != nil {
		st.ends(h, t)
	} else {
		waitFor(t, func() bool { return s.Conns() == 0 })
	}
	watch.ends(t, st.limit)
}

// streamMove is a stream that moves.
type streamMove struct {
	window uint32
	first  func(*rawHTTP2)
	then   func(*rawHTTP2, *testing.T)
}

func streamsThatMove() map[string]streamMove {
	limits := newTimes(hurry, SocketOptions{})
	get := func(path string) func(*rawHTTP2) { return func(h *rawHTTP2) { h.get(1, path) } }
	post := func(fields ...string) func(*rawHTTP2) {
		return func(h *rawHTTP2) { h.send(1, false, append(fields, ":method", "POST", ":path", "/length")...) }
	}
	const size = 2 << 20
	sends := func(h *rawHTTP2, t *testing.T) {
		h.sendSlowly(t, size, long*limits.body)
		h.wantHead(t, 1, ":status", "200")
		h.still(t, 3)
	}
	byWindows := func(h *rawHTTP2, t *testing.T) { h.takeWindows(t, long*limits.write) }
	bySocket := func(h *rawHTTP2, t *testing.T) { h.takeFrames(t, long*limits.write) }
	return map[string]streamMove{
		"body":            {1 << 16, post("content-length", "2097152"), sends},
		"body, no length": {1 << 16, post(), sends},
		"body that is awaited": {1 << 16, post("expect", "100-continue"), func(h *rawHTTP2, t *testing.T) {
			h.wantHead(t, 1, ":status", "100")
			sends(h, t)
		}},
		"busy": {1 << 16, get("/slow"), func(h *rawHTTP2, t *testing.T) {
			_ = h.nc.SetReadDeadline(time.Now().Add(2 * long * limits.head))
			if _, err := h.nc.Read(make([]byte, 1)); err != nil {
				t.Fatal(err)
			}
		}},
		"idle": {1 << 16, get("/"), func(h *rawHTTP2, t *testing.T) {
			next := uint32(3)
			for began := time.Now(); time.Since(began) < long*limits.head; time.Sleep(idleFor / 4) {
				h.still(t, next)
				next += 2
			}
		}},
		"answer, by its window":        {0, get("/stream"), byWindows},
		"answer, by the socket":        {http2Most, get("/stream"), bySocket},
		"file, by its window":          {0, get("/file"), byWindows},
		"file, by the socket":          {http2Most, get("/file"), bySocket},
		"answer that is whole, slowly": {0, get("/whole"), byWindows},
	}
}

// goesOn tests that one is not ended, however slow it is.
func (o over) goesOn(t *testing.T, m streamMove) {
	t.Parallel()
	_, h, _ := o.startStreams(t, m.window, m.first)
	m.then(h, t)
}

// sendSlowly sends a body of n bytes on the first stream, spread over a time.
func (h *rawHTTP2) sendSlowly(t *testing.T, n int, during time.Duration) {
	t.Helper()
	const parts = 500
	for i := range parts {
		if err := h.framer.WriteData(1, i == parts-1, make([]byte, n*(i+1)/parts-n*i/parts)); err != nil {
			t.Fatalf("after %d of %d parts: %v", i, parts, err)
		}
		time.Sleep(during / parts)
	}
}

// takeWindows takes the first stream's answer, which is a pattern, for a while a
// window of 128 bytes at a time.
func (h *rawHTTP2) takeWindows(t *testing.T, during time.Duration) {
	t.Helper()
	h.wantHead(t, 1, ":status", "200")
	at := 0
	for began := time.Now(); time.Since(began) < during; time.Sleep(20 * time.Millisecond) {
		if err := h.framer.WriteWindowUpdate(1, 128); err != nil {
			t.Fatal(err)
		}
		for end := at + 128; at < end; {
			at += h.patterned(t, at)
		}
	}
}

// takeFrames takes it a frame at a time.
func (h *rawHTTP2) takeFrames(t *testing.T, during time.Duration) {
	t.Helper()
	h.wantHead(t, 1, ":status", "200")
	at := 0
	for began := time.Now(); time.Since(began) < during; time.Sleep(50 * time.Millisecond) {
		at += h.patterned(t, at)
	}
}

// patterned reads the first stream's next data, which begin at an offset of the
// pattern, and returns how many they are.
func (h *rawHTTP2) patterned(t *testing.T, at int) int {
	t.Helper()
	f, ok := h.read(t).(*http2.DataFrame)
	if !ok || f.StreamID != 1 || f.StreamEnded() {
		t.Fatalf("at %d of the answer came %v", at, f)
	}
	for i, b := range f.Data() {
		if offset := at + i; b != byte(uint64(offset&^7)>>(8*(7-offset&7))) {
			t.Fatalf("at %d there is %#x", offset, b)
		}
	}
	return len(f.Data())
}
