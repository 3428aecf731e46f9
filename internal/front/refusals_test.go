package front

import (
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"

	"girin/internal/logs"
)

// lines is an access log that a test reads.
type lines struct {
	log  *logs.AccessLog
	mu   sync.Mutex
	text strings.Builder // guarded by mu
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func openLines(t *testing.T) (*lines, func(*Config)) {
	t.Helper()
	format, err := logs.ParseFormat(`%(h)s "%(r)s" %(s)s %(b)s`)
	if err != nil {
		t.Fatal(err)
	}
	l := &lines{}
	l.log, err = logs.OpenAccess(logs.AccessOptions{Target: logs.Target{Path: "-"}, Format: format, Stdout: l})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.log.Close() })
	return l, func(c *Config) { c.Access = l.log }
}

// want waits for a line, and for no other.
func (l *lines) want(t *testing.T, line string) {
	t.Helper()
	get := func() string {
		l.mu.Lock()
		defer l.mu.Unlock()
		return l.text.String()
	}
	waitFor(t, func() bool { return strings.HasSuffix(get(), "\n") })
	if got := get(); got != line+"\n" {
		t.Errorf("the access log has\n%swant\n%s", got, line)
	}
}

// Each request that the front refuses is a line of the access log with what is
// known of it, and a warning that says whose it was and why.
func TestRefusedRequestsAreLogged(t *testing.T) {
	full := func(c *Config) { c.Limits.FieldSize, c.MaxBody = 100, 1000 }
	for name, test := range map[string]struct {
		request       string
		line, warning string
	}{
		"400, no request line": {"\x16\x03\x01\x00\r\n", `"- \x16\x03\x01\x00 -" 400`, `400 invalid method ("\x16\x03\x01\x00")`},
		"400, a field":         {"GET /a?b=c HTTP/1.1\r\nHost: x\r\nA b: c\r\n\r\n", `"GET /a?b=c HTTP/1.1" 400`, `("GET /a?b=c")`},
		"408, head":            {"GET /slow HTTP/1.1\r\nHost: x\r\nA", `"GET /slow HTTP/1.1" 408`, `408 the request head took too long ("GET /slow")`},
		"408, line":            {"GET /sl", `"- GET /sl -" 408`, `408 the request head took too long ("GET /sl")`},
		"408, body":            {"POST /b HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc", `"POST /b HTTP/1.1" 408`, `408 the request body took too long ("POST /b")`},
		"413, declared":        {"POST /b HTTP/1.1\r\nHost: x\r\nContent-Length: 1001\r\n\r\n", `"POST /b HTTP/1.1" 413`, `413 the request body is too large ("POST /b")`},
		"413, in chunks":       {"POST /b HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3e9\r\n" + strings.Repeat("x", 1001) + "\r\n", `"POST /b HTTP/1.1" 413`, `("POST /b")`},
		"414":                  {"GET /" + strings.Repeat("a", 5000) + " HTTP/1.1\r\n", `"- GET /` + strings.Repeat("a", 195) + ` -" 414`, "414 request line too long"},
		"417":                  {"POST /e HTTP/1.1\r\nHost: x\r\nExpect: tea\r\n\r\n", `"POST /e HTTP/1.1" 417`, "417 unknown expectation"},
		"431":                  {"GET /f HTTP/1.1\r\nHost: x\r\nA: " + strings.Repeat("a", 100) + "\r\n\r\n", `"GET /f HTTP/1.1" 431`, "431 field line too long"},
		"501":                  {"CONNECT x:1 HTTP/1.1\r\nHost: x\r\n\r\n", `"CONNECT x:1 HTTP/1.1" 501`, "501 CONNECT"},
		"505":                  {"GET / HTTP/2.0\r\nHost: x\r\n\r\n", `"GET / HTTP/1.0" 505`, "505 only"},
	} {
		t.Run(name, func(t *testing.T) {
			access, into := openLines(t)
			s := serveApp(t, answerEnviron, full, into, func(c *Config) { c.Hurry = 100 })
			c := s.connect(t)
			c.send(test.request)
			answer := c.rest()
			_, body, _ := strings.Cut(answer, "\r\n\r\n")
			access.want(t, fmt.Sprintf("127.0.0.1 %s %d", test.line, len(body)))
			s.log.wait(t, "a request from 127.0.0.1 was refused: ")
			s.log.wait(t, test.warning)
		})
	}
}

// A queue that is full, and clients that leave, are lines as well.
func TestOverloadAndClientsThatLeaveAreLogged(t *testing.T) {
	access, into := openLines(t)
	begun, gone := make(chan struct{}), make(chan struct{})
	s := serveApp(t, func(c *appCall) { close(begun); <-gone; c.dropped() }, into)
	c := s.connect(t)
	c.send("GET /long HTTP/1.1\r\nHost: x\r\n\r\n")
	<-begun
	reset(t, c.Conn)
	waitFor(t, func() bool { return s.Conns() == 0 })
	close(gone)
	access.want(t, `127.0.0.1 "GET /long HTTP/1.1" 499 0`)

	access, into = openLines(t)
	s = serveApp(t, answerEnviron, into)
	c = s.connect(t)
	c.send("POST /upload HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc")
	waitFor(t, func() bool { return s.inStage(stageBody) == 1 })
	reset(t, c.Conn)
	access.want(t, `127.0.0.1 "POST /upload HTTP/1.1" 499 0`)
}

func reset(t *testing.T, nc net.Conn) {
	t.Helper()
	if err := nc.(*net.TCPConn).SetLinger(0); err != nil {
		t.Fatal(err)
	}
	nc.Close()
}

func (s *served) inStage(what uint32) (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		if c.stage.now() == what {
			n++
		}
	}
	return n
}

// A flood of bad requests is told in part, and counted.
func TestWarningsOfRefusalsAreFew(t *testing.T) {
	var r refusals
	for range 500 {
		r.admit(1)
	}
	if told := r.told; told != refusalsTold {
		t.Errorf("%d are told in a second", told)
	}
	if n := r.rest(1); n != 0 {
		t.Errorf("%d are counted while they come", n)
	}
	if n := r.rest(2); n != 500-refusalsTold {
		t.Errorf("%d are counted as not told", n)
	}
	if n := r.rest(3); n != 0 || !r.admit(3) {
		t.Errorf("%d are counted again", n)
	}

	s := serveApp(t, answerEnviron)
	for range 50 {
		c := s.connect(t)
		c.send("BAD\r\n\r\n")
		io.Copy(io.Discard, c)
	}
	s.log.wait(t, " more requests were refused in that second")
	if n := strings.Count(s.log.String(), "was refused"); n > 3*refusalsTold {
		t.Errorf("%d warnings", n)
	}
}
