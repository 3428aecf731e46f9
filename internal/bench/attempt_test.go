package bench

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"sync/atomic"
	"testing"
	"time"
)

// everyTenth answers at once, but every tenth request with what it does to the connection.
func everyTenth(do func(*peer)) func(*peer) {
	var n atomic.Int64
	return func(p *peer) {
		for p.request() != nil {
			if n.Add(1)%10 == 0 {
				do(p)
				return
			}
			p.send(okResponse)
		}
	}
}

// A server that takes a request, holds it and dies has failed. It looks like a connection that was closed for being idle, but
// for the time that it took.
func TestHeldRequestThatDiesIsAFailure(t *testing.T) {
	const hold = 300 * time.Millisecond
	for name, end := range map[string]func(*peer){
		"closed": func(p *peer) { time.Sleep(hold) }, // the fault under test
		"reset":  func(p *peer) { time.Sleep(hold); p.reset() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, rate := range []RateCurve{{}, {200, 200}} {
				res := mustRun(t, serve(t, everyTenth(end)), Options{Requests: 200, Clients: 20, Rate: rate})
				if n := res.Requests; n.Failed != 20 || n.OK != 180 || n.Retried != 0 {
					t.Errorf("rate %v: %+v %v", rate, n, res.Errors)
				}
				spec, _ := ParseSLO("p99<200ms")
				if got := spec.judge(res); got.Verdict != Fails {
					t.Errorf("rate %v: %+v", rate, got)
				}
			}
		})
	}
}

// So has one that takes a request and ends the connection at once, in good order or with a reset, though that takes no longer
// than the news of a connection that was closed for being idle.
func TestTakenRequestThatIsDroppedIsAFailure(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Fatal("what the other end has received is known on Linux only")
	}
	for kind, end := range map[string]func(*peer){
		"eof": func(*peer) {},
		"reset": func(p *peer) {
			_ = p.tcp().SetLinger(0)
			_ = p.tcp().Close()
		},
	} {
		for _, secure := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, TLS %v", kind, secure), func(t *testing.T) {
				t.Parallel()
				drop := everyTenth(end)
				for _, rate := range []RateCurve{{}, {200, 200}} {
					url := serveUploads(t, secure, nil, func(p *peer, _ <-chan struct{}) { drop(p) })
					res := mustRun(t, url, Options{Requests: 200, Clients: 20, Rate: rate, Insecure: true})
					if n := res.Requests; n.Failed != 20 || n.OK != 180 || n.Retried != 0 || res.Errors[kind] != 20 {
						t.Errorf("rate %v: %+v %v", rate, n, res.Errors)
					}
				}
			})
		}
	}
}

// A connection of HTTP/2 that ends without a word takes its requests with it.
func TestDroppedConnectionOverHTTP2(t *testing.T) {
	t.Parallel()
	for _, streams := range []int{1, 4} {
		var n atomic.Int64
		s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if n.Add(1)%20 == 0 {
				_ = r.Context().Value(connection{}).(net.Conn).Close() // the fault under test
			}
		}))
		s.EnableHTTP2 = true
		s.Config.ErrorLog = log.New(io.Discard, "", 0)
		s.Config.ConnContext = func(ctx context.Context, c net.Conn) context.Context { return context.WithValue(ctx, connection{}, c) }
		s.StartTLS()
		res := mustRun(t, s.URL, Options{Requests: 200, Clients: 4, Streams: streams, HTTP2: true, Insecure: true})
		if n := res.Requests; n.Failed < 10 || n.OK+n.Failed != 200 || streams == 1 && n.Retried != 0 || res.Errors["other"] > 0 {
			t.Errorf("%d streams: %+v %v %v", streams, n, res.Errors, res.ErrorExamples)
		}
		s.Close()
	}
}

type connection struct{} // the key of a request's connection

// Of TLS and HTTP/2 the same is true.
func TestHeldRequestThatDiesOverTLS(t *testing.T) {
	t.Parallel()
	for _, http2 := range []bool{false, true} {
		var n atomic.Int64
		s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if n.Add(1)%10 == 0 {
				time.Sleep(300 * time.Millisecond) // the fault under test
				panic(http.ErrAbortHandler)
			}
			fmt.Fprint(w, "hello")
		}))
		s.EnableHTTP2 = true
		s.Config.ErrorLog = log.New(io.Discard, "", 0)
		s.StartTLS()
		res := mustRun(t, s.URL, Options{Requests: 100, Clients: 5, HTTP2: http2, Insecure: true})
		if n := res.Requests; n.Failed != 10 || n.OK != 90 || n.Retried != 0 {
			t.Errorf("HTTP/2 %t: %+v %v", http2, n, res.ErrorExamples)
		}
		s.Close()
	}
}

// A request that is sent a second time, or follows a redirect, has taken as long as all of it took.
func TestLatencyCountsFromTheFirstAttempt(t *testing.T) {
	t.Parallel()
	const step = 60 * time.Millisecond
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		time.Sleep(step) // the latency under test
		if r.URL.Path == "/from" {
			http.Redirect(w, r, "/to", http.StatusFound)
		}
	}))
	defer s.Close()
	res := mustRun(t, s.URL+"/from", Options{Requests: 6, Clients: 2, Follow: true})
	if res.Requests.OK != 6 || res.Latency.MinMS < ms(int64(2*step)) {
		t.Errorf("%+v, the quickest in %v ms", res.Requests, res.Latency.MinMS)
	}

	// The second connection is accepted, and answers late: the way there counts.
	url := serve(t, func(p *peer) {
		if p.n > 0 {
			time.Sleep(step) // the latency under test
		}
		if p.request() != nil {
			p.sendAndClose(okResponse)
		}
	})
	res = mustRun(t, url, Options{Requests: 2, Clients: 1})
	if res.Requests.OK != 2 || res.Requests.Retried != 1 || res.Latency.MaxMS < ms(int64(step)) || res.Phases.Connect.MaxMS > 50 {
		t.Errorf("%+v, %+v, connect %+v", res.Requests, res.Latency, res.Phases.Connect)
	}
}

// A timeout holds to the point, however short: an answer that comes after it is a failure.
func TestShortTimeouts(t *testing.T) {
	t.Parallel()
	slow := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		time.Sleep(60 * time.Millisecond) // beyond the timeout
	}))
	defer slow.Close()
	for _, rate := range []RateCurve{{}, {100, 100}} {
		for _, timeout := range []time.Duration{5 * time.Millisecond, 30 * time.Millisecond, 49 * time.Millisecond} {
			res := mustRun(t, slow.URL, Options{Requests: 20, Clients: 4, Timeout: timeout, Rate: rate})
			if res.Requests.OK != 0 || res.Errors["timeout"] != 20 {
				t.Errorf("rate %v, timeout %v: %+v %v", rate, timeout, res.Requests, res.Errors)
			}
		}
	}
	res := mustRun(t, slow.URL, Options{Requests: 4, Timeout: 20 * time.Second})
	if res.Requests.OK != 4 {
		t.Errorf("%+v", res.Requests)
	}
}

func TestKeptAliveCountsRequests(t *testing.T) {
	for _, tt := range []struct {
		response string
		want     int64
	}{
		{okResponse, 10},
		{"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello", 0},
		{"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n", 10}, // ab counts it too
	} {
		if res := mustRun(t, serve(t, always(tt.response)), Options{Requests: 10, Clients: 2}); res.Requests.KeptAlive != tt.want {
			t.Errorf("%q: %d kept alive, want %d", tt.response, res.Requests.KeptAlive, tt.want)
		}
	}
}

// A TLS server says that it closes an idle connection before it does, and may wait for the client to say so too: the system
// still acknowledges what is sent meanwhile, and nobody reads it.
func TestRequestThatCrossesWithCloseNotify(t *testing.T) {
	for name, tt := range map[string]struct {
		idle      time.Duration
		quickAcks bool
	}{"with the answer": {0, false}, "later": {10 * time.Millisecond, false}, "later, and acknowledges at once": {10 * time.Millisecond, true}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url := serveUploads(t, true, nil, func(p *peer, _ <-chan struct{}) {
				if p.request() != nil && p.send(okResponse) {
					time.Sleep(tt.idle)
					_ = p.Conn.(*tls.Conn).CloseWrite()
				}
				for buf := make([]byte, 4096); ; {
					if tt.quickAcks {
						acknowledgeAtOnce(p.tcp())
					}
					if _, err := p.tcp().Read(buf); err != nil {
						return
					}
				}
			})
			undisturbed(t, func() error {
				res := mustRun(t, url, Options{Requests: 5, Rate: RateCurve{1, 1}, Insecure: true})
				if n := res.Requests; n.OK != 5 || tt.idle > 0 && n.Retried == 0 {
					return fmt.Errorf("%+v %v", n, res.ErrorExamples)
				}
				return nil
			})
		})
	}
}

func acknowledgeAtOnce(c *net.TCPConn) {
	if raw, err := c.SyscallConn(); err == nil {
		_ = raw.Control(func(fd uintptr) { ackAtOnce(fd) })
	}
}
