package front

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"girin/internal/http1"
	"girin/internal/wire"
)

// client is a connection whose other end is a test.
type client struct {
	t *testing.T
	net.Conn
	in *bufio.Reader
}

func (s *served) connect(t *testing.T) *client {
	t.Helper()
	nc := s.dial(t)
	if err := nc.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return &client{t, nc, bufio.NewReader(nc)}
}

func (c *client) send(text string) {
	c.t.Helper()
	if _, err := io.WriteString(c, text); err != nil {
		c.t.Fatal(err)
	}
}

// response reads a response to a request of that method.
func (c *client) response(method string) (*http.Response, string) {
	c.t.Helper()
	res, err := http.ReadResponse(c.in, &http.Request{Method: method})
	if err != nil {
		c.t.Fatal(err)
	}
	body, err := io.ReadAll(res.Body)
	if err != nil {
		c.t.Fatalf("body: %v, after %q", err, body)
	}
	return res, string(body)
}

// rest reads until the server closes the connection.
func (c *client) rest() string {
	c.t.Helper()
	b, err := io.ReadAll(c.in)
	if err != nil {
		c.t.Fatalf("%v, after %q", err, b)
	}
	return string(b)
}

func (c *client) wantClosed() {
	c.t.Helper()
	if rest := c.rest(); rest != "" {
		c.t.Errorf("the connection goes on with %q", rest)
	}
}

func (c *client) halfClose() {
	c.t.Helper()
	if err := c.Conn.(interface{ CloseWrite() error }).CloseWrite(); err != nil {
		c.t.Fatal(err)
	}
}

// counts is how many requests have begun and the most that ran at once.
func (a *app) counts() (begun, most int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.begun, a.most
}

// routes is an application of several, by path.
func routes(apps map[string]func(*appCall)) func(*appCall) {
	return func(c *appCall) {
		if run := apps[c.environ["PATH_INFO"]]; run != nil {
			run(c)
			return
		}
		c.answer("404 Not Found", "")
	}
}

var date = regexp.MustCompile(`Date: [A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT\r\n`)

// last is a request after which the server closes, and how it is answered.
const (
	lastRequest  = "GET /last HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
	lastResponse = "HTTP/1.1 200 OK\r\nServer: girin\r\nContent-Length: 4\r\nConnection: close\r\n\r\nlast"
)

// What the application gives and what the client gets, byte by byte but for
// the date.
func TestResponses(t *testing.T) {
	overEach(t, func(t *testing.T, over over) {
		const get = "GET / HTTP/1.1\r\nHost: x\r\n\r\n"
		hello := func(c *appCall) { c.answer("200 OK", "hello", "A", "b") }
		stream := func(c *appCall) {
			c.start("200 OK", "A", "b")
			c.block([]byte("one"))
			c.block(nil)
			c.block([]byte("three"))
			c.end()
		}
		tests := map[string]struct {
			request string
			run     func(*appCall)
			want    string
			closes  bool // the connection, after it
			log     string
		}{
			"whole": {get, hello, "HTTP/1.1 200 OK\r\nA: b\r\nServer: girin\r\nContent-Length: 5\r\n\r\nhello", false, ""},
			"whole and empty": {get, func(c *appCall) { c.answer("404 Not Found", "") },
				"HTTP/1.1 404 Not Found\r\nServer: girin\r\nContent-Length: 0\r\n\r\n", false, ""},
			"stream": {get, stream,
				"HTTP/1.1 200 OK\r\nA: b\r\nServer: girin\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n5\r\nthree\r\n0\r\n\r\n", false, ""},
			"stream of a declared length": {get, func(c *appCall) {
				c.start("200 OK", "Content-Length", "6")
				c.block([]byte("one"))
				c.block([]byte("two"))
				c.end()
			}, "HTTP/1.1 200 OK\r\nContent-Length: 6\r\nServer: girin\r\n\r\nonetwo", false, ""},
			"stream whose last block is final": {get, func(c *appCall) {
				c.start("200 OK")
				c.frame(wire.Block, wire.Final, nil, []byte("end"))
			}, "HTTP/1.1 200 OK\r\nServer: girin\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nend\r\n0\r\n\r\n", false, ""},
			"HEAD of a declared length": {"HEAD / HTTP/1.1\r\nHost: x\r\n\r\n", func(c *appCall) { c.answer("200 OK", "hello", "Content-Length", "5") },
				"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nServer: girin\r\n\r\n", false, ""},
			"HEAD of a stream": {"HEAD / HTTP/1.1\r\nHost: x\r\n\r\n", stream, "HTTP/1.1 200 OK\r\nA: b\r\nServer: girin\r\n\r\n", false, ""},
			"204 has no body": {get, func(c *appCall) { c.answer("204 No Content", "body", "Content-Length", "4") },
				"HTTP/1.1 204 No Content\r\nServer: girin\r\n\r\n", false, ""},
			"304 has none either": {get, func(c *appCall) { c.answer("304 Not Modified", "body", "ETag", "x", "Content-Length", "4") },
				"HTTP/1.1 304 Not Modified\r\nETag: x\r\nContent-Length: 4\r\nServer: girin\r\n\r\n", false, ""},
			"HTTP/1.0": {"GET / HTTP/1.0\r\n\r\n", hello,
				"HTTP/1.1 200 OK\r\nA: b\r\nServer: girin\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello", true, ""},
			"HTTP/1.0 that would go on": {"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", hello,
				"HTTP/1.1 200 OK\r\nA: b\r\nServer: girin\r\nContent-Length: 5\r\nConnection: keep-alive\r\n\r\nhello", false, ""},
			"HTTP/1.0 stream": {"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", stream,
				"HTTP/1.1 200 OK\r\nA: b\r\nServer: girin\r\nConnection: close\r\n\r\nonethree", true, ""},
			"the client's Connection: close": {"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", hello,
				"HTTP/1.1 200 OK\r\nA: b\r\nServer: girin\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello", true, ""},
			"hop-by-hop fields are left out": {get, func(c *appCall) {
				c.answer("200 OK", "x", "Connection", "close", "Transfer-Encoding", "chunked", "Keep-Alive", "1", "Upgrade", "h2c", "TE", "trailers")
			}, "HTTP/1.1 200 OK\r\nServer: girin\r\nContent-Length: 1\r\n\r\nx", false, "sets the hop-by-hop field Transfer-Encoding"},
			"the application's Server and order": {get, func(c *appCall) {
				c.answer("200 OK", "x", "Set-Cookie", "a=1", "Server", "mine", "Set-Cookie", "b=2")
			}, "HTTP/1.1 200 OK\r\nSet-Cookie: a=1\r\nServer: mine\r\nSet-Cookie: b=2\r\nContent-Length: 1\r\n\r\nx", false, ""},
			"early hints": {get, func(c *appCall) {
				c.frame(wire.Early, 0, headBlock("103 Early Hints", []string{"Link", "</s>"}), nil)
				hello(c)
			}, "HTTP/1.1 103 Early Hints\r\nLink: </s>\r\n\r\nHTTP/1.1 200 OK\r\nA: b\r\nServer: girin\r\nContent-Length: 5\r\n\r\nhello", false, ""},
			"HTTP/1.0 knows no early hints": {"GET / HTTP/1.0\r\n\r\n", func(c *appCall) {
				c.frame(wire.Early, 0, headBlock("103 Early Hints", []string{"Link", "</s>"}), nil)
				hello(c)
			}, "HTTP/1.1 200 OK\r\nA: b\r\nServer: girin\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello", true, ""},
			"longer than declared": {get, func(c *appCall) { c.answer("200 OK", "hello", "Content-Length", "2") },
				"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nServer: girin\r\n\r\nhe", false, "longer than its Content-Length"},
			"shorter than declared": {get, func(c *appCall) { c.answer("200 OK", "hello", "Content-Length", "9") },
				"HTTP/1.1 200 OK\r\nContent-Length: 9\r\nServer: girin\r\n\r\nhello", true, "shorter than its Content-Length"},
			"a stream that fails": {get, func(c *appCall) {
				c.start("200 OK")
				c.block([]byte("one"))
				c.fail()
			}, "HTTP/1.1 200 OK\r\nServer: girin\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n", true, ""},
		}
		for name, test := range tests {
			t.Run(name, func(t *testing.T) {
				s := over.serve(t, routes(map[string]func(*appCall){
					"/": test.run, "/last": func(c *appCall) { c.answer("200 OK", "last") },
				}))
				c := over.connect(t, s)
				c.send(test.request)
				if !test.closes {
					c.send(lastRequest)
					test.want += lastResponse
				}
				if got := date.ReplaceAllString(c.rest(), ""); got != test.want {
					t.Errorf("got\n%q, want\n%q", got, test.want)
				}
				if test.log != "" {
					s.log.wait(t, test.log)
				}
			})
		}
	})
}

func TestTheApplicationsDateIsKept(t *testing.T) {
	s := serveApp(t, func(c *appCall) { c.answer("200 OK", "", "Date", "yesterday") })
	res, _ := roundTrip(t, s.dial(t), simpleGet)
	if got := res.Header.Values("Date"); len(got) != 1 || got[0] != "yesterday" {
		t.Errorf("Date: %v", got)
	}
}

// A head that is no HTTP never reaches the client. The connection and the
// scheduler go on as if nothing had been.
func TestFaultyHeads(t *testing.T) {
	overEach(t, func(t *testing.T, over over) {
		heads := map[string][]string{
			"no status":            {""},
			"a status of letters":  {"OK"},
			"an informational one": {"100 Continue"},
			"CR in a status":       {"200 O\rK"},
			"CRLF in a value":      {"200 OK", "A", "b\r\nInjected: yes"},
			"LF in a value":        {"200 OK", "A", "b\nInjected: yes"},
			"CRLF in a name":       {"200 OK", "A\r\nInjected", "yes"},
			"a name with a space":  {"200 OK", "A ", "b"},
			"no name":              {"200 OK", "", "b"},
			"a length of letters":  {"200 OK", "Content-Length", "many"},
			"a negative length":    {"200 OK", "Content-Length", "-1"},
			"a length with a sign": {"200 OK", "Content-Length", "+1"},
			"two lengths":          {"200 OK", "Content-Length", "1", "Content-Length", "2"},
		}
		for name, head := range heads {
			for _, flags := range []wire.FrameFlags{0, wire.Final, wire.Final | wire.Whole} {
				t.Run(fmt.Sprint(name, flags), func(t *testing.T) {
					s := over.serve(t, routes(map[string]func(*appCall){
						"/": func(c *appCall) {
							c.frame(wire.Response, flags, headBlock(head[0], head[1:]), nil)
							if flags&wire.Final == 0 {
								c.frame(wire.Block, wire.Final, nil, []byte("rest"))
							}
						},
						"/last": func(c *appCall) { c.answer("200 OK", "last") },
					}))
					c := over.connect(t, s)
					c.send(simpleGet)
					res, body := c.response("GET")
					if res.StatusCode != 500 || res.Header.Get("Injected") != "" || strings.Contains(body, "Injected") {
						t.Errorf("answered %v, %q", res, body)
					}
					s.log.wait(t, "application error in GET /")
					if !res.Close {
						c.send(lastRequest)
						if got := date.ReplaceAllString(c.rest(), ""); got != lastResponse {
							t.Errorf("the next request gets %q", got)
						}
					}
					c.Close()
					waitFor(t, func() bool { return s.app.queue.InFlight() == 0 })
				})
			}
		}
	})
}

// The thread that gave a faulty head goes on for a while. Its connection must
// not be given another request meanwhile: a call is one request at a time.
func TestAFaultyHeadOfAStreamEndsTheConnection(t *testing.T) {
	overEach(t, func(t *testing.T, over over) {
		release := make(chan struct{})
		s := over.serve(t, func(c *appCall) {
			c.start("200 OK", "A", "b\r\nc")
			<-release
			c.end()
		})
		c := over.connect(t, s)
		c.send(simpleGet)
		if res, _ := c.response("GET"); res.StatusCode != 500 || !res.Close {
			t.Errorf("answered %v", res)
		}
		c.halfClose()
		c.wantClosed()
		close(release)
		waitFor(t, func() bool { return s.app.queue.InFlight() == 0 })
	})
}

func TestHeadsThatLieAboutTheirFields(t *testing.T) {
	overEach(t, func(t *testing.T, over over) {
		for _, fields := range []uint16{0, 2, 1000} {
			s := over.serve(t, func(c *appCall) {
				head := headBlock("200 OK", []string{"A", "b"})
				_ = c.app.queue.Frame(c.app, &wire.Frame{
					ID: c.id, Kind: wire.Response, Flags: wire.Final | wire.Whole, Head: uint32(len(head)), Fields: fields,
				}, head, nil)
			})
			if res, _ := roundTrip(t, over.connect(t, s), simpleGet); res.StatusCode != 500 {
				t.Errorf("%d fields: status %d", fields, res.StatusCode)
			}
		}
	})
}

func TestAFailureBeforeTheHeadKeepsTheConnection(t *testing.T) {
	overEach(t, func(t *testing.T, over over) {
		s := over.serve(t, func(c *appCall) { c.fail() })
		c := over.connect(t, s)
		for range 3 {
			c.send(simpleGet)
			if res, _ := c.response("GET"); res.StatusCode != 500 || res.Close {
				t.Errorf("answered %v", res)
			}
		}
	})
}

func TestPipelinedRequestsAreAnsweredInOrder(t *testing.T) {
	overEach(t, func(t *testing.T, over over) {
		release := make(chan struct{})
		s := over.serve(t, func(c *appCall) {
			if c.environ["PATH_INFO"] == "/slow" {
				<-release
			}
			c.answer("200 OK", c.environ["PATH_INFO"])
		})
		c := over.connect(t, s)
		paths := []string{"/slow", "/quick", "/slow", "/quick", "/last"}
		for _, path := range paths {
			c.send("GET " + path + " HTTP/1.1\r\nHost: x\r\n\r\n")
		}
		close(release)
		for _, path := range paths {
			if _, body := c.response("GET"); body != path {
				t.Errorf("the answer is for %s, want %s", body, path)
			}
		}
		if _, most := s.app.counts(); most != 1 {
			t.Errorf("%d requests of one connection ran at once", most)
		}
	})
}

// Heads and bodies in any pieces, pipelined.
func TestRequestsInPieces(t *testing.T) {
	overEach(t, func(t *testing.T, over over) {
		s := over.serve(t, func(c *appCall) { c.answer("200 OK", c.environ["PATH_INFO"]+string(c.body)) })
		one := "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc" +
			"POST /b HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nde\r\n1\r\nf\r\n0\r\n\r\n" +
			"GET /c HTTP/1.1\r\nHost: x\r\n\r\n"
		c := over.connect(t, s)
		for at := 0; at < len(one); at += 3 {
			c.send(one[:at])
			c.send(one[at:])
			for _, want := range []string{"/aabc", "/bdef", "/c"} {
				if _, body := c.response("GET"); body != want {
					t.Fatalf("cut at %d: answered %q, want %q", at, body, want)
				}
			}
		}
		for i := range len(one) {
			c.send(one[i : i+1])
		}
		for _, want := range []string{"/aabc", "/bdef", "/c"} {
			if _, body := c.response("GET"); body != want {
				t.Fatalf("byte by byte: answered %q, want %q", body, want)
			}
		}
	})
}

func TestContinue(t *testing.T) {
	overEach(t, func(t *testing.T, over over) {
		s := over.serve(t, func(c *appCall) { c.answer("200 OK", string(c.body)) })
		const head = "POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n"
		t.Run("goes out before the body", func(t *testing.T) {
			c := over.connect(t, s)
			for range 2 {
				c.send(head + "Content-Length: 4\r\n\r\n")
				line, err := c.in.ReadString('\n')
				if err != nil || line != "HTTP/1.1 100 Continue\r\n" {
					t.Fatalf("got %q, %v", line, err)
				}
				if line, _ = c.in.ReadString('\n'); line != "\r\n" {
					t.Fatalf("got %q", line)
				}
				c.send("body")
				if res, body := c.response("POST"); res.StatusCode != 200 || body != "body" {
					t.Errorf("got %d %q", res.StatusCode, body)
				}
			}
		})
		t.Run("is left out if the body is there", func(t *testing.T) {
			c := over.connect(t, s)
			c.send(head + "Content-Length: 4\r\n\r\nbody")
			if res, body := c.response("POST"); res.StatusCode != 200 || body != "body" {
				t.Errorf("got %d %q", res.StatusCode, body)
			}
		})
		t.Run("is not sent for a body that is refused", func(t *testing.T) {
			c := over.connect(t, s)
			c.send(head + "Content-Length: 2000000\r\n\r\n")
			if res, _ := c.response("POST"); res.StatusCode != 413 {
				t.Errorf("got %d", res.StatusCode)
			}
		})
		t.Run("another expectation", func(t *testing.T) {
			c := over.connect(t, s)
			c.send("POST / HTTP/1.1\r\nHost: x\r\nExpect: a-miracle\r\nContent-Length: 4\r\n\r\n")
			if res, _ := c.response("POST"); res.StatusCode != 417 {
				t.Errorf("got %d", res.StatusCode)
			}
		})
	})
}

// A client that is still sending must see why it is refused: closing at once
// would reset the connection and take the answer with it.
func TestARefusalReachesAClientThatIsStillSending(t *testing.T) {
	overEach(t, func(t *testing.T, over over) {
		tests := map[string]struct {
			request string
			status  int
		}{
			"bad request":       {"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400},
			"declared too long": {"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100000000\r\n\r\n", 413},
			"a long target":     {"GET /" + strings.Repeat("a", 5000) + " HTTP/1.1\r\nHost: x\r\n\r\n", 414},
			"an expectation":    {"POST / HTTP/1.1\r\nHost: x\r\nExpect: more\r\nContent-Length: 10\r\n\r\n", 417},
			"a long field":      {"GET / HTTP/1.1\r\nHost: x\r\nA: " + strings.Repeat("a", 10000) + "\r\n\r\n", 431},
			"many fields":       {"GET / HTTP/1.1\r\nHost: x\r\n" + strings.Repeat("A: b\r\n", 200) + "\r\n", 431},
			"an unknown coding": {"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", 501},
			"a strange version": {"GET / HTTP/3.0\r\nHost: x\r\n\r\n", 505},
			"a bad chunk":       {"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400},
			"chunks too long": {"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" +
				strings.Repeat("10000\r\n"+strings.Repeat("x", 1<<16)+"\r\n", 17), 413},
		}
		for name, test := range tests {
			t.Run(name, func(t *testing.T) {
				s := over.serve(t, func(c *appCall) { c.answer("200 OK", "") })
				c := over.connect(t, s)
				c.send(test.request)
				for range 10 { // less than what the server discards
					if _, err := io.WriteString(c, strings.Repeat("x", 10<<10)); err != nil {
						t.Fatal(err)
					}
				}
				res, _ := c.response("GET")
				if res.StatusCode != test.status || !res.Close {
					t.Errorf("status %d, close %v; want %d", res.StatusCode, res.Close, test.status)
				}
				c.halfClose()
				c.wantClosed()
				if begun, _ := s.app.counts(); begun != 0 {
					t.Error("it reached the application")
				}
			})
		}
	})
}

func TestAClientThatSendsForEverIsCutOff(t *testing.T) {
	overEach(t, func(t *testing.T, over over) {
		s := over.serve(t, func(c *appCall) { c.answer("200 OK", "") })
		c := over.connect(t, s)
		c.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000\r\n\r\n")
		var err error
		sent := 0
		for err == nil && sent < 2*discardMost {
			var n int
			n, err = c.Write(make([]byte, 64<<10))
			sent += n
		}
		if err == nil {
			t.Errorf("it takes %d bytes of a body that it has refused", sent)
		}
	})
}

func TestAHalfClosedConnectionGetsItsAnswer(t *testing.T) {
	overEach(t, func(t *testing.T, over over) {
		release := make(chan struct{})
		s := over.serve(t, func(c *appCall) {
			c.start("200 OK")
			<-release
			c.block([]byte("late"))
			c.end()
		})
		c := over.connect(t, s)
		c.send(simpleGet)
		c.halfClose()
		if line, err := c.in.ReadString('\n'); err != nil || line != "HTTP/1.1 200 OK\r\n" {
			t.Fatalf("got %q, %v", line, err)
		}
		close(release)
		if rest := c.rest(); !strings.HasSuffix(rest, "4\r\nlate\r\n0\r\n\r\n") {
			t.Errorf("got %q", rest)
		}
	})
}

func TestAResetCancels(t *testing.T) {
	overEach(t, func(t *testing.T, over over) {
		begun := make(chan *appCall)
		s := over.serve(t, func(c *appCall) {
			c.start("200 OK")
			begun <- c
			c.cancelled(t)
			c.fail()
		})
		c := over.connect(t, s)
		c.send(simpleGet)
		<-begun
		c.reset()
		waitFor(t, func() bool { return s.app.queue.InFlight() == 0 })
	})
}

// A client that says that it sends no more, and is then reset, has left: the
// application hears of it though nothing more is written.
func TestAResetAfterAHalfCloseCancels(t *testing.T) {
	overEach(t, func(t *testing.T, over over) {
		begun := make(chan struct{})
		s := over.serve(t, func(c *appCall) {
			c.start("200 OK")
			close(begun)
			c.cancelled(t)
			c.fail()
		})
		c := over.connect(t, s)
		c.send(simpleGet)
		<-begun
		c.halfClose()
		time.Sleep(50 * time.Millisecond) // it is read before the reset comes
		c.reset()
		waitFor(t, func() bool { return s.app.queue.InFlight() == 0 })
	})
}

// A streamed answer to a client that has gone is cancelled at its next block.
func TestAClientThatLeavesCancelsTheStream(t *testing.T) {
	overEach(t, func(t *testing.T, over over) {
		s := over.serve(t, func(c *appCall) {
			c.start("200 OK")
			sent := make(chan struct{})
			go func() {
				defer close(sent)
				for range 1000 {
					c.block(make([]byte, 1000))
				}
			}()
			c.cancelled(t)
			<-sent
			c.fail()
		})
		c := over.connect(t, s)
		c.send(simpleGet)
		if _, err := c.in.ReadByte(); err != nil {
			t.Fatal(err)
		}
		c.Close()
		waitFor(t, func() bool { return s.app.queue.InFlight() == 0 })
	})
}

func TestBodies(t *testing.T) {
	overEach(t, func(t *testing.T, over over) {
		s := over.serve(t, func(c *appCall) {
			c.answer("200 OK", string(c.body), "X-Length", c.environ["CONTENT_LENGTH"], "X-Coding", c.environ["HTTP_TRANSFER_ENCODING"])
		})
		for _, n := range []int{0, 1, 3000, 3900, 4000, 4096, 4097, 64<<10 - 1, 64 << 10, 64<<10 + 1, 300_000, 1 << 20} {
			body := bytes.Repeat([]byte("0123456789abcdef"), n/16+1)[:n]
			for _, chunk := range []int{0, 1000, 70_000} { // 0: a declared length
				t.Run(fmt.Sprint(n, " bytes in chunks of ", chunk), func(t *testing.T) {
					c := over.connect(t, s)
					request := fmt.Sprintf("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", n, body)
					if chunk > 0 {
						request = "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
						for rest := body; len(rest) > 0; {
							k := min(chunk, len(rest))
							request += fmt.Sprintf("%x\r\n%s\r\n", k, rest[:k])
							rest = rest[k:]
						}
						request += "0\r\n\r\n"
					}
					go io.WriteString(c, request+lastRequest) // the answer may come before all is sent
					res, got := c.response("POST")
					if res.StatusCode != 200 || got != string(body) {
						t.Fatalf("status %d, %d bytes, want %d", res.StatusCode, len(got), n)
					}
					if res.Header.Get("X-Length") != strconv.Itoa(n) || res.Header.Get("X-Coding") != "" {
						t.Errorf("CONTENT_LENGTH %q, coding %q", res.Header.Get("X-Length"), res.Header.Get("X-Coding"))
					}
					c.response("GET")
					c.wantClosed()
					waitFor(t, func() bool { return s.spool.Bytes() == 0 })
				})
			}
		}
	})
}

// A client that has said all it will say is told that this is no request.
func TestARequestThatEndsEarly(t *testing.T) {
	for name, over := range transports {
		t.Run(name, func(t *testing.T) {
			s := over.serve(t, func(c *appCall) { c.answer("200 OK", "") })
			for _, request := range []string{
				"GET / HTTP/1.1\r\nHost: x\r\n",
				"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nshort",
				"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\nExpect: 100-continue\r\n\r\n",
				"POST / HTTP/1.0\r\nContent-Length: 10\r\n\r\n",
				"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nsho",
				"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nshort\r\n",
				"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n" + strings.Repeat("x", 99_999),
			} {
				c := over.connect(t, s)
				c.send(request)
				c.halfClose()
				rest := strings.TrimPrefix(c.rest(), "HTTP/1.1 100 Continue\r\n\r\n")
				if !strings.HasPrefix(rest, "HTTP/1.1 400 ") {
					t.Errorf("%.40q, and no more, is answered %q", request, rest)
				}
			}
			if begun, _ := s.app.counts(); begun != 0 {
				t.Error("a request that is not whole reached the application")
			}
			waitFor(t, func() bool { return s.spool.Bytes() == 0 })
		})
	}
}

func TestEnviron(t *testing.T) {
	s := serveApp(t, answerEnviron)
	tests := map[string]struct {
		request string
		want    []string // all of it but for the client's address
	}{
		"plain": {
			"GET /a/b?c=d HTTP/1.1\r\nHost: x:1\r\nUser-Agent: me\r\n\r\n",
			[]string{"REQUEST_METHOD=GET", "RAW_URI=/a/b?c=d", "PATH_INFO=/a/b", "QUERY_STRING=c=d", "HTTP_HOST=x:1", "HTTP_USER_AGENT=me"},
		},
		"HTTP/1.0": {
			"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
			[]string{"REQUEST_METHOD=GET", "RAW_URI=/", "PATH_INFO=/", "QUERY_STRING=", "SERVER_PROTOCOL=HTTP/1.0", "HTTP_CONNECTION=keep-alive"},
		},
		"escapes and bytes": {
			"GET /%C3%A9/%E9?%20 HTTP/1.1\r\nHost: x\r\nA: \xff\r\n\r\n",
			[]string{"REQUEST_METHOD=GET", "RAW_URI=/%C3%A9/%E9?%20", "PATH_INFO=/\xc3\xa9/\xe9", "QUERY_STRING=%20", "HTTP_HOST=x", "HTTP_A=\xff"},
		},
		"a body": {
			"POST / HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\nContent-Length: 002\r\n\r\nab",
			[]string{"REQUEST_METHOD=POST", "RAW_URI=/", "PATH_INFO=/", "QUERY_STRING=", "HTTP_HOST=x", "CONTENT_TYPE=text/plain", "CONTENT_LENGTH=2"},
		},
		"repeated fields": {
			"GET / HTTP/1.1\r\nHost: x\r\nA: 1\r\nCookie: a=1\r\na: 2\r\nB: 0\r\nCookie: b=2\r\nA: 3\r\n\r\n",
			[]string{"REQUEST_METHOD=GET", "RAW_URI=/", "PATH_INFO=/", "QUERY_STRING=", "HTTP_HOST=x", "HTTP_A=1,2,3", "HTTP_B=0", "HTTP_COOKIE=a=1; b=2"},
		},
		"underscores are dropped": {
			"GET / HTTP/1.1\r\nHost: x\r\nX-A: good\r\nX_A: bad\r\n\r\n",
			[]string{"REQUEST_METHOD=GET", "RAW_URI=/", "PATH_INFO=/", "QUERY_STRING=", "HTTP_HOST=x", "HTTP_X_A=good"},
		},
		"a NUL that would add a key": {
			"GET /x%00REMOTE_USER%00admin HTTP/1.1\r\nHost: x\r\nA: 1\r\nA: 2\r\n\r\n",
			[]string{"REQUEST_METHOD=GET", "RAW_URI=/x%00REMOTE_USER%00admin", "PATH_INFO=/x\x00REMOTE_USER\x00admin", "QUERY_STRING=", "HTTP_HOST=x", "HTTP_A=1,2"},
		},
		"a NUL and a body in chunks": {
			"POST /%00 HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n",
			[]string{"REQUEST_METHOD=POST", "RAW_URI=/%00", "PATH_INFO=/\x00", "QUERY_STRING=", "HTTP_HOST=x", "CONTENT_LENGTH=1"},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			c := s.connect(t)
			_, port, _ := net.SplitHostPort(c.LocalAddr().String())
			c.send(test.request)
			_, body := c.response("GET")
			want := append(test.want, "REMOTE_ADDR=127.0.0.1", "REMOTE_PORT="+port)
			wantLines(t, body, want...)
			if n := strings.Count(body, "\n"); n != len(want) {
				t.Errorf("%d variables, want %d:\n%q", n, len(want), body)
			}
		})
	}
}

func TestTheMountPointIsCutFromThePath(t *testing.T) {
	s := serveApp(t, answerEnviron, func(c *Config) { c.ScriptName = "/app" })
	for path, want := range map[string]string{"/app/x": "/x", "/app": "", "/app/": "/"} {
		c := s.connect(t)
		c.send("GET " + path + " HTTP/1.1\r\nHost: x\r\n\r\n")
		_, body := c.response("GET")
		wantLines(t, body, "SCRIPT_NAME=/app", "PATH_INFO="+want)
	}
	s.Mount("/app/") // as gunicorn: the slash is the mount point's, not the path's
	for path, want := range map[string]string{"/app/x": "x", "/app/": "", "/app//": "/"} {
		c := s.connect(t)
		c.send("GET " + path + " HTTP/1.1\r\nHost: x\r\n\r\n")
		_, body := c.response("GET")
		wantLines(t, body, "SCRIPT_NAME=/app/", "PATH_INFO="+want)
	}
	s.Mount("/app")
	for _, path := range []string{"/", "/apple", "/other/app"} {
		c := s.connect(t)
		c.send("GET " + path + " HTTP/1.1\r\nHost: x\r\n\r\n")
		if res, _ := c.response("GET"); res.StatusCode != 404 {
			t.Errorf("%s: status %d", path, res.StatusCode)
		}
	}
}

func TestHealthAndOverloadAreAnsweredWithoutTheApplication(t *testing.T) {
	overEach(t, func(t *testing.T, over over) {
		var ready atomic.Bool
		release := make(chan struct{})
		s := over.serve(t, func(c *appCall) { <-release; c.answer("200 OK", "") }, func(c *Config) {
			c.HealthPath, c.Ready = "/healthz", ready.Load
		})
		s.app.queue.Detach(s.app) // so that only the queue's own places are left
		var waiting []*client
		for !s.app.queue.Full() {
			c := over.connect(t, s)
			c.send(simpleGet)
			waiting = append(waiting, c)
			waitFor(t, func() bool { return s.app.queue.InFlight() == len(waiting) })
		}
		c := over.connect(t, s)
		for _, want := range []int{200, 503} {
			ready.Store(want == 200)
			c.send("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
			if res, _ := c.response("GET"); res.StatusCode != want || res.Close {
				t.Errorf("status %d, close %v; want %d", res.StatusCode, res.Close, want)
			}
		}
		c.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n")
		if res, _ := c.response("POST"); res.StatusCode != 503 || res.Header.Get("Retry-After") == "" || !res.Close {
			t.Errorf("answered %v", res)
		}
		close(release)
		for _, c := range waiting {
			if res, _ := c.response("GET"); res.StatusCode != 200 {
				t.Errorf("status %d", res.StatusCode)
			}
		}
	})
}

// waitFor waits until something holds that gives no signal.
func waitFor(t *testing.T, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("it does not come to that")
		}
	}
}

// An ASGI application gets names as they came, and so can tell an underscore from a dash.
func TestNamesWithUnderscoresReachASGI(t *testing.T) {
	for name, test := range map[string]struct {
		underscores http1.Underscores
		status      int
	}{"by default": {http1.DropUnderscores, 200}, "refused": {http1.RefuseUnderscores, 400}} {
		t.Run(name, func(t *testing.T) {
			overEach(t, func(t *testing.T, o over) {
				s := o.serve(t, func(c *appCall) { c.answer("200 OK", string(c.scope)) }, func(c *Config) { c.Limits.Underscores = test.underscores })
				s.SpeakASGI()
				c := o.connect(t, s)
				c.send("GET / HTTP/1.1\r\nHost: x\r\nApi_Key: secret\r\nApi-Key: other\r\n\r\n")
				res, body := c.response("GET")
				if res.StatusCode != test.status || test.status == 200 && !strings.Contains(body, "api_key\x00secret\x00api-key\x00other") {
					t.Errorf("%s, with the scope %q", res.Status, body)
				}
			})
		})
	}
}

// Servers of ASGI take heads of 64 KiB. Who has set a limit has that one.
func TestLongHeadsReachASGI(t *testing.T) {
	for name, test := range map[string]struct {
		long        LongHeads
		speak       func(*Server)
		line, field int
		wanted      int
	}{
		"a long field":             {LongHeads{true, true}, (*Server).SpeakASGI, 10, 20_000, 200},
		"a long line":              {LongHeads{true, true}, (*Server).SpeakASGI, 20_000, 10, 200},
		"a field that is too long": {LongHeads{true, true}, (*Server).SpeakASGI, 10, 70_000, 431},
		"a field's limit is set":   {LongHeads{true, false}, (*Server).SpeakASGI, 10, 20_000, 431},
		"a line's limit is set":    {LongHeads{false, true}, (*Server).SpeakASGI, 20_000, 10, 414},
		"WSGI":                     {LongHeads{true, true}, (*Server).SpeakWSGI, 10, 20_000, 431},
		"which is not known yet":   {LongHeads{true, true}, func(*Server) {}, 20_000, 20_000, 200},
		"nor known, a limit set":   {LongHeads{true, false}, func(*Server) {}, 10, 20_000, 431},
	} {
		t.Run(name, func(t *testing.T) {
			s := serveApp(t, func(c *appCall) { c.answer("200 OK", "x") }, func(c *Config) { c.Limits, c.LongHeads = http1.DefaultLimits(), test.long })
			test.speak(s.Server)
			c := transports["clear"].connect(t, s)
			c.send("GET /" + strings.Repeat("x", test.line) + " HTTP/1.1\r\nHost: x\r\nCookie: " + strings.Repeat("y", test.field) + "\r\n\r\n")
			if res, body := c.response("GET"); res.StatusCode != test.wanted {
				t.Errorf("%s %s, want %d", res.Status, body, test.wanted)
			}
		})
	}
}

// Where ASGI is spoken hop-by-hop fields are left out and nothing is said of it: libraries
// set them, and nothing forbids it.
func TestHopByHopFieldsOfASGIAreLeftOut(t *testing.T) {
	s := serveApp(t, func(c *appCall) { c.answer("200 OK", "x", "Connection", "keep-alive", "A", "b") })
	s.SpeakASGI()
	c := transports["clear"].connect(t, s)
	c.send(simpleGet)
	var head []string
	for line := c.readLine(); line != ""; line = c.readLine() {
		head = append(head, line)
	}
	if got := strings.Join(head, "\n"); strings.Contains(got, "keep-alive") || !strings.Contains(got, "A: b") {
		t.Errorf("the head is\n%s", got)
	}
	s.log.mu.Lock()
	defer s.log.mu.Unlock()
	if got := s.log.text.String(); strings.Contains(got, "hop-by-hop") {
		t.Errorf("the log has\n%s", got)
	}
}
