package ws

import "unicode/utf8"

// text checks UTF-8 that comes in pieces, so that a wrong byte is found before
// its message has ended.
type text struct {
	rest  [utf8.UTFMax]byte // a character whose end has not come
	nrest int
}

// add checks the next piece, and reports whether it can still become right.
func (t *text) add(b []byte) bool {
	for t.nrest > 0 && len(b) > 0 {
		t.rest[t.nrest] = b[0]
		t.nrest++
		b = b[1:]
		head := t.rest[:t.nrest]
		switch {
		case utf8.FullRune(head):
			if r, n := utf8.DecodeRune(head); r == utf8.RuneError && n <= 1 || n != t.nrest {
				return false
			}
			t.nrest = 0
		case !possible(head):
			return false
		}
	}
	whole := len(b) - unfinished(b)
	if !utf8.Valid(b[:whole]) {
		return false
	}
	if whole < len(b) {
		t.nrest = copy(t.rest[:], b[whole:])
		return possible(t.rest[:t.nrest])
	}
	return true
}

// end reports whether nothing is left over, and makes ready for the next message.
func (t *text) end() bool {
	whole := t.nrest == 0
	t.nrest = 0
	return whole
}

// unfinished is how many bytes at the end of b begin a character and do not end it.
func unfinished(b []byte) int {
	for n := 1; n < utf8.UTFMax && n <= len(b); n++ {
		tail := b[len(b)-n:]
		if utf8.RuneStart(tail[0]) {
			if utf8.FullRune(tail) {
				return 0
			}
			return n
		}
	}
	return 0
}

// possible reports whether some character begins with b, which is too short to
// be one. utf8.FullRune counts a wrong beginning as full.
func possible(b []byte) bool { return !utf8.FullRune(b) }
