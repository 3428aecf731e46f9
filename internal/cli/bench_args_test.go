//go:build !windows

package cli

import (
	"slices"
	"testing"
)

func TestFilesOfFormats(t *testing.T) {
	for _, tt := range []struct{ in, want []string }{
		{[]string{"--json", "http://h/"}, []string{"--json", "http://h/"}},
		{[]string{"--json", "h:8000"}, []string{"--json", "h:8000"}},
		{[]string{"--json", "127.0.0.1:8000/x.html"}, []string{"--json", "127.0.0.1:8000/x.html"}},
		{[]string{"--json", "localhost/x"}, []string{"--json", "localhost/x"}},
		{[]string{"--json", "example.com/x"}, []string{"--json", "example.com/x"}},
		{[]string{"--json", "3=http://h/"}, []string{"--json", "3=http://h/"}},
		{[]string{"--json", "HEAD http://h/"}, []string{"--json", "HEAD http://h/"}},
		{[]string{"--json", "--csv", "h"}, []string{"--json", "--csv=h"}},
		{[]string{"--html", "out.html", "http://h/"}, []string{"--html=out.html", "http://h/"}},
		{[]string{"--hdr", "/tmp/a.b/c", "http://h/"}, []string{"--hdr=/tmp/a.b/c", "http://h/"}},
		{[]string{"--hdr", "../a.x", "http://h/"}, []string{"--hdr=../a.x", "http://h/"}},
		{[]string{"--json", "-", "http://h/"}, []string{"--json=-", "http://h/"}},
		{[]string{"--json=x", "out.html"}, []string{"--json=x", "out.html"}},
		{[]string{"--", "--json", "x"}, []string{"--", "--json", "x"}},
	} {
		if got := joinOutputs(tt.in); !slices.Equal(got, tt.want) {
			t.Errorf("%q: %q, want %q", tt.in, got, tt.want)
		}
	}
}
