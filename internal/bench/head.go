package bench

import (
	"bytes"
	"fmt"
)

// head is what a response's head says about framing.
type head struct {
	status  int
	minor   byte
	close   bool
	chunked bool
	length  int64 // -1 if not given
}

func (h *head) parse(b []byte, r *response) error {
	line, rest := cutLine(b)
	if err := h.statusLine(line); err != nil {
		return err
	}
	h.close = h.minor == 0
	for {
		line, rest = cutLine(rest)
		if len(line) == 0 {
			return nil
		}
		colon := bytes.IndexByte(line, ':')
		if colon <= 0 || !validName(line[:colon]) {
			return malformed(fmt.Sprintf("header line %.60q", line)) // folded lines too: RFC 9112, 5.2 has them deprecated
		}
		if err := h.field(line[:colon], trimBlanks(line[colon+1:]), r); err != nil {
			return err
		}
	}
}

// isStatus reports whether a number is a status of RFC 9110, 15.
func isStatus(n int) bool { return n >= 100 && n <= 599 }

// statusLine reads "HTTP/1.1 200 OK" (RFC 9112, 4); the reason may be missing.
func (h *head) statusLine(b []byte) error {
	bad := len(b) < 12 || string(b[:7]) != "HTTP/1." || b[7] != '0' && b[7] != '1' || b[8] != ' ' ||
		len(b) > 12 && b[12] != ' '
	if bad {
		return malformed(fmt.Sprintf("status line %.60q", b))
	}
	h.minor = b[7] - '0'
	for _, c := range b[9:12] {
		if c < '0' || c > '9' {
			return malformed(fmt.Sprintf("status line %.60q", b))
		}
		h.status = h.status*10 + int(c-'0')
	}
	if !isStatus(h.status) {
		return malformed(fmt.Sprintf("status %d", h.status))
	}
	return nil
}

// field looks at one header field. The lengths of the few names that matter let most fields pass with one comparison.
func (h *head) field(name, value []byte, r *response) error {
	switch len(name) {
	case 6:
		if r.wanted.server && equalFold(name, "server") {
			r.kept.server = string(value)
		}
	case 8:
		if r.wanted.location && equalFold(name, "location") {
			r.kept.location = string(value)
		}
	case 10:
		if equalFold(name, "connection") {
			h.connection(value)
		}
	case 13:
		if equalFold(name, "server-timing") {
			r.kept.timing.add(value)
		}
	case 14:
		if equalFold(name, "content-length") {
			return h.contentLength(value)
		}
	case 17:
		if equalFold(name, "transfer-encoding") {
			if h.minor == 0 || h.chunked || !equalFold(value, "chunked") {
				return malformed(fmt.Sprintf("Transfer-Encoding %.40q, which was not asked for", value))
			}
			h.chunked = true
		}
	}
	for i, want := range r.wanted.capture {
		if equalFold(name, want) {
			r.capture(i, value)
		}
	}
	return nil
}

func (r *response) capture(i int, value []byte) {
	if r.kept.captured == nil {
		r.kept.captured = make([]string, len(r.wanted.capture))
	}
	if old := r.kept.captured[i]; old != "" && r.wanted.capture[i] == "set-cookie" {
		r.kept.captured[i] = old + "\n" + string(value) // which cannot be one list (RFC 6265, 3)
		return
	}
	r.kept.captured[i] = string(value)
}

func (h *head) connection(value []byte) {
	for option := range bytes.SplitSeq(value, []byte(",")) {
		switch option = trimBlanks(option); {
		case equalFold(option, "close"):
			h.close = true
		case equalFold(option, "keep-alive") && h.minor == 0:
			h.close = false
		}
	}
}

func (h *head) contentLength(value []byte) error {
	var n int64
	for _, c := range value {
		if c < '0' || c > '9' || n > 1<<58 {
			return malformed(fmt.Sprintf("Content-Length %.40q", value))
		}
		n = n*10 + int64(c-'0')
	}
	if len(value) == 0 || h.length >= 0 && h.length != n {
		return malformed(fmt.Sprintf("Content-Length %.40q", value))
	}
	h.length = n
	return nil
}

// cutLine returns the first line of b without its break, and the rest. b holds a line break.
func cutLine(b []byte) (line, rest []byte) {
	i := bytes.IndexByte(b, '\n')
	return trimLine(b[:i+1]), b[i+1:]
}

// trimLine removes the line break. A bare LF is one too (RFC 9112, 2.2).
func trimLine(b []byte) []byte {
	b = b[:len(b)-1]
	if n := len(b); n > 0 && b[n-1] == '\r' {
		b = b[:n-1]
	}
	return b
}

func trimBlanks(b []byte) []byte {
	for len(b) > 0 && (b[0] == ' ' || b[0] == '\t') {
		b = b[1:]
	}
	for len(b) > 0 && (b[len(b)-1] == ' ' || b[len(b)-1] == '\t') {
		b = b[:len(b)-1]
	}
	return b
}

func validName(name []byte) bool {
	for _, c := range name {
		if lower := c | 0x20; lower < 'a' || lower > 'z' {
			if c != '-' && !tokenByte(c) {
				return false
			}
		}
	}
	return true
}

// equalFold compares b with a name or word in lower case, without allocating.
func equalFold(b []byte, lower string) bool {
	if len(b) != len(lower) {
		return false
	}
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			c |= 0x20
		}
		if c != lower[i] {
			return false
		}
	}
	return true
}
