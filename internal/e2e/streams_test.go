package e2e_test

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// crowds is how many connections hold silent streams; GIRIN_STREAMS is another number.
func crowds(t *testing.T) int {
	n := 20
	if more := os.Getenv("GIRIN_STREAMS"); more != "" {
		if _, err := fmt.Sscan(more, &n); err != nil {
			t.Fatal(err)
		}
	}
	return n
}

// Clients that open as many streams of HTTP/2 as they may, send a part of a body on
// each, and fall silent, take no more descriptors and memory than there may be: a new
// connection is answered, and a killed worker is started again.
func TestSilentStreamsLeaveRoomForOthers(t *testing.T) {
	conns, each := crowds(t), 100
	limit := 12 * conns // descriptors: with a file for each body all would be gone
	for name, sent := range map[string]int{"heads": 0, "small bodies": 1000, "bodies in files": 66_000} {
		t.Run(name, func(t *testing.T) {
			cert, key := certificate(t)
			dir := filepath.Join(t.TempDir(), "run")
			s := start(t, options{
				args: []string{"--certfile", cert, "--keyfile", key, "--http-protocols", "h2,h1"}, env: []string{"GIRIN_RUNTIME_DIR=" + dir},
				wrap: []string{"prlimit", fmt.Sprintf("--nofile=%d:%d", limit, limit)},
			})
			pid := s.cmd.Process.Pid
			before := resident(t, pid)
			for range conns {
				c := s.silent(t, each, sent)
				defer c.Close()
			}
			if n := descriptors(t, pid); n > limit-60 {
				t.Errorf("%d of %d descriptors are taken", n, limit)
			}
			grown := resident(t, pid) - before
			if most := int64(80<<20) + int64(conns*each)<<14; grown > most {
				t.Errorf("%d MiB are taken for %d streams", grown>>20, conns*each)
			}
			t.Logf("%d streams: %d MiB, %d descriptors, %v", conns*each, grown>>20, descriptors(t, pid), holds(t, dir).Held)
			s.secureGet(t)
			workers, _ := children(t, pid)
			_ = syscall.Kill(workers[0], syscall.SIGKILL)
			eventually(t, "another worker runs", func() bool {
				now, _ := children(t, pid)
				return len(now) == len(workers) && now[0] != workers[0]
			})
			s.secureGet(t)
		})
	}
}

// silent opens streams, sends so many bytes of a body on each, and waits until the
// server has read them.
func (s *server) silent(t *testing.T, streams, sent int) net.Conn {
	t.Helper()
	c, err := tls.DialWithDialer(&net.Dialer{Timeout: limit}, "tcp", s.addr, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h2"}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(c, http2.ClientPreface); err != nil {
		t.Fatal(err)
	}
	framer := http2.NewFramer(c, c)
	_ = framer.WriteSettings()
	var block bytes.Buffer
	encoder := hpack.NewEncoder(&block)
	for i := range uint32(streams) {
		block.Reset()
		for _, f := range [][2]string{{":method", "POST"}, {":scheme", "https"}, {":authority", "x"}, {":path", "/sink"}} {
			_ = encoder.WriteField(hpack.HeaderField{Name: f[0], Value: f[1]})
		}
		_ = framer.WriteHeaders(http2.HeadersFrameParam{StreamID: 2*i + 1, BlockFragment: block.Bytes(), EndHeaders: true})
		for left := sent; left > 0; left -= 11_000 {
			_ = framer.WriteData(2*i+1, false, make([]byte, min(left, 11_000)))
		}
		if sent > 0 || i == uint32(streams)-1 {
			awaitPing(t, c, framer)
		}
	}
	return c
}

// awaitPing waits until the server has read what was sent.
func awaitPing(t *testing.T, c net.Conn, framer *http2.Framer) {
	t.Helper()
	_ = framer.WritePing(false, [8]byte{1})
	_ = c.SetReadDeadline(time.Now().Add(limit))
	for {
		f, err := framer.ReadFrame()
		if err != nil {
			t.Fatal(err)
		}
		if p, ok := f.(*http2.PingFrame); ok && p.IsAck() {
			return
		}
	}
}

// secureGet makes a request on a connection of its own.
func (s *server) secureGet(t *testing.T) {
	t.Helper()
	c, err := tls.DialWithDialer(&net.Dialer{Timeout: limit}, "tcp", s.addr, &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(limit))
	fmt.Fprint(c, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
	if answer, err := io.ReadAll(c); !strings.HasPrefix(string(answer), "HTTP/1.1 200 ") {
		t.Errorf("another client's answer is %.60q, %v", answer, err)
	}
}

// resident is how many bytes of memory a process takes.
func resident(t *testing.T, pid int) int64 {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	if err != nil {
		t.Fatal(err)
	}
	pages, err := strconv.ParseInt(strings.Fields(string(b))[1], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return pages * int64(os.Getpagesize())
}
