// Package proc runs child processes: it starts one in a process group of its
// own that dies with the master, signals it, stops it with grace, and tells
// when and how it ended. It knows nothing of workers.
package proc

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
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
	Out   *os.File   // standard output; nil: the master's
	Err   *os.File   // standard error; nil: the master's
	User  *syscall.Credential
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
// not the process.
type Starter struct {
	jobs   chan job
	done   chan struct{}
	family family
}

type job struct {
	spec   Spec
	result chan<- result
}

type result struct {
	p   *Process
	err error
}

// NewStarter returns a starter; Close ends it.
func NewStarter() *Starter {
	s := newStarter()
	go s.run()
	return s
}

func newStarter() *Starter {
	return &Starter{jobs: make(chan job), done: make(chan struct{}), family: family{pids: map[int]bool{}}}
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
	for j := range s.jobs {
		p, err := s.family.add(func() (*Process, error) { return start(j.spec) })
		j.result <- result{p, err}
	}
}

// Close ends the starter, and with its thread whatever it started.
func (s *Starter) Close() {
	close(s.jobs)
	<-s.done
}

// Start starts a process.
func (s *Starter) Start(spec Spec) (*Process, error) {
	res := make(chan result, 1)
	s.jobs <- job{spec, res}
	r := <-res
	return r.p, r.err
}

// Adopt takes in a process that a child of ours has forked and left to us: fork
// makes it do so and returns the process id. It needs AdoptOrphans.
func (s *Starter) Adopt(fork func() (pid int, err error)) (*Process, error) {
	return s.family.add(func() (*Process, error) {
		pid, err := fork()
		if err != nil {
			return nil, err
		}
		process, err := os.FindProcess(pid)
		if err != nil {
			return nil, err
		}
		return follow(process), nil
	})
}

func start(spec Spec) (*Process, error) {
	cmd := exec.Command(spec.Path, spec.Args...)
	cmd.Env, cmd.Dir, cmd.ExtraFiles = spec.Env, spec.Dir, spec.Files
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	if spec.Out != nil {
		cmd.Stdout = spec.Out
	}
	if spec.Err != nil {
		cmd.Stderr = spec.Err
	}
	cmd.SysProcAttr = attributes(spec.User)
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", spec.Path, err)
	}
	return follow(cmd.Process), nil
}

// follow waits for a child.
func follow(process *os.Process) *Process {
	p := &Process{process: process, done: make(chan struct{})}
	go p.wait()
	return p
}

func (p *Process) wait() {
	p.state, p.err = p.process.Wait()
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
