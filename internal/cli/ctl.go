//go:build !windows

package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/pflag"

	"girin/internal/control"
	"girin/internal/program"
)

const ctlUsage = `Asks a running server what it does.

usage: girin ctl status [OPTIONS]

The server is found by its socket in /run/girin (root's servers), $XDG_RUNTIME_DIR/girin or
~/.cache/girin, or by one without a path; $GIRIN_RUNTIME_DIR names another directory.

A request that has come is in one of three places. It is kept back while its kind may not have
more threads (class auto), or while so many wait for a thread that the queue is full. It is in
the queue until a thread begins it. It runs until the application has answered it. Under auto a
line tells how many of those that compute run, and how many of them may.

worker:  reads       the queue that the worker takes requests from: all, or under auto main (light
                     and waiting requests), compute, or none while it stands by
         busy        its threads that run a request, of how many it has
         sockets     WebSockets that are open; under WSGI each holds a thread or greenlet
         tasks       of its event loop, if it has one
         lag         how long a request held that loop up at most in the last 10 to 20 s
sidecar: a command that --sidecar keeps running; waiting: it has ended, and is started again soon
route:   count       requests that have ended, whoever answered them
         failed      of those, how many ended with a 5xx, also the server's own 502 and 504
         total       time that the application took for them; the routes are sorted by it
         service     time from when a thread began a request to its answer, of the last 32
         queue       time from when a request came to when a thread began it, of samples
         cpu         CPU time of its thread; - if that was not measured
         kind        light; waiting: it takes long and needs little CPU; computing: 5 ms of it or more;
                     - if its CPU time was not measured
         at once     under auto: waiting requests given to workers, of how many may be
         kept back   how many of its requests are kept back now

`

// ctlFlags say which server is asked.
type ctlFlags struct {
	set    *pflag.FlagSet
	pid    *int
	socket *string
	bind   *string
}

func newCtlFlags(name string) ctlFlags {
	set := pflag.NewFlagSet(name, pflag.ContinueOnError)
	set.SetOutput(io.Discard)
	return ctlFlags{
		set:    set,
		pid:    set.Int("pid", 0, "process id of the server; needed if several run"),
		socket: set.String("socket", "", "path of its control socket"),
		bind:   set.StringP("bind", "b", "", "address that the server listens on, as its --bind says; one way to choose if several run"),
	}
}

// path finds the socket.
func (f ctlFlags) path(env *program.Env) (string, error) {
	if *f.socket != "" {
		return *f.socket, nil
	}
	dir, err := control.Dir(env.Getenv)
	if path, fault := control.Find(dir, control.Choice{PID: *f.pid, Bind: *f.bind}); fault == nil || err == nil {
		return path, fault
	}
	return "", err
}

// runCtl is the ctl command.
func runCtl(env *program.Env, args []string) int {
	f := newCtlFlags("girin ctl")
	asJSON := f.set.Bool("json", false, "print it as JSON")
	err := inWords(f.set.Parse(args))
	if errors.Is(err, pflag.ErrHelp) {
		io.WriteString(env.Stdout, ctlUsage+f.set.FlagUsages())
		return 0
	}
	if err == nil {
		err = asksStatus(f.set.Args())
	}
	if err != nil {
		fmt.Fprintf(env.Stderr, "girin ctl: %v\n", err)
		return program.Usage
	}
	s, err := askStatus(env, f)
	if err != nil {
		fmt.Fprintf(env.Stderr, "girin ctl: %v\n", err)
		return program.Failed
	}
	if *asJSON {
		e := json.NewEncoder(env.Stdout)
		e.SetIndent("", "  ")
		_ = e.Encode(s)
		return 0
	}
	io.WriteString(env.Stdout, formatStatus(s, time.Now()))
	return 0
}

// signals are what other servers' tools have commands for, and girin has signals.
var signals = map[string]string{
	"stop": "TERM", "quit": "TERM", "shutdown": "TERM", "kill": "INT", "reload": "HUP", "restart": "HUP", "reopen": "USR1", "scale": "TTIN",
}

// asksStatus is an error unless args are what ctl understands.
func asksStatus(args []string) error {
	switch {
	case len(args) == 0:
		return errors.New("say what to ask for: girin ctl status")
	case args[0] != "status":
		if sig := signals[args[0]]; sig != "" {
			return fmt.Errorf("there is no %q: the server takes signals for that (kill -%s PID). girin ctl status asks what it does", args[0], sig)
		}
		return fmt.Errorf("there is no %q, only: girin ctl status", args[0])
	case len(args) > 1:
		return fmt.Errorf("unexpected argument %q", args[1])
	}
	return nil
}

func askStatus(env *program.Env, f ctlFlags) (control.Status, error) {
	path, err := f.path(env)
	if err != nil {
		return control.Status{}, err
	}
	return control.Get(context.Background(), path)
}
