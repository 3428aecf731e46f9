package worker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"girin/internal/proc"
	"girin/internal/wire"
)

// Template is a process that has imported the application and serves nothing:
// workers are forked from it and share its memory as long as neither writes there.
type Template struct {
	cfg     Config
	proc    *proc.Process
	control *net.UnixConn
	ready   chan struct{} // closed when it can be forked from, or never will be
	err     error         // set before ready is closed
	closing sync.Once
}

// ErrNoTemplate says that there is no process to fork a worker from.
var ErrNoTemplate = errors.New("its template has ended")

// StartTemplate starts a process of the settings that workers of cfg are to have.
// It must be ready in time; 0: whenever it is. Of cfg its Receiver is not needed.
func StartTemplate(cfg Config, boot time.Duration) (*Template, error) {
	cfg.Settings.Version = wire.Version
	hello, err := json.Marshal(cfg.Settings)
	if err != nil {
		return nil, fmt.Errorf("settings: %w", err)
	}
	t := &Template{cfg: cfg, ready: make(chan struct{})}
	if err := t.start(); err != nil {
		return nil, err
	}
	go t.settle(hello, boot)
	return t, nil
}

func (t *Template) start() error {
	control, theirs, err := socketPair(controlSocket)
	if err != nil {
		return err
	}
	defer theirs.Close()
	shim, err := SealedFile("girin-shim", t.cfg.Shim)
	if err != nil {
		control.Close()
		return err
	}
	defer shim.Close()
	files := []*os.File{theirs}
	if t.cfg.Origin == nil {
		files = []*os.File{theirs, nil, nil, nil, shim}
	}
	if t.proc, err = t.cfg.begin(context.Background(), files); err != nil {
		control.Close()
		return err
	}
	t.control = control
	return nil
}

// settle waits until the process is ready.
func (t *Template) settle(hello []byte, boot time.Duration) {
	defer close(t.ready)
	if boot > 0 {
		go proc.Boot{
			Process: t.proc, Limit: boot, Ready: t.ready,
			Late: func() {
				t.cfg.Log.Warningf("The application is not imported after %v (pid: %d); it is waited for as long as it computes", boot, t.PID())
			},
			GiveUp: func() {
				_ = t.proc.Signal(syscall.SIGUSR2) // it writes its stacks to standard error while it imports
				time.Sleep(dumpPatience)
				_ = t.control.SetReadDeadline(time.Now())
			},
		}.Watch()
	}
	c, payload, err := t.ask(wire.Control{Op: wire.Hello}, hello, nil)
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		t.err = fmt.Errorf("it was not ready within %v: a longer --timeout gives it more", boot)
	case err != nil:
		t.err = t.ended()
	case c.Op == wire.Broken:
		broken := new(Broken)
		if t.err = json.Unmarshal(payload, broken); t.err == nil {
			t.err = broken
		}
	case c.Op != wire.Ready:
		t.err = fmt.Errorf("it said %d instead of being ready", c.Op)
	}
	if t.err != nil {
		t.Close()
	}
}

// ask sends a message and returns the answer.
func (t *Template) ask(c wire.Control, payload []byte, files []*os.File) (wire.Control, []byte, error) {
	fds := make([]int, len(files))
	for i, f := range files {
		fds[i] = int(f.Fd())
	}
	var rights []byte
	if len(fds) > 0 {
		rights = unix.UnixRights(fds...)
	}
	if _, _, err := t.control.WriteMsgUnix(c.Append(nil, payload), rights, nil); err != nil {
		return wire.Control{}, nil, err
	}
	buf := make([]byte, wire.MaxControl)
	n, err := t.control.Read(buf)
	if err != nil {
		return wire.Control{}, nil, err
	}
	return wire.ParseControl(buf[:n])
}

// ended says how the process ended, which it does if it cannot be talked to.
func (t *Template) ended() error {
	if t.proc.Stop(lastWords) {
		return errors.New("it has closed its control socket")
	}
	return exitError(t.proc)
}

// Ready is closed when workers can be forked, or when Err says why not.
func (t *Template) Ready() <-chan struct{} { return t.ready }

// Err is why no worker can be forked. Only after Ready.
func (t *Template) Err() error { return t.err }

// PID is the process id.
func (t *Template) PID() int { return t.proc.PID() }

// Fork makes a process that inherits the files, and returns its process id.
func (t *Template) Fork(ctx context.Context, _ int, carried []byte, files []*os.File) (pid int, err error) {
	if deadline, limited := ctx.Deadline(); limited {
		_ = t.control.SetDeadline(deadline)
	}
	c, payload, err := t.ask(wire.Control{Op: wire.Fork}, carried, files)
	switch {
	case err != nil:
		t.Close()
		return 0, fmt.Errorf("%w (pid %d): %w", ErrNoTemplate, t.PID(), err)
	case c.Op != wire.Forked || c.N == 0:
		return 0, fmt.Errorf("its template (pid %d) cannot fork it: %s", t.PID(), payload)
	}
	return int(c.N), nil
}

// Close ends the process, not what was forked from it.
func (t *Template) Close() {
	t.closing.Do(func() {
		t.control.Close()
		_ = t.proc.Signal(os.Kill)
	})
}
