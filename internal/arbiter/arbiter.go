// Package arbiter is the Python process of the configuration file, seen from Go.
// gunicorn's file is a program: it runs in the process that is the server, and
// what it does there (the environment, modules, queues, threads, objects that its
// hooks share) is there for all workers, which are forked from that process. This
// is what stands in its place:
//
//	master (Go) ── load, configure, hooks, forks ──▶ arbiter (package shim, arbiter.py)
//	   ▲                                                │ forks, twice
//	   └──── parent, by adoption ─── worker ◀───────────┘
//
// It lives as long as the server, through reloads. Only one thing happens in it
// at a time, in the order in which it was asked for. If it dies it is started
// anew, as at a start: the file runs, then on_starting and when_ready; not while the
// server ends, which waits neither for that nor for another death. A hook that keeps
// others waiting for longer than Patience is interrupted, and so is a file that is run
// for a reload when the server ends.
package arbiter

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"girin/internal/proc"
)

// Config of an Arbiter.
type Config struct {
	Starter  *proc.Starter
	Args     []string // of the interpreter
	Argv     []string // sys.argv of the configuration file
	Env      []string
	Shim     []byte
	Patience time.Duration // how long a hook may keep others waiting
}

// Master is told what the process says of itself.
type Master struct {
	// Log takes lines, with Python's level and who said it.
	Log func(level, pid int, text string)
	// Failed is told of hooks that raised or were interrupted, and of the end of
	// the process (hook "").
	Failed func(hook string, err error)
	// Scale is told that a hook has set server.num_workers.
	Scale func(workers int)
	// Wants is told which of the logs' lines something in Python waits for.
	Wants func(Wants)
	// Access takes lines of the access log that Python has made.
	Access func(lines string)
}

// Wants says which lines something in Python waits for.
type Wants struct {
	Error  bool `json:"error"`
	Access bool `json:"access"`
}

// Arbiter keeps the process. Its methods may be called from any goroutine.
type Arbiter struct {
	cfg     Config
	master  atomic.Pointer[Master]
	jobs    chan job
	lines   *lines
	mount   atomic.Pointer[string]
	waiting atomic.Int32  // jobs that were not begun
	end     end           // begun by Leave: the process is not started anew
	closing chan struct{} // closed by Close: nothing is waited for any longer
	quit    chan struct{} // closed by Close: no job comes
	done    chan struct{} // closed when run has ended
	once    sync.Once     // closes quit
	stop    sync.Once     // closes closing

	// Of run's goroutine.
	process *process    // nil: none runs
	next    *process    // of another interpreter: it takes the place of process with Configure
	loaded  File        // the last whose settings were used
	loads   int         // counts runs of files
	setup   *Setup      // the last that was configured; nil: none yet
	serial  int         // of setup
	living  map[int]int // process ids of workers by age
	workers int         // how many there should be
	born    time.Time   // of process, if it was started anew
	deaths  int         // in a row
}

// job is something for the process to do.
type job struct {
	do     func() error
	result chan<- error // has room for one
}

// queued bounds how many jobs may wait for a slow one.
const queued = 1024

// ErrClosed is the error of whatever comes after Close.
var ErrClosed = errors.New("the arbiter is closed")

// New returns an arbiter; Load or Configure starts the process.
func New(cfg Config) *Arbiter {
	a := &Arbiter{
		cfg: cfg, jobs: make(chan job, queued), end: end{begun: make(chan struct{})}, closing: make(chan struct{}), quit: make(chan struct{}), done: make(chan struct{}),
		living: map[int]int{}, lines: newLines(),
	}
	a.Attach(Master{})
	go a.run()
	return a
}

// Attach names who is told what the process says.
func (a *Arbiter) Attach(m Master) {
	if m.Log == nil {
		m.Log = func(int, int, string) {}
	}
	if m.Failed == nil {
		m.Failed = func(string, error) {}
	}
	if m.Scale == nil {
		m.Scale = func(int) {}
	}
	if m.Access == nil {
		m.Access = func(string) {}
	}
	if m.Wants == nil {
		m.Wants = func(Wants) {}
	}
	a.master.Store(&m)
}

// wait does a job and waits for it, or until ctx ends.
func (a *Arbiter) wait(ctx context.Context, do func() error) error {
	result := make(chan error, 1)
	a.waiting.Add(1)
	select {
	case a.jobs <- job{do, result}:
	case <-a.done:
		a.waiting.Add(-1)
		return ErrClosed
	case <-ctx.Done():
		a.waiting.Add(-1)
		return context.Cause(ctx)
	}
	select {
	case err := <-result:
		return err
	case <-a.done:
		return ErrClosed
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// ask is wait for a job that has a result. With an error there is none: the job may
// still be at it.
func ask[T any](ctx context.Context, a *Arbiter, do func() (T, error)) (T, error) {
	var result, none T
	err := a.wait(ctx, func() (err error) {
		result, err = do()
		return err
	})
	if err != nil {
		return none, err
	}
	return result, nil
}

// run does the jobs, one after the other, and starts the process anew when it has ended.
func (a *Arbiter) run() {
	defer close(a.done)
	for {
		select {
		case j := <-a.jobs:
			a.waiting.Add(-1)
			j.result <- j.do()
		case <-a.died():
			a.renew()
		case <-a.quit:
			a.finish()
			return
		}
	}
}

// died is closed when the process has ended although it should run.
func (a *Arbiter) died() <-chan struct{} {
	if a.process == nil || a.setup == nil {
		return nil
	}
	return a.process.proc.Done()
}

// finish does what was asked for before Close, and ends the process.
func (a *Arbiter) finish() {
	for {
		select {
		case j := <-a.jobs:
			a.waiting.Add(-1)
			j.result <- j.do()
			continue
		default:
		}
		break
	}
	for _, p := range []*process{a.next, a.process} {
		if p != nil {
			a.flush(p)
			p.close(closeLimit, a.closing)
		}
	}
}

// Leave says that the server ends, and must have ended by last: a hook that keeps others
// waiting has no more than half of the time left. A process that ends is not started
// anew from now on, and its hooks that come after that fail at once.
func (a *Arbiter) Leave(last time.Time) {
	a.end.once.Do(func() {
		a.end.last = last
		close(a.end.begun)
	})
}

// closeLimit is how long the process may take to end by itself.
const closeLimit = 5 * time.Second

// Close lets what was asked for before run, for a while, and ends the process; at the end
// of ctx without further ado.
func (a *Arbiter) Close(ctx context.Context) {
	a.Leave(time.Now().Add(closeLimit))
	a.once.Do(func() { close(a.quit) })
	soon, cancel := context.WithTimeout(ctx, closeLimit)
	defer cancel()
	select {
	case <-a.done:
	case <-soon.Done():
		a.stop.Do(func() { close(a.closing) })
		<-a.done
	}
}

// tell sends the process a message.
func (a *Arbiter) tell(message any, l limits) (answer, error) {
	if err := a.ready(); err != nil {
		return answer{}, err
	}
	l.giveUp, l.end = a.closing, &a.end
	return a.process.exchange(message, nil, l)
}

// ready sees to it that there is a process.
func (a *Arbiter) ready() error {
	switch {
	case a.setup == nil:
		return errors.New("there is no arbiter")
	case a.process == nil:
		a.renew()
	default:
		select {
		case <-a.process.proc.Done():
			a.renew()
		default:
		}
	}
	if a.process == nil {
		return errEnded
	}
	return nil
}

func (a *Arbiter) scale(workers int) { a.master.Load().Scale(workers) }
