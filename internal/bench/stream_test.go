package bench

import (
	"bytes"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"
)

// echoServer answers each message with itself after a while, pings in between, and closes its socket after so many messages
// if that is not 0.
func echoServer(t *testing.T, delay time.Duration, closeAfter int, tls bool) string {
	t.Helper()
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-Token") != "t" {
			http.Error(w, "no token", http.StatusForbidden)
			return
		}
		conn, _, _, err := ws.UpgradeHTTP(r, w)
		if err != nil {
			return
		}
		defer conn.Close()
		for n := 1; ; n++ {
			msg, op, err := wsutil.ReadClientData(conn)
			if err != nil {
				return
			}
			time.Sleep(delay) // the latency under test
			if wsutil.WriteServerMessage(conn, ws.OpPing, nil) != nil || wsutil.WriteServerMessage(conn, op, msg) != nil {
				return
			}
			if n == closeAfter {
				_ = wsutil.WriteServerMessage(conn, ws.OpClose, ws.NewCloseFrameBody(ws.StatusGoingAway, ""))
				return
			}
		}
	}))
	if tls {
		s.StartTLS()
	} else {
		s.Start()
	}
	t.Cleanup(s.Close)
	return strings.Replace(s.URL, "http", "ws", 1)
}

// A message is a request: its echo's latency and the messages per second are what is measured, in both loops and over TLS.
func TestWebSocket(t *testing.T) {
	token := []Field{{"X-Token", "t"}}
	for _, tt := range []struct {
		tls bool
		o   Options
	}{{false, Options{Requests: 80, Clients: 4}}, {true, Options{Requests: 80, Clients: 4}}, {false, Options{Requests: 80, Rate: RateCurve{200, 200}}}} {
		tt.o.Targets = []Target{{URL: echoServer(t, 10*time.Millisecond, 0, tt.tls), Header: token, Body: []byte("{{seq}} {{hex 200}}")}}
		tt.o.Random, tt.o.Insecure = true, true
		res, err := Run(t.Context(), tt.o)
		if err != nil {
			t.Fatal(err)
		}
		if res.Requests.OK != 80 || res.Latency.MinMS < 10 || len(res.Statuses) > 0 || res.Load.HTTP != "websocket" || res.Requests.Retried > 0 {
			t.Errorf("%+v: %+v %v %v, least %v ms", tt.o.Rate, res.Requests, res.Errors, res.ErrorExamples, res.Latency.MinMS)
		}
		if res.Content.MinBody < 202 || res.Content.MaxBody > 205 {
			t.Errorf("messages of %d to %d bytes", res.Content.MinBody, res.Content.MaxBody)
		}
	}
}

// What goes wrong with a socket is a failure: one that is refused, one that closes under a message, one that is silent.
func TestWebSocketFailures(t *testing.T) {
	token := []Field{{"X-Token", "t"}}
	if _, err := Run(t.Context(), Options{Targets: []Target{{URL: echoServer(t, 0, 0, false)}}, Requests: 4}); err == nil || !strings.Contains(err.Error(), "403") {
		t.Errorf("refused: %v", err)
	}
	res := mustRun(t, "", Options{Targets: []Target{{URL: echoServer(t, 0, 3, false), Header: token}}, Requests: 12, Clients: 1})
	if res.Requests.OK < 8 || res.Requests.OK+res.Requests.Failed != 12 || res.Errors["eof"]+res.Errors["reset"] != res.Requests.Failed {
		t.Errorf("closed after three: %+v %v", res.Requests, res.Errors)
	}
	res = mustRun(t, "", Options{Targets: []Target{{URL: echoServer(t, time.Minute, 0, false), Header: token}}, Requests: 2, Clients: 2, Timeout: 200 * time.Millisecond})
	if res.Errors["timeout"] != 2 {
		t.Errorf("silent: %+v %v", res.Requests, res.Errors)
	}
	if _, err := Run(t.Context(), Options{Targets: []Target{{URL: "ws://h/"}}, HTTP2: true, Requests: 1}); err == nil {
		t.Error("a WebSocket over HTTP/2 was tried")
	}
}

// A server that announces more than memory holds is refused, and what it has not sent is not waited for.
func TestWebSocketOfALyingServer(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, _, _, err := ws.UpgradeHTTP(r, w)
		if err != nil {
			return
		}
		defer conn.Close()
		if _, _, err := wsutil.ReadClientData(conn); err == nil {
			_ = ws.WriteHeader(conn, ws.Header{Fin: true, OpCode: ws.OpBinary, Length: 1 << 60})
			_, _ = wsutil.ReadClientMessage(conn, nil) // until the client has left
		}
	}))
	defer s.Close()
	res := mustRun(t, "", Options{Targets: []Target{{URL: strings.Replace(s.URL, "http", "ws", 1)}}, Requests: 2, Clients: 2})
	if res.Errors["malformed"] != 2 {
		t.Errorf("%+v %v", res.Requests, res.ErrorExamples)
	}
}

// A server that speaks without being asked, as one that tells all of what each has said, cannot be timed by its next message.
func TestWebSocketThatSpeaksUnasked(t *testing.T) {
	for times, want := range map[int]bool{1: false, 2: true} {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			conn, _, _, err := ws.UpgradeHTTP(r, w)
			if err != nil {
				return
			}
			defer conn.Close()
			for {
				message, err := wsutil.ReadClientText(conn)
				if err != nil {
					return
				}
				var all bytes.Buffer
				for range times {
					_ = wsutil.WriteServerText(&all, message)
				}
				if _, err := conn.Write(all.Bytes()); err != nil {
					return
				}
			}
		}))
		res := mustRun(t, "", Options{Targets: []Target{{URL: strings.Replace(s.URL, "http", "ws", 1)}}, Requests: 40, Clients: 2})
		if told := hasDoubt(res, "unasked"); told != want || (res.Requests.Unasked > 30) != want {
			t.Errorf("%d messages for each: doubt %t, %+v", times, told, res.Requests)
		}
		s.Close()
	}
}

// What breaks the protocol is named so, as over HTTP.
func TestWebSocketOfABrokenServer(t *testing.T) {
	for name, frame := range map[string]string{"reserved bits": "\xf1\x00", "no UTF-8": "\x81\x02\xff\xfe"} {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			conn, _, _, err := ws.UpgradeHTTP(r, w)
			if err != nil {
				return
			}
			defer conn.Close()
			if _, _, err := wsutil.ReadClientData(conn); err == nil {
				_, _ = conn.Write([]byte(frame))
				_, _ = wsutil.ReadClientMessage(conn, nil) // until the client has left
			}
		}))
		res := mustRun(t, "", Options{Targets: []Target{{URL: strings.Replace(s.URL, "http", "ws", 1)}}, Requests: 2, Clients: 2})
		if res.Errors["malformed"] != 2 {
			t.Errorf("%s: %+v %v %v", name, res.Requests, res.Errors, res.ErrorExamples)
		}
		s.Close()
	}
}

// writes counts the writes to a connection.
type writes struct {
	net.Conn
	n int
}

func (w *writes) Write(b []byte) (int, error) { w.n++; return len(b), nil }

// A header that is a packet of its own wakes a server for nothing.
func TestAMessageIsOneWrite(t *testing.T) {
	w := &writes{}
	s := webSocket{conn: w}
	for _, length := range []int{0, 5, 200, 70_000} {
		w.n = 0
		if err := s.send(make([]byte, length)); err != nil || w.n != 1 {
			t.Errorf("%d bytes: %d writes, %v", length, w.n, err)
		}
	}
}

// Of streamed responses the time to each event is known, however the server cuts them, over both protocols.
func TestEvents(t *testing.T) {
	var cut atomic.Bool
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		out := http.NewResponseController(w)
		for i := range 4 {
			time.Sleep(20 * time.Millisecond) // the gap under test
			if cut.Load() {
				fmt.Fprintf(w, "id: %d\r\ndata: x", i)
				_ = out.Flush()
				fmt.Fprint(w, "\r\n\r\n")
			} else {
				fmt.Fprintf(w, ": note\n\nid: %d\ndata: a\ndata: b\n\n", i)
			}
			_ = out.Flush()
		}
	}))
	s.Config.Protocols = new(http.Protocols)
	s.Config.Protocols.SetHTTP1(true)
	s.Config.Protocols.SetUnencryptedHTTP2(true)
	s.Start()
	defer s.Close()
	for _, http2 := range []bool{false, true} {
		for _, c := range []bool{false, true} {
			cut.Store(c)
			res := mustRun(t, "", Options{Targets: []Target{{URL: s.URL}}, Requests: 6, Clients: 2, HTTP2: http2, Events: true})
			e, want := res.Events, int64(6*8)
			if c {
				want = 6 * 4
			}
			if e == nil || e.Count != want || e.First.Count != 6 || e.First.MinMS < 20 || e.Gap.MaxMS < 20 || e.Gap.Count != want-6 {
				t.Errorf("http2 %v, cut %v: %+v", http2, c, e)
			}
		}
	}
}
