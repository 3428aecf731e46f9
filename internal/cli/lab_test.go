//go:build !windows

package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestLabCommandLine(t *testing.T) {
	bad := filepath.Join(t.TempDir(), "bad.yaml")
	if err := os.WriteFile(bad, []byte("app: a:b\nsubjects: [grin]\n"), 0o666); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		args   string
		status int
		says   string
	}{
		{"", 0, "usage: girin lab"},
		{"--help", 0, "--repeats"},
		{"article --print-plan", 0, "name: article\n"},
		{"article --full --print-plan", 0, "name: article-full\n"},
		{"article --repeats 6 --seed 9 --print-plan", 0, "fresh: cell\nrepeats: 6\nseed: 9\n"},
		{"mixed --print-plan", 0, "rate: 50"},
		{"mixed --full", 2, "--full is for article"},
		{"nonsense", 2, `unknown word "nonsense"`},
		{"run", 2, "run needs a plan"},
		{"diff one", 2, "diff takes 2 arguments, not 1"},
		{"article --repeat 3", 2, "unknown flag: --repeat"},
		{"run " + bad, 1, `bad.yaml:2: subjects[0]: unknown server "grin"`},
		{"run nowhere.yaml", 1, "nowhere.yaml: no such file"},
		{"report " + t.TempDir(), 1, "is no results folder"},
		{"replay nowhere", 1, "nowhere/plan.yaml: no such file"},
	} {
		var out, errs strings.Builder
		status := Run(append([]string{"lab"}, strings.Fields(tt.args)...), strings.NewReader(""), &out, &errs)
		if said := out.String() + errs.String(); status != tt.status || !strings.Contains(said, tt.says) {
			t.Errorf("girin lab %s: status %d, want %d with %q:\n%s", tt.args, status, tt.status, tt.says, said)
		}
	}
}
