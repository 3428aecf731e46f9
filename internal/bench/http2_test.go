package bench

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// h2server serves HTTP/2 in clear.
func h2server(t *testing.T, handler http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewUnstartedServer(handler)
	s.Config.Protocols = new(http.Protocols)
	s.Config.Protocols.SetUnencryptedHTTP2(true)
	s.Start()
	t.Cleanup(s.Close)
	return s.URL
}

// A server that ends its connections with GOAWAY after every few requests, as servers do that count them, answers all that it
// takes, and says which it does not take: none of them is a failure, whether a client has a connection or a stream of one.
func TestGoAwayIsNoFailure(t *testing.T) {
	for _, streams := range []int{0, 4} {
		var n atomic.Int64
		url := h2server(t, func(w http.ResponseWriter, r *http.Request) {
			if n.Add(1)%20 == 0 {
				w.Header().Set("Connection", "close") // net/http's way to say GOAWAY
			}
			fmt.Fprint(w, "hello")
		})
		for _, body := range []string{"", "x"} { // a POST may be sent again too: it was not taken
			res := mustRun(t, "", Options{Targets: []Target{{URL: url, Body: []byte(body)}}, Requests: 400, Clients: 8, HTTP2: true, Streams: streams})
			if res.Requests.OK != 400 || res.Requests.Failed != 0 {
				t.Errorf("%d streams, body %q: %+v %v", streams, body, res.Requests, res.ErrorExamples)
			}
		}
	}
}

// A stream that the server resets at once is a failure: the server had the request.
func TestResetStreamIsAFailure(t *testing.T) {
	for _, streams := range []int{0, 4} {
		var n atomic.Int64
		url := h2server(t, func(w http.ResponseWriter, r *http.Request) {
			if n.Add(1)%10 == 0 {
				panic(http.ErrAbortHandler)
			}
			fmt.Fprint(w, "hello")
		})
		res := mustRun(t, url, Options{Requests: 200, Clients: 4, HTTP2: true, Streams: streams})
		if res.Requests.Failed != 20 || res.Errors["reset"] != 20 || res.Requests.Retried != 0 {
			t.Errorf("%d streams: %+v %v %v", streams, res.Requests, res.Errors, res.ErrorExamples)
		}
	}
}

// answersHTTP2 has answer deal with each request over HTTP/2 in clear, until it returns false; ok is the head of a success.
func answersHTTP2(p *peer, answer func(f *http2.Framer, id uint32, ok []byte) bool) {
	if _, err := io.ReadFull(p.r, make([]byte, len(http2.ClientPreface))); err != nil {
		return
	}
	f := http2.NewFramer(p, p.r)
	_ = f.WriteSettings()
	var ok bytes.Buffer
	_ = hpack.NewEncoder(&ok).WriteField(hpack.HeaderField{Name: ":status", Value: "200"})
	for {
		frame, err := f.ReadFrame()
		if err != nil {
			return
		}
		switch frame := frame.(type) {
		case *http2.SettingsFrame:
			if !frame.IsAck() {
				_ = f.WriteSettingsAck()
			}
		case *http2.HeadersFrame:
			if !answer(f, frame.StreamID, ok.Bytes()) {
				return
			}
		}
	}
}

// A refused stream is sent again on the connection that it was refused on: that takes others, and a new one for each would
// leave as many open.
func TestRefusedStreamsOpenNoConnections(t *testing.T) {
	var connections atomic.Int64
	url := serve(t, func(p *peer) {
		connections.Add(1)
		n := 0
		answersHTTP2(p, func(f *http2.Framer, id uint32, ok []byte) bool {
			if n++; n%5 == 0 {
				return f.WriteRSTStream(id, http2.ErrCodeRefusedStream) == nil
			}
			return f.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: ok, EndStream: true, EndHeaders: true}) == nil
		})
	})
	res := mustRun(t, url, Options{Requests: 200, Clients: 8, HTTP2: true, Streams: 4})
	if res.Requests.OK != 200 || res.Requests.Retried == 0 || connections.Load() > 3 { // 2, and the look before the run
		t.Errorf("%d connections: %+v %v", connections.Load(), res.Requests, res.ErrorExamples)
	}
}

// A connection that ends in the middle of an answer is told from one that ends instead of it.
func TestHTTP2EndsInTheMiddle(t *testing.T) {
	url := serve(t, func(p *peer) {
		answersHTTP2(p, func(f *http2.Framer, id uint32, ok []byte) bool {
			_ = f.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: ok, EndHeaders: true})
			_ = f.WriteData(id, false, []byte("half"))
			_ = p.tcp().CloseWrite()
			_, _ = io.Copy(io.Discard, p) // else what it has not read would make a reset of its end
			return false
		})
	})
	res := mustRun(t, url, Options{Requests: 4, Clients: 2, HTTP2: true})
	if res.Errors["truncated"] != 4 {
		t.Errorf("%v %v", res.Errors, res.ErrorExamples)
	}
}

// A number that is no status is refused as over HTTP/1.1, and breaks nothing.
func TestStatusThatIsNone(t *testing.T) {
	for protocol, url := range map[string]string{
		"HTTP/1.1": serve(t, always("HTTP/1.1 999 Far\r\nContent-Length: 0\r\n\r\n")),
		"HTTP/2":   h2server(t, func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(999) }),
	} {
		res := mustRun(t, url, Options{Requests: 10, HTTP2: protocol == "HTTP/2"})
		if res.Errors["malformed"] != 10 || !strings.Contains(res.ErrorExamples["malformed"], "status 999") {
			t.Errorf("%s: %v %v", protocol, res.Errors, res.ErrorExamples)
		}
	}
}
