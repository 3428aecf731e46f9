package bench

import (
	"bufio"
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

const okResponse = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"

// serve runs handle for each connection to a new listener and returns its URL. It waits for all of them when the test ends.
func serve(t *testing.T, handle func(*peer)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	serveOn(t, l, handle)
	return "http://" + l.Addr().String()
}

func serveOn(t *testing.T, l net.Listener, handle func(*peer)) {
	var wg sync.WaitGroup
	ctx, cancel := context.WithCancel(context.Background())
	wg.Go(func() {
		for n := 0; ; n++ {
			c, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				defer c.Close()
				unblock := context.AfterFunc(ctx, func() { c.Close() })
				defer unblock()
				handle(&peer{Conn: c, r: bufio.NewReader(c), n: n})
			})
		}
	})
	t.Cleanup(func() {
		l.Close()
		cancel()
		wg.Wait()
	})
}

// peer is the server's end of a connection.
type peer struct {
	net.Conn
	r *bufio.Reader
	n int // of the connection, from 0
}

// request reads one request and its body; nil at the end of the connection.
func (p *peer) request() *http.Request {
	req, err := http.ReadRequest(p.r)
	if err != nil {
		return nil
	}
	buf := make([]byte, 4096)
	for err == nil {
		_, err = req.Body.Read(buf)
	}
	return req
}

// send writes s and reports whether that went well.
func (p *peer) send(s string) bool {
	_, err := p.Write([]byte(s))
	return err == nil
}

// sendAndClose writes s and closes the connection with it: no request comes between the two.
func (p *peer) sendAndClose(s string) {
	p.cork()
	p.send(s)
	p.Close()
}

// cork keeps what is sent until the connection's end goes with it.
func (p *peer) cork() {
	raw, err := p.tcp().SyscallConn()
	if err == nil {
		_ = raw.Control(func(fd uintptr) { _ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, corked, 1) })
	}
}

// always answers every request with s.
func always(s string) func(*peer) {
	return func(p *peer) {
		for p.request() != nil && p.send(s) {
		}
	}
}

// reset closes the connection with a TCP reset.
func (p *peer) reset() {
	p.Conn.(*net.TCPConn).SetLinger(0)
	p.Close()
}

// mustRun runs o against url.
func mustRun(t *testing.T, url string, o Options) *Result {
	t.Helper()
	if len(o.Targets) == 0 {
		o.Targets = []Target{{URL: url}}
	}
	if o.Timeout == 0 {
		o.Timeout = 20 * time.Second
	}
	res, err := Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return res
}

// serveHTTP serves with net/http.
func serveHTTP(t *testing.T, handler http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(handler)
	t.Cleanup(s.Close)
	return s.URL
}
