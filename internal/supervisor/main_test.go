package supervisor_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"girin/internal/proc"
	"girin/internal/sched"
	"girin/internal/supervisor"
	"girin/internal/wire"
	"girin/internal/worker"
	"girin/internal/worker/workertest"
)

// What the workers of these tests do. The first argument is their version,
// which they answer with; the second a gate (see gate).
func TestMain(m *testing.M) {
	answer := func(w *workertest.Worker) func(*workertest.Request) error {
		return func(r *workertest.Request) error { return w.Answer(r.ID, "200 OK", os.Args[1]) }
	}
	workertest.Main(map[string]func(w *workertest.Worker) error{
		"serves": func(w *workertest.Worker) error { return w.Serve(answer(w)) },
		// boots late: when its gate opens
		"late": func(w *workertest.Worker) error {
			if err := pass(os.Args[2]); err != nil {
				return err
			}
			return w.Serve(answer(w))
		},
		// boots late, and computes until then
		"imports": func(w *workertest.Worker) error {
			limit, err := time.ParseDuration(os.Args[2])
			for began := time.Now(); time.Since(began) < limit; {
			}
			return errors.Join(err, w.Serve(answer(w)))
		},
		// answers when its gate opens
		"waits": func(w *workertest.Worker) error {
			return w.Serve(func(r *workertest.Request) error {
				return errors.Join(pass(os.Args[2]), answer(w)(r))
			})
		},
		"broken": func(w *workertest.Worker) error { return errors.Join(w.Hello(nil), w.Broken(4, "no such app")) },
		"dies":   func(*workertest.Worker) error { os.Exit(5); return nil },
		// waits for something when it should boot, and tells where
		"hangs": func(w *workertest.Worker) error {
			for {
				c, _, _, err := w.Receive()
				if err == nil && c.Op == wire.Dump {
					err = w.Send(wire.Control{Op: wire.Stacks}, []byte("it hangs here"))
				}
				if err != nil {
					return err
				}
			}
		},
		"silent": func(w *workertest.Worker) error { _, err := io.Copy(io.Discard, w.Control); return err },
		"crashes": func(w *workertest.Worker) error {
			if err := errors.Join(w.Hello(nil), w.Ready()); err != nil {
				return err
			}
			if _, _, _, err := w.Receive(); err != nil { // it is told to read
				return err
			}
			os.Exit(6)
			return nil
		},
	})
	os.Exit(m.Run())
}

// pass waits until a gate, a FIFO, is opened from the other side.
func pass(gate string) error {
	f, err := os.Open(gate)
	if err != nil {
		return err
	}
	return f.Close()
}

func gate(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "gate")
	if err := unix.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// open lets one worker through a gate; it waits until that one has come to it.
func open(t *testing.T, gate string) {
	t.Helper()
	f, err := os.OpenFile(gate, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	f.Close()
}

// rig is a supervisor with a scheduler and real worker processes.
type rig struct {
	*supervisor.Supervisor
	t       *testing.T
	queue   *sched.Queue
	starter *proc.Starter
	arena   *worker.Arena
	lane    *worker.Lane
	stop    context.CancelFunc
	ended   chan struct{} // closed when Run has returned
	err     error         // of Run

	mu      sync.Mutex
	changed sync.Cond
	lines   []string
	ready   int // how often Ready was called
	workers []*worker.Worker
}

// newRig starts a supervisor of so many workers that do what TestMain has
// under that name.
func newRig(t *testing.T, workers int, launch func(r *rig) supervisor.Launch, change ...func(*supervisor.Config)) *rig {
	t.Helper()
	r := &rig{t: t, starter: proc.NewStarter(), ended: make(chan struct{})}
	r.changed.L = &r.mu
	var err error
	if r.arena, err = worker.NewArena(); err != nil {
		t.Fatal(err)
	}
	if r.lane, err = worker.NewLane(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.lane.Close() })
	t.Cleanup(r.starter.Close) // before that: it may still start a worker that is to have the lane
	r.queue = sched.New(sched.Config{
		Lane: r.lane, Arena: r.arena, Cells: 200, Waits: 100, Window: 1 << 16,
		Clock: func() int64 { return time.Now().UnixNano() },
	})
	r.queue.Start()
	t.Cleanup(r.queue.Close)
	cfg := supervisor.Config{
		Queue: r.queue, Launch: launch(r), Workers: workers, Boot: time.Minute, Grace: time.Minute, Log: r,
		Receiver: &supervisor.Receiver{Queue: r.queue, Out: r},
		Ready:    func(*worker.Worker) { r.mu.Lock(); defer r.mu.Unlock(); r.ready++; r.changed.Broadcast() },
		Failed:   func(*supervisor.BootError) bool { return false },
	}
	for _, f := range change {
		f(&cfg)
	}
	r.Supervisor = supervisor.New(cfg)
	var ctx context.Context
	ctx, r.stop = context.WithCancel(context.Background())
	go func() {
		defer close(r.ended)
		r.err = r.Run(ctx)
	}()
	t.Cleanup(func() { r.Kill(); r.end() })
	return r
}

// version returns how workers of a role and version are launched.
func version(role, version string, args ...string) func(r *rig) supervisor.Launch {
	return func(r *rig) supervisor.Launch {
		return func(ctx context.Context, name string, to worker.Receiver) (*worker.Worker, error) {
			w, err := worker.Start(ctx, worker.Config{
				Name: name, Starter: r.starter, Arena: r.arena, Lanes: []*worker.Lane{r.lane}, Receiver: to, Log: r,
				Spec:     proc.Spec{Path: os.Args[0], Args: append([]string{version}, args...), Env: workertest.Environ(role)},
				Settings: worker.Settings{Class: "sync"},
			})
			if err == nil {
				r.mu.Lock()
				defer r.mu.Unlock()
				r.workers = append(r.workers, w)
			}
			return w, err
		}
	}
}

func (r *rig) Debugf(format string, args ...any)    { r.line("debug", format, args) }
func (r *rig) Infof(format string, args ...any)     { r.line("info", format, args) }
func (r *rig) Warningf(format string, args ...any)  { r.line("warning", format, args) }
func (r *rig) Errorf(format string, args ...any)    { r.line("error", format, args) }
func (r *rig) Criticalf(format string, args ...any) { r.line("critical", format, args) }
func (r *rig) Line(_, _ int, text string)           { r.line("worker", "%s", []any{text}) }

func (r *rig) line(level, format string, args []any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lines = append(r.lines, level+": "+fmt.Sprintf(format, args...))
	r.changed.Broadcast()
}

// until waits until what holds, which is looked at with the lock when
// something was logged.
func (r *rig) until(what string, holds func() bool) {
	r.t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	late := false
	stop := time.AfterFunc(10*time.Second, func() { r.mu.Lock(); defer r.mu.Unlock(); late = true; r.changed.Broadcast() })
	defer stop.Stop()
	for !holds() {
		if late {
			r.t.Fatalf("no %s; the log says:\n%s", what, strings.Join(r.lines, "\n"))
		}
		r.changed.Wait()
	}
}

// logged waits until n lines hold a text.
func (r *rig) logged(n int, text string) {
	r.t.Helper()
	r.until(fmt.Sprint(n, " times ", text), func() bool {
		found := 0
		for _, line := range r.lines {
			if strings.Contains(line, text) {
				found++
			}
		}
		return found >= n
	})
}

func (r *rig) waitReady() {
	r.t.Helper()
	r.until("readiness", func() bool { return r.ready == 1 })
}

// started returns the workers that were ever started.
func (r *rig) started() []*worker.Worker {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]*worker.Worker(nil), r.workers...)
}

// alive returns the workers whose processes have not ended.
func (r *rig) alive() (alive []*worker.Worker) {
	for _, w := range r.started() {
		select {
		case <-w.Done():
		default:
			alive = append(alive, w)
		}
	}
	return alive
}

// end waits for Run and returns its error.
func (r *rig) end() error {
	r.t.Helper()
	select {
	case <-r.ended:
	case <-time.After(10 * time.Second):
		r.t.Fatal("Run does not return")
	}
	return r.err
}

// outcome is how a call ended.
type outcome struct {
	body  string
	cause error
}

type answer struct {
	body  string
	ended chan outcome
}

func (a *answer) Frame(f *wire.Frame, _, body []byte) {
	a.body += string(body)
	if f.Flags&wire.Final != 0 {
		a.ended <- outcome{body: a.body}
	}
}

func (a *answer) File(_ *wire.Frame, _ []byte, body sched.FileBody) { body.File.Close() }
func (a *answer) Fail(cause error)                                  { a.ended <- outcome{cause: cause} }

// call submits a request.
func (r *rig) call() <-chan outcome {
	r.t.Helper()
	a := &answer{ended: make(chan outcome, 1)}
	c := &sched.Call{Answer: a, Form: wire.Joined, Request: append(make([]byte, wire.RequestHead), "A\x00b"...)}
	c.Route = r.queue.Route([]byte("GET"), []byte("/"))
	if !r.queue.Register(c) {
		r.t.Fatal("no cell is free")
	}
	if err := r.queue.Submit(c); err != nil {
		r.t.Fatal(err)
	}
	return a.ended
}

// answered waits for a call's end.
func (r *rig) answered(ended <-chan outcome) outcome {
	r.t.Helper()
	select {
	case o := <-ended:
		return o
	case <-time.After(10 * time.Second):
		r.t.Fatal("a call does not end")
		return outcome{}
	}
}

func (r *rig) wantVersion(want string) {
	r.t.Helper()
	if o := r.answered(r.call()); o.body != want || o.cause != nil {
		r.t.Errorf("answered %q, %v; want version %q", o.body, o.cause, want)
	}
}

func kill(w *worker.Worker) { _ = syscall.Kill(w.PID(), syscall.SIGKILL) }
