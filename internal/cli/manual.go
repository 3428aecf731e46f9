//go:build !windows

package cli

import (
	"bytes"
	"fmt"
	"strings"
	"time"

	"girin/internal/manual"
	"girin/internal/program"
)

// runCompletion is `girin completion SHELL`.
func runCompletion(env *program.Env, args []string) int {
	if len(args) != 1 || strings.HasPrefix(args[0], "-") {
		fmt.Fprint(env.Stdout, "usage: girin completion bash|zsh|fish\n\n"+
			"bash, in .bashrc:                 eval \"$(girin completion bash)\"\n"+
			"zsh, in .zshrc after compinit:    eval \"$(girin completion zsh)\"\n"+
			"fish, in config.fish:             girin completion fish | source\n")
		if len(args) == 1 && (args[0] == "--help" || args[0] == "-h") {
			return 0
		}
		return program.Usage
	}
	if err := manual.Completion(env.Stdout, args[0], described()); err != nil {
		fmt.Fprintf(env.Stderr, "girin completion: %v\n", err)
		return program.Usage
	}
	return 0
}

// writePage is `girin help --man`. The page's date is the source's, so that one source gives one page.
func writePage(env *program.Env) int {
	o := program.ReadOrigin()
	date, err := time.Parse(time.RFC3339, o.Time)
	if err != nil {
		date = time.Unix(0, 0) // built without a commit's time
	}
	if err := manual.Page(env.Stdout, manual.Edition{Version: o.Version, Date: date}, described()); err != nil {
		fmt.Fprintf(env.Stderr, "girin help: %v\n", err)
		return program.Failed
	}
	return 0
}

// described are the commands with their help, which they are asked for.
func described() []manual.Command {
	var all []manual.Command
	for _, c := range commands() {
		d := manual.Command{Name: c.name, Summary: c.summary, Words: wordsAfter(c.name)}
		if c.name != "help" && c.name != "version" {
			var help bytes.Buffer
			c.run(&program.Env{Stdin: strings.NewReader(""), Stdout: &help, Stderr: &help, Getenv: func(string) string { return "" }}, []string{"--help"})
			d.Help = help.String()
		}
		all = append(all, d)
	}
	return all
}

// wordsAfter are what a command takes as its first word, where that is one of a few.
func wordsAfter(command string) []string {
	switch command {
	case "ctl":
		return []string{"status"}
	case "lab":
		return []string{"article", "mixed", "phases", "aa", "run", "replay", "report", "diff"}
	case "completion":
		return []string{"bash", "zsh", "fish"}
	case "help":
		var names []string
		for _, c := range commands() {
			names = append(names, c.name)
		}
		return names
	}
	return nil
}
