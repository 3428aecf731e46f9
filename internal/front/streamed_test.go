package front

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"testing"
	"time"

	"girin/internal/pattern"
	"girin/internal/wire"
)

// streaming has all bodies come while the application runs.
func streaming(c *Config) {
	all, err := pattern.Parse([]string{"*"})
	if err != nil {
		panic(err)
	}
	c.Stream, c.MaxBody = all, 0
}

// streamedBody begins to read a streamed body.
func (c *appCall) streamedBody() *os.File {
	c.frame(wire.Fetch, 0, nil, nil)
	return <-c.pipe
}

const streamedPost = "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"

// Clients that leave before the application reads their bodies take no place in
// the queue, though nothing is read of them.
func TestWhoLeavesBeforeAStreamedBodyIsReadIsNotWaitedFor(t *testing.T) {
	leave := map[string]func(*client){
		"reset":           func(c *client) { c.reset() },
		"closed":          func(c *client) { c.Close() },
		"closed one side": func(c *client) { _ = c.socket().CloseWrite() },
	}
	for how, leave := range leave {
		t.Run(how, func(t *testing.T) {
			overEach(t, func(t *testing.T, o over) {
				goOn := make(chan struct{})
				s := o.serve(t, func(c *appCall) { <-goOn; c.answer("200 OK", "") }, streaming)
				defer close(goOn)
				const clients = 8
				var all []*client
				for range clients {
					c := o.connect(t, s)
					c.send(streamedPost)
					all = append(all, c)
				}
				s.app.waitFor(t, clients)
				for _, c := range all {
					leave(c)
				}
				for end := time.Now().Add(10 * time.Second); s.app.queue.InFlight() > 0; time.Sleep(time.Millisecond) {
					if time.Now().After(end) {
						t.Fatalf("%d requests of clients that have left are waited for", s.app.queue.InFlight())
					}
				}
			})
		})
	}
}

// waitFor waits until so many requests are in flight.
func (a *app) waitFor(t *testing.T, calls int) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); a.queue.InFlight() < calls; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d requests in flight, not %d", a.queue.InFlight(), calls)
		}
	}
}

// A client is not late because the application rests while it reads.
func TestTheTimeOfAStreamedBodyIsNotTheApplications(t *testing.T) {
	const size = 1 << 20
	overEach(t, func(t *testing.T, o over) {
		s := o.serve(t, func(c *appCall) {
			body := c.streamedBody()
			defer body.Close()
			time.Sleep(20 * bodyLimit / hurry) // 2 s: the pipe's 64 KiB buy the client 0.7 s
			b, err := io.ReadAll(body)
			c.answer("200 OK", fmt.Sprint(len(b), err))
		}, hurried, streaming)
		c := o.connect(t, s)
		sent := make(chan struct{})
		go func() {
			defer close(sent)
			c.send(fmt.Sprintf("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n", size))
			_, _ = c.Write(bytes.Repeat([]byte("x"), size))
		}()
		if _, body := c.response("POST"); body != fmt.Sprint(size, nil) {
			t.Errorf("the application has read %q", body)
		}
		<-sent
	})
}
