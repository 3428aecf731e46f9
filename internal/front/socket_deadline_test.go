package front

import (
	"net"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"girin/internal/wire"
)

// laggard is a connection that is read by and by.
type laggard struct{ net.Conn }

func (c laggard) Read(b []byte) (int, error) {
	time.Sleep(2 * time.Millisecond)
	return c.Conn.Read(b[:min(len(b), 1<<10)])
}

const hurriedPing, hurriedPong = 30 * time.Millisecond, 500 * time.Millisecond

// A WebSocket whose client is there is not ended, though it says nothing: one that only
// answers pings, and one that comes late to the ping, because it takes slowly what the
// kernel holds for it before that.
func TestASilentClientOfASocketIsNotTakenForGone(t *testing.T) {
	for name, size := range map[string]int{"answers pings": 10, "comes late to them": 600 << 10} {
		t.Run(name, func(t *testing.T) {
			overEach(t, func(t *testing.T, o over) {
				s := o.serve(t, func(c *appCall) {
					c.frame(wire.Accept, 0, headBlock("101 Switching Protocols", nil), nil)
					c.frame(wire.Binary, 0, nil, make([]byte, size))
					time.Sleep(4 * hurriedPong)
					c.frame(wire.Close, wire.Final, nil, []byte{0xe8, 3})
				}, hurried, func(c *Config) {
					c.Sockets = SocketOptions{PingInterval: hurry * hurriedPing, PingTimeout: hurry * hurriedPong, MaxQueue: 64 << 10}
				})
				s.SpeakASGI()
				starting.Lock()
				c := o.connectNarrow(t, s)
				starting.Unlock()
				client, err := openSocket(laggard{c.Conn})
				if err != nil {
					t.Fatal(err)
				}
				if _, message, err := client.ReadMessage(); err != nil || len(message) != size {
					t.Fatalf("%d bytes, %v", len(message), err)
				}
				if _, _, err := client.ReadMessage(); !websocket.IsCloseError(err, websocket.CloseNormalClosure) {
					t.Errorf("it ends with %v", err)
				}
			})
		})
	}
}

// A client that is gone without a word is ended when its time to answer is over.
func TestAClientOfASocketThatAnswersNoPingIsEnded(t *testing.T) {
	overEach(t, func(t *testing.T, o over) {
		s := o.serve(t, func(c *appCall) {
			c.frame(wire.Accept, 0, headBlock("101 Switching Protocols", nil), nil)
			<-c.granted
			c.frame(wire.Close, wire.Final, nil, []byte{0xe8, 3})
		}, hurried, func(c *Config) {
			c.Sockets = SocketOptions{PingInterval: hurry * hurriedPing, PingTimeout: hurry * hurriedPong, MaxQueue: 64 << 10}
		})
		s.SpeakASGI()
		c := o.connect(t, s)
		client, err := openSocket(c.Conn)
		if err != nil {
			t.Fatal(err)
		}
		client.SetPingHandler(func(string) error { return nil })
		watch := s.watch()
		if _, _, err := client.ReadMessage(); !websocket.IsCloseError(err, websocket.CloseInternalServerErr) {
			t.Errorf("it ends with %v", err)
		}
		watch.ends(t, hurriedPing+hurriedPong)
	})
}

// openSocket opens a WebSocket on a connection that is there.
func openSocket(conn net.Conn) (*websocket.Conn, error) {
	dialer := websocket.Dialer{
		NetDial:        func(string, string) (net.Conn, error) { return conn, nil },
		ReadBufferSize: 1 << 10, WriteBufferSize: 1 << 10,
	}
	client, _, err := dialer.Dial("ws://x/", nil)
	return client, err
}
