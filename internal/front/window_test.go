package front

import "testing"

func TestWindowIsSmallWhileMuchWaitsForClients(t *testing.T) {
	s := &Server{}
	for _, c := range []struct {
		queued int64
		window uint32
		step   int64
	}{{0, 0, AnswerWindow / 4}, {queuedMost, 0, AnswerWindow / 4}, {queuedMost + 1, smallWindow, smallWindow}} {
		s.queued.Store(c.queued)
		x := &exchange{srv: s}
		x.call.Window = s.window()
		// A step beyond the window would never be reached: the worker waits.
		if x.call.Window != c.window || x.creditStep() != c.step {
			t.Errorf("with %d bytes queued: window %d, step %d", c.queued, x.call.Window, x.creditStep())
		}
		if x.call.Window = socketWindow; x.creditStep() != socketWindow/4 {
			t.Errorf("step of a socket: %d; it goes on while the client takes the rest", x.creditStep())
		}
	}
	if s.sockets.Store(1); s.window() != 0 {
		t.Error("what waits for WebSockets makes the windows of answers small")
	}
}
