package bench

import (
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
		{URL: s.URL + "/가?q=나 다"},
	}
	res := mustRun(t, "", Options{Targets: targets, Requests: 70, Clients: 3})
	want := map[seen]int{
		{"GET", "/a?b=c", host, "", "*/*", "0", "girin-bench"}:                             30,
		{"HEAD", "/x", host, "Basic dTpw", "*/*", "0", "girin-bench"}:                      10,
		{"POST", "/", "other", "", "text/html", "5", "girin-bench"}:                        10,
		{"PUT", "/put", host, "", "*/*", "0", "girin-bench"}:                               10,
		{"GET", "/%EA%B0%80?q=%EB%82%98%20%EB%8B%A4", host, "", "*/*", "0", "girin-bench"}: 10,
	}
	mu.Lock()
	defer mu.Unlock()
	for k, n := range want {
		if got[k] != n {
			t.Errorf("%+v: %d times, want %d", k, got[k], n)
		}
	}
	if len(got) != len(want) || res.Requests.OK != 70 || res.Targets[0].OK != 30 {
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
