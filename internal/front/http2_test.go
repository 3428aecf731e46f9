package front

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"girin/internal/sched"
	"girin/internal/wire"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// serveHTTP2App starts a front that speaks HTTP/2, and returns a client for it.
func serveHTTP2App(t *testing.T, run func(*appCall), change ...func(*Config)) (*served, *http.Client) {
	t.Helper()
	a := newAuthority(t)
	s := serveApp(t, run, append(change, a.files(t).secure(t, func(o *TLSOptions) { o.Protocols = []string{"h2", "http/1.1"} }))...)
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: a.pool()}, ForceAttemptHTTP2: true, DisableCompression: true}
	t.Cleanup(transport.CloseIdleConnections)
	return s, &http.Client{Transport: transport}
}

func (s *served) url(path string) string { return "https://" + s.addr + path }

// fetch makes a request and reads its response.
func fetch(t *testing.T, c *http.Client, r *http.Request) (*http.Response, string) {
	t.Helper()
	res, err := c.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatalf("body: %v, after %q", err, body)
	}
	if res.ProtoMajor != 2 {
		t.Fatalf("the answer is in %s", res.Proto)
	}
	return res, string(body)
}

func newRequest(t *testing.T, method, url string, body io.Reader) *http.Request {
	t.Helper()
	r, err := http.NewRequest(method, url, body)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestHTTP2Environ(t *testing.T) {
	s, client := serveHTTP2App(t, answerEnviron)
	r := newRequest(t, "POST", s.url("/a%20b?c=d%20e"), strings.NewReader("hello"))
	r.Header = http.Header{"Accept": {"a", "b"}, "Cookie": {"c=1", "d=2"}, "X_under": {"dropped"}, "Content-Type": {"text/plain"}}
	res, env := fetch(t, client, r)
	wantLines(t, env, "REQUEST_METHOD=POST", "RAW_URI=/a%20b?c=d%20e", "PATH_INFO=/a b", "QUERY_STRING=c=d%20e",
		"SERVER_PROTOCOL=HTTP/2.0", "REMOTE_ADDR=127.0.0.1", "HTTP_HOST="+s.addr, "HTTP_ACCEPT=a,b", "HTTP_COOKIE=c=1; d=2",
		"CONTENT_TYPE=text/plain", "CONTENT_LENGTH=5", "HTTPS=on", "SSL_PROTOCOL=TLSv1.3")
	wantNoLine(t, env, "HTTP_X_UNDER", "HTTP_TRANSFER_ENCODING")
	if res.Header.Get("Server") != "girin" || res.Header.Get("Date") == "" {
		t.Errorf("the fields are %v", res.Header)
	}
}

func TestHTTP2Bodies(t *testing.T) {
	s, client := serveHTTP2App(t, func(c *appCall) {
		c.answer("200 OK", string(c.body), "X-Length", c.environ["CONTENT_LENGTH"])
	})
	for _, size := range []int{0, 1, maxInline, maxInline + 1, 1 << 20} {
		for _, declared := range []bool{true, false} {
			sent := bytes.Repeat([]byte("0123456789abcde\n"), size/16+1)[:size]
			r := newRequest(t, "POST", s.url("/"), bytes.NewReader(sent))
			if !declared {
				r = newRequest(t, "POST", s.url("/"), io.MultiReader(bytes.NewReader(sent)))
			}
			res, got := fetch(t, client, r)
			if got != string(sent) {
				t.Errorf("of %d bytes %d came back", size, len(got))
			}
			if length := res.Header.Get("X-Length"); size > 0 && length == "" || !declared && size == 0 && length != "0" {
				t.Errorf("CONTENT_LENGTH of %d bytes is %q", size, length)
			}
		}
	}
	waitFor(t, func() bool { return s.spool.Bytes() == 0 })
}

func TestHTTP2Responses(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, []byte("0123456789"), 0o600); err != nil {
		t.Fatal(err)
	}
	sendFile := func(c *appCall, offset, length int64, fields ...string) {
		f, err := os.Open(file)
		if err != nil {
			t.Error(err)
			return
		}
		frame := wire.Frame{ID: c.id, Kind: wire.Response, Flags: wire.Final, Fields: uint16(len(fields) / 2)}
		c.app.queue.File(c.app, &frame, headBlock("200 OK", fields),
			sched.FileBody{File: f, Offset: offset, Length: length})
	}
	s, client := serveHTTP2App(t, func(c *appCall) {
		switch c.environ["PATH_INFO"] {
		case "/whole":
			c.answer("200 Fine", "all", "X-A", "1", "X-A", "2", "Connection", "close", "Set-Cookie", "a=b")
		case "/blocks":
			c.start("201 Created")
			c.block([]byte("one"))
			c.block([]byte("two"))
			c.end()
		case "/empty":
			c.answer("204 No Content", "")
		case "/short":
			c.start("200 OK", "Content-Length", "10")
			c.block([]byte("one"))
			c.end()
		case "/long":
			c.start("200 OK", "Content-Length", "3")
			c.block([]byte("onetwo"))
			c.end()
		case "/cut":
			c.start("200 OK")
			c.block([]byte("one"))
			c.fail()
		case "/failed":
			c.fail()
		case "/bad":
			c.answer("200 OK", "x", "X-A", "a\r\nX-B: b")
		case "/badstatus":
			c.answer("hello", "x")
		case "/file":
			sendFile(c, 2, 5, "Content-Length", "5")
		case "/undeclaredfile":
			sendFile(c, 2, 5)
		case "/shortfile":
			sendFile(c, 8, 5, "Content-Length", "5")
		}
	})
	for _, test := range []struct {
		method, path string
		status       int
		body         string
		cut          bool
	}{
		{"GET", "/whole", 200, "all", false},
		{"HEAD", "/whole", 200, "", false},
		{"GET", "/blocks", 201, "onetwo", false},
		{"GET", "/empty", 204, "", false},
		{"GET", "/short", 200, "one", true},
		{"HEAD", "/short", 200, "", false},
		{"GET", "/long", 200, "one", false},
		{"GET", "/cut", 200, "one", true},
		{"GET", "/failed", 500, "Internal Server Error", false},
		{"GET", "/bad", 500, "Internal Server Error", false},
		{"GET", "/badstatus", 500, "Internal Server Error", false},
		{"GET", "/file", 200, "23456", false},
		{"HEAD", "/file", 200, "", false},
		{"GET", "/undeclaredfile", 200, "23456", false},
		{"GET", "/shortfile", 200, "89", true},
	} {
		t.Run(test.method+test.path, func(t *testing.T) {
			res, err := client.Do(newRequest(t, test.method, s.url(test.path), nil))
			if err != nil {
				if !test.cut {
					t.Error(err)
				}
				return // reset before the head went out
			}
			defer res.Body.Close()
			body, err := io.ReadAll(res.Body)
			if res.StatusCode != test.status || string(body) != test.body || (err != nil) != test.cut {
				t.Errorf("the answer is %s, %q, %v", res.Status, body, err)
			}
			if strings.HasSuffix(test.path, "file") && res.ContentLength != 5 {
				t.Errorf("the declared length is %d", res.ContentLength)
			}
			if test.path == "/whole" {
				if got := res.Header; got.Get("Connection") != "" || len(got["X-A"]) != 2 || got.Get("Set-Cookie") != "a=b" || got["Content-Type"] != nil {
					t.Errorf("the fields are %v", got)
				}
			}
		})
	}
}

func TestHTTP2EarlyHints(t *testing.T) {
	s, _ := serveHTTP2App(t, func(c *appCall) {
		c.frame(wire.Early, 0, headBlock("103 Early Hints", []string{"Link", "</a.css>; rel=preload"}), nil)
		c.answer("200 OK", "")
	})
	h := s.dialHTTP2(t)
	h.get(1, "/")
	h.wantHead(t, 1, ":status", "103", "link", "</a.css>; rel=preload")
	h.wantHead(t, 1, ":status", "200")
}

// The rules for requests are those of HTTP/1.1.
func TestHTTP2RefusesWhatHTTP1Refuses(t *testing.T) {
	s, _ := serveHTTP2App(t, answerEnviron, trusting("127.0.0.0/8"), func(c *Config) {
		c.HTTP2.MaxHeaderList = 1 << 20
	})
	for name, test := range map[string]struct {
		fields []string // pseudo fields that differ from a simple GET's, then others
		status string
	}{
		"good":                        {nil, "200"},
		"lower-case method":           {[]string{":method", "get"}, "400"},
		"method with a space":         {[]string{":method", "GET /x"}, "400"},
		"target with a space":         {[]string{":path", "/a b"}, malformed},
		"target beyond ASCII":         {[]string{":path", "/\xff"}, malformed},
		"target with a fragment":      {[]string{":path", "/a#b"}, malformed},
		"target too long":             {[]string{":path", "/" + strings.Repeat("a", 5000)}, "414"},
		"authority with a slash":      {[]string{":authority", "a/b"}, malformed},
		"no authority":                {[]string{":authority", ""}, malformed},
		"authority and the same host": {[]string{"host", "localhost"}, "200"},
		"host alone":                  {[]string{":authority", "", "host", "a"}, "200"},
		"asterisk":                    {[]string{":path", "*"}, malformed},
		"asterisk for OPTIONS":        {[]string{":method", "OPTIONS", ":path", "*"}, "200"},
		"field too long":              {[]string{"x-long", strings.Repeat("a", 9000)}, "431"},
		"too many fields":             {many(101), "431"},
		"repeated content-type":       {[]string{"content-type", "a/b", "content-type", "c/d"}, "400"},
		"repeated content-length":     {[]string{"content-length", "0", "content-length", "0"}, malformed},
		"signed content-length":       {[]string{"content-length", "+0"}, malformed},
		"schemes that disagree":       {[]string{"x-forwarded-proto", "https", "x-forwarded-ssl", "off"}, "400"},
		"unknown expectation":         {[]string{"expect", "tea"}, "417"},
		"outside the mount point":     {[]string{"script_name", "/app"}, "404"},
		"body larger than allowed":    {[]string{":method", "POST", "content-length", "2000000"}, "413"},
	} {
		t.Run(name, func(t *testing.T) {
			h := s.dialHTTP2(t)
			h.send(1, test.status != "413", test.fields...)
			if test.status == malformed {
				h.wantReset(t, 1, http2.ErrCodeProtocol)
			} else {
				h.wantHead(t, 1, ":status", test.status)
			}
		})
	}
}

// malformed stands for a reset of the stream (RFC 9113 section 8.1.1).
const malformed = ""

func many(n int) (fields []string) {
	for range n {
		fields = append(fields, "x-a", "1")
	}
	return fields
}

func TestHTTP2ConnectionFieldsAreMalformed(t *testing.T) {
	s, _ := serveHTTP2App(t, answerEnviron)
	for _, name := range []string{"connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade", "te"} {
		h := s.dialHTTP2(t)
		h.send(1, true, name, "x")
		h.wantReset(t, 1, http2.ErrCodeProtocol)
	}
}

func TestHTTP2HeaderFloodIsRefused(t *testing.T) {
	s, _ := serveHTTP2App(t, answerEnviron)
	h := s.dialHTTP2(t)
	flood := many(90)
	for i := range flood {
		flood[i] = strings.Replace(flood[i], "1", strings.Repeat("1", 800), 1)
	}
	h.send(1, true, flood...)
	h.wantHead(t, 1, ":status", "431")
	h.send(3, true, "x-long", strings.Repeat("a", 70000)) // one that cannot even be decoded
	h.wantAway(t, http2.ErrCodeCompression)
}

func TestHTTP2StreamsRunAtOnce(t *testing.T) {
	all := make(chan struct{})
	var once sync.Once
	const n = 50
	arrived := make(chan struct{}, n)
	s, client := serveHTTP2App(t, func(c *appCall) {
		arrived <- struct{}{}
		if len(arrived) == n {
			once.Do(func() { close(all) })
		}
		<-all
		c.answer("200 OK", c.environ["PATH_INFO"])
	})
	var group sync.WaitGroup
	for i := range n {
		group.Go(func() {
			path := "/" + strings.Repeat("x", i)
			if _, body := fetch(t, client, newRequest(t, "GET", s.url(path), nil)); body != path {
				t.Errorf("the answer to %s is %q", path, body)
			}
		})
	}
	group.Wait()
}

func TestHTTP2ResetCancels(t *testing.T) {
	cancelled := make(chan struct{})
	began := make(chan struct{})
	s, _ := serveHTTP2App(t, func(c *appCall) {
		c.start("200 OK")
		close(began)
		c.cancelled(t)
		c.fail()
		close(cancelled)
	})
	h := s.dialHTTP2(t)
	h.get(1, "/")
	<-began
	if err := h.framer.WriteRSTStream(1, http2.ErrCodeCancel); err != nil {
		t.Fatal(err)
	}
	<-cancelled
}

func TestHTTP2DisconnectCancelsAll(t *testing.T) {
	const n = 10
	began, ended := make(chan struct{}, n), make(chan struct{}, n)
	s, _ := serveHTTP2App(t, func(c *appCall) {
		c.start("200 OK")
		began <- struct{}{}
		c.cancelled(t)
		c.fail()
		ended <- struct{}{}
	})
	h := s.dialHTTP2(t)
	for i := range uint32(n) {
		h.get(2*i+1, "/")
	}
	for range n {
		<-began
	}
	h.nc.Close()
	for range n {
		<-ended
	}
}

// A client that takes nothing gets the window's bytes and no more; the worker
// is not told to go on before it reads.
func TestHTTP2SlowReaderGetsNoCredit(t *testing.T) {
	block := make([]byte, 64<<10)
	var granted int
	done := make(chan struct{})
	s, _ := serveHTTP2App(t, func(c *appCall) {
		defer close(done)
		c.start("200 OK")
		for range 4 { // the window
			c.block(block)
		}
		for n := range c.granted {
			if n == wire.Cancelled {
				break
			}
			granted += int(n)
		}
		c.fail()
	})
	h := s.dialHTTP2(t, http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1000})
	h.get(1, "/")
	h.wantHead(t, 1, ":status", "200")
	if data, ok := h.read(t).(*http2.DataFrame); !ok || len(data.Data()) > 1000 {
		t.Errorf("more than the window was sent: %v", data)
	}
	if err := h.framer.WriteRSTStream(1, http2.ErrCodeCancel); err != nil {
		t.Fatal(err)
	}
	<-done
	if granted != 0 {
		t.Errorf("credit for %d bytes was given for a client that had read 1,000", granted)
	}
}

// What a client of HTTP/2 does not read counts against what all clients together
// may leave unread.
func TestHTTP2UnreadAnswersCount(t *testing.T) {
	body := strings.Repeat("x", 100<<10)
	s, _ := serveHTTP2App(t, func(c *appCall) { c.answer("200 OK", body) })
	h := s.dialHTTP2(t, http2.Setting{ID: http2.SettingInitialWindowSize, Val: 0})
	h.get(1, "/")
	h.wantHead(t, 1, ":status", "200")
	if n := s.queued.Load(); n != int64(len(body)) {
		t.Errorf("%d of %d bytes count", n, len(body))
	}
	if err := h.framer.WriteRSTStream(1, http2.ErrCodeCancel); err != nil {
		t.Fatal(err)
	}
}

// Where all clients together leave too much unread, those of HTTP/2 that have
// stalled are ended, the one that leaves most first.
func TestHTTP2StalledConnectionsAreShed(t *testing.T) {
	s, _ := serveHTTP2App(t, func(c *appCall) { c.answer("200 OK", strings.Repeat("x", len(c.environ["PATH_INFO"])<<14)) })
	stalled := http2.Setting{ID: http2.SettingInitialWindowSize, Val: 0}
	little, much := s.dialHTTP2(t, stalled), s.dialHTTP2(t, stalled)
	for path, h := range map[string]*rawHTTP2{"/a": little, "/aaaa": much} {
		h.get(1, path)
		h.wantHead(t, 1, ":status", "200")
	}
	later := s.cfg.Clock() + int64(stallLimit) + 1
	s.relieve(s.allStreams(), later)   // nothing: it is far from the limit
	const others = queuedMost - 50<<10 // and 80 KiB
	s.queued.Add(others)
	s.relieve(s.allStreams(), later)
	_ = much.nc.SetReadDeadline(time.Now().Add(10 * time.Second))
	if _, err := io.Copy(io.Discard, much.nc); errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error("the one that leaves most is not ended")
	}
	s.log.wait(t, "of answers unread")
	s.queued.Add(-others)
	if err := little.framer.WriteRSTStream(1, http2.ErrCodeCancel); err != nil {
		t.Errorf("the other one was ended too: %v", err)
	}
}

// Of a client that resets each request at once (CVE-2023-44487) no more run than
// it may have streams, and then it is sent away.
func TestHTTP2RapidReset(t *testing.T) {
	release := make(chan struct{})
	const streams = 10
	s, _ := serveHTTP2App(t, func(c *appCall) {
		<-release
		c.fail()
	}, func(c *Config) { c.HTTP2.MaxStreams = streams })
	h := s.dialHTTP2(t)
	go func() {
		for i := range uint32(10000) {
			if h.get(2*i+1, "/") != nil || h.framer.WriteRSTStream(2*i+1, http2.ErrCodeCancel) != nil {
				return
			}
		}
	}()
	h.wantAway(t, http2.ErrCodeEnhanceYourCalm)
	close(release)
	s.app.mu.Lock()
	defer s.app.mu.Unlock()
	if s.app.most > streams {
		t.Errorf("%d requests ran at once, %d may", s.app.most, streams)
	}
}

func TestHTTP2DrainLetsRequestsFinish(t *testing.T) {
	began, release := make(chan struct{}), make(chan struct{})
	s, _ := serveHTTP2App(t, func(c *appCall) {
		close(began)
		<-release
		c.answer("200 OK", "finished")
	})
	h := s.dialHTTP2(t)
	h.get(1, "/")
	<-began
	ended := make(chan error, 1)
	go func() {
		ctx, cancel := testContext(t, 10*time.Second)
		defer cancel()
		ended <- s.Shutdown(ctx)
	}()
	h.wantAway(t, http2.ErrCodeNo)
	close(release)
	h.wantHead(t, 1, ":status", "200")
	if err := <-ended; err != nil {
		t.Errorf("Shutdown: %v", err)
	}
}

func TestHTTP2ForcedShutdownWaitsForNobody(t *testing.T) {
	release := make(chan struct{})
	defer close(release)
	began := make(chan struct{})
	s, _ := serveHTTP2App(t, func(c *appCall) {
		close(began)
		<-release
		c.fail()
	})
	h := s.dialHTTP2(t)
	h.get(1, "/")
	<-began
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := s.Shutdown(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Shutdown: %v", err)
	}
}

func TestHTTP2HealthOverloadAndFault(t *testing.T) {
	s, client := serveHTTP2App(t, answerEnviron, func(c *Config) { c.HealthPath = "/up" })
	if _, body := fetch(t, client, newRequest(t, "GET", s.url("/up"), nil)); body != "ok\n" {
		t.Errorf("health is %q", body)
	}
	s.ShowFault("line 3")
	if res, body := fetch(t, client, newRequest(t, "GET", s.url("/"), nil)); res.StatusCode != 500 || !strings.Contains(body, "line 3") {
		t.Errorf("the answer is %s, %q", res.Status, body)
	}
	s.ShowFault("")
	s.app.queue.Detach(s.app)
	gate, arrived := make(chan struct{}), make(chan struct{})
	s.app.run = func(c *appCall) {
		arrived <- struct{}{}
		<-gate
		c.answer("200 OK", "")
	}
	first, second := s.dialHTTP2(t), s.dialHTTP2(t)
	for i := range uint32(100) { // as many as may wait
		first.get(2*i+1, "/")
		<-arrived
	}
	second.get(1, "/")
	second.wantHead(t, 1, ":status", "503", "retry-after", "1")
	close(gate)
}

// rawHTTP2 is a client that sends what it is told to.
type rawHTTP2 struct {
	nc      net.Conn
	framer  *http2.Framer
	mu      sync.Mutex
	block   bytes.Buffer
	encoder *hpack.Encoder
}

func (s *served) dialHTTP2(t *testing.T, settings ...http2.Setting) *rawHTTP2 {
	t.Helper()
	return newRawHTTP2(t, s.dialTLS(t, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h2"}}), settings...)
}

// newRawHTTP2 begins with HTTP/2 on a connection.
func newRawHTTP2(t *testing.T, nc net.Conn, settings ...http2.Setting) *rawHTTP2 {
	t.Helper()
	if _, err := io.WriteString(nc, http2.ClientPreface); err != nil {
		t.Fatal(err)
	}
	h := &rawHTTP2{nc: nc, framer: http2.NewFramer(nc, nc)}
	h.framer.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	h.encoder = hpack.NewEncoder(&h.block)
	if err := h.framer.WriteSettings(settings...); err != nil {
		t.Fatal(err)
	}
	return h
}

func (h *rawHTTP2) get(stream uint32, path string) error { return h.send(stream, true, ":path", path) }

// send sends a request: a simple GET's pseudo fields, unless fields has them,
// and fields, names and values in turn.
func (h *rawHTTP2) send(stream uint32, end bool, fields ...string) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.block.Reset()
	for _, pseudo := range [][2]string{{":method", "GET"}, {":scheme", "https"}, {":authority", "localhost"}, {":path", "/"}} {
		for i := 0; i < len(fields); i += 2 {
			if fields[i] == pseudo[0] {
				pseudo[1] = fields[i+1]
			}
		}
		if pseudo[1] != "" {
			_ = h.encoder.WriteField(hpack.HeaderField{Name: pseudo[0], Value: pseudo[1]})
		}
	}
	h.encode(fields)
	return h.writeBlock(stream, end)
}

// encode adds fields to the block, but for an ordinary request's pseudo-fields.
// A name that ends with # is sent without it.
func (h *rawHTTP2) encode(fields []string) {
	for i := 0; i < len(fields); i += 2 {
		switch name := fields[i]; name {
		case ":method", ":scheme", ":authority", ":path":
		default:
			_ = h.encoder.WriteField(hpack.HeaderField{Name: strings.TrimSuffix(name, "#"), Value: fields[i+1]})
		}
	}
}

func (h *rawHTTP2) writeBlock(stream uint32, end bool) error {
	const most = 16384
	block := h.block.Bytes()
	first := block[:min(len(block), most)]
	block = block[len(first):]
	err := h.framer.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: first, EndStream: end, EndHeaders: len(block) == 0})
	for len(block) > 0 && err == nil {
		next := block[:min(len(block), most)]
		block = block[len(next):]
		err = h.framer.WriteContinuation(stream, len(block) == 0, next)
	}
	return err
}

// read reads the next frame about a stream.
func (h *rawHTTP2) read(t *testing.T) http2.Frame {
	t.Helper()
	_ = h.nc.SetReadDeadline(time.Now().Add(30 * time.Second))
	for {
		f, err := h.framer.ReadFrame()
		if err != nil {
			t.Fatal(err)
		}
		switch f.(type) {
		case *http2.MetaHeadersFrame, *http2.DataFrame, *http2.RSTStreamFrame, *http2.GoAwayFrame:
			return f
		}
	}
}

// wantAway reads up to the frame that sends the client away.
func (h *rawHTTP2) wantAway(t *testing.T, why http2.ErrCode) {
	t.Helper()
	for {
		if f, ok := h.read(t).(*http2.GoAwayFrame); ok {
			if f.ErrCode != why {
				t.Errorf("the client is sent away with %v, want %v", f.ErrCode, why)
			}
			return
		}
	}
}

// wantReset reads up to the reset of a stream.
func (h *rawHTTP2) wantReset(t *testing.T, stream uint32, code http2.ErrCode) {
	t.Helper()
	for {
		switch f := h.read(t).(type) {
		case *http2.RSTStreamFrame:
			if f.StreamID != stream || f.ErrCode != code {
				t.Errorf("stream %d was reset with %v, want %v", f.StreamID, f.ErrCode, code)
			}
			return
		case *http2.GoAwayFrame, *http2.MetaHeadersFrame:
			t.Fatalf("instead of a reset came %v", f)
		}
	}
}

// wantHead reads up to the next head of a stream and looks for fields in it.
func (h *rawHTTP2) wantHead(t *testing.T, stream uint32, fields ...string) {
	t.Helper()
	for {
		switch f := h.read(t).(type) {
		case *http2.MetaHeadersFrame:
			if f.StreamID != stream {
				continue
			}
			for i := 0; i < len(fields); i += 2 {
				if !hasField(f, fields[i], fields[i+1]) {
					t.Errorf("there is no %s: %s in %v", fields[i], fields[i+1], f.Fields)
				}
			}
			return
		case *http2.RSTStreamFrame:
			if f.StreamID == stream { // that of another may cross its client's
				t.Fatalf("instead of a head came %v", f)
			}
		case *http2.GoAwayFrame:
			if f.ErrCode != http2.ErrCodeNo {
				t.Fatalf("instead of a head came %v", f)
			}
		}
	}
}

func hasField(f *http2.MetaHeadersFrame, name, value string) bool {
	for _, field := range f.Fields {
		if field.Name == name && field.Value == value {
			return true
		}
	}
	return false
}

// settle waits until what was sent has been taken.
func (h *rawHTTP2) settle(t *testing.T) {
	t.Helper()
	if err := h.framer.WritePing(false, [8]byte{7}); err != nil {
		t.Fatal(err)
	}
	_ = h.nc.SetReadDeadline(time.Now().Add(30 * time.Second))
	for {
		f, err := h.framer.ReadFrame()
		if err != nil {
			t.Fatal(err)
		}
		if ping, ok := f.(*http2.PingFrame); ok && ping.IsAck() {
			return
		}
	}
}
