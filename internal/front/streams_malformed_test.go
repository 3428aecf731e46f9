package front

import (
	"strings"
	"testing"

	"golang.org/x/net/http2"
)

// What is malformed resets its stream, and never reaches the application
// (RFC 9113 section 8.1.1). Each is a line in the access log.
func TestHTTP2MalformedRequests(t *testing.T) {
	fields := func(fields ...string) func(*rawHTTP2) {
		return func(h *rawHTTP2) { h.send(1, true, fields...) }
	}
	body := func(length string, parts ...string) func(*rawHTTP2) {
		return func(h *rawHTTP2) {
			h.send(1, false, ":method", "POST", "content-length", length)
			for i, p := range parts {
				_ = h.framer.WriteData(1, i == len(parts)-1, []byte(p))
			}
		}
	}
	trailers := func(length string, fields ...string) func(*rawHTTP2) {
		return func(h *rawHTTP2) {
			h.send(1, false, ":method", "POST", "content-length", length)
			_ = h.framer.WriteData(1, false, []byte("body"))
			h.trailers(1, fields...)
		}
	}
	access, logged := openLines(t)
	s, _ := serveHTTP2App(t, answerEnviron, logged)
	n := 0
	for name, send := range map[string]func(*rawHTTP2){
		"line break in a value":            fields("x-a", "a\r\nx-b: c"),
		"NUL in a value":                   fields("x-a", "a\x00REMOTE_USER\x00admin"),
		"space before a value":             fields("x-a", " a"),
		"line break in the path":           fields(":path", "/ HTTP/1.1\r\nX-A: b"),
		"upper case":                       fields("X-A", "b"),
		"a name with a space":              fields("x a", "b"),
		"a name with a colon":              fields("x:a", "b"),
		"an empty name":                    fields("", "b"),
		"an unknown pseudo-field":          fields(":x", "b"),
		"a status":                         fields(":status", "200"),
		"a protocol":                       fields(":method", "CONNECT", ":protocol", "websocket"),
		"a pseudo-field twice":             fields(":path#", "/b"),
		"a pseudo-field after others":      fields("x-a", "b", ":path#", "/"),
		"two hosts":                        fields("host", "a", "host", "b"),
		"another host":                     fields(":authority", "a", "host", "b"),
		"no authority":                     fields(":authority", ""),
		"userinfo":                         fields(":authority", "u@localhost"),
		"no method":                        fields(":method", ""),
		"no scheme":                        fields(":scheme", ""),
		"no path":                          fields(":path", ""),
		"relative path":                    fields(":path", "a"),
		"absolute path":                    fields(":path", "https://other/"),
		"asterisk without OPTIONS":         fields(":path", "*"),
		"unknown scheme":                   fields(":scheme", "ftp"),
		"connection":                       fields("connection", "close"),
		"transfer-encoding":                fields("transfer-encoding", "chunked"),
		"upgrade":                          fields("upgrade", "h2c"),
		"te":                               fields("te", "trailers, deflate"),
		"a length and no body":             fields(":method", "POST", "content-length", "4"),
		"two lengths":                      body("4", ""),
		"a body that is shorter":           body("9", "four"),
		"a body that is longer":            body("3", "four", ""),
		"a body longer by its second part": body("5", "four", "four"),
		"an empty body with a length":      body("5", ""),
		"a length that is none":            body("x", "four"),
		"trailers end a shorter body":      trailers("9", "x-sum", "1"),
		"a pseudo-field in trailers":       trailers("4", ":path#", "/"),
		"connection in trailers":           trailers("4", "connection", "close"),
		"upper case in trailers":           trailers("4", "X-Sum", "1"),
		"line break in trailers":           trailers("4", "x-sum", "1\n"),
	} {
		h := s.dialHTTP2(t)
		send(h)
		h.wantReset(t, 1, http2.ErrCodeProtocol)
		n++
		h.still(t, 3)
		if t.Failed() {
			t.Fatal(name)
		}
	}
	s.app.mu.Lock()
	if s.app.begun != n { // those that show that connections live
		t.Errorf("the application got %d requests, want %d", s.app.begun, n)
	}
	s.app.mu.Unlock()
	waitFor(t, func() bool { return access.count(" 400 ") == n && access.count(" 200 ") == n })
	s.wantNothingHeld(t)
}

// What must not be a trailer is dropped like those that may be (RFC 9110 section
// 6.5.1).
func TestHTTP2TrailersAreDropped(t *testing.T) {
	s, _ := serveHTTP2App(t, answerEnviron)
	h := s.dialHTTP2(t)
	h.send(1, false, ":method", "POST")
	_ = h.framer.WriteData(1, false, []byte("body"))
	h.trailers(1, "content-length", "9", "host", "other", "x-sum", "1", "authorization", "x")
	h.wantHead(t, 1, ":status", "200")
	if f, ok := h.read(t).(*http2.DataFrame); ok {
		wantLines(t, string(f.Data()), "CONTENT_LENGTH=4", "HTTP_HOST=localhost")
		wantNoLine(t, string(f.Data()), "HTTP_X_SUM", "HTTP_AUTHORIZATION")
	}
}

// count is how many lines have it.
func (l *lines) count(what string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.text.String(), what)
}

// trailers sends them.
func (h *rawHTTP2) trailers(stream uint32, fields ...string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.block.Reset()
	h.encode(fields)
	_ = h.writeBlock(stream, true)
}
