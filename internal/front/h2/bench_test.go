package h2

import (
	"bytes"
	"io"
	"sync"
	"testing"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// looped is a client that has sent n requests, the first of them apart from the
// others, which all are alike.
type looped struct {
	again []byte
	at    []byte
	left  int
}

func (l *looped) Buffered() int { return len(l.at) }

func (l *looped) Next(n int) ([]byte, error) {
	if len(l.at) == 0 {
		if l.left == 0 {
			return nil, io.EOF
		}
		l.left--
		// Only the stream's number differs.
		id := uint32(l.again[5])<<24 | uint32(l.again[6])<<16 | uint32(l.again[7])<<8 | uint32(l.again[8]) + 2
		l.again[5], l.again[6], l.again[7], l.again[8] = byte(id>>24), byte(id>>16), byte(id>>8), byte(id)
		l.at = l.again
	}
	n = min(n, len(l.at))
	b := l.at[:n]
	l.at = l.at[n:]
	return b, nil
}

type sink struct{ n int }

func (s *sink) Write(p []byte) { s.n += len(p) }
func (s *sink) Waiting() int   { return 0 }

// quick answers as a hello application is answered.
type quick struct {
	s Stream
	b *benched
}

type benched struct {
	mu   sync.Mutex
	free []*quick
}

func (q *quick) Field(_, _ []byte) {}
func (q *quick) Data(p []byte) int { return len(p) }
func (q *quick) End()              {}
func (q *quick) Unread() int64     { return 0 }
func (q *quick) Gone()             {}
func (q *quick) Moved(int)         {}
func (q *quick) Sent()             {}
func (q *quick) Released()         { q.b.free = append(q.b.free, q) }
func (q *quick) Head(_, _ bool) {
	q.b.mu.Lock()
	defer q.b.mu.Unlock()
	q.s.BeginHead(200)
	for _, f := range helloFields {
		q.s.Field(f[0], f[1])
	}
	q.s.EndHead(false)
	q.s.Write(helloBody, true)
	q.s.Done()
}

var (
	helloFields = [][2][]byte{
		{[]byte("Content-Type"), []byte("text/plain; charset=utf-8")}, {[]byte("Content-Length"), []byte("12")},
		{[]byte("Server"), []byte("girin")}, {[]byte("Date"), []byte("Sun, 29 Nov 2026 16:00:00 GMT")},
	}
	helloBody = []byte("Hello, world")
)

// BenchmarkHello is a small GET and its answer: all of the engine, and nothing
// else.
func BenchmarkHello(b *testing.B) {
	var out, block bytes.Buffer
	framer := http2.NewFramer(&out, nil)
	enc := hpack.NewEncoder(&block)
	request := func(id uint32) []byte {
		out.Reset()
		block.Reset()
		for i := 0; i < len(plain); i += 2 {
			_ = enc.WriteField(hpack.HeaderField{Name: plain[i], Value: plain[i+1]})
		}
		_ = enc.WriteField(hpack.HeaderField{Name: "user-agent", Value: "h2load nghttp2/1.52.0"})
		_ = framer.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: block.Bytes(), EndStream: true, EndHeaders: true})
		return bytes.Clone(out.Bytes())
	}
	_ = framer.WriteSettings()
	start := append([]byte(http2.ClientPreface), out.Bytes()...)
	src := &looped{at: append(start, request(1)...), again: request(1), left: b.N}
	bench := &benched{}
	cfg := testConfig()
	cfg.Open = func() (Request, *Stream) {
		if n := len(bench.free); n > 0 {
			q := bench.free[n-1]
			bench.free = bench.free[:n-1]
			return q, &q.s
		}
		q := &quick{b: bench}
		return q, &q.s
	}
	to := &sink{}
	c := New(cfg, &bench.mu, src, to)
	b.ReportAllocs()
	b.ResetTimer()
	// The client's window for all of it.
	c.window = 1 << 50
	if err := c.Serve(); err != io.EOF {
		b.Fatal(err)
	}
	b.ReportMetric(float64(to.n)/float64(b.N), "bytes/op")
}
