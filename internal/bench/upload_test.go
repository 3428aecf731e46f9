package bench

import (
	"crypto/tls"
	"io"
	"net"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// large is more than the client's socket holds, and the server's, which is made small.
const large = 8 << 20

// serveUploads runs handle on connections to a new listener, clear or with TLS, and returns its URL.
func serveUploads(t *testing.T, secure bool, left <-chan struct{}, handle func(p *peer, left <-chan struct{})) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	scheme := "http://"
	if secure {
		other := httptest.NewTLSServer(nil) // it has a certificate
		t.Cleanup(other.Close)
		l, scheme = tls.NewListener(l, &tls.Config{Certificates: other.TLS.Certificates}), "https://"
	}
	serveOn(t, l, func(p *peer) {
		_ = p.tcp().SetReadBuffer(64 << 10)
		handle(p, left)
	})
	return scheme + l.Addr().String()
}

// tcp is what the peer's connection is made of.
func (p *peer) tcp() *net.TCPConn {
	if secure, ok := p.Conn.(*tls.Conn); ok {
		return secure.NetConn().(*net.TCPConn)
	}
	return p.Conn.(*net.TCPConn)
}

// head reads a request's head only.
func (p *peer) head() bool {
	for {
		line, err := p.r.ReadString('\n')
		if err != nil || strings.TrimSpace(line) == "" {
			return err == nil
		}
	}
}

const tooLarge = "HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\n\r\n"

// What a server says before it has read a request counts, whether it reads on, hangs up or does neither; one that reads slowly
// takes as long as it may; and a reset is one.
func TestUploads(t *testing.T) {
	for name, tt := range map[string]struct {
		handle func(p *peer, left <-chan struct{})
		want   ErrorKind
		status int
	}{
		"answers and reads no more": {func(p *peer, left <-chan struct{}) {
			if p.head() && p.send(tooLarge) {
				<-left
			}
		}, ErrStatus, 413},
		"answers, and says goodbye before it closes": {func(p *peer, left <-chan struct{}) {
			if p.head() && p.send(strings.Replace(tooLarge, "\r\n\r\n", "\r\nConnection: close\r\n\r\n", 1)) {
				_ = p.tcp().CloseWrite()
				_, _ = io.Copy(io.Discard, p.r)
			}
		}, ErrStatus, 413},
		"answers and reads all": {func(p *peer, left <-chan struct{}) {
			for p.head() && p.send(okResponse) {
				if _, err := io.CopyN(io.Discard, p.r, large); err != nil {
					return
				}
			}
		}, Succeeded, 200},
		"reads slowly": {func(p *peer, left <-chan struct{}) {
			for p.head() {
				time.Sleep(2 * pokeAfter)
				if _, err := io.CopyN(io.Discard, p.r, large); err != nil || !p.send(okResponse) {
					return
				}
			}
		}, Succeeded, 200},
		"resets in the middle": {func(p *peer, left <-chan struct{}) {
			if p.head() {
				_, _ = io.CopyN(io.Discard, p.r, 1<<20)
				_ = p.tcp().SetLinger(0)
				_ = p.tcp().Close()
			}
		}, ErrReset, 0},
	} {
		for _, secure := range []bool{false, true} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				left := make(chan struct{}) // closed when the client has left
				url := serveUploads(t, secure, left, tt.handle)
				o := Options{Targets: []Target{{URL: url, Body: make([]byte, large)}}, Requests: 4, Clients: 2, Insecure: true, Timeout: 20 * time.Second}
				res, err := Run(t.Context(), o)
				close(left)
				if err != nil {
					t.Fatal(err)
				}
				failed := int64(4)
				if tt.want == Succeeded {
					failed = 0
				}
				if res.Requests.Failed != failed || failed > 0 && res.Errors[tt.want.String()] != failed || tt.status > 0 && res.Statuses[tt.status] != 4 {
					t.Errorf("TLS %v: %+v, statuses %v, %v %v", secure, res.Requests, res.Statuses, res.Errors, res.ErrorExamples)
				}
				if res.DurationS > 15 {
					t.Errorf("TLS %v: it took %v s", secure, res.DurationS)
				}
			})
		}
	}
}
