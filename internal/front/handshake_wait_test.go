package front

import (
	"context"
	"io"
	"testing"
	"time"
)

// A handshake that comes before it is known what the application speaks is passed on when it is,
// as what that makes of it.
func TestAHandshakeWaitsUntilTheApplicationIsKnown(t *testing.T) {
	for name, test := range map[string]struct {
		speak func(*Server)
		scope bool
	}{"ASGI": {(*Server).SpeakASGI, true}, "WSGI": {(*Server).SpeakWSGI, false}} {
		t.Run(name, func(t *testing.T) {
			came := make(chan bool, 1)
			s := serveApp(t, func(c *appCall) {
				came <- c.environ == nil
				c.answer("403 Forbidden", "no")
			})
			c := over{}.connect(t, s)
			defer c.Close()
			c.send(asksForASGISocket)
			select {
			case <-came:
				t.Fatal("it was passed on before")
			case <-time.After(50 * time.Millisecond):
			}
			test.speak(s.Server)
			if r, _ := c.response("GET"); r.StatusCode != 403 {
				t.Errorf("status %d", r.StatusCode)
			}
			if scope := <-came; scope != test.scope {
				t.Errorf("as a scope: %v", scope)
			}
		})
	}
}

// A server that stops before it has known that ends such connections as it does others.
func TestAHandshakeThatWaitsHoldsUpNoEnd(t *testing.T) {
	s := serveApp(t, func(c *appCall) { c.answer("404 Not Found", "") })
	c := over{}.connect(t, s)
	defer c.Close()
	c.send(asksForASGISocket)
	time.Sleep(50 * time.Millisecond)
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	began := time.Now()
	if err := s.Shutdown(ctx); err != nil || time.Since(began) > 4*time.Second {
		t.Errorf("%v after %v", err, time.Since(began))
	}
	_, _ = io.Copy(io.Discard, c)
}
