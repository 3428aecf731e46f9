// Package proc runs child processes: it starts one in a process group of its
// own that dies with the master, signals it, stops it with grace, and tells
// when and how it ended. It knows nothing of workers.
package proc

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"syscall"
	"time"
)

// Spec says what to start.
type Spec struct {
	Path  string   // the executable
	Args  []string // without the executable's own name
	Env   []string
	Dir   string
	Files []*os.File // become descriptors 3, 4, ...
	In    *os.File   // standard input, the terminal's with it; nil: there is none
	Out   *os.File   // standard output; nil: the master's
	Err   *os.File   // standard error; nil: the master's
	User  *syscall.Credential
	// Outlives is for a process that learns of the master's end by itself, and has
	// something to do then: it is not killed with it.
	Outlives bool
}

// Process is a started child.
type Process struct {
	process *os.Process
	done    chan struct{}
	state   *os.ProcessState // set before done is closed; nil: it could not be waited for
	err     error            // set before done is closed
}

// Starter starts processes from one goroutine that is locked to its thread:
// the kernel's parent-death signal is sent when the thread that forked ends,
// not the process. It knows all children of this process, whoever waits for
// them, so that its reaper takes none that is somebody's.
type Starter struct {
	jobs     chan func()
	closing  chan struct{} // closed by Close
	once     sync.Once
	done     chan struct{}
	children children
}

// NewStarter returns a starter; Close ends it.
func NewStarter() *Starter {
	s := newStarter()
	go s.run()
	return s
}

func newStarter() *Starter {
	return &Starter{jobs: make(chan func()), closing: make(chan struct{}), done: make(chan struct{}), children: newChildren()}
}

// run gives the jobs a thread that ends with them. The program's first thread
// is none: Go keeps it until the program ends. A goroutine that holds it makes
// the next one get another.
func (s *Starter) run() {
	runtime.LockOSThread()
	if !onFirstThread() {
		s.work()
		return
	}
	moved := make(chan struct{})
	go func() {
		runtime.LockOSThread()
		close(moved)
		s.work()
	}()
	<-moved
	runtime.UnlockOSThread()
}

// work starts what is asked for. Its goroutine is locked to its thread for
// good, so that the thread ends with it.
func (s *Starter) work() {
	defer close(s.done)
	for {
		select {
		case job := <-s.jobs:
			job()
		case <-s.closing:
			return
		}
	}
}

// Close ends the starter, and with its thread whatever it started.
func (s *Starter) Close() {
	s.once.Do(func() { close(s.closing) })
	<-s.done
}

// ErrClosed is the error of a start after Close.
var ErrClosed = errors.New("no process is started any more")

// onThread runs a job on the thread that children live with.
func (s *Starter) onThread(job func()) error {
	ran := make(chan struct{})
	select {
	case s.jobs <- func() { defer close(ran); job() }:
		<-ran
		return nil
	case <-s.closing:
		return ErrClosed
	}
}

// Start starts a process.
func (s *Starter) Start(spec Spec) (*Process, error) {
	cmd := exec.Command(spec.Path, spec.Args...)
	cmd.Env, cmd.Dir, cmd.ExtraFiles = spec.Env, spec.Dir, spec.Files
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	if spec.In != nil {
		cmd.Stdin = spec.In
	}
	if spec.Out != nil {
		cmd.Stdout = spec.Out
	}
	if spec.Err != nil {
		cmd.Stderr = spec.Err
	}
	if err := s.start(cmd, attributes(spec.User, spec.In != nil, spec.Outlives)); err != nil {
		return nil, err
	}
	return s.follow(cmd.Process), nil
}

// Run runs a command to its end. It dies with this process, as all children do.
func (s *Starter) Run(cmd *exec.Cmd) error {
	if err := s.start(cmd, attributes(nil, false, false)); err != nil {
		return err
	}
	defer s.children.forget(cmd.Process.Pid)
	return cmd.Wait()
}

// start starts a command and knows it from then on.
func (s *Starter) start(cmd *exec.Cmd, attributes *syscall.SysProcAttr) (err error) {
	cmd.SysProcAttr = attributes
	closed := s.onThread(func() {
		_, err = s.children.add(func() (int, error) {
			if err := cmd.Start(); err != nil {
				return 0, fmt.Errorf("start %s: %w", cmd.Path, err)
			}
			return cmd.Process.Pid, nil
		})
	})
	return cmp.Or(closed, err)
}

// Adopt takes in a process that a child of ours has forked and left to us: fork
// makes it do so and returns the process id, which is not believed. It needs
// AdoptOrphans.
func (s *Starter) Adopt(fork func() (pid int, err error)) (*Process, error) {
	pid, err := s.children.add(func() (int, error) {
		pid, err := fork()
		if err == nil {
			err = s.children.mayAdopt(pid)
		}
		return pid, err
	})
	if err != nil {
		return nil, err
	}
	process, err := os.FindProcess(pid)
	if err != nil {
		s.children.forget(pid)
		return nil, err
	}
	return s.follow(process), nil
}

// follow waits for a child by its handle, which is a pidfd where there is one.
func (s *Starter) follow(process *os.Process) *Process {
	p := &Process{process: process, done: make(chan struct{})}
	go p.wait(&s.children)
	return p
}

func (p *Process) wait(known *children) {
	p.state, p.err = p.process.Wait()
	known.forget(p.PID())
	if p.err == nil && !p.state.Success() {
		p.err = &exec.ExitError{ProcessState: p.state}
	}
	close(p.done)
}

// PID is the process id.
func (p *Process) PID() int { return p.process.Pid }

// Done is closed when the process has ended and was reaped.
func (p *Process) Done() <-chan struct{} { return p.done }

// Err says how it ended (nil: exit code 0). Only after Done.
func (p *Process) Err() error { return p.err }

// ExitCode is the exit code, or -1 if a signal ended it. Only after Done.
func (p *Process) ExitCode() int {
	var e *exec.ExitError
	switch {
	case p.err == nil:
		return 0
	case errors.As(p.err, &e):
		return e.ExitCode()
	}
	return -1
}

// Signalled returns the signal that ended the process, or 0. Only after Done.
func (p *Process) Signalled() syscall.Signal {
	if p.state == nil {
		return 0
	}
	if ws, ok := p.state.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
		return ws.Signal()
	}
	return 0
}

// Signal sends sig to the process alone.
func (p *Process) Signal(sig os.Signal) error { return p.process.Signal(sig) }

// Kill ends the process and its group at once.
func (p *Process) Kill() {
	if err := syscall.Kill(-p.PID(), syscall.SIGKILL); err != nil {
		_ = p.process.Kill()
	}
}

// Stop waits for the process to end by itself until grace is over, then kills
// it and its group. It returns when the process has ended, and reports whether
// it had to be killed.
func (p *Process) Stop(grace time.Duration) (killed bool) {
	t := time.NewTimer(grace)
	defer t.Stop()
	select {
	case <-p.done:
		return false
	case <-t.C:
		p.Kill()
		<-p.done
		return true
	}
}
