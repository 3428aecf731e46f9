package http1

import "encoding/binary"

// bytestring lets the functions for field names and values take what the
// caller has: slices of a request, or constants.
type bytestring interface{ ~string | ~[]byte }

// Classes of bytes, one bit each, so that a scan is one table look-up a byte.
const (
	isToken      uint8 = 1 << iota // tchar, RFC 9110 section 5.6.2
	isMethod                       // tchar without a-z and #: gunicorn's rule for methods
	isTarget                       // printable ASCII, RFC 9112 section 3.2
	isHost                         // unreserved and sub-delims, RFC 3986 section 3.2.2
	isUnderscore                   // _
	isControl                      // may not stand in a field value, RFC 9110 section 5.5
)

var class = func() (t [256]uint8) {
	mark := func(chars string, bits uint8) {
		for i := range len(chars) {
			t[chars[i]] |= bits
		}
	}
	const digits, upper, lower = "0123456789", "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "abcdefghijklmnopqrstuvwxyz"
	mark(digits+upper+lower, isToken|isHost)
	mark("!#$%&'*+-.^_`|~", isToken)
	mark(digits+upper+"!$%&'*+-.^_`|~", isMethod)
	mark("-._~!$&'()*+,;=", isHost)
	mark("_", isUnderscore)
	for c := '!'; c <= '~'; c++ {
		t[c] |= isTarget
	}
	for c := range ' ' {
		t[c] |= isControl
	}
	t[0x7f] |= isControl
	t['\t'] &^= isControl
	return t
}()

// lower maps A-Z to a-z and every other byte to itself.
var lower = func() (t [256]byte) {
	for c := range t {
		t[c] = byte(c)
	}
	for c := 'A'; c <= 'Z'; c++ {
		t[c] = byte(c) + 'a' - 'A'
	}
	return t
}()

// equalFold compares ASCII without regard to case. Nothing outside of A-Z is
// folded: Unicode's rules would make a Kelvin sign a k.
func equalFold[T bytestring](s T, t string) bool {
	if len(s) != len(t) {
		return false
	}
	for i := range len(t) {
		if lower[s[i]] != lower[t[i]] {
			return false
		}
	}
	return true
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func isOWS(c byte) bool { return c == ' ' || c == '\t' }

// trimOWS removes optional white space (SP, HTAB) from both ends.
func trimOWS(b []byte) []byte {
	for len(b) > 0 && isOWS(b[0]) {
		b = b[1:]
	}
	for len(b) > 0 && isOWS(b[len(b)-1]) {
		b = b[:len(b)-1]
	}
	return b
}

// hasControl reports whether v has a byte of class isControl. It looks at
// eight bytes at once, which halves the cost of a browser's head.
func hasControl(v []byte) bool {
	const ones, highs = 0x0101010101010101, 0x8080808080808080
	for len(v) >= 8 {
		x := binary.LittleEndian.Uint64(v)
		del := x ^ 0x7f*ones
		if ((x-' '*ones)&^x|(del-ones)&^del)&highs != 0 && anyControl(v[:8]) {
			return true
		}
		v = v[8:]
	}
	return anyControl(v)
}

func anyControl[T bytestring](v T) bool {
	for i := range len(v) {
		if class[v[i]]&isControl != 0 {
			return true
		}
	}
	return false
}

// nextItem cuts the first element from a comma-separated list (RFC 9110
// section 5.6.1) and returns it without white space.
func nextItem(list []byte) (item, rest []byte) {
	for i, c := range list {
		if c == ',' {
			return trimOWS(list[:i]), list[i+1:]
		}
	}
	return trimOWS(list), nil
}

// Lower makes letters of ASCII small, where they lie.
func Lower(b []byte) {
	for i, c := range b {
		b[i] = lower[c]
	}
}
