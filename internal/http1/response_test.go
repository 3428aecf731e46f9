package http1

import (
	"bytes"
	"net/http"
	"sync"
	"testing"
	"time"
)

func TestResponseHead(t *testing.T) {
	var date Date
	got := string(appendHead(nil, &date, time.Date(1994, 11, 6, 8, 49, 37, 0, time.UTC).Unix()))
	want := "HTTP/1.1 200 OK\r\nServer: girin\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n" +
		"Content-Type: text/html; charset=utf-8\r\nContent-Length: 13\r\n\r\n"
	if got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := string(AppendStatusLine(nil, 0, []byte("404 Not Here"))); got != "HTTP/1.0 404 Not Here\r\n" {
		t.Errorf("got %q", got)
	}
	if got := string(AppendContinue(nil)); got != "HTTP/1.1 100 Continue\r\n\r\n" {
		t.Errorf("got %q", got)
	}
}

func TestDateFollowsTheClock(t *testing.T) {
	var date Date
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for second := range int64(200) {
				want := "Date: " + time.Unix(second, 0).UTC().Format(http.TimeFormat) + "\r\n"
				if got := string(date.Append(nil, second)); got != want {
					t.Errorf("second %d: got %q, want %q", second, got, want)
				}
			}
		})
	}
	wg.Wait()
}

func TestVerdictsHaveStatusTexts(t *testing.T) {
	for _, c := range append(corpus(), malformedChunks...) {
		if StatusText(c.want.Status) == "" || c.want.Error() == "" {
			t.Errorf("%s: no text for %d %q", c.name, c.want.Status, c.want.Reason)
		}
	}
}

func TestStatusCode(t *testing.T) {
	for in, want := range map[string]int{
		"200 OK": 200, "404 Not Found": 404, "204": 204, "299 ": 299, "999 Odd \xe9\t": 999, "100 Continue": 100,
		"": 0, "20": 0, "2000": 0, "200OK": 0, "099 Low": 0, "-20 x": 0, " 200 OK": 0, "2x0 OK": 0,
		"200 OK\r\nX: y": 0, "200 \n": 0, "200 \x00": 0, "\xb200 OK": 0,
	} {
		if got, ok := StatusCode(in); got != want || ok != (want > 0) {
			t.Errorf("%q: got %d, %v, want %d", in, got, ok, want)
		}
	}
}

func TestValidFieldNameAndValue(t *testing.T) {
	for name, want := range map[string]bool{
		"Content-Type": true, "x_y": true, "!#$%&'*+-.^_`|~09azAZ": true,
		"": false, "a b": false, "a:": false, "a\r\n": false, "caf\xe9": false, "a\x00": false, "(a)": false,
	} {
		if ValidFieldName(name) != want || ValidFieldName([]byte(name)) != want {
			t.Errorf("name %q: want %v", name, want)
		}
	}
	for value, want := range map[string]bool{
		"": true, "a b\tc": true, "caf\xc3\xa9": true,
		"a\r\nSet-Cookie: b": false, "a\n": false, "a\r": false, "\x00": false, "\x1b[31m": false, "\x7f": false,
	} {
		if ValidFieldValue(value) != want || ValidFieldValue([]byte(value)) != want || hasControl([]byte(value)) == want {
			t.Errorf("value %q: want %v", value, want)
		}
	}
}

// hasControl looks at eight bytes at once: each byte value at each place.
func TestHasControlAtEveryPlace(t *testing.T) {
	for size := 1; size <= 24; size++ {
		for at := range size {
			for c := range 256 {
				v := bytes.Repeat([]byte{' '}, size)
				v[at] = byte(c)
				want := c < ' ' && c != '\t' || c == 0x7f
				if got := hasControl(v); got != want {
					t.Fatalf("%#x at %d of %d: got %v", c, at, size, got)
				}
			}
		}
	}
}
