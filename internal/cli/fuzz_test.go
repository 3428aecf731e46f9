//go:build !windows

package cli

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
	"unicode"

	"girin/internal/control"
)

// FuzzStatus shows what a server could answer on its control socket: names in it
// come from clients, and must not reach a terminal as control characters.
func FuzzStatus(f *testing.F) {
	b, err := json.Marshal(aStatus())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add([]byte(`{"sched": {"workers": [{"running": [{"route": "GET /\u001b[2J"}]}], "routes": [{"name": "\u0085"}], "waits": [1]}}`))
	f.Fuzz(func(t *testing.T, answer []byte) {
		var s control.Status
		if json.Unmarshal(answer, &s) != nil {
			return
		}
		text := formatStatus(s, time.Now())
		if i := strings.IndexFunc(text, func(r rune) bool { return unicode.IsControl(r) && r != '\n' }); i >= 0 {
			t.Errorf("%q", text[i:])
		}
	})
}
