package front

import (
	"bufio"
	"crypto/tls"
	"encoding/binary"
	"net"
	"syscall"
	"testing"
	"time"

	"girin/internal/wire"
)

// over is a way to reach a front: what holds for answers and deadlines is
// tested on each.
type over struct{ tls bool }

var transports = map[string]over{"clear": {}, "TLS": {true}}

// overEach runs a test on each transport.
func overEach(t *testing.T, f func(*testing.T, over)) {
	for name, over := range transports {
		t.Run(name, func(t *testing.T) { f(t, over) })
	}
}

func (o over) serve(t *testing.T, run func(*appCall), change ...func(*Config)) *served {
	t.Helper()
	if o.tls {
		change = append([]func(*Config){newAuthority(t).files(t).secure(t)}, change...)
	}
	return serveApp(t, run, change...)
}

// connect connects a client that gives up after a while.
func (o over) connect(t *testing.T, s *served) *client {
	t.Helper()
	c := o.on(t, s.dial(t))
	if err := c.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return c
}

// dialNarrow connects a client whose kernel takes little before it reads, and that by
// and by: in segments as large as loopback's, TCP's own timers would decide when.
func dialNarrow(t *testing.T, s *served) net.Conn {
	t.Helper()
	d := net.Dialer{Control: func(_, _ string, raw syscall.RawConn) error {
		return raw.Control(func(fd uintptr) {
			_ = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, 32<<10)
			_ = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, syscall.TCP_MAXSEG, 1400)
		})
	}}
	nc, err := d.Dial("tcp", s.addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nc.Close() })
	return nc
}

// connectNarrow connects such a client by the transport.
func (o over) connectNarrow(t *testing.T, s *served) *client {
	t.Helper()
	c := o.on(t, dialNarrow(t, s))
	if tc, ok := c.Conn.(*tls.Conn); ok {
		if err := tc.Handshake(); err != nil {
			t.Fatal(err)
		}
	}
	return c
}

func (o over) on(t *testing.T, nc net.Conn) *client {
	if o.tls {
		nc = tls.Client(nc, &tls.Config{InsecureSkipVerify: true})
	}
	return &client{t, nc, bufio.NewReaderSize(nc, 16)}
}

// socket is what the client's bytes go through.
func (c *client) socket() *net.TCPConn {
	if tc, ok := c.Conn.(*tls.Conn); ok {
		return tc.NetConn().(*net.TCPConn)
	}
	return c.Conn.(*net.TCPConn)
}

// reset leaves at once.
func (c *client) reset() {
	_ = c.socket().SetLinger(0)
	c.socket().Close()
}

// filling is what an answer has at an offset, which is a multiple of 8: no part
// of it can stand for another.
func filling(offset, n int) []byte {
	b := make([]byte, 0, n)
	for ; len(b) < n; offset += 8 {
		b = binary.BigEndian.AppendUint64(b, uint64(offset))
	}
	return b
}

// stream gives an answer of n bytes of the pattern, as fast as its client
// allows. It reports false if the client has left.
func (c *appCall) stream(n int) bool {
	const step = 32 << 10
	c.start("200 OK")
	credit := 256 << 10
	for at := 0; at < n; at += step {
		for credit < step {
			more := <-c.granted
			if more == wire.Cancelled {
				c.fail()
				return false
			}
			credit += int(more)
		}
		credit -= step
		c.block(filling(at, step))
	}
	c.end()
	return true
}
