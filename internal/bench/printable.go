package bench

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Printable returns s with everything that a terminal would act on, rather than show, written as an escape: what a server
// says must not move the cursor of whoever reads the report.
func Printable(s string) string {
	if strings.IndexFunc(s, acted) < 0 && utf8.ValidString(s) {
		return s
	}
	var b strings.Builder
	for len(s) > 0 {
		r, n := utf8.DecodeRuneInString(s)
		switch {
		case r == utf8.RuneError && n == 1:
			fmt.Fprintf(&b, `\x%02x`, s[0])
		case acted(r) && r < 0x100:
			fmt.Fprintf(&b, `\x%02x`, r)
		case acted(r):
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			b.WriteString(s[:n])
		}
		s = s[n:]
	}
	return b.String()
}

// acted reports whether a terminal acts on r: control characters of both sets, and what changes the direction of writing.
func acted(r rune) bool {
	return r != '\n' && (unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r))
}
