package bench

import (
	"context"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func TestBadServers(t *testing.T) {
	tests := []struct {
		name   string
		handle func(*peer)
		want   ErrorKind
		text   string // in the example
	}{
		{"not HTTP", func(p *peer) { p.request(); p.send("SSH-2.0-OpenSSH_9.2\r\n"); p.request() }, ErrMalformed, "SSH-2.0"},
		{"silence, then closed", func(p *peer) { p.request() }, ErrEOF, "instead of responding"},
		{"reset at once", func(p *peer) { p.request(); p.reset() }, ErrReset, "reset"},
		{"reset in the body", func(p *peer) { p.request(); p.send(okResponse[:len(okResponse)-2]); p.request(); p.reset() }, ErrTimeout, "not done"},
		{"closed in the body", func(p *peer) { p.request(); p.send(okResponse[:len(okResponse)-2]) }, ErrTruncated, "middle"},
		{"closed in the head", func(p *peer) { p.request(); p.send("HTTP/1.1 200 OK\r\nConte") }, ErrTruncated, "middle"},
		{"endless head", func(p *peer) {
			p.request()
			for p.send("HTTP/1.1 200 OK\r\n") && p.send(strings.Repeat("X: y\r\n", 20000)) {
			}
		}, ErrMalformed, ""},
		{"never answers", func(p *peer) { p.request(); p.request() }, ErrTimeout, "not done within"},
		{"drips", func(p *peer) {
			p.request()
			for p.send("HTTP/1.1 200 OK\r\nX: y\r\n"[:1]) {
			}
		}, ErrMalformed, ""},
		{"bytes after the response", always(okResponse + "and more"), ErrMalformed, "after its end"},
		{"two lengths", always("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab"), ErrMalformed, "Content-Length"},
		{"500", always("HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n"), ErrStatus, "status 500"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			o := Options{Requests: 6, Clients: 3}
			if tt.want == ErrTimeout {
				o.Timeout = 300 * time.Millisecond
			}
			res := mustRun(t, serve(t, tt.handle), o)
			n := res.Requests
			if n.OK != 0 || n.Failed != 6 || res.Errors[tt.want.String()] != 6 || res.Partial {
				t.Errorf("want 6 %s: %+v %v %v", tt.want, n, res.Errors, res.ErrorExamples)
			}
			if got := res.ErrorExamples[tt.want.String()]; !strings.Contains(got, tt.text) {
				t.Errorf("example %q does not say %q", got, tt.text)
			}
			if res.Latency.Count != 0 || res.Rate.OK != 0 {
				t.Errorf("failures show in the figures: %+v, %v/s", res.Latency, res.Rate.OK)
			}
			var b strings.Builder
			if err := res.WriteText(&b); err != nil || !strings.Contains(b.String(), "Failed requests:        6\n") {
				t.Errorf("report %q, %v", b.String(), err)
			}
		})
	}
}

// A server that resets after part of the response: the client must not wait for the timeout.
func TestResetInTheMiddle(t *testing.T) {
	url := serve(t, func(p *peer) {
		p.request()
		p.send(okResponse[:10])
		p.reset()
	})
	res := mustRun(t, url, Options{Requests: 4, Clients: 2})
	if res.Errors["reset"]+res.Errors["truncated"] != 4 || res.DurationS > 10 {
		t.Errorf("%v in %v s", res.Errors, res.DurationS)
	}
}

func TestRefusedConnection(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	res, err := Run(t.Context(), Options{Targets: []Target{{URL: "http://" + l.Addr().String()}}, Requests: 5, Clients: 5})
	if res != nil || err == nil || !strings.Contains(err.Error(), "refused") {
		t.Errorf("result %v, error %v", res, err)
	}
}

func TestServerDiesDuringTheRun(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var served atomic.Int64
	serveOn(t, l, func(p *peer) {
		for p.request() != nil && served.Add(1) <= 50 {
			p.send(okResponse)
		}
		l.Close()
		p.reset()
	})
	res := mustRun(t, "http://"+l.Addr().String(), Options{Requests: 1 << 40, Clients: 4})
	if !res.Partial || !strings.Contains(res.PartialReason, "gone") || res.Requests.OK != 50 {
		t.Errorf("partial %t %q, %+v", res.Partial, res.PartialReason, res.Requests)
	}
	if res.Errors["connect"] == 0 || !hasDoubt(res, "partial") {
		t.Errorf("%v %v", res.Errors, res.Doubts)
	}
}

func TestStopKeepsWhatThereIs(t *testing.T) {
	for _, rate := range []RateCurve{{}, {1000, 1000}, {1, 1}} {
		ctx, cancel := context.WithCancel(t.Context())
		var served atomic.Int64
		url := serve(t, func(p *peer) {
			for p.request() != nil {
				if served.Add(1) > 20 || rate.From == 1 {
					defer cancel() // and never answer
					p.request()
					return
				}
				p.send(okResponse)
			}
		})
		if rate.From == 1 {
			context.AfterFunc(t.Context(), cancel)
			time.AfterFunc(300*time.Millisecond, cancel)
		} else {
			time.AfterFunc(time.Second, cancel)
		}
		res, err := Run(ctx, Options{Targets: []Target{{URL: url}}, Requests: 1 << 40, Clients: 4, Rate: rate})
		cancel()
		if err != nil {
			t.Fatal(err)
		}
		want := int64(20)
		if rate.From == 1 {
			want = 0
		}
		if !res.Partial || res.PartialReason != "interrupted" || res.Requests.OK != want || res.Requests.Failed != 0 || res.Requests.Aborted == 0 {
			t.Errorf("rate %v: %q %+v %v", rate, res.PartialReason, res.Requests, res.ErrorExamples)
		}
	}
}

// Servers close idle connections without a word: a request that crosses with that is sent again, unless it must not be.
func TestRequestThatCrossesWithAClose(t *testing.T) {
	once := func(p *peer) {
		if p.request() != nil {
			p.sendAndClose(okResponse)
		}
	}
	res := mustRun(t, serve(t, once), Options{Requests: 10, Clients: 2})
	if res.Requests.OK != 10 || res.Requests.Retried == 0 || !hasDoubt(res, "retried") {
		t.Errorf("GET: %+v %v", res.Requests, res.ErrorExamples)
	}
	url := serve(t, once)
	res = mustRun(t, url, Options{Targets: []Target{{URL: url, Body: []byte("x")}}, Requests: 10, Clients: 2})
	if res.Requests.Retried != 0 || res.Requests.Failed == 0 {
		t.Errorf("POST: %+v %v", res.Requests, res.ErrorExamples)
	}
}

// The connection's end arrives with the response, and nothing after it: the kernel reports that only once.
func TestHalfClosedConnection(t *testing.T) {
	url := serve(t, func(p *peer) {
		p.request()
		p.cork()
		p.send(okResponse)
		p.tcp().CloseWrite()
		for p.request() != nil {
		}
	})
	res := mustRun(t, url, Options{Requests: 3, Clients: 1})
	if res.Requests.OK != 3 || res.DurationS > 10 {
		t.Errorf("%+v in %v s", res.Requests, res.DurationS)
	}
}
