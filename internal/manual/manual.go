// Package manual writes what a shell and man(1) know of girin: completions for bash, zsh and
// fish, and the manual page. Both come from the table of settings and from the commands' own
// help, so that nothing about an option is said twice.
package manual

import (
	"regexp"
	"strings"

	"girin/internal/config"
)

// Command is one word after `girin`.
type Command struct {
	Name, Summary string
	Help          string   // what it prints for --help; "" for one that has no options
	Words         []string // what may follow it, if that is a choice
}

// flag is one option of a command.
type flag struct {
	long, short string
	value       string // what help calls its value; "" if it takes none
	choices     []string
	doc         string
}

// flags are the options of a command: serve's from the table, the others' from their help.
func (c *Command) flags() []flag {
	if c.Name == "serve" {
		return serveFlags()
	}
	return helpFlags(c.Help)
}

func serveFlags() []flag {
	var flags []flag
	for _, o := range config.Options() {
		if o.Flag == "" || o.Status != config.Built {
			continue
		}
		f := flag{long: o.Flag, short: o.Short, choices: o.Choices, doc: o.Doc}
		if o.Key == "worker_class" {
			f.choices = config.WorkerClasses()
		}
		if o.Kind.TakesValue() {
			f.value = o.Meta
		}
		flags = append(flags, f)
	}
	return flags
}

// helpLine is a flag as pflag prints it: "  -n, --requests N   end after N requests".
var helpLine = regexp.MustCompile(`(?m)^ {2,6}(?:-(\w), )?--([a-z0-9][\w-]*)(?:\[[^\]]*\])?(?: (\S+))?(?: {2,}(.*))?$`)

func helpFlags(help string) []flag {
	var flags []flag
	for _, m := range helpLine.FindAllStringSubmatch(help, -1) {
		flags = append(flags, flag{long: m[2], short: m[1], value: m[3], doc: m[4]})
	}
	return flags
}

// brief is the beginning of a text, for a list in which every line is one option.
func brief(doc string) string {
	sentence, _, _ := strings.Cut(doc, ". ")
	sentence = strings.TrimSuffix(sentence, ".")
	const most = 100
	if runes := []rune(sentence); len(runes) > most {
		sentence = string(runes[:most-1]) + "…"
	}
	return sentence
}
