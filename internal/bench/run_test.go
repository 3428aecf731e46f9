package bench

import (
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func TestClosedLoopSendsExactlyN(t *testing.T) {
	for _, tt := range []struct{ n, c int }{{1, 1}, {7, 3}, {100, 16}, {64, 64}} {
		var served atomic.Int64
		url := serve(t, func(p *peer) {
			for p.request() != nil {
				served.Add(1)
				p.send(okResponse)
			}
		})
		res := mustRun(t, url, Options{Requests: int64(tt.n), Clients: tt.c})
		if res.Requests.OK != int64(tt.n) || served.Load() != int64(tt.n) || res.Requests.Failed != 0 || res.Partial {
			t.Errorf("n %d c %d: server saw %d, result %+v", tt.n, tt.c, served.Load(), res.Requests)
		}
		if res.Statuses[200] != int64(tt.n) || res.Bytes.Body != int64(5*tt.n) || res.Bytes.Received != int64(len(okResponse)*tt.n) {
			t.Errorf("n %d c %d: statuses %v, bytes %+v", tt.n, tt.c, res.Statuses, res.Bytes)
		}
		if int64(len(res.samples)) != int64(tt.n) || !res.Samples.Complete {
			t.Errorf("n %d c %d: %d samples", tt.n, tt.c, len(res.samples))
		}
	}
}

// The server answers only when all clients of a round are waiting: with a straggler, as ab has one in its first round, the run
// would end in timeouts.
func TestAllClientsSendAtOnce(t *testing.T) {
	const c = 16
	var mu sync.Mutex
	waiting, round := 0, make(chan struct{})
	url := serve(t, func(p *peer) {
		for p.request() != nil {
			mu.Lock()
			mine := round
			if waiting++; waiting == c {
				waiting, round = 0, make(chan struct{})
				close(mine)
			}
			mu.Unlock()
			select {
			case <-mine:
			case <-t.Context().Done():
			}
			p.send(okResponse)
		}
	})
	res := mustRun(t, url, Options{Requests: 2 * c, Clients: c})
	if res.Requests.OK != 2*c {
		t.Errorf("%+v %v", res.Requests, res.ErrorExamples)
	}
}

func TestKeepAlive(t *testing.T) {
	for _, keep := range []bool{true, false} {
		var connections atomic.Int64
		var closes atomic.Int64
		url := serve(t, func(p *peer) {
			connections.Add(1)
			for {
				req := p.request()
				if req == nil {
					return
				}
				if req.Close {
					closes.Add(1)
				}
				p.send(okResponse)
			}
		})
		res := mustRun(t, url, Options{Requests: 20, Clients: 4, NoKeepAlive: !keep})
		want, wantCloses := int64(4), int64(0)
		if !keep {
			want, wantCloses = 20, 20
		}
		if connections.Load() != want || closes.Load() != wantCloses || res.Requests.OK != 20 || res.Requests.Retried != 0 {
			t.Errorf("keep-alive %t: %d connections, %d closes, %+v", keep, connections.Load(), closes.Load(), res.Requests)
		}
	}
}

func TestDurationEndsTheRun(t *testing.T) {
	res := mustRun(t, serve(t, always(okResponse)), Options{Duration: 200 * time.Millisecond, Clients: 2})
	if res.Partial || res.Requests.OK == 0 || res.DurationS < 0.15 || res.DurationS > 5 {
		t.Errorf("%v s, %+v", res.DurationS, res.Requests)
	}
}

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

func TestFailuresAndSuccessesAreKeptApart(t *testing.T) {
	var n atomic.Int64
	url := serve(t, func(p *peer) {
		for p.request() != nil {
			if n.Add(1)%4 == 0 {
				p.send("HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n")
			} else {
				p.send(okResponse)
			}
		}
	})
	res := mustRun(t, url, Options{Requests: 40, Clients: 1})
	if res.Requests.OK != 30 || res.Requests.Failed != 10 || res.Latency.Count != 30 || res.Requests.Non2xx != 10 {
		t.Errorf("%+v, %d latencies", res.Requests, res.Latency.Count)
	}
	if want := 30 / res.DurationS; res.Rate.OK != want {
		t.Errorf("rate %v, want %v", res.Rate.OK, want)
	}
	if !hasDoubt(res, "errors") {
		t.Errorf("no doubt about errors: %v", res.Doubts)
	}
}

func hasDoubt(res *Result, code string) bool {
	for _, d := range res.Doubts {
		if d.Code == code {
			return true
		}
	}
	return false
}

func TestExpectedStatus(t *testing.T) {
	url := serve(t, always("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"))
	res := mustRun(t, url, Options{Requests: 3, Expect: StatusSet{{404, 404}}})
	if res.Requests.OK != 3 || res.Requests.Non2xx != 3 {
		t.Errorf("%+v", res.Requests)
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
			p.send(okResponse)
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
		p.send(okResponse)
		p.Conn.(*net.TCPConn).CloseWrite()
		for p.request() != nil {
		}
	})
	res := mustRun(t, url, Options{Requests: 3, Clients: 1})
	if res.Requests.OK != 3 || res.DurationS > 10 {
		t.Errorf("%+v in %v s", res.Requests, res.DurationS)
	}
}

func TestRequestsAsTheServerSeesThem(t *testing.T) {
	type seen struct{ method, uri, host, auth, accept, body, agent string }
	var mu sync.Mutex
	got := map[seen]int{}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body := new(strings.Builder)
		fmt.Fprintf(body, "%d", r.ContentLength)
		mu.Lock()
		defer mu.Unlock()
		got[seen{r.Method, r.RequestURI, r.Host, r.Header.Get("Authorization"), r.Header.Get("Accept"), body.String(), r.UserAgent()}]++
	}))
	defer s.Close()
	host := s.Listener.Addr().String()
	targets := []Target{
		{URL: s.URL + "/a?b=c", Weight: 3},
		{URL: "http://u:p@" + host + "/x", Method: "HEAD"},
		{URL: s.URL, Body: []byte("12345"), Header: []Field{{"Host", "other"}, {"accept", "text/html"}}},
		{URL: s.URL + "/put", Method: "PUT"},
	}
	res := mustRun(t, "", Options{Targets: targets, Requests: 60, Clients: 3})
	want := map[seen]int{
		{"GET", "/a?b=c", host, "", "*/*", "0", "girin-bench"}:        30,
		{"HEAD", "/x", host, "Basic dTpw", "*/*", "0", "girin-bench"}: 10,
		{"POST", "/", "other", "", "text/html", "5", "girin-bench"}:   10,
		{"PUT", "/put", host, "", "*/*", "0", "girin-bench"}:          10,
	}
	mu.Lock()
	defer mu.Unlock()
	for k, n := range want {
		if got[k] != n {
			t.Errorf("%+v: %d times, want %d", k, got[k], n)
		}
	}
	if len(got) != len(want) || res.Requests.OK != 60 || res.Targets[0].OK != 30 {
		t.Errorf("got %v; %+v", got, res.Requests)
	}
}

// The body does not fit the socket's buffers, and the server reads it late.
func TestLargeBody(t *testing.T) {
	body := make([]byte, 8<<20)
	var sum atomic.Int64
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		buf := make([]byte, 64<<10)
		for {
			n, err := r.Body.Read(buf)
			sum.Add(int64(n))
			if err != nil {
				return
			}
		}
	}))
	defer s.Close()
	res := mustRun(t, "", Options{Targets: []Target{{URL: s.URL, Body: body}}, Requests: 3})
	if res.Requests.OK != 3 || sum.Load() != 3*int64(len(body)) {
		t.Errorf("%+v %v, server read %d", res.Requests, res.ErrorExamples, sum.Load())
	}
}

func TestRedirects(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/from":
			http.Redirect(w, r, "/to", http.StatusFound)
		case "/loop":
			http.Redirect(w, r, "/loop", http.StatusFound)
		case "/away":
			http.Redirect(w, r, "http://example.com/", http.StatusFound)
		default:
			fmt.Fprint(w, r.Method)
		}
	}))
	defer s.Close()
	for _, tt := range []struct {
		path     string
		follow   bool
		statuses map[int]int64
		redirect int64
	}{
		{"/from", false, map[int]int64{302: 4}, 0},
		{"/from", true, map[int]int64{200: 4}, 0},
		{"/loop", true, map[int]int64{302: 4}, 4},
		{"/away", true, map[int]int64{302: 4}, 4},
	} {
		res := mustRun(t, s.URL+tt.path, Options{Requests: 4, Clients: 2, Follow: tt.follow})
		if fmt.Sprint(res.Statuses) != fmt.Sprint(tt.statuses) || res.Errors["redirect"] != tt.redirect || res.Requests.Done != 4 {
			t.Errorf("%s, follow %t: %v %v %+v", tt.path, tt.follow, res.Statuses, res.Errors, res.Requests)
		}
	}
}

func TestTLSAndHTTP2(t *testing.T) {
	for _, http2 := range []bool{false, true} {
		var wrong atomic.Int64
		s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if (r.ProtoMajor == 2) != http2 || r.Header.Get("X") != "y" {
				wrong.Add(1)
			}
			w.Header().Set("X-Begin", "17")
			fmt.Fprint(w, "hello")
		}))
		s.EnableHTTP2 = true
		s.Config.ErrorLog = log.New(io.Discard, "", 0)
		s.StartTLS()
		o := Options{Targets: []Target{{URL: s.URL, Header: []Field{{"X", "y"}}}}, Requests: 40, Clients: 4, HTTP2: http2, CaptureHeaders: []string{"X-Begin"}}
		if _, err := Run(t.Context(), o); err == nil || !strings.Contains(err.Error(), "--insecure") {
			t.Errorf("HTTP/2 %t: a bad certificate gives %v", http2, err)
		}
		o.Insecure = true
		res := mustRun(t, "", o)
		if res.Requests.OK != 40 || wrong.Load() != 0 || res.Content.BodiesDiffer || res.Server.TLS == "" || res.captured[7][0] != "17" {
			t.Errorf("HTTP/2 %t: %+v %v, %d wrong, TLS %q", http2, res.Requests, res.ErrorExamples, wrong.Load(), res.Server.TLS)
		}
		s.Close()
	}
}

func TestHTTP2Cleartext(t *testing.T) {
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.Proto) }))
	s.Config.Protocols = new(http.Protocols)
	s.Config.Protocols.SetUnencryptedHTTP2(true)
	s.Start()
	defer s.Close()
	for _, noKeepAlive := range []bool{false, true} {
		res := mustRun(t, s.URL, Options{Requests: 20, Clients: 2, HTTP2: true, NoKeepAlive: noKeepAlive})
		if res.Requests.OK != 20 || res.Bytes.Body != 20*int64(len("HTTP/2.0")) {
			t.Errorf("no keep-alive %t: %+v %v %+v", noKeepAlive, res.Requests, res.ErrorExamples, res.Bytes)
		}
	}
}

func TestHTTP2Timeout(t *testing.T) {
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
	s.Config.Protocols = new(http.Protocols)
	s.Config.Protocols.SetUnencryptedHTTP2(true)
	s.Start()
	defer s.Close()
	res := mustRun(t, s.URL, Options{Requests: 2, Clients: 2, HTTP2: true, Timeout: 300 * time.Millisecond})
	if res.Errors["timeout"] != 2 {
		t.Errorf("%v %v", res.Errors, res.ErrorExamples)
	}
}

func TestUnixSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	serveOn(t, l, always(okResponse))
	res := mustRun(t, "http://localhost/", Options{Requests: 10, Clients: 2, UnixSocket: path})
	if res.Requests.OK != 10 || res.Server.Hostname != path {
		t.Errorf("%+v %+v", res.Requests, res.Server)
	}
}

// Beyond the samples that are kept, everything is still counted.
func TestMoreRequestsThanSamples(t *testing.T) {
	url := serve(t, always(okResponse))
	res := mustRun(t, url, Options{Requests: 3000, Clients: 4, MaxSamples: 1024})
	if res.Samples.Kept > 1024 || res.Samples.Complete || res.Latency.Count != 3000 || res.Phases.Waiting.Count != 3000 {
		t.Errorf("%+v, %d latencies", res.Samples, res.Latency.Count)
	}
	var binned int64
	for _, b := range res.Histogram {
		binned += b.Count
	}
	if d := res.Latency; binned != 3000 || d.MinMS > d.MedianMS || d.MedianMS > d.MaxMS || d.MeanMS <= 0 || d.SDMS <= 0 {
		t.Errorf("%d in the histogram; %+v", binned, d)
	}
}

func TestContent(t *testing.T) {
	answer := func(format string) string {
		var n atomic.Int64
		return serve(t, func(p *peer) {
			for p.request() != nil {
				body := fmt.Sprintf(format, n.Add(1))
				p.send(fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(body), body))
			}
		})
	}
	for _, tt := range []struct {
		url, code string
	}{{answer("%06d"), "bodies-differ"}, {answer("%d"), "lengths-differ"}} {
		res := mustRun(t, tt.url, Options{Requests: 30, Clients: 3})
		if !hasDoubt(res, tt.code) {
			t.Errorf("no doubt %s: %+v %v", tt.code, res.Content, res.Doubts)
		}
	}
	if res := mustRun(t, serve(t, always(okResponse)), Options{Requests: 30, Clients: 3}); res.Content.BodiesDiffer || res.Content.LengthsDiffer {
		t.Errorf("equal bodies differ: %+v", res.Content)
	}
}

func TestServerTimingSplitsWaiting(t *testing.T) {
	url := serve(t, always("HTTP/1.1 200 OK\r\nServer-Timing: queue;dur=1.5, app;dur=0.25\r\nContent-Length: 0\r\n\r\n"))
	res := mustRun(t, url, Options{Requests: 10})
	p := res.Phases
	if p.Queue == nil || p.Queue.MedianMS != 1.5 || p.App.MaxMS != 0.25 || !res.Load.ServerTiming {
		t.Errorf("%+v %+v", p.Queue, p.App)
	}
}

func TestOptionsRefused(t *testing.T) {
	one := []Target{{URL: "http://127.0.0.1:1/"}}
	for name, o := range map[string]Options{
		"no URL":         {Requests: 1},
		"no end":         {Targets: one},
		"n below c":      {Targets: one, Requests: 3, Clients: 4},
		"negative":       {Targets: one, Requests: -1},
		"two hosts":      {Targets: []Target{{URL: "http://a/"}, {URL: "http://b/"}}, Requests: 1},
		"scheme":         {Targets: []Target{{URL: "ftp://a/"}}, Requests: 1},
		"port":           {Targets: []Target{{URL: "http://a:99999/"}}, Requests: 1},
		"method":         {Targets: []Target{{URL: "http://a/", Method: "G T"}}, Requests: 1},
		"weight":         {Targets: []Target{{URL: "http://a/", Weight: -1}}, Requests: 1},
		"ramp, no end":   {Targets: one, Requests: 1, Rate: RateCurve{1, 2}},
		"follow, HTTP/2": {Targets: one, Requests: 1, Follow: true, HTTP2: true},
	} {
		if _, err := Run(t.Context(), o); err == nil {
			t.Errorf("%s: no error", name)
		} else if _, ok := err.(*OptionError); !ok {
			t.Errorf("%s: %v is no OptionError", name, err)
		}
	}
}
