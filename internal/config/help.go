package config

import (
	"fmt"
	"strings"
)

const (
	helpWidth  = 96
	helpIndent = 34
)

// Help describes the options that have a flag and an effect, by section, and then names the rest.
func Help() string {
	var b strings.Builder
	options := Options()
	title := ""
	for _, o := range options {
		if o.Flag == "" || o.Status != Built {
			continue
		}
		if o.Section != title {
			title = o.Section
			fmt.Fprintf(&b, "\n%s:\n", title)
		}
		helpRow(&b, &o)
	}
	b.WriteString("\nSettings without a flag, for the configuration file:\n")
	helpNames(&b, options, func(o *Option) (string, bool) { return o.Key, o.Flag == "" && o.Status == Built })
	b.WriteString("\nNot built yet, an error if used:\n")
	helpNames(&b, options, func(o *Option) (string, bool) { return o.shortName(), o.Status == NotBuilt })
	b.WriteString("\nAccepted for the sake of gunicorn's users, with a warning that says what to use instead:\n")
	helpNames(&b, options, func(o *Option) (string, bool) { return o.shortName(), o.Status == NotApplicable })
	b.WriteString("\nuvicorn's, which mean one of the above (as do its variables, such as UVICORN_PORT) or nothing:\n")
	helpWords(&b, uvicornFlags())
	return b.String()
}

// shortName is the flag if there is one, else the key.
func (o *Option) shortName() string {
	if o.Flag == "" {
		return o.Key
	}
	return "--" + o.Flag
}

func helpRow(b *strings.Builder, o *Option) {
	left := "      --" + o.Flag
	if o.Short != "" {
		left = "  -" + o.Short + ", --" + o.Flag
	}
	if o.Kind.TakesValue() {
		left += " " + o.Meta
	}
	text := o.Doc
	if d := o.defaultText(); d != "" {
		text += " [" + d + "]"
	}
	lines := wrap(text, helpWidth-helpIndent)
	if len(left)+2 > helpIndent {
		b.WriteString(left + "\n")
		left = ""
	}
	for _, line := range lines {
		fmt.Fprintf(b, "%-*s%s\n", helpIndent, left, line)
		left = ""
	}
}

// defaultText is the default as a user would write it, "" where Doc says all.
func (o *Option) defaultText() string {
	if o.DefaultText != "" {
		return o.DefaultText
	}
	switch v := o.Default.(type) {
	case nil, bool:
		return ""
	case []string:
		return strings.Join(v, ",")
	case string:
		return v
	}
	return python(o.Default)
}

func helpNames(b *strings.Builder, options []Option, pick func(*Option) (string, bool)) {
	var names []string
	for i := range options {
		if name, ok := pick(&options[i]); ok {
			names = append(names, name)
		}
	}
	helpWords(b, names)
}

func helpWords(b *strings.Builder, words []string) {
	for _, line := range wrap(strings.Join(words, ", "), helpWidth-2) {
		b.WriteString("  " + line + "\n")
	}
}

// wrap breaks text into lines of at most width bytes, where words allow it.
func wrap(text string, width int) []string {
	var lines []string
	line := ""
	for _, word := range strings.Fields(text) {
		if line != "" && len(line)+1+len(word) > width {
			lines = append(lines, line)
			line = ""
		}
		if line != "" {
			line += " "
		}
		line += word
	}
	return append(lines, line)
}
