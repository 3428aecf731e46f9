package config

import (
	_ "embed"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write docs/SETTINGS.md anew")

const settingsFile = "../../docs/SETTINGS.md"

// TestSettingsDocument holds docs/SETTINGS.md to the table; go test -run Settings -update writes it.
func TestSettingsDocument(t *testing.T) {
	want := settingsDocument()
	if *update {
		if err := os.WriteFile(settingsFile, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(settingsFile)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Error("docs/SETTINGS.md is not what the table says; run go test ./internal/config -run Settings -update")
	}
}

const settingsHead = `# Settings

This page is written from the table in ` + "`internal/config`" + ` by
` + "`go test ./internal/config -run Settings -update`" + `.

Names, flags and defaults are gunicorn's. Of the places where a setting may stand, the later one
wins: an environment variable that stands in for the default, the configuration file,
` + "`$GUNICORN_CMD_ARGS`, `$GIRIN_CMD_ARGS`" + `, the command line.

A setting that is *not built yet* is an error if it is set to anything but its default; one that is
*not applicable* is accepted with a warning.
`

//go:embed testdata/differences.md
var settingsDifferences string

func settingsDocument() string {
	var b strings.Builder
	b.WriteString(settingsHead)
	title := ""
	for _, o := range Options() {
		if o.Section != title {
			title = o.Section
			fmt.Fprintf(&b, "\n## %s\n\n", title)
		}
		settingEntry(&b, &o)
	}
	return b.String() + settingsDifferences
}

func settingEntry(b *strings.Builder, o *Option) {
	facts := []string{}
	if flags := optionFlags(o); len(flags) > 0 {
		facts = append(facts, "`"+strings.Join(flags, "`, `")+"`")
	}
	facts = append(facts, o.Kind.String())
	if o.Env != "" {
		facts = append(facts, "`$"+o.Env+"`")
	}
	switch {
	case o.DefaultText != "":
		facts = append(facts, "default "+o.DefaultText)
	case o.Default != nil && o.Kind != Hook:
		facts = append(facts, "default `"+python(o.Default)+"`")
	}
	if len(o.Choices) > 0 {
		facts = append(facts, "one of `"+strings.Join(o.Choices, "`, `")+"`")
	}
	if o.Own {
		facts = append(facts, "Girin's own")
	}
	text := fmt.Sprintf("- **%s** (%s). %s", o.Key, strings.Join(facts, "; "), o.Doc)
	switch o.Status {
	case NotBuilt:
		text += " *Not built yet"
		if o.Instead != "" {
			text += ": " + o.Instead
		}
		text += ".*"
	case NotApplicable:
		text += fmt.Sprintf(" *Not applicable: %s.*", o.Instead)
	}
	text = strings.ReplaceAll(text, " * ", " `*` ") // at a line's beginning it would be a list
	b.WriteString(strings.Join(wrap(text, 98), "\n  ") + "\n")
}
