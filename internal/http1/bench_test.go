package http1

import (
	"bufio"
	"net/http"
	"strings"
	"testing"
	"time"
)

// What wrk sends, and what a browser sends.
const (
	wrkGet     = "GET / HTTP/1.1\r\nHost: 127.0.0.1:8000\r\n\r\n"
	browserGet = "GET /shop/cart?item=42&size=xl HTTP/1.1\r\n" +
		"Host: shop.example.org\r\n" +
		"User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0\r\n" +
		"Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8\r\n" +
		"Accept-Language: en-US,en;q=0.5\r\n" +
		"Accept-Encoding: gzip, deflate, br, zstd\r\n" +
		"Connection: keep-alive\r\n" +
		"Referer: https://shop.example.org/shop/item/42\r\n" +
		"Cookie: session=eyJjYXJ0IjpbNDJdfQ.Zx1y2A.q3kP0m7nT4wYh1cVbN2sD5fG6hJ; theme=dark; seen=1\r\n" +
		"Upgrade-Insecure-Requests: 1\r\n" +
		"Sec-Fetch-Dest: document\r\n" +
		"Sec-Fetch-Mode: navigate\r\n" +
		"Cache-Control: max-age=0\r\n\r\n"
)

var heads = []struct{ name, in string }{{"wrk", wrkGet}, {"browser", browserGet}}

// Best of 9 on a shared 2-core virtual machine (AMD EPYC, go1.26, -cpu 1):
//
//	            here              net/http (BenchmarkNetHTTP)
//	wrk          73 ns, 0 allocs   860 ns
//	browser     420 ns, 0 allocs  3123 ns
func BenchmarkParse(b *testing.B) {
	for _, head := range heads {
		b.Run(head.name, func(b *testing.B) {
			in, l := []byte(head.in), DefaultLimits()
			var r Request
			b.SetBytes(int64(len(in)))
			b.ReportAllocs()
			for b.Loop() {
				r.Reset()
				if n, err := r.Parse(in, &l); n != len(in) || err != nil {
					b.Fatal(n, err)
				}
			}
		})
	}
}

// BenchmarkNetHTTP is the yardstick: the same heads through net/http.
func BenchmarkNetHTTP(b *testing.B) {
	for _, head := range heads {
		b.Run(head.name, func(b *testing.B) {
			in := strings.NewReader(head.in)
			buf := bufio.NewReader(in)
			b.ReportAllocs()
			for b.Loop() {
				in.Reset(head.in)
				buf.Reset(in)
				if _, err := http.ReadRequest(buf); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkChunked(b *testing.B) {
	body := AppendLastChunk(AppendChunk(AppendChunk(nil, make([]byte, 16<<10)), make([]byte, 100)))
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	var c Chunked
	for b.Loop() {
		c.Reset()
		for src, done := body, false; !done; {
			_, n, end, err := c.Next(src)
			if err != nil {
				b.Fatal(err)
			}
			src, done = src[n:], end
		}
	}
}

func BenchmarkResponseHead(b *testing.B) {
	var date Date
	now := time.Date(2026, 11, 21, 2, 0, 0, 0, time.UTC).Unix()
	dst := make([]byte, 0, 512)
	b.ReportAllocs()
	for b.Loop() {
		dst = appendHead(dst[:0], &date, now)
	}
}

func appendHead(dst []byte, date *Date, now int64) []byte {
	dst = AppendStatusLine(dst, 1, "200 OK")
	dst = AppendField(dst, "Server", "girin")
	dst = date.Append(dst, now)
	dst = AppendField(dst, "Content-Type", "text/html; charset=utf-8")
	dst = AppendContentLength(dst, 13)
	return AppendEndOfHead(dst)
}

func BenchmarkEnvironName(b *testing.B) {
	name := []byte("Accept-Language")
	dst := make([]byte, 0, 64)
	for b.Loop() {
		dst = EnvironName(dst[:0], name)
	}
}

// TestHotPathAllocatesNothing covers what every request and response passes.
func TestHotPathAllocatesNothing(t *testing.T) {
	l := DefaultLimits()
	var r Request
	var c Chunked
	var date Date
	dst := make([]byte, 0, 4096)
	wrk, browser := []byte(wrkGet), []byte(browserGet)
	refused := []byte("GET / HTTP/1.1\r\nHost : x\r\n\r\n")
	chunks := []byte("5;name=value\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n")
	path := []byte("/caf%C3%A9/%zz")
	chunk := []byte(strings.Repeat("x", 1000))
	parse := func(b []byte) func() {
		return func() { r.Reset(); r.Parse(b, &l) }
	}
	for name, run := range map[string]func(){
		"wrk":       parse(wrk),
		"browser":   parse(browser),
		"refused":   parse(refused),
		"in pieces": func() { r.Reset(); r.Parse(browser[:100], &l); r.Parse(browser, &l) },
		"chunked": func() {
			c.Reset()
			for src, done := chunks, false; !done; {
				_, n, end, err := c.Next(src)
				if err != nil {
					t.Fatal(err)
				}
				src, done = src[n:], end
			}
		},
		"response": func() { dst = appendHead(dst[:0], &date, 1) },
		"chunk":    func() { dst = AppendLastChunk(AppendChunk(dst[:0], chunk)) },
		"environ":  func() { dst = AppendUnescaped(EnvironName(dst[:0], path), path) },
		"checks":   func() { ValidFieldName("Content-Type"); ValidFieldValue(path); StatusCode("200 OK") },
	} {
		if n := testing.AllocsPerRun(100, run); n != 0 {
			t.Errorf("%s: %v allocations, want 0", name, n)
		}
	}
}
