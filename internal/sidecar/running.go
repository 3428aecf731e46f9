package sidecar

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"girin/internal/proc"
)

// running is a command that was started, seen from the server.
type running struct {
	guard  *proc.Process
	line   *os.File      // cut by closing it: then the guard ends everything
	ended  chan struct{} // closed when the guard has ended
	known  chan struct{} // closed when pid is known, or never will be
	pipes  []*os.File    // that are read
	wait   sync.WaitGroup
	mu     sync.Mutex
	pid    int    // guarded by mu: the command's
	how    string // guarded by mu: how it ended, as the guard has said
	killed bool   // of the keeper's goroutine
}

const (
	lineLimit = 64 << 10    // of what a command prints, how much is kept together
	afterKill = time.Second // within that a guard ends all that it has
	lastWords = time.Second // within that what was printed before the end has been read
)

// start starts the command, with a guard.
func (k *keeper) start() (*running, error) {
	var files []*os.File
	pipe := func() (r, w *os.File, err error) {
		if r, w, err = os.Pipe(); err == nil {
			files = append(files, r, w)
		}
		return r, w, err
	}
	lineOut, line, err1 := pipe()
	report, reportIn, err2 := pipe()
	output, outputIn, err3 := pipe()
	err := errors.Join(err1, err2, err3)
	var guard *proc.Process
	if err == nil {
		guard, err = k.cfg.Starter.Start(proc.Spec{
			Path: k.cfg.Guard[0], Args: append(append([]string{}, k.cfg.Guard[1:]...), k.command.Args...),
			Env: k.command.Env, Dir: k.command.Dir, Files: []*os.File{lineOut, reportIn}, Out: outputIn, Err: outputIn, Outlives: true,
		})
	}
	if err != nil {
		for _, f := range files {
			f.Close()
		}
		return nil, err
	}
	for _, f := range []*os.File{lineOut, reportIn, outputIn} {
		f.Close()
	}
	r := &running{guard: guard, line: line, ended: make(chan struct{}), known: make(chan struct{}), pipes: []*os.File{report, output}}
	r.wait.Go(func() { <-guard.Done(); close(r.ended) })
	r.wait.Go(func() { k.hear(r, report) })
	r.wait.Go(func() { k.pass(r, output) })
	return r, nil
}

// hear takes what the guard reports: "pid N", then "ended HOW" or "failed WHY".
func (k *keeper) hear(r *running, report io.Reader) {
	known := sync.OnceFunc(func() { close(r.known) })
	defer known()
	for lines := bufio.NewScanner(report); lines.Scan(); {
		word, rest, _ := strings.Cut(lines.Text(), " ")
		switch word {
		case "pid":
			pid, _ := strconv.Atoi(rest)
			r.mu.Lock()
			r.pid = pid
			r.mu.Unlock()
			k.change(func(s *Status) {
				s.PID = pid
				if s.State == "starting" {
					s.State = "running"
				}
			})
			k.cfg.Log.Infof("Sidecar %s runs (pid: %d)", k.command.Name, pid)
			known()
		case "ended":
			r.mu.Lock()
			r.how = "ended with " + rest
			r.mu.Unlock()
		case "failed":
			r.mu.Lock()
			r.how = "could not be started (" + rest + ")"
			r.mu.Unlock()
		}
	}
}

// pass passes on what the command prints, line by line.
func (k *keeper) pass(r *running, output io.Reader) {
	<-r.known
	lines := bufio.NewReaderSize(output, lineLimit)
	for {
		line, err := lines.ReadSlice('\n')
		if text := strings.TrimRight(string(line), "\r\n"); text != "" {
			k.cfg.Log.Line(k.command.Name, r.process(), text)
		}
		if err != nil && err != bufio.ErrBufferFull {
			return
		}
	}
}

// process is the command's process id, or before that is known the guard's.
func (r *running) process() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.pid != 0 {
		return r.pid
	}
	return r.guard.PID()
}

// terminate asks the command to end.
func (r *running) terminate() { _, _ = r.line.Write([]byte{terminate}) }

// kill ends the command and all that it has started, and waits for that.
func (r *running) kill() {
	r.line.Close()
	late := time.NewTimer(afterKill)
	defer late.Stop()
	select {
	case <-r.ended:
	case <-late.C:
		r.guard.Kill()
		<-r.ended
	}
	r.killed = true
}

// close takes what there is left to hear, and returns how the command ended.
func (r *running) close() (how string) {
	r.line.Close()
	for _, p := range r.pipes {
		_ = p.SetReadDeadline(time.Now().Add(lastWords)) // somebody may still hold its other end
	}
	r.wait.Wait()
	for _, p := range r.pipes {
		p.Close()
	}
	switch {
	case r.killed:
		return "was killed"
	case r.how != "":
		return r.how
	case r.pid != 0:
		_ = syscall.Kill(-r.pid, syscall.SIGKILL) // what its guard has left
	}
	return fmt.Sprintf("ended with its guard (%v)", r.guard.Err())
}
