package front

import (
	"io"
	"net"
	"testing"
	"time"

	"girin/internal/wire"
	"girin/internal/ws"
)

const asksForASGISocket = "GET /chat HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
	"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"

// A client that closes its side before it has said anything has left, also while the
// application goes on sending.
func TestAClientOfASocketThatLeavesBeforeItsFirstMessage(t *testing.T) {
	told := make(chan struct{})
	s := serveApp(t, func(c *appCall) {
		c.frame(wire.Accept, 0, headBlock("101 Switching Protocols", nil), nil)
		for {
			select {
			case <-c.granted:
				close(told)
				c.frame(wire.Close, wire.Final, nil, []byte{0xe8, 3})
				return
			case <-time.After(5 * time.Millisecond):
				c.frame(wire.Text, 0, nil, []byte("tick"))
			}
		}
	})
	s.SpeakASGI()
	conn := s.dial(t)
	defer conn.Close()
	if _, err := io.WriteString(conn, asksForASGISocket); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(conn, make([]byte, 300)); err != nil {
		t.Fatal(err)
	}
	if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	go func() { _, _ = io.Copy(io.Discard, conn) }()
	select {
	case <-told:
	case <-time.After(5 * time.Second):
		t.Error("the application was not told")
	}
}

// What a client says after the server's close frame reaches nobody, and takes nothing of
// what messages of all sockets may take.
func TestWhatFollowsACloseFrameCountsForNothing(t *testing.T) {
	s := serveApp(t, func(c *appCall) {
		c.frame(wire.Accept, 0, headBlock("101 Switching Protocols", nil), nil)
		c.frame(wire.Close, wire.Final, nil, []byte{0xe8, 3})
	}, func(c *Config) { c.Sockets.MaxQueue = 64 << 10 })
	s.SpeakASGI()
	conn := s.dial(t)
	defer conn.Close()
	if _, err := io.WriteString(conn, asksForASGISocket); err != nil {
		t.Fatal(err)
	}
	for range 20 {
		if _, err := conn.Write(ws.AppendMasked(nil, ws.Text, []byte("hello"), [4]byte{1, 2, 3, 4})); err != nil {
			t.Fatal(err)
		}
		time.Sleep(5 * time.Millisecond)
		if n := s.Held().Messages; n != 0 {
			t.Fatalf("%d bytes of messages are held", n)
		}
	}
}

// A client that leaves is seen to have left, also where nothing is read of it because the
// application receives nothing.
func TestAClientThatLeavesWhileNothingIsReceived(t *testing.T) {
	told := make(chan struct{})
	s := serveApp(t, func(c *appCall) {
		c.frame(wire.Accept, 0, headBlock("101 Switching Protocols", nil), nil)
		<-c.granted
		close(told)
		c.frame(wire.Close, wire.Final, nil, []byte{0xe8, 3})
	}, hurried, func(c *Config) {
		c.Sockets = SocketOptions{PingInterval: hurry * hurriedPing, PingTimeout: hurry * hurriedPing, MaxQueue: 1000}
	})
	s.SpeakASGI()
	conn := s.dial(t)
	defer conn.Close()
	if _, err := io.WriteString(conn, asksForASGISocket); err != nil {
		t.Fatal(err)
	}
	message := ws.AppendMasked(nil, ws.Text, make([]byte, 10_000), [4]byte{1, 2, 3, 4})
	for range 2 {
		if _, err := conn.Write(message); err != nil {
			t.Fatal(err)
		}
	}
	select {
	case <-told:
		t.Fatal("it was taken for gone while it was there")
	case <-time.After(10 * hurriedPing):
	}
	go func() { _, _ = io.Copy(io.Discard, conn) }() // so that its end is none by a reset
	time.Sleep(hurriedPing)
	conn.Close()
	select {
	case <-told:
	case <-time.After(5 * time.Second):
		t.Error("the application was not told")
	}
}
