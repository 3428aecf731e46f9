package bench

import (
	"bufio"
	"bytes"
	"errors"
	"hash/maphash"
	"io"
	"net/http"
	"strings"
	"testing"
)

var testSeed = maphash.MakeSeed()

// feedAll gives r the bytes of raw in pieces of the given size, as a client does: what is not taken comes again, with more.
func feedAll(r *response, raw string, size int) (left string, err error) {
	var pending []byte
	for len(raw) > 0 && !r.done() {
		n := min(size, len(raw))
		pending = append(pending, raw[:n]...)
		raw = raw[n:]
		taken, err := r.feed(pending)
		if err != nil {
			return "", err
		}
		pending = pending[taken:]
	}
	if !r.done() {
		err = r.eof()
	}
	return string(pending) + raw, err
}

func newResponse(noBody bool) *response {
	r := &response{seed: testSeed, wanted: wanted{server: true, location: true, capture: []string{"x-begin", "x-end"}}}
	r.reset(noBody)
	return r
}

func TestResponse(t *testing.T) {
	tests := []struct {
		name   string
		raw    string
		head   bool
		status int
		body   string
		close  bool
		left   string
	}{
		{name: "length", raw: "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", status: 200, body: "hello"},
		{name: "no reason", raw: "HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", status: 200},
		{name: "bare LF", raw: "HTTP/1.1 200 OK\nContent-Length: 2\n\nhi", status: 200, body: "hi"},
		{name: "close", raw: "HTTP/1.1 200 OK\r\nConnection: x, Close\r\nContent-Length: 2\r\n\r\nhi", status: 200, body: "hi", close: true},
		{name: "1.0", raw: "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nhi", status: 200, body: "hi", close: true},
		{name: "1.0 keep-alive", raw: "HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\nContent-Length: 2\r\n\r\nhi", status: 200, body: "hi"},
		{name: "to EOF", raw: "HTTP/1.1 200 OK\r\n\r\nhello", status: 200, body: "hello", close: true},
		{name: "empty to EOF", raw: "HTTP/1.1 200 OK\r\n\r\n", status: 200, close: true},
		{name: "HEAD", raw: "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", head: true, status: 200},
		{name: "204", raw: "HTTP/1.1 204 No Content\r\n\r\n", status: 204},
		{name: "304", raw: "HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", status: 304},
		{name: "chunks", raw: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nA;x=\"y\"\r\n0123456789\r\n0\r\n\r\n", status: 200, body: "abc0123456789"},
		{name: "trailers", raw: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nX: y\r\n\r\n", status: 200, body: "a"},
		{name: "empty chunked", raw: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", status: 200},
		{name: "early hints", raw: "HTTP/1.1 103 Early Hints\r\nX: y\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n!", status: 200, body: "!"},
		{name: "more", raw: "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n!more", status: 200, body: "!", left: "more"},
		{name: "same length twice", raw: "HTTP/1.1 200 OK\r\nContent-Length: 1\r\ncontent-length: 1\r\n\r\n!", status: 200, body: "!"},
	}
	for _, tt := range tests {
		for _, size := range []int{1, 2, 7, 1 << 20} {
			r := newResponse(tt.head)
			left, err := feedAll(r, tt.raw, size)
			if err != nil {
				t.Errorf("%s in pieces of %d: %v", tt.name, size, err)
				continue
			}
			sum := maphash.String(testSeed, tt.body)
			if tt.body == "" {
				sum = 0
			}
			if r.status != tt.status || r.bodyBytes != int64(len(tt.body)) || r.sum != sum || r.close != tt.close || left != tt.left {
				t.Errorf("%s in pieces of %d: status %d, %d body bytes, right sum %t, close %t, left %q", tt.name, size, r.status,
					r.bodyBytes, r.sum == sum, r.close, left)
			}
		}
	}
}

func TestResponseMalformed(t *testing.T) {
	const ok = "HTTP/1.1 200 OK\r\n"
	for _, raw := range []string{
		"HTTP/2.0 200 OK\r\n\r\n",
		"HTTP/1.1 2x0 OK\r\n\r\n",
		"HTTP/1.1 99\r\n\r\n",
		"HTTP/1.1 600 OK\r\n\r\n",
		"HTTP/1.1  200 OK\r\n\r\n",
		"SSH-2.0-OpenSSH_9.2\r\n",
		"\x15\x03\x01\x00\x02\x02\x16",
		ok + "no colon\r\n\r\n",
		ok + "A: b\r\n folded\r\n\r\n",
		ok + "Sp ace: b\r\n\r\n",
		ok + ": b\r\n\r\n",
		ok + "Content-Length: -1\r\n\r\n",
		ok + "Content-Length: 1, 1\r\n\r\n",
		ok + "Content-Length: 1\r\nContent-Length: 2\r\n\r\n",
		ok + "Content-Length: 99999999999999999999\r\n\r\n",
		ok + "Content-Length:\r\n\r\n",
		ok + "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
		ok + "Transfer-Encoding: gzip, chunked\r\n\r\n",
		"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
		ok + "Transfer-Encoding: chunked\r\n\r\nx\r\n",
		ok + "Transfer-Encoding: chunked\r\n\r\n\r\n",
		ok + "Transfer-Encoding: chunked\r\n\r\n1\r\nab\r\n",
		ok + "Transfer-Encoding: chunked\r\n\r\n1000000000000000\r\n",
		ok + "Transfer-Encoding: chunked\r\n\r\n1;" + strings.Repeat("x", maxChunkLine+1),
		ok + "Transfer-Encoding: chunked\r\n\r\n0\r\n" + strings.Repeat("A: b\r\n", maxHead/6+1),
		ok + "A: " + strings.Repeat("x", maxHead),
		ok + strings.Repeat("A: b\r\n", maxHead/6+1),
		ok + "A: " + strings.Repeat("x", maxHead) + "\r\n\r\n",
		"HTTP/1.1 101 Switching Protocols\r\n\r\n",
		strings.Repeat("HTTP/1.1 100 Continue\r\n\r\n", maxInformational+1),
	} {
		for _, size := range []int{1, 1000, 1 << 20} {
			_, err := feedAll(newResponse(false), raw, size)
			if !errors.As(err, new(malformed)) {
				t.Errorf("%.60q in pieces of %d: error is %v", raw, size, err)
			}
		}
	}
}

func TestResponseTruncated(t *testing.T) {
	for _, raw := range []string{
		"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell",
		"HTTP/1.1 200 OK\r\nContent-Le",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
		"HTTP/1.1 100 Continue\r\n\r\n",
	} {
		if _, err := feedAll(newResponse(false), raw, 3); !errors.Is(err, errTruncated) {
			t.Errorf("%q: error is %v", raw, err)
		}
	}
}

func TestResponseKeeps(t *testing.T) {
	r := newResponse(false)
	raw := "HTTP/1.1 302 Found\r\nSERVER: me\r\nLocation: /there\r\nX-End: 2\r\nServer-Timing: queue;dur=1.5, app;desc=\"x\";dur=12, cpu;dur=3, bad;dur=x\r\nContent-Length: 0\r\n\r\n"
	if _, err := feedAll(r, raw, 1<<20); err != nil {
		t.Fatal(err)
	}
	k := r.kept
	if k.server != "me" || k.location != "/there" || k.captured[0] != "" || k.captured[1] != "2" {
		t.Errorf("kept %+v", k)
	}
	if want := (serverTiming{1.5, 12, true}); k.timing != want {
		t.Errorf("timing %+v, want %+v", k.timing, want)
	}
}

func TestResponseReadsWithoutAllocating(t *testing.T) {
	raw := []byte("HTTP/1.1 200 OK\r\nServer: x\r\nDate: now\r\nConnection: keep-alive\r\nServer-Timing: queue;dur=0.1, app;dur=2\r\nContent-Length: 5\r\n\r\nhello")
	r := &response{seed: testSeed}
	if n := testing.AllocsPerRun(100, func() {
		r.reset(false)
		if _, err := r.feed(raw); err != nil || !r.done() {
			t.Fatal(err)
		}
	}); n > 0 {
		t.Errorf("%v allocations per response", n)
	}
}

// FuzzResponse checks that how bytes are cut into reads changes nothing, and that what both this reader and net/http take is
// read alike. Each refuses things that the other allows, so a refusal is not compared.
func FuzzResponse(f *testing.F) {
	for _, s := range []string{
		"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX: y\r\n\r\n",
		"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nServer-Timing: app;dur=1.25\r\nConnection: close\r\n\r\nto the end",
		"HTTP/1.0 304 x\nA: b\n\n",
	} {
		f.Add([]byte(s), uint8(3))
	}
	f.Fuzz(func(t *testing.T, raw []byte, size uint8) {
		whole, pieces := newResponse(false), newResponse(false)
		left, err := feedAll(whole, string(raw), len(raw)+1)
		left2, err2 := feedAll(pieces, string(raw), int(size)+1)
		if (err == nil) != (err2 == nil) {
			t.Fatalf("whole: %v; in pieces of %d: %v", err, size, err2)
		}
		if err != nil {
			return
		}
		if whole.status != pieces.status || whole.sum != pieces.sum || whole.bodyBytes != pieces.bodyBytes || left != left2 {
			t.Fatalf("whole %+v and pieces %+v differ", whole, pieces)
		}
		compareWithStandard(t, raw, whole)
	})
}

func compareWithStandard(t *testing.T, raw []byte, r *response) {
	b := bufio.NewReader(bytes.NewReader(raw))
	for {
		std, err := http.ReadResponse(b, nil)
		if err != nil {
			return
		}
		body, err := io.ReadAll(std.Body)
		if err != nil {
			return
		}
		if std.StatusCode < 200 {
			continue
		}
		if std.StatusCode != r.status || int64(len(body)) != r.bodyBytes {
			t.Fatalf("net/http reads status %d and %d body bytes, this reader %d and %d", std.StatusCode, len(body), r.status, r.bodyBytes)
		}
		return
	}
}

func BenchmarkResponse(b *testing.B) {
	raw := []byte("HTTP/1.1 200 OK\r\nServer: raw\r\nDate: Mon, 01 Jan 2026 00:00:00 GMT\r\nContent-Type: text/plain\r\nContent-Length: 12\r\n\r\nhello world\n")
	r := &response{seed: testSeed}
	for b.Loop() {
		r.reset(false)
		if _, err := r.feed(raw); err != nil {
			b.Fatal(err)
		}
	}
}
