package front

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A body that comes byte by byte costs few system calls: 3 MB of chunks of one
// byte were 435,127 writes.
func TestABodyInChunksOfAByteIsFewWrites(t *testing.T) {
	const size = 200_000
	s := serveApp(t, func(c *appCall) { c.answer("200 OK", fmt.Sprint(len(c.body), strings.Count(string(c.body), "x"))) })
	c := s.connect(t)
	body := "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + strings.Repeat("1\r\nx\r\n", size) + "0\r\n\r\n"
	before := systemWrites(t)
	c.send(body)
	if _, got := c.response("POST"); got != fmt.Sprint(size, size) {
		t.Errorf("the application got %s", got)
	}
	if n := systemWrites(t) - before; n > 500 { // those of the client are among them
		t.Errorf("%d writes", n)
	}
}

// systemWrites is how many system calls this process has made to write.
func systemWrites(t *testing.T) (n int) {
	t.Helper()
	text, err := os.ReadFile("/proc/self/io")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "syscw: ")
	if _, err := fmt.Sscan(rest, &n); err != nil {
		t.Fatal(err)
	}
	return n
}

// Without a directory that can be written, large bodies are kept in memory, and
// the log says so at the start.
func TestBodiesWithoutASpoolDirectory(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "none")
	s := serveApp(t, func(c *appCall) { c.answer("200 OK", fmt.Sprint(len(c.body))) },
		func(c *Config) { c.SpoolDir, c.MaxBody = dir, 0 })
	s.log.wait(t, dir)
	for _, head := range []string{"Content-Length: 3000000\r\n\r\n", "Transfer-Encoding: chunked\r\n\r\n2dc6c0\r\n"} {
		c := s.connect(t)
		c.send("POST / HTTP/1.1\r\nHost: x\r\n" + head + strings.Repeat("x", 3_000_000) + "\r\n0\r\n\r\n")
		if res, got := c.response("POST"); res.StatusCode != 200 || got != "3000000" {
			t.Errorf("status %d, %s bytes", res.StatusCode, got)
		}
		c.Close()
	}
}

// Where memory has no room either, only the request that needs it is refused.
func TestNoRoomForABodyIsNobodyElsesLoss(t *testing.T) {
	s := serveApp(t, func(c *appCall) { c.answer("200 OK", fmt.Sprint(len(c.body))) },
		func(c *Config) {
			c.SpoolDir, c.MaxBody = "/none", 0
			c.MemoryLeft = func() (int64, bool) { return 2 << 20, true }
		})
	held := s.connect(t)
	held.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1500000\r\n\r\n" + strings.Repeat("x", 1_400_000))
	waitFor(t, func() bool { return s.spool.Files() == 1 && s.spool.Bytes() > 1_300_000 })
	large := s.connect(t)
	large.send("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nc3500\r\n" + strings.Repeat("x", 800_000))
	if res, _ := large.response("POST"); res.StatusCode != 507 {
		t.Errorf("status %d", res.StatusCode)
	}
	held.send(strings.Repeat("x", 100_000))
	if res, got := held.response("POST"); res.StatusCode != 200 || got != "1500000" {
		t.Errorf("status %d, %s bytes", res.StatusCode, got)
	}
}
