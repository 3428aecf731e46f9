package front

import (
	"fmt"
	"strings"
	"testing"
)

// What unfinished requests take of memory is bounded for all clients together.

func TestLargeHeadsAreRefusedWhereTheyTakeTooMuch(t *testing.T) {
	s := serveApp(t, func(c *appCall) { c.answer("200 OK", "") })
	large := "GET / HTTP/1.1\r\nHost: x\r\nA: " + strings.Repeat("a", smallInput) + "\r\n\r\n"
	for _, test := range []struct {
		others int64
		head   string
		status int
	}{{headsMost, large, 200}, {headsMost + 1, simpleGet, 200}, {headsMost + 1, large, 503}} {
		s.heads.Add(test.others)
		c := s.connect(t)
		c.send(test.head)
		if res, _ := c.response("GET"); res.StatusCode != test.status {
			t.Errorf("a head of %d bytes beside %d gets %d, want %d", len(test.head), test.others, res.StatusCode, test.status)
		}
		c.Close()
		waitFor(t, func() bool { return s.Conns() == 0 })
		if n := s.heads.Add(-test.others); n != 0 {
			t.Errorf("%d bytes still count", n)
		}
	}
}

func TestSmallBodiesGoToAFileWhereTheyTakeTooMuch(t *testing.T) {
	spooled := make(chan int64, 1)
	var s *served
	ready := make(chan struct{})
	s = serveApp(t, func(c *appCall) {
		<-ready
		spooled <- s.spool.Bytes()
		c.answer("200 OK", string(c.body))
	})
	close(ready)
	body := strings.Repeat("b", 2*smallInput)
	for _, test := range []struct{ others, spooled int64 }{{0, 0}, {inlinedMost, int64(len(body))}} {
		s.inlined.Add(test.others)
		c := s.connect(t)
		c.send("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n") // of a known length it would go to the arena
		c.send("2000\r\n" + body + "\r\n0\r\n\r\n")
		if res, got := c.response("POST"); res.StatusCode != 200 || got != body {
			t.Errorf("status %d, %d bytes", res.StatusCode, len(got))
		}
		if n := <-spooled; n != test.spooled {
			t.Errorf("beside %d bytes %d went to a file, want %d", test.others, n, test.spooled)
		}
		c.Close()
		waitFor(t, func() bool { return s.Conns() == 0 })
		if n := s.inlined.Add(-test.others); n != 0 {
			t.Errorf("%d bytes still count", n)
		}
	}
}

// A connection that is idle holds nothing of the bodies that it has sent: a thousand
// of them would have all others go to files.
func TestAnIdleConnectionHoldsNoBody(t *testing.T) {
	overEach(t, func(t *testing.T, o over) {
		s := o.serve(t, func(c *appCall) { c.answer("200 OK", string(c.body)) })
		body := strings.Repeat("b", 60_000)
		c := o.connect(t, s)
		for range 2 {
			c.send(fmt.Sprintf("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n", len(body), body))
			if _, got := c.response("POST"); got != body {
				t.Errorf("%d bytes came back", len(got))
			}
			waitFor(t, func() bool { return s.inlined.Load() == 0 }) // the answer may be there first
		}
	})
}

// A spooled body takes a descriptor of those that connections may have: that of
// an idle one, if there is no other.
func TestBodiesNeedDescriptors(t *testing.T) {
	for name, test := range map[string]struct {
		other  string
		status int
	}{"an idle connection": {simpleGet, 200}, "a busy one": {"GET / HT", 503}} {
		t.Run(name, func(t *testing.T) {
			s := serveApp(t, func(c *appCall) { c.answer("200 OK", "") }, func(c *Config) { c.MaxFiles, c.MaxBody = 2, 0 })
			other := s.connect(t)
			other.send(test.other)
			waitFor(t, func() bool { return s.idle() == 1 || s.Conns() == 1 && test.status == 503 })
			c := s.connect(t)
			c.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2000000\r\n\r\n" + strings.Repeat("x", 2_000_000))
			res, _ := c.response("POST")
			if res.StatusCode != test.status || (res.Header.Get("Retry-After") != "") != (test.status == 503) {
				t.Errorf("status %d", res.StatusCode)
			}
		})
	}
}
