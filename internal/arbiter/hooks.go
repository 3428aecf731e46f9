package arbiter

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
)

// Event is a hook to run, with what it is told. The hook may be absent: the
// process also keeps account of the workers.
type Event struct {
	Hook   string `json:"hook"`
	Age    int    `json:"age,omitempty"` // counts workers from 1
	PID    int    `json:"pid,omitempty"`
	Now    int    `json:"now,omitempty"` // how many workers there should be
	Before *int   `json:"before,omitempty"`
}

// Run runs a hook and waits until it has returned or ctx ends.
func (a *Arbiter) Run(ctx context.Context, e Event) error {
	return a.wait(ctx, func() error { return a.hook(e) })
}

// Tell runs a hook and does not wait for it.
func (a *Arbiter) Tell(e Event) {
	a.waiting.Add(1)
	select {
	case a.jobs <- job{func() error { return a.hook(e) }, make(chan error, 1)}:
	case <-a.done:
		a.waiting.Add(-1)
	default:
		a.waiting.Add(-1)
		a.master.Load().Failed(e.Hook, fmt.Errorf("it is left out: %d hooks wait already", queued))
	}
}

func (a *Arbiter) hook(e Event) error {
	_, err := a.runHook(e, false)
	return err
}

// runHook runs a hook; with carry it returns what it has changed for a process that was forked before.
func (a *Arbiter) runHook(e Event, carry bool) (answer, error) {
	a.note(e)
	message := struct {
		Op      string `json:"op"`
		Carried bool   `json:"carried,omitempty"`
		Event
	}{"hook", carry, e}
	said, err := a.tell(message, limits{patience: a.cfg.Patience, waiting: func() bool { return a.waiting.Load() > 0 }})
	if err != nil {
		a.master.Load().Failed(e.Hook, err)
		return said, err
	}
	a.follow(a.process, said)
	return said, nil
}

// note keeps account of the workers, for a process that is started anew.
func (a *Arbiter) note(e Event) {
	switch e.Hook {
	case "started":
		a.living[e.Age] = e.PID
	case "child_exit":
		delete(a.living, e.Age)
	case "nworkers_changed":
		a.workers = e.Now
	}
}

// follow takes what settings or a hook have changed: where the application is mounted, and
// which lines the process is to get, if it can get them.
func (a *Arbiter) follow(p *process, said answer) {
	if said.Wants == nil {
		return
	}
	a.mount.Store(&said.Mount)
	w := *said.Wants
	if w != (Wants{}) && a.connect(p) != nil {
		w = Wants{}
	}
	a.master.Load().Wants(w)
}

// Reopen opens the files of Python's log handlers anew.
func (a *Arbiter) Reopen(ctx context.Context) error {
	return a.wait(ctx, func() error {
		_, err := a.tell(map[string]any{"op": "reopen"}, limits{patience: a.cfg.Patience})
		return err
	})
}

// Origin is the process as what is forked from it: workers or, with preload_app,
// the template of a generation's workers.
type Origin struct {
	arbiter *Arbiter
	serial  int // of the configuration
	role    string
}

// Workers is where the workers of a configuration come from.
func (a *Arbiter) Workers(serial int) *Origin { return &Origin{a, serial, "worker"} }

// Templates is where the processes that import the application come from.
func (a *Arbiter) Templates(serial int) *Origin { return &Origin{a, serial, "template"} }

// Fork makes a child of this process that inherits the files.
func (o *Origin) Fork(ctx context.Context, age int, _ []byte, files []*os.File) (pid int, err error) {
	a := o.arbiter
	return ask(ctx, a, func() (int, error) {
		if ctx.Err() != nil {
			return 0, context.Cause(ctx) // nobody would know of it
		}
		if err := a.ready(); err != nil {
			return 0, err
		}
		message := map[string]any{"op": "fork", "role": o.role, "serial": o.serial, "age": age}
		said, err := a.process.exchange(message, files, limits{patience: a.cfg.Patience, giveUp: a.closing, end: &a.end})
		return said.Forked, err
	})
}

// PreFork runs the hook before a worker is forked. With carry it returns what the hook has
// done to the worker and to the environment, for Fork of a template.
func (a *Arbiter) PreFork(ctx context.Context, age int, carry bool) (carried json.RawMessage, err error) {
	return ask(ctx, a, func() (json.RawMessage, error) {
		said, err := a.runHook(Event{Hook: "pre_fork", Age: age}, carry)
		return said.Carried, err
	})
}
