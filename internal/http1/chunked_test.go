package http1

import (
	"bytes"
	"strings"
	"testing"
)

func TestChunkedBodiesAreDecoded(t *testing.T) {
	for _, c := range []struct{ name, in, want string }{
		{"empty", "0\r\n\r\n", ""},
		{"zeros", "0000\r\n\r\n", ""},
		{"one chunk", "5\r\nhello\r\n0\r\n\r\n", "hello"},
		{"two chunks", "5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n", "hello world"},
		{"leading zeros", "0000000000000005\r\nhello\r\n0\r\n\r\n", "hello"},
		{"hex, lower", "a\r\n0123456789\r\n0\r\n\r\n", "0123456789"},
		{"hex, upper", "A\r\n0123456789\r\n0\r\n\r\n", "0123456789"},
		{"hex, two digits", "1f\r\n" + strings.Repeat("x", 31) + "\r\n0\r\n\r\n", strings.Repeat("x", 31)},
		{"framing as data", "7\r\n0\r\n\r\n\r\n\r\n0\r\n\r\n", "0\r\n\r\n\r\n"},
		{"extension", "5;a\r\nhello\r\n0\r\n\r\n", "hello"},
		{"extension with value", "5;a=b\r\nhello\r\n0;c=d\r\n\r\n", "hello"},
		{"extension in quotes", "5;a=\"b c\\\"; \\\\d=\xe9\t\"\r\nhello\r\n0\r\n\r\n", "hello"},
		{"empty quotes", "5;a=\"\"\r\nhello\r\n0\r\n\r\n", "hello"},
		{"extensions", "5;a=\"b\";c;d=e\r\nhello\r\n0\r\n\r\n", "hello"},
		{"white space in extensions", "5 \t; \ta = b ; c\t=\t\"d\" ;e\r\nhello\r\n0\r\n\r\n", "hello"},
		{"signed chunks", "5;chunk-signature=" + strings.Repeat("0f", 32) + "\r\nhello\r\n0\r\n\r\n", "hello"},
		{"size line at the limit", "5;" + strings.Repeat("a", maxChunkLine-len("5;\r")) + "\r\nhello\r\n0\r\n\r\n", "hello"},
		{"byte by byte chunks", strings.Repeat("1\r\nx\r\n", 5000) + "0\r\n\r\n", strings.Repeat("x", 5000)},
		{"trailer", "0\r\nX-Sum: 1\r\n\r\n", ""},
		{"trailer without value", "0\r\nX-Sum:\r\n\r\n", ""},
		{"trailers", "5\r\nhello\r\n0\r\nX-Sum: 1\r\nDate: \xe9\tx\r\nX_Y: z\r\n\r\n", "hello"},
		{"trailers that are not allowed", "5\r\nhello\r\n0\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\nHOST: x\r\nCookie: y\r\n\r\n", "hello"},
		{"100 trailers", "0\r\n" + strings.Repeat("A: b\r\n", 100) + "\r\n", ""},
		{"trailers at the limit", "0\r\nA: " + strings.Repeat("b", maxTrailers-len("A: \r\n\r\n")) + "\r\n\r\n", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, step := range []int{len(c.in) + 4, 1, 2, 3, 7} {
				body, rest, err := decode([]byte(c.in+"next"), step)
				if err != nil || string(body) != c.want || string(rest) != "next" {
					t.Errorf("in steps of %d: got %q, rest %q, %v, want %q", step, body, rest, err, c.want)
				}
			}
		})
	}
}

func TestChunkedNeverEndsEarly(t *testing.T) {
	in := []byte("5;a=\"b\"\r\nhello\r\n0\r\nX: y\r\n\r\n")
	for end := range in {
		var c Chunked
		for src := in[:end]; len(src) > 0; {
			_, n, done, err := c.Next(src)
			if n == 0 || done || err != nil {
				t.Fatalf("after %q: took %d, done %v, %v", in[:end], n, done, err)
			}
			src = src[n:]
		}
	}
}

func TestChunkedDataIsPartOfTheSource(t *testing.T) {
	var c Chunked
	src := []byte("5\r\nhello\r\n0\r\n\r\n")
	data, n, done, err := c.Next(src)
	if string(data) != "hello" || n != 8 || done || err != nil || &data[0] != &src[3] {
		t.Fatalf("got %q, %d, %v, %v", data, n, done, err)
	}
	if data, n, done, err = c.Next(src[n:]); len(data) != 0 || n != 7 || !done || err != nil {
		t.Fatalf("end: got %q, %d, %v, %v", data, n, done, err)
	}
	if _, n, done, err = c.Next([]byte("more")); n != 0 || !done || err != nil {
		t.Fatalf("after the end: got %d, %v, %v", n, done, err)
	}
}

func TestChunkedTakesHugeChunks(t *testing.T) {
	var c Chunked
	data, _, _, err := c.Next([]byte("7fffffffffffffff\r\nabc"))
	if string(data) != "abc" || err != nil {
		t.Fatalf("got %q, %v", data, err)
	}
}

func TestChunksComeBack(t *testing.T) {
	var in, want []byte
	for _, size := range []int{1, 0, 15, 16, 255, 256, 70000} {
		data := bytes.Repeat([]byte{byte(size)}, size)
		in, want = AppendChunk(in, data), append(want, data...)
	}
	body, rest, err := decode(AppendLastChunk(in), 1000)
	if err != nil || !bytes.Equal(body, want) || len(rest) != 0 {
		t.Fatalf("got %d bytes, rest %q, %v, want %d", len(body), rest, err, len(want))
	}
}
