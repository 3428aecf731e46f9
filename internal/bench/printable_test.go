package bench

import "testing"

func TestPrintable(t *testing.T) {
	for in, want := range map[string]string{
		"plain, 기린, é\n": "plain, 기린, é\n",
		"\x1b[2J":        `\x1b[2J`,
		"a\rb\tc\x00":    `a\x0db\x09c\x00`,
		"8-bit \x9b2J":   `8-bit \x9b2J`,
		"C1 \u009b2J":    `C1 \x9b2J`,
		"bidi \u202egpj": `bidi \u202egpj`,
		"del\x7f":        `del\x7f`,
	} {
		if got := Printable(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}
