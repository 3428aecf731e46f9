package config

import (
	"reflect"
	"strings"
	"testing"
)

func TestSplitShell(t *testing.T) {
	for text, want := range map[string][]string{
		"":                       nil,
		"  \t\n":                 nil,
		"-w 4 --bind=:80":        {"-w", "4", "--bind=:80"},
		`--env 'A=b c' "d e"f`:   {"--env", "A=b c", "d ef"},
		`a\ b "c\"d\\e\f" 'g\h'`: {"a b", `c"d\e\f`, `g\h`},
		`'' ""`:                  {"", ""},
		`# no comment`:           {"#", "no", "comment"},
		`"open`:                  {"a double quote is not closed"},
		`'open`:                  {"a single quote is not closed"},
		`end\`:                   {"it ends in a backslash"},
	} {
		got, err := splitShell(text)
		if err != nil {
			got = []string{err.Error()}
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}

// Whatever is quoted comes back as it was, and nothing panics.
func FuzzSplitShell(f *testing.F) {
	f.Add(`-w 4 'a b' "c\"d" e\ f`)
	f.Fuzz(func(t *testing.T, text string) {
		words, err := splitShell(text)
		if err != nil {
			return
		}
		quoted := make([]string, len(words))
		for i, w := range words {
			quoted[i] = "'" + strings.ReplaceAll(w, "'", `'\''`) + "'"
		}
		again, err := splitShell(strings.Join(quoted, " "))
		if err != nil || !reflect.DeepEqual(again, words) {
			t.Fatalf("%q: words %q, again %q, %v", text, words, again, err)
		}
	})
}
