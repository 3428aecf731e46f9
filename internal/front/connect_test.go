package front

import (
	"bytes"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"golang.org/x/net/http2"

	"girin/internal/wire"
	"girin/internal/ws"
)

// acceptAll accepts and echoes until the client leaves.
func acceptAll(c *appCall) {
	c.frame(wire.Accept, 0, headBlock("101 Switching Protocols", []string{"X-App", "yes", "Sec-WebSocket-Protocol", "b"}), nil)
	for {
		select {
		case m := <-c.said:
			c.took(len(m))
			if string(m) == "close" {
				c.frame(wire.Close, wire.Final, nil, append([]byte{0xa1, 0x0f}, "enough"...))
				return
			}
			c.frame(wire.Binary, 0, nil, m)
			c.app.server.Load().Rest()
		case n := <-c.granted:
			if n == wire.Cancelled {
				c.frame(wire.Close, wire.Final, nil, []byte{0xe8, 3})
				return
			}
		}
	}
}

// took says that a message of n bytes was received.
func (c *appCall) took(n int) {
	n += wire.MessageCost
	c.frame(wire.Taken, 0, nil, []byte{byte(n), byte(n >> 8), byte(n >> 16), byte(n >> 24)})
}

func carryEach(t *testing.T, f func(*testing.T, over)) {
	for name, o := range carriers {
		t.Run(name, func(t *testing.T) { f(t, o) })
	}
}

func TestMessagesOverHTTP2(t *testing.T) {
	carryEach(t, func(t *testing.T, o over) {
		s := o.serveCarried(t, acceptAll)
		c := o.carry(t, s)
		if c.settings[http2.SettingEnableConnectProtocol] != 1 {
			t.Fatal("extended CONNECT is not offered")
		}
		for _, compress := range []bool{false, true} {
			nc := c.open()
			client, res, err := (&websocket.Dialer{NetDial: dialed(nc), EnableCompression: compress, Subprotocols: []string{"a", "b"}}).Dial("ws://x/chat?q=1", nil)
			if err != nil {
				t.Fatal(err)
			}
			if res.Header.Get("X-App") != "yes" || client.Subprotocol() != "b" || res.Header.Get("Server") != "girin" {
				t.Errorf("the head is %v", res.Header)
			}
			if got := res.Header.Get("Sec-WebSocket-Extensions") != ""; got != compress {
				t.Errorf("compression: %v, want %v", got, compress)
			}
			for _, n := range []int{0, 5, 126, 70_000, 1 << 20} {
				sent := filling(0, n/8*8)
				if err := client.WriteMessage(websocket.BinaryMessage, sent); err != nil {
					t.Fatal(err)
				}
				if _, got, err := client.ReadMessage(); err != nil || !bytes.Equal(got, sent) {
					t.Fatalf("of %d bytes %d came back, %v", len(sent), len(got), err)
				}
			}
			if err := client.WriteMessage(websocket.TextMessage, []byte("close")); err != nil {
				t.Fatal(err)
			}
			if _, _, err := client.ReadMessage(); !websocket.IsCloseError(err, 4001) {
				t.Errorf("it ends with %v", err)
			}
			_ = nc.CloseWrite()
			nc.body()
			if nc.reset != nil {
				t.Errorf("a socket that both have closed is reset with %v", *nc.reset)
			}
		}
		s.wantNothingHeld(t)
		waitFor(t, func() bool { return s.Held().Messages == 0 && s.Conns() == 1 })
	})
}

// The beginnings of sockets: which are refused, how, and that the connection goes on.
func TestBeginningsOverHTTP2(t *testing.T) {
	s := over{tls: true}.serveCarried(t, acceptAll, func(c *Config) { c.HealthPath = "/health" })
	c := over{tls: true}.carry(t, s)
	for _, b := range []struct {
		end    bool
		fields []string
		want   string
	}{
		{false, []string{version13, "13"}, "200"},
		{false, []string{version13, "13", "sec-websocket-key", "nonsense"}, "200"},
		{false, []string{version13, "7"}, "426"},
		{false, nil, "426"},
		{true, []string{version13, "13"}, "400"},
		{false, []string{version13, "13", "content-length", "5"}, "400"},
		{false, []string{version13, "13", ":path", "/health"}, "400"},
	} {
		st := c.connect(b.end, b.fields...)
		if got := st.status(); got != b.want {
			t.Errorf("%v: %s, want %s", b.fields, got, b.want)
		}
		if b.want == "426" && (st.fields[version13] != "13" || st.fields["upgrade"] != "") {
			t.Errorf("%v: the fields are %v", b.fields, st.fields)
		}
		_ = st.Close()
	}
	for fields, want := range map[string]string{
		":method CONNECT :protocol# connect-udp :path /":                   "501",
		":method CONNECT :path  :scheme ":                                  "501", // a proxy's
		":method GET :protocol# websocket":                                 "none, reset PROTOCOL_ERROR",
		":method CONNECT :protocol# websocket :path ":                      "none, reset PROTOCOL_ERROR",
		":method CONNECT :protocol# websocket :scheme ":                    "none, reset PROTOCOL_ERROR",
		":method CONNECT :protocol# websocket upgrade websocket":           "none, reset PROTOCOL_ERROR",
		":method CONNECT :protocol# websocket :protocol# websocket":        "none, reset PROTOCOL_ERROR",
		":method CONNECT :protocol# websocket connection upgrade :path /a": "none, reset PROTOCOL_ERROR",
	} {
		st := c.open()
		if err := c.send(st.id, false, strings.Split(fields, " ")...); err != nil {
			t.Fatal(err)
		}
		got := st.status()
		if st.reset != nil && st.fields == nil {
			got = "none, reset " + st.reset.String()
		}
		if got != want {
			t.Errorf("%s: %s, want %s", fields, got, want)
		}
	}
	st := c.connect(false, version13, "13")
	if st.status() != "200" {
		t.Error("the connection does not go on")
	}
	c.control(func() error {
		return c.framer.WriteHeaders(http2.HeadersFrameParam{
			StreamID: st.id, EndHeaders: true, EndStream: true, BlockFragment: []byte("\x00\x01a\x01b"),
		})
	})
	if st.body(); st.reset == nil || *st.reset != http2.ErrCodeProtocol {
		t.Errorf("after trailers it ends with %v", st.reset)
	}
}

// An application that answers otherwise has that answered, as HTTP/2 has it.
func TestDenialsOverHTTP2(t *testing.T) {
	carryEach(t, func(t *testing.T, o over) {
		s := o.serveCarried(t, func(c *appCall) {
			c.start("429 Too Many Requests", "X-Why", "many", "Transfer-Encoding", "chunked")
			c.block([]byte("too "))
			c.block(bytes.Repeat([]byte("many "), 40_000))
			c.end()
		})
		c := o.carry(t, s)
		for range 3 {
			st := c.connect(false, version13, "13")
			if got := st.status(); got != "429" {
				t.Fatalf("the status is %s", got)
			}
			b := make([]byte, 4096)
			n := 0
			for {
				k, err := st.Read(b)
				if n += k; err != nil {
					break
				}
			}
			if n != 4+200_000 || st.fields["x-why"] != "many" || st.fields["transfer-encoding"] != "" || st.fields["upgrade"] != "" {
				t.Errorf("%d bytes, fields %v", n, st.fields)
			}
			st.await("no more to be wanted", func() bool { return st.reset != nil })
			if *st.reset != http2.ErrCodeNo {
				t.Errorf("it ends with %v", *st.reset)
			}
		}
		waitFor(t, func() bool { return s.Conns() == 1 })
		s.wantNothingHeld(t)
	})
}

// An answer that accepts nothing does not look as if it did: 200 would.
func TestAPageIsNoWebSocketOverHTTP2(t *testing.T) {
	log, logged := openLines(t)
	s := over{tls: true}.serveCarried(t, func(c *appCall) { c.answer("200 OK", "a page") }, logged)
	st := over{tls: true}.carry(t, s).connect(false, version13, "13")
	if got, body := st.status(), st.body(); got != "400" || body != "a page" {
		t.Errorf("it is answered with %s and %q", got, body)
	}
	log.want(t, `127.0.0.1 "GET /chat HTTP/2.0" 400 6`)
}

// Where WebSockets are off nobody is offered one.
func TestWithoutWebSocketsNoneIsOfferedOverHTTP2(t *testing.T) {
	carryEach(t, func(t *testing.T, o over) {
		s := o.serveCarried(t, acceptAll, func(c *Config) { c.Sockets.Off = true })
		c := o.carry(t, s)
		if c.settings[http2.SettingEnableConnectProtocol] != 0 {
			t.Error("extended CONNECT is offered")
		}
		st := c.connect(false, version13, "13")
		if st.status(); st.reset == nil || *st.reset != http2.ErrCodeProtocol {
			t.Errorf("one that asks nevertheless is answered with %v", st.fields)
		}
	})
}

// However a client leaves, its application is told, and nothing is left of it.
func TestLeavingOverHTTP2(t *testing.T) {
	ways := map[string]func(*strand){
		"by a reset":              func(st *strand) { _ = st.Close() },
		"by ending its side":      func(st *strand) { _ = st.CloseWrite() },
		"with its connection":     func(st *strand) { st.c.nc.Close() },
		"by a close frame":        func(st *strand) { _, _ = st.Write(ws.AppendMasked(nil, ws.Close, []byte{3, 0xe8}, [4]byte{})) },
		"by what is no WebSocket": func(st *strand) { _, _ = st.Write([]byte("GET / HTTP/1.1\r\n\r\n")) },
	}
	for way, leave := range ways {
		for _, accepts := range []bool{true, false} {
			t.Run(way, func(t *testing.T) {
				carryEach(t, func(t *testing.T, o over) {
					began, told := make(chan struct{}, 1), make(chan struct{}, 1)
					s := o.serveCarried(t, func(c *appCall) {
						if accepts {
							c.frame(wire.Accept, 0, headBlock("101 Switching Protocols", nil), nil)
						} else {
							c.frame(wire.Early, 0, headBlock("103 Early Hints", nil), nil) // or nobody would tell it
						}
						began <- struct{}{}
						c.cancelled(t)
						told <- struct{}{}
						if accepts {
							c.frame(wire.Close, wire.Final, nil, []byte{0xe8, 3})
						} else {
							c.fail()
						}
					})
					st := o.carry(t, s).connect(false, version13, "13")
					st.asked = true
					<-began
					if !accepts && (way == "by a close frame" || way == "by what is no WebSocket") {
						leave(st) // which is read when it is accepted
						leave = ways["by a reset"]
					}
					if accepts && st.status() != "200" {
						t.Fatal("it was not accepted")
					}
					leave(st)
					select {
					case <-told:
					case <-time.After(20 * time.Second):
						t.Fatal("the application was not told")
					}
					switch {
					case way == "by ending its side" && !accepts:
						if st.body(); st.reset == nil { // without a head nothing may end
							t.Error("the stream ends, and is not reset")
						}
					case accepts && (way == "by a close frame" || way == "by what is no WebSocket"):
						_ = st.body()
						_ = st.CloseWrite() // or it is waited for
					}
					waitFor(t, func() bool { return s.Conns() <= 1 && s.Held().Messages == 0 })
					s.wantNothingHeld(t)
				})
			})
		}
	}
}

// A client that reads nothing of one socket has its window of it, and its application
// waits; another socket of the same connection goes on.
func TestASlowReaderOverHTTP2CostsItsWindow(t *testing.T) {
	carryEach(t, func(t *testing.T, o over) {
		var sent sync.Map
		s := o.serveCarried(t, func(c *appCall) {
			if !bytes.Contains(c.scope, []byte("/flood")) {
				acceptAll(c)
				return
			}
			c.frame(wire.Accept, 0, headBlock("101 Switching Protocols", nil), nil)
			credit, total := 256<<10, 0
			for total < 4<<20 {
				for credit < 32<<10 {
					n := <-c.granted
					if n == wire.Cancelled {
						c.frame(wire.Close, wire.Final, nil, []byte{0xe8, 3})
						return
					}
					credit += int(n)
				}
				c.frame(wire.Binary, 0, nil, make([]byte, 32<<10))
				credit -= 32 << 10
				total += 32 << 10
				sent.Store(c.id, total)
			}
			c.frame(wire.Close, wire.Final, nil, []byte{0xe8, 3})
		})
		c := o.carry(t, s)
		slow := c.open()
		slow.shy = true
		flood, _, err := (&websocket.Dialer{NetDial: dialed(slow)}).Dial("ws://x/flood", nil)
		if err != nil {
			t.Fatal(err)
		}
		slow.await("a full window", func() bool { return slow.came.Len()+slow.took >= 65535-300 })
		other, err := openSocket(c.open())
		if err != nil {
			t.Fatal(err)
		}
		for range 50 {
			if err := other.WriteMessage(websocket.BinaryMessage, make([]byte, 20_000)); err != nil {
				t.Fatal(err)
			}
			if _, m, err := other.ReadMessage(); err != nil || len(m) != 20_000 {
				t.Fatalf("%d bytes, %v", len(m), err)
			}
		}
		if n := s.queued.Load(); n > AnswerWindow {
			t.Errorf("%d bytes wait for it", n)
		}
		slow.c.mu.Lock()
		slow.shy = false
		back := uint32(slow.took)
		slow.c.mu.Unlock()
		slow.c.control(func() error { return slow.c.framer.WriteWindowUpdate(slow.id, back) })
		total := 0
		for {
			_, m, err := flood.ReadMessage()
			if err != nil {
				if !websocket.IsCloseError(err, 1000) {
					t.Errorf("it ends with %v", err)
				}
				break
			}
			total += len(m)
		}
		if total != 4<<20 {
			t.Errorf("%d bytes came", total)
		}
	})
}

// A client whose messages are not received may send what the stream's window and the
// queue's limit allow, and no more; its connection goes on.
func TestAnApplicationThatReceivesNothingOverHTTP2(t *testing.T) {
	carryEach(t, func(t *testing.T, o over) {
		gate := make(chan struct{})
		got := make(chan int, 1)
		s := o.serveCarried(t, func(c *appCall) {
			if !bytes.Contains(c.scope, []byte("/deaf")) {
				acceptAll(c)
				return
			}
			c.frame(wire.Accept, 0, headBlock("101 Switching Protocols", nil), nil)
			<-gate
			total := 0
			for total < 100*10_000 {
				m := <-c.said
				total += len(m)
				c.took(len(m))
			}
			got <- total
			c.frame(wire.Close, wire.Final, nil, []byte{0xe8, 3})
		})
		c := o.carry(t, s)
		var deaf []*websocket.Conn
		for range 6 { // together more than the connection's window
			nc := c.open()
			client, _, err := (&websocket.Dialer{NetDial: dialed(nc)}).Dial("ws://x/deaf", nil)
			if err != nil {
				t.Fatal(err)
			}
			deaf = append(deaf, client)
		}
		var done sync.WaitGroup
		errs := make(chan error, len(deaf))
		for _, client := range deaf {
			done.Go(func() {
				for range 100 {
					if err := client.WriteMessage(websocket.BinaryMessage, make([]byte, 10_000)); err != nil {
						errs <- err
						return
					}
				}
			})
		}
		waitFor(t, func() bool {
			c.mu.Lock()
			defer c.mu.Unlock()
			for _, s := range c.strands {
				if s.window > 0 {
					return false
				}
			}
			return true
		})
		if held := s.Held().Messages; held > int64(len(deaf))*(3*65536+20_000) {
			t.Errorf("%d bytes are held", held)
		}
		other, err := openSocket(c.open())
		if err != nil {
			t.Fatal(err)
		}
		if err := other.WriteMessage(websocket.BinaryMessage, make([]byte, 50_000)); err != nil {
			t.Fatal(err)
		}
		if _, m, err := other.ReadMessage(); err != nil || len(m) != 50_000 {
			t.Fatalf("%d bytes, %v", len(m), err)
		}
		close(gate)
		for range deaf {
			if n := <-got; n != 1_000_000 {
				t.Errorf("%d bytes came", n)
			}
		}
		done.Wait()
		close(errs)
		for err := range errs {
			if !errors.Is(err, nil) {
				t.Error(err)
			}
		}
	})
}

// Where messages take much memory, a connection's window opens only for what was read;
// but for all of it, however little each of its sockets sends.
func TestAWindowThatIsWithheldOpensAgain(t *testing.T) {
	s := over{}.serveCarried(t, acceptAll)
	s.messages.Add(messagesMost/2 + 1)
	defer s.messages.Add(-messagesMost/2 - 1)
	c := over{}.carry(t, s)
	for range 30 { // together more than the window, and each less than a step
		st := c.open()
		defer time.AfterFunc(20*time.Second, func() { _ = st.SetDeadline(longAgo) }).Stop()
		client, err := openSocket(st)
		if err != nil {
			t.Fatal(err)
		}
		if err := client.WriteMessage(websocket.BinaryMessage, make([]byte, 15_000)); err != nil {
			t.Fatal(err)
		}
		if _, m, err := client.ReadMessage(); err != nil || len(m) != 15_000 {
			t.Fatalf("%d bytes, %v", len(m), err)
		}
	}
}

// Pings are the front's here too; the server's end closes with 1012.
func TestPingsAndTheEndOverHTTP2(t *testing.T) {
	carryEach(t, func(t *testing.T, o over) {
		s := o.serveCarried(t, acceptAll, hurried, func(c *Config) {
			c.Sockets.PingInterval, c.Sockets.PingTimeout = hurry*hurriedPing, hurry*hurriedPong
		})
		c := o.carry(t, s)
		client, err := openSocket(c.open())
		if err != nil {
			t.Fatal(err)
		}
		pinged := make(chan struct{}, 100)
		answer := client.PingHandler()
		client.SetPingHandler(func(text string) error {
			select {
			case pinged <- struct{}{}:
			default:
			}
			return answer(text)
		})
		ended := make(chan error, 1)
		go func() {
			_, _, err := client.ReadMessage()
			ended <- err
		}()
		mute, err := openSocket(c.open())
		if err != nil {
			t.Fatal(err)
		}
		mute.SetPingHandler(func(string) error { return nil })
		if _, _, err := mute.ReadMessage(); !websocket.IsCloseError(err, 1011) {
			t.Errorf("who answers no ping ends with %v", err)
		}
		for range 3 {
			select {
			case <-pinged:
			case <-time.After(20 * time.Second):
				t.Fatal("no ping came")
			}
		}
		go func() {
			ctx, cancel := testContext(t, 20*time.Second)
			defer cancel()
			_ = s.Shutdown(ctx)
		}()
		if err := <-ended; !websocket.IsCloseError(err, 1012) {
			t.Errorf("it ends with %v", err)
		}
	})
}

// What was read of a stream takes no memory, also where something is always unread.
func TestWhatWasReadOfAStreamIsForgotten(t *testing.T) {
	sc := &streamConn{}
	sc.changed.L = &sc.mu
	sent, seen, room := 0, 0, make([]byte, 5000)
	for range 20_000 {
		for sent-seen < 60_000 {
			sc.keepLocked(filling(sent, 4000), false)
			sent += 4000
		}
		n := sc.takeLocked(room[:4096])
		if !bytes.Equal(room[:n], filling(seen, n)) {
			t.Fatalf("%d bytes at %d are not those that came", n, seen)
		}
		seen += n
	}
	if n := cap(sc.input); n > 256<<10 {
		t.Errorf("%d bytes are held for %d", n, sent-seen)
	}
}
