// Package hooks runs the functions of a configuration file that gunicorn calls
// in its master: on_starting, when_ready, pre_fork, child_exit and so on. They
// run in one Python process of their own, in the application's interpreter,
// which package shim's arbiter.py is; it is started only if the file defines
// one of them. Hooks of workers run in the workers and are not this package's.
package hooks

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"time"

	"girin/internal/proc"
	"girin/internal/wire"
	"girin/internal/worker"
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

// Config of a Process.
type Config struct {
	Starter *proc.Starter
	Spec    proc.Spec // what to start; Files are filled in by Start
	Shim    []byte
	// Settings are what a worker's Hello has: paths, configuration file, hooks.
	Settings worker.Settings
	// Log takes lines, with Python's level.
	Log func(level int, text string)
	// Failed is told of hooks that raised, or ran too long to be waited for.
	Failed func(hook string, err error)
}

// Process is the process of the master's hooks. It runs one at a time, in the
// order in which they were asked for.
type Process struct {
	cfg     Config
	proc    *proc.Process
	conn    *net.UnixConn
	jobs    chan job
	answers chan answer   // closed when the process has ended
	done    chan struct{} // closed when no hook runs any more
}

type job struct {
	event  Event
	last   bool
	result chan<- error // has room for one
}

// answer is what the process says.
type answer struct {
	Done   bool    `json:"done"`
	Failed string  `json:"failed"`
	Log    *string `json:"log"`
	Level  int     `json:"level"`
}

// queued bounds how many hooks may wait for a slow one.
const queued = 1024

// ErrEnded is the error of a hook for which there is no process any more.
var ErrEnded = errors.New("the process of the server hooks has ended")

// Start starts the process. It returns when the configuration file has run
// there, or ctx has ended.
func Start(ctx context.Context, cfg Config) (*Process, error) {
	cfg.Settings.Version = wire.Version
	settings, err := json.Marshal(cfg.Settings)
	if err != nil {
		return nil, fmt.Errorf("settings: %w", err)
	}
	p := &Process{
		cfg: cfg, jobs: make(chan job, queued), answers: make(chan answer), done: make(chan struct{}),
	}
	if err := p.start(); err != nil {
		return nil, err
	}
	go p.read()
	unwatch := context.AfterFunc(ctx, p.proc.Kill)
	err = p.exchange(settings)
	if !unwatch() {
		err = cmp.Or(err, context.Cause(ctx))
	}
	if err != nil {
		p.conn.Close()
		p.proc.Stop(0)
		p.drain()
		return nil, err
	}
	go p.serve()
	return p, nil
}

// shimFile is wire.ShimFD as an index of Spec.Files.
const shimFile = wire.ShimFD - 3

func (p *Process) start() error {
	ours, theirs, err := worker.StreamPair()
	if err != nil {
		return err
	}
	defer theirs.Close()
	shim, err := worker.SealedFile("girin-shim", p.cfg.Shim)
	if err == nil {
		defer shim.Close()
		spec := p.cfg.Spec
		spec.Files = make([]*os.File, shimFile+1)
		spec.Files[0], spec.Files[shimFile] = theirs, shim
		p.proc, err = p.cfg.Starter.Start(spec)
	}
	if err != nil {
		ours.Close()
		return err
	}
	p.conn = ours
	return nil
}

// Run runs a hook and waits until it has returned or ctx ends.
func (p *Process) Run(ctx context.Context, e Event) error {
	result := make(chan error, 1)
	select {
	case p.jobs <- job{event: e, result: result}:
	case <-p.done:
		return ErrEnded
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	select {
	case err := <-result:
		return err
	case <-p.done:
		return ErrEnded
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Tell runs a hook and does not wait for it.
func (p *Process) Tell(e Event) {
	select {
	case p.jobs <- job{event: e, result: make(chan error, 1)}:
	case <-p.done:
	default:
		p.cfg.Failed(e.Hook, fmt.Errorf("it is left out: %d hooks wait already", queued))
	}
}

// closeLimit is how long the process may take to end by itself.
const closeLimit = 5 * time.Second

// Close lets what was asked for before run, for a while, and ends the process; at
// the end of ctx without further ado.
func (p *Process) Close(ctx context.Context) {
	soon, cancel := context.WithTimeout(ctx, closeLimit)
	defer cancel()
	select {
	case p.jobs <- job{last: true}:
	case <-p.done:
	case <-soon.Done():
	}
	select {
	case <-p.done:
	case <-soon.Done():
	}
	_ = p.conn.CloseWrite() // the process ends as any program does
	unwatch := context.AfterFunc(ctx, p.proc.Kill)
	p.proc.Stop(closeLimit)
	unwatch()
	p.conn.Close()
	<-p.done
	p.drain()
}

// serve runs hooks, one after the other.
func (p *Process) serve() {
	defer close(p.done)
	for j := range p.jobs {
		if j.last {
			return
		}
		line, err := json.Marshal(j.event)
		if err == nil {
			err = p.exchange(line)
		}
		j.result <- err
		if err != nil {
			p.cfg.Failed(j.event.Hook, err)
		}
		if errors.Is(err, ErrEnded) {
			return
		}
	}
}

// exchange sends a line and waits for its answer.
func (p *Process) exchange(line []byte) error {
	if _, err := p.conn.Write(append(line, '\n')); err != nil {
		return ErrEnded
	}
	a, ok := <-p.answers
	switch {
	case !ok:
		return ErrEnded
	case !a.Done:
		return errors.New(a.Failed)
	}
	return nil
}

// read passes on what the process says until it ends.
func (p *Process) read() {
	defer close(p.answers)
	lines := bufio.NewReader(p.conn)
	for {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			return
		}
		var a answer
		switch err := json.Unmarshal(line, &a); {
		case err != nil:
			p.cfg.Failed("", fmt.Errorf("its answer does not parse: %w", err))
			return
		case a.Log != nil:
			p.cfg.Log(a.Level, *a.Log)
		default:
			p.answers <- a
		}
	}
}

// drain takes what nobody waits for, until the reader has ended.
func (p *Process) drain() {
	for range p.answers {
	}
}
