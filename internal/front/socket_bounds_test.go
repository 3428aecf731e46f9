package front

import (
	"bytes"
	"io"
	"testing"
	"time"

	"girin/internal/wire"
	"girin/internal/ws"
)

// opensSocket opens a WebSocket and returns when it is accepted.
func (c *client) opensSocket() {
	c.t.Helper()
	c.send(asksForASGISocket)
	for c.readLine() != "" {
	}
}

// connectAlone opens a WebSocket while no other test begins a connection.
func (o over) connectAlone(t *testing.T, s *served) *client {
	starting.Lock()
	defer starting.Unlock()
	c := o.connect(t, s)
	c.opensSocket()
	return c
}

// says sends a masked frame that begins with first.
func (c *client) says(first byte, body []byte) { c.send(string(masked(first, body))) }

func masked(first byte, body []byte) []byte {
	b := ws.AppendMasked(nil, ws.Binary, body, [4]byte{1, 2, 3, 4})
	b[0] = first
	return b
}

// Where too much waits for clients, a socket for whose client much waits is ended, and
// what waits for it is forgotten. One for which little does goes on.
func TestWhatWaitsForSlowSocketsIsBounded(t *testing.T) {
	overEach(t, func(t *testing.T, o over) {
		ticked, more, told := make(chan struct{}), make(chan struct{}), make(chan struct{})
		s := o.serve(t, func(c *appCall) {
			c.frame(wire.Accept, 0, headBlock("101 Switching Protocols", nil), nil)
			c.frame(wire.Text, 0, nil, []byte("tick"))
			close(ticked)
			<-more
			c.frame(wire.Binary, 0, nil, make([]byte, 12<<20))
			c.cancelled(t)
			close(told)
			c.frame(wire.Close, wire.Final, nil, []byte{0xe8, 3})
		})
		s.SpeakASGI()
		s.queued.Add(messagesMost + 1)
		defer s.queued.Add(-messagesMost - 1)
		c := o.connectNarrow(t, s)
		c.opensSocket()
		<-ticked
		s.Rest()
		tick := make([]byte, 6)
		if _, err := io.ReadFull(c.in, tick); err != nil || string(tick[2:]) != "tick" {
			t.Fatalf("%q, %v", tick, err)
		}
		close(more)
		select {
		case <-told:
		case <-time.After(20 * time.Second):
			t.Fatal("it goes on")
		}
		waitFor(t, func() bool { return s.queued.Load() == messagesMost+1 && s.sockets.Load() == 0 && s.Conns() == 0 })
		s.log.wait(t, "WebSockets of clients that do not read are ended")
	})
}

// A frame must come as quickly as a request's body, and so must a message that takes much
// of the memory that all have together. Between small fragments clients may pause.
func TestAMessageThatComesTooSlowlyIsEnded(t *testing.T) {
	const whole, begins, goesOn, ends = 0x82, 0x02, 0x00, 0x80
	const factor = 50 // a handshake has 0.2 s
	limits := newTimes(factor, SocketOptions{})
	piece := make([]byte, 40<<10)
	for name, test := range map[string]struct {
		parts [][]byte
		pause time.Duration // after each
		came  int64         // of a message that is not whole; 0: it is
	}{
		"a frame's head":  {[][]byte{{whole}}, 0, 1},
		"a frame":         {[][]byte{masked(whole, make([]byte, 1000))[:500]}, 0, 1},
		"a ping":          {[][]byte{{0x89, 0x80 | 4, 1, 2, 3, 4, 'a'}}, 0, 1},
		"large fragments": {[][]byte{masked(begins, piece), masked(goesOn, piece)}, 0, 80 << 10},
		"small fragments": {[][]byte{masked(begins, []byte("one")), masked(goesOn, []byte("two")), masked(ends, []byte("three"))}, 3 * limits.body, 0},
		"a steady flow":   {[][]byte{masked(begins, piece), masked(goesOn, piece), masked(goesOn, piece), masked(ends, piece)}, limits.body, 0},
	} {
		for transport, o := range transports {
			t.Run(transport+"/"+name, func(t *testing.T) {
				t.Parallel()
				s := o.serve(t, func(c *appCall) {
					c.frame(wire.Accept, 0, headBlock("101 Switching Protocols", nil), nil)
					c.cancelled(t)
					c.frame(wire.Close, wire.Final, nil, []byte{0xe8, 3})
				}, func(c *Config) { c.Hurry, c.Sockets = factor, SocketOptions{MaxQueue: 1 << 20} })
				s.SpeakASGI()
				c := o.connectAlone(t, s)
				watch := s.watch()
				for _, part := range test.parts {
					c.send(string(part))
					time.Sleep(test.pause)
				}
				want := []byte{0x88, 2, 0x03, 0xe8} // 1000
				if test.came > 0 {
					want = []byte{0x88, 2 + byte(len("the message took too long")), 0x03, 0xf0} // 1008
				} else {
					c.says(0x88, []byte{0x03, 0xe8})
				}
				got, _ := io.ReadAll(c.in)
				if !bytes.HasPrefix(got, want) {
					t.Errorf("it ends with %q", got)
				}
				if test.came > 0 {
					watch.ends(t, limits.bodyTime(test.came))
				}
			})
		}
	}
}

// A large message that is there is read in large pieces.
func TestALargeMessageIsReadInLargePieces(t *testing.T) {
	const size = 200_000
	sent := make(chan struct{})
	s := serveApp(t, func(c *appCall) {
		<-sent
		c.frame(wire.Accept, 0, headBlock("101 Switching Protocols", nil), nil)
		c.cancelled(t)
		c.frame(wire.Close, wire.Final, nil, []byte{0xe8, 3})
	}, func(c *Config) { c.Sockets.MaxQueue = 1 << 20 })
	s.SpeakASGI()
	c := transports["clear"].connect(t, s)
	c.send(asksForASGISocket + string(masked(0x82, make([]byte, size))))
	close(sent)
	waitFor(t, func() bool { return s.messages.Load() == size+wire.MessageCost })
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		c.mu.Lock()
		if n := c.socket.heard.Load(); n > size/smallInput/2 {
			t.Errorf("it was read in %d pieces", n)
		}
		c.mu.Unlock()
	}
}
