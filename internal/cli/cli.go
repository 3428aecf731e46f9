//go:build !windows

// Package cli is the command line: the table of commands, one file for each, flags in,
// exit status out. What a command does, the packages below do.
package cli

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"girin/internal/config"
	"girin/internal/program"
	"girin/internal/sidecar"
)

// command is one word after `girin`. run returns the exit status.
type command struct {
	name, summary string
	run           func(*program.Env, []string) int
}

// commands is the table, in the order of the help text.
func commands() []command {
	return []command{
		{"serve", "serve a Python application; the word may be left out: girin app:app", runServe},
		{"bench", "load a server, and report what ab reports and what it hides", runBench},
		{"lab", "measure servers in a matrix of settings, and draw what they did", runLab},
		{"tune", "find the best settings for an application, on this machine and under its own load", runTune},
		{"ctl", "ask a running server what it does: girin ctl status", runCtl},
		{"top", "show what a running server does, live", runTop},
		{"jobs", "show the accepted jobs of a running server; cancel one, run one again", runJobs},
		{"offload", "show the servers that share jobs, and make their key: girin offload status", runOffload},
		{"upstream", "serve a local HTTP API (httpbin) for applications that call one", runUpstream},
		{"completion", "write the completions of a shell: girin completion bash, zsh or fish", runCompletion},
		{"help", "show this text, or the one of a command: girin help serve", runHelp},
		{"version", "show the version; --json: and what it was built from", runVersion},
	}
}

// Run runs one command line, without the program's name, and returns the exit status.
func Run(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	env := &program.Env{Stdin: stdin, Stdout: stdout, Stderr: stderr, Getenv: os.Getenv, Environ: os.Environ()}
	if len(args) == 0 {
		return runBare(env)
	}
	if args[0] == "-h" || args[0] == "--help" {
		return runHelp(env, args[1:])
	}
	if args[0] == sidecar.GuardCommand && len(args) > 1 {
		return sidecar.Guard(args[1:])
	}
	if args[0] == "engine" {
		return runEngine(env, args[1:])
	}
	if cmd, ok := find(args[0]); ok {
		return cmd.run(env, args[1:])
	}
	if hint := mistyped(args); hint != "" {
		fmt.Fprintf(stderr, "girin: there is no command %q; did you mean %s?\n", args[0], hint)
		return program.Usage
	}
	return runServe(env, args)
}

// runBare is `girin` alone: what it serves may stand in a configuration file, which variables
// of the environment may name, or be found.
func runBare(env *program.Env) int {
	if _, err := os.Stat("gunicorn.conf.py"); err == nil {
		return runServe(env, nil)
	}
	if env.Getenv("GUNICORN_CMD_ARGS") != "" || env.Getenv("GIRIN_CMD_ARGS") != "" {
		return runServe(env, nil)
	}
	if _, ok := config.FindApp("."); ok {
		return runServe(env, nil)
	}
	runHelp(env, nil)
	io.WriteString(env.Stderr, "\nThere is no application here that girin finds by itself (in app.py, main.py, wsgi.py, asgi.py, by manage.py, or in one other module alone):\nstart it in the application's folder, or name one, as in girin shop:app\n")
	return program.Failed // a container that was given no application has not done its work
}

// mistyped is the command that the first word most likely means, if it is followed by another
// one and so is no application. Others' words for serving are meant so too, alone if no module
// has that name.
func mistyped(args []string) string {
	if slices.Contains(othersWords, args[0]) && !isModule(args[0]) {
		return "serve"
	}
	if len(args) < 2 || strings.HasPrefix(args[0], "-") || strings.HasPrefix(args[1], "-") || strings.ContainsAny(args[0], ":.") {
		return ""
	}
	if slices.Contains(othersWords, args[0]) {
		return "serve"
	}
	var names []string
	for _, c := range commands() {
		names = append(names, c.name)
	}
	return config.Nearest(args[0], names)
}

// othersWords are the names that other programs have for serving.
var othersWords = []string{"run", "start", "runserver"}

// isModule reports whether Python would import name from this folder.
func isModule(name string) bool {
	for _, path := range []string{name + ".py", name} {
		if _, err := os.Stat(path); err == nil {
			return true
		}
	}
	return false
}

func find(name string) (command, bool) {
	for _, c := range commands() {
		if c.name == name {
			return c, true
		}
	}
	return command{}, false
}

func runHelp(env *program.Env, args []string) int {
	if len(args) > 0 {
		cmd, ok := find(args[0])
		switch {
		case args[0] == "--man":
			return writePage(env)
		case !ok:
			fmt.Fprintf(env.Stderr, "girin: there is no command %q; girin help lists them\n", args[0])
			return program.Usage
		case cmd.name != "help" && cmd.name != "version":
			return cmd.run(env, []string{"--help"})
		}
	}
	var b strings.Builder
	b.WriteString("Girin serves Python web applications so that one slow request never holds up another.\n\n")
	b.WriteString("usage: girin [COMMAND] [OPTIONS]\n\n")
	for _, c := range commands() {
		fmt.Fprintf(&b, "  %-10s %s\n", c.name, c.summary)
	}
	b.WriteString("\ngirin serve --help lists gunicorn's options, which work here: girin app:app -w 4 -b :8000\n")
	io.WriteString(env.Stdout, b.String())
	return 0
}
