package front

import (
	"context"
	"io"
	"net"
	"testing"
	"time"

	"girin/internal/ws"
)

const asksForSocket = "GET /chat HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"

const switching = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n"

// What a WSGI application writes on the socket reaches its client whole, though its
// answer follows at once; the answer does not. A close frame is sent in its place.
func TestWhatIsWrittenOnTheSocketComesBeforeItsEnd(t *testing.T) {
	overEach(t, func(t *testing.T, o over) {
		long := ws.AppendFrame(nil, ws.Binary, make([]byte, 150_000)) // less than a socket holds
		s := o.serve(t, func(c *appCall) {
			f := c.streamedBody()
			defer f.Close()
			_, _ = f.Write(append([]byte(switching), long...))
			c.answer("200 OK", "nobody reads this")
		})
		s.SpeakWSGI()
		c := o.connect(t, s)
		c.send(asksForSocket)
		want := ws.AppendClose(append([]byte(switching), long...), ws.CodeNormal, "")
		got := make([]byte, len(want))
		if n, err := io.ReadFull(c, got); err != nil || string(got) != string(want) {
			t.Fatalf("%d of %d bytes came, %v, or others", n, len(want), err)
		}
	})
}

// An application sees that its client has left, and what that sent before.
func TestAnApplicationWithASocketSeesItsClientLeave(t *testing.T) {
	overEach(t, func(t *testing.T, o over) {
		heard := make(chan string, 1)
		s := o.serve(t, func(c *appCall) {
			f := c.streamedBody()
			defer f.Close()
			_, _ = f.Write([]byte(switching))
			b, _ := io.ReadAll(f)
			heard <- string(b)
			c.answer("200 OK", "")
		})
		s.SpeakWSGI()
		c := o.connect(t, s)
		c.send(asksForSocket)
		if _, err := io.ReadFull(c, make([]byte, len(switching))); err != nil {
			t.Fatal(err)
		}
		c.send("a frame")
		c.Close()
		select {
		case got := <-heard:
			if got != "a frame" {
				t.Fatalf("it heard %q", got)
			}
		case <-time.After(10 * time.Second):
			t.Fatal("it was not told")
		}
	})
}

// Who does not write on the socket answers as always, and the connection goes on.
func TestAnAnswerWithoutTheSocketIsOneLikeAnyOther(t *testing.T) {
	overEach(t, func(t *testing.T, o over) {
		s := o.serve(t, func(c *appCall) {
			if c.pipe != nil {
				c.streamedBody().Close()
			}
			c.answer("403 Forbidden", "no")
		})
		s.SpeakWSGI()
		c := o.connect(t, s)
		for range 3 {
			c.send(asksForSocket)
			if r, body := c.response("GET"); r.StatusCode != 403 || body != "no" {
				t.Fatalf("%d %q", r.StatusCode, body)
			}
		}
		c.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
		if r, body := c.response("GET"); r.StatusCode != 403 || body != "no" {
			t.Fatalf("%d %q", r.StatusCode, body)
		}
	})
}

// A server that waits no longer ends connections whose application neither reads nor
// writes on its socket, in the middle of a frame.
func TestAServerThatWaitsForNobodyEndsTunnels(t *testing.T) {
	ended := make(chan struct{})
	s := serveApp(t, func(c *appCall) {
		f := c.streamedBody()
		defer f.Close()
		_, _ = f.Write(append([]byte(switching), 0x82, 100))
		<-ended
		c.answer("200 OK", "")
	})
	defer close(ended)
	s.SpeakWSGI()
	c := over{}.connect(t, s)
	c.send(asksForSocket)
	if _, err := io.ReadFull(c, make([]byte, len(switching)+2)); err != nil {
		t.Fatal(err)
	}
	go func() { _, _ = c.Write(make([]byte, 8<<20)) }()
	time.Sleep(100 * time.Millisecond)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = s.Shutdown(ctx)
	}()
	select {
	case <-done:
	case <-time.After(5 * time.Second):
		t.Error("it does not end")
	}
}

// A client that is reset while its application reads nothing of what it sent has left.
func TestAClientThatIsResetWhileNothingIsRead(t *testing.T) {
	told := make(chan struct{})
	s := serveApp(t, func(c *appCall) {
		f := c.streamedBody()
		defer f.Close()
		_, _ = f.Write([]byte(switching))
		<-c.granted
		close(told)
		c.answer("200 OK", "")
	}, hurried)
	s.SpeakWSGI()
	c := over{}.connect(t, s)
	c.send(asksForSocket)
	if _, err := io.ReadFull(c, make([]byte, len(switching))); err != nil {
		t.Fatal(err)
	}
	go func() { _, _ = c.Write(make([]byte, 8<<20)) }()
	time.Sleep(100 * time.Millisecond)
	if err := c.Conn.(*net.TCPConn).SetLinger(0); err != nil {
		t.Fatal(err)
	}
	c.Close()
	select {
	case <-told:
	case <-time.After(5 * time.Second):
		t.Error("the application was not told")
	}
}

// Where WebSockets are off, who asks for one makes a plain request: with ASGI, with WSGI, and
// while nobody knows which of the two it is.
func TestWithoutWebSocketsARequestForOneIsAPlainOne(t *testing.T) {
	for name, speak := range map[string]func(*Server){"asgi": (*Server).SpeakASGI, "wsgi": (*Server).SpeakWSGI, "unknown": func(*Server) {}} {
		t.Run(name, func(t *testing.T) {
			s := over{}.serve(t, func(c *appCall) {
				if c.pipe != nil {
					t.Error("the application is offered the connection")
				}
				c.answer("200 OK", "a page")
			}, func(c *Config) { c.Sockets.Off = true })
			speak(s.Server)
			c := over{}.connect(t, s)
			for range 2 {
				c.send(asksForSocket)
				c.wantAnswer("a page")
			}
		})
	}
}
