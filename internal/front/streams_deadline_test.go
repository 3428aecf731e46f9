package front

import (
	"errors"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"
)

const hurriedWrite = writeLimit / hurry

// wantEnd reads until the connection ends.
func (h *rawHTTP2) wantEnd(t *testing.T) {
	t.Helper()
	_ = h.nc.SetReadDeadline(time.Now().Add(30 * time.Second))
	for {
		if _, err := h.framer.ReadFrame(); err != nil {
			var late interface{ Timeout() bool }
			if errors.As(err, &late) && late.Timeout() {
				t.Fatal("the connection goes on")
			}
			return
		}
	}
}

// data reads a stream's data up to n bytes.
func (h *rawHTTP2) data(t *testing.T, stream uint32, n int) {
	t.Helper()
	for n > 0 {
		switch f := h.read(t).(type) {
		case *http2.DataFrame:
			if f.StreamID == stream {
				n -= len(f.Data())
			}
		case *http2.RSTStreamFrame:
			t.Fatalf("instead of data came %v", f)
		}
	}
}

// still answers a request on the connection, to show that it lives.
func (h *rawHTTP2) still(t *testing.T, stream uint32) {
	t.Helper()
	if err := h.get(stream, "/"); err != nil {
		t.Fatal(err)
	}
	h.wantHead(t, stream, ":status", "200")
}

// A client that stops in the middle of a frame, of a stream that has ended meanwhile, does
// not keep its connection.
func TestHTTP2DeadlineOfAFrame(t *testing.T) {
	s, _ := serveHTTP2App(t, func(c *appCall) { c.answer("200 OK", "") }, hurried)
	h := s.dialHTTP2(t)
	h.send(1, false, ":method", "POST")
	if _, err := h.nc.Write([]byte{0, 0, 100, 0, 0, 0, 0, 0, 1, 'x'}); err != nil { // DATA of 100 bytes
		t.Fatal(err)
	}
	h.wantHead(t, 1, ":status", "408")
	h.wantReset(t, 1, http2.ErrCodeNo)
	h.wantEnd(t)
}

func TestHTTP2DeadlineOfABody(t *testing.T) {
	s, _ := serveHTTP2App(t, func(c *appCall) { c.answer("200 OK", "") }, hurried, func(c *Config) { c.MaxBody = 0 })
	h := s.dialHTTP2(t)
	h.send(1, false, ":method", "POST")
	h.wantHead(t, 1, ":status", "408")
	h.wantReset(t, 1, http2.ErrCodeNo)
	h.still(t, 3)

	// One that moves is not ended, however long it takes.
	h.send(5, false, ":method", "POST")
	for began := time.Now(); time.Since(began) < 10*bodyLimit/hurry; time.Sleep(10 * time.Millisecond) {
		if err := h.framer.WriteData(5, false, make([]byte, 2048)); err != nil {
			t.Fatal(err)
		}
	}
	if err := h.framer.WriteData(5, true, nil); err != nil {
		t.Fatal(err)
	}
	h.wantHead(t, 5, ":status", "200")
}

func TestHTTP2DeadlineOfAnIdleConnection(t *testing.T) {
	s, _ := serveHTTP2App(t, answerEnviron, hurried)
	h := s.dialHTTP2(t)
	h.still(t, 1)
	h.wantAway(t, http2.ErrCodeNo)
	h.wantEnd(t)
	h = s.dialHTTP2(t) // which never asks for anything
	h.wantEnd(t)
}

// An answer is not cut because the application pauses.
func TestHTTP2APausingApplication(t *testing.T) {
	s, _ := serveHTTP2App(t, func(c *appCall) {
		c.start("200 OK")
		for range 3 {
			c.block([]byte("x"))
			time.Sleep(3 * hurriedWrite)
		}
		c.end()
	}, hurried)
	h := s.dialHTTP2(t)
	h.get(1, "/")
	h.wantHead(t, 1, ":status", "200")
	h.data(t, 1, 3)
}

func answerLarge(c *appCall) {
	if c.environ["PATH_INFO"] == "/large" {
		c.answer("200 OK", strings.Repeat("x", 100_000))
	} else {
		c.answer("200 OK", "small")
	}
}

// An answer that is whole may be paused though it is the only one.
func TestHTTP2AnAnswerIsPausedAlone(t *testing.T) {
	t.Parallel()
	s, _ := serveHTTP2App(t, answerLarge, func(c *Config) { c.Hurry = 50 })
	h := s.dialHTTP2(t)
	h.get(1, "/large")
	h.wantHead(t, 1, ":status", "200")
	h.data(t, 1, 65535)
	time.Sleep(3 * s.times.write)
	for _, stream := range []uint32{0, 1} {
		if err := h.framer.WriteWindowUpdate(stream, 1<<20); err != nil {
			t.Fatal(err)
		}
	}
	h.data(t, 1, 100_000-65535)
	h.still(t, 3)
}

// One that only pauses an answer, and takes others, may pause it for longer, but
// not for ever. One that takes it slowly may take it.
func TestHTTP2APausedStream(t *testing.T) {
	s, _ := serveHTTP2App(t, answerLarge, hurried)
	h := s.dialHTTP2(t)
	open := func(stream uint32, n uint32) {
		if err := h.framer.WriteWindowUpdate(stream, n); err != nil {
			t.Fatal(err)
		}
	}
	open(0, 1<<20)
	h.get(1, "/large")
	h.wantHead(t, 1, ":status", "200")
	h.data(t, 1, 65535)
	next := uint32(3)
	for began := time.Now(); time.Since(began) < 4*hurriedWrite; time.Sleep(20 * time.Millisecond) {
		h.still(t, next) // and stream 1 is not reset
		next += 2
	}
	for began := time.Now(); time.Since(began) < 4*hurriedWrite; time.Sleep(50 * time.Millisecond) {
		open(1, 1)
		h.data(t, 1, 1)
	}
	began := time.Now()
	for ; ; next += 2 {
		h.get(next, "/")
		if f, ok := h.read(t).(*http2.RSTStreamFrame); ok {
			if f.StreamID != 1 || time.Since(began) < 5*hurriedWrite {
				t.Errorf("after %v came %v", time.Since(began), f)
			}
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// A request whose body took too long is refused once: its client may send the rest
// while it has not read the answer.
func TestHTTP2ABodyThatEndsAfterItsDeadline(t *testing.T) {
	s, _ := serveHTTP2App(t, answerEnviron, hurried)
	for name, fields := range map[string][]string{
		"a length":  {":method", "POST", "content-length", "10"},
		"no length": {":method", "POST"},
	} {
		t.Run(name, func(t *testing.T) {
			h := s.dialHTTP2(t, http2.Setting{ID: http2.SettingInitialWindowSize, Val: 0})
			h.send(1, false, fields...)
			if err := h.framer.WriteData(1, false, make([]byte, 9)); err != nil {
				t.Fatal(err)
			}
			h.wantHead(t, 1, ":status", "408")
			if err := h.framer.WriteData(1, true, make([]byte, 1)); err != nil {
				t.Fatal(err)
			}
			if err := h.framer.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1 << 16}); err != nil {
				t.Fatal(err)
			}
			h.data(t, 1, len(errSlowBody.Reason)+1)
			h.still(t, 3)
		})
	}
	s.app.mu.Lock()
	defer s.app.mu.Unlock()
	if s.app.begun != 2 {
		t.Errorf("%d requests came to the application; of those that were refused none shall", s.app.begun)
	}
	if log := s.log.String(); strings.Contains(log, "panic") {
		t.Error(log)
	}
}

// An answer of the front's own may wait for its client as long as any other: it
// does not end the connection.
func TestHTTP2AnAnswerOfItsOwnWaits(t *testing.T) {
	s, _ := serveHTTP2App(t, answerEnviron, hurried, func(c *Config) { c.HealthPath = "/health" })
	for name, fields := range map[string][]string{
		"refused": {":method", "POST", "content-length", "9999999"},
		"health":  {":path", "/health"},
	} {
		t.Run(name, func(t *testing.T) {
			h := s.dialHTTP2(t, http2.Setting{ID: http2.SettingInitialWindowSize, Val: 0})
			h.send(1, true, ":method", "HEAD") // so that the connection has begun
			h.wantHead(t, 1, ":status", "200")
			h.send(3, name == "health", fields...)
			time.Sleep(2 * headLimit / hurry)
			if err := h.framer.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1 << 16}); err != nil {
				t.Fatal(err)
			}
			h.data(t, 3, 3)
			if name == "refused" {
				h.wantReset(t, 3, http2.ErrCodeNo) // the body is not wanted
			}
			h.still(t, 5)
		})
	}
}
