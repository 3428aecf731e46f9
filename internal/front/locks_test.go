package front

import (
	"context"
	"testing"
	"time"
)

// Who holds a connection's lock may take a descriptor, for which the server's is
// needed: also while the server closes what its time is over for.
func TestAnAnswerMaySpillWhileTheServerCloses(t *testing.T) {
	s := serveApp(t, answerEnviron)
	s.dial(t)
	var c *conn
	for c == nil { // until it is accepted
		s.mu.Lock()
		for c = range s.conns {
			break
		}
		s.mu.Unlock()
	}
	c.mu.Lock()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	ended := make(chan error, 1)
	go func() { ended <- s.Shutdown(ctx) }()
	spilled := make(chan struct{})
	go func() {
		defer close(spilled)
		for closing := false; !closing; time.Sleep(time.Millisecond) {
			s.mu.Lock()
			closing = s.closing
			s.mu.Unlock()
		}
		if s.takeFile(true) {
			s.giveFile()
		}
	}()
	select {
	case <-spilled:
	case <-time.After(5 * time.Second):
		t.Error("the server's lock is held by who waits for the connection's")
	}
	c.mu.Unlock()
	select {
	case <-ended:
	case <-time.After(5 * time.Second):
		t.Error("the server does not end")
	}
}
