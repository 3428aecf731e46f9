package manual_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"girin/internal/config"
	"girin/internal/manual"
)

var commands = []manual.Command{
	{Name: "serve", Summary: "serve an app"},
	{Name: "bench", Summary: "load a server", Help: "usage: girin bench\n\n  -n, --requests N   end after N requests\n      --json           write it\n"},
	{Name: "ctl", Summary: "ask", Words: []string{"status"}},
}

// completed is what bash offers for the last of words.
func completed(t *testing.T, words ...string) []string {
	t.Helper()
	var script bytes.Buffer
	if err := manual.Completion(&script, "bash", commands); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "girin")
	if err := os.WriteFile(file, script.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	ask := `source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _girin; printf '%s\n' "${COMPREPLY[@]}"`
	out, err := exec.Command("bash", append([]string{"--norc", "-c", ask, "bash", file}, words...)...).Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.Fields(string(out))
}

func TestBashCompletes(t *testing.T) {
	for _, c := range []struct {
		words []string
		want  []string
	}{
		{[]string{"girin", "b"}, []string{"bench"}},
		{[]string{"girin", "app:app", "--worker-cl"}, []string{"--worker-class"}},
		{[]string{"girin", "--worker-cl"}, []string{"--worker-class"}},
		{[]string{"girin", "serve", "-k", "gt"}, []string{"gthread"}},
		{[]string{"girin", "app:app", "--worker-class", "=", "gt"}, []string{"gthread"}},
		{[]string{"girin", "bench", "--"}, []string{"--requests", "--json"}},
		{[]string{"girin", "ctl", ""}, []string{"status"}},
		{[]string{"girin", "bench", "-n", "-"}, nil}, // a value comes here
	} {
		if got := completed(t, c.words...); !slices.Equal(got, c.want) {
			t.Errorf("%q: %q, not %q", c.words, got, c.want)
		}
	}
}

func TestEachShellKnowsEverySettingWithAFlag(t *testing.T) {
	for _, shell := range []string{"bash", "zsh", "fish"} {
		var script bytes.Buffer
		if err := manual.Completion(&script, shell, commands); err != nil {
			t.Fatal(err)
		}
		for _, o := range config.Options() {
			named := regexp.MustCompile(`(--|-l )` + regexp.QuoteMeta(o.Flag) + `\b`).MatchString(script.String())
			if o.Flag != "" && named != (o.Status == config.Built) {
				t.Errorf("%s: --%s, which is %s, is named: %v", shell, o.Flag, o.Status, named)
			}
		}
	}
	if err := manual.Completion(&bytes.Buffer{}, "tcsh", commands); err == nil {
		t.Error("tcsh is taken for a shell that is known")
	}
}

func TestThePageNamesEverySettingOnce(t *testing.T) {
	var page bytes.Buffer
	e := manual.Edition{Version: "1.2.3", Date: time.Date(2026, 2, 3, 0, 0, 0, 0, time.UTC)}
	if err := manual.Page(&page, e, commands); err != nil {
		t.Fatal(err)
	}
	text := page.String()
	if want := `.TH GIRIN 1 "2026\-02\-03" "girin 1.2.3"`; !strings.HasPrefix(text, want+"\n") {
		t.Errorf("it begins with %q", text[:60])
	}
	for _, o := range config.Options() {
		if o.Flag == "" || o.Status != config.Built {
			continue
		}
		flag := `\-\-` + strings.ReplaceAll(o.Flag, "-", `\-`)
		if n := len(regexp.MustCompile(`(?m)^\.BR .*`+regexp.QuoteMeta(flag)+`( |$)`).FindAllString(text, -1)); n != 1 {
			t.Errorf("--%s is an entry %d times", o.Flag, n)
		}
	}
	for i, line := range strings.Split(text, "\n") {
		if strings.HasPrefix(line, "'") {
			t.Errorf("line %d would be a request: %q", i+1, line)
		}
	}
}
