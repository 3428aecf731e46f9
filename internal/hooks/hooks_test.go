package hooks_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"girin/internal/hooks"
	"girin/internal/proc"
	"girin/internal/shim"
	"girin/internal/worker"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// record is what a process of hooks said, in order.
type record struct {
	mu    sync.Mutex
	lines []string // guarded by mu
}

func (r *record) add(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lines = append(r.lines, fmt.Sprintf(format, args...))
}

func (r *record) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return strings.Join(r.lines, "\n")
}

// start runs a configuration file whose hooks are the functions it defines.
func start(t *testing.T, conf string) (*hooks.Process, *record, error) {
	t.Helper()
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Fatal(err)
	}
	archive, err := shim.Archive()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "gunicorn.conf.py")
	if err := os.WriteFile(file, []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	starter := proc.NewStarter()
	t.Cleanup(starter.Close)
	r := &record{}
	p, err := hooks.Start(context.Background(), hooks.Config{
		Starter: starter, Spec: proc.Spec{Path: python, Args: shim.HooksArgs(), Env: os.Environ(), Dir: t.TempDir()}, Shim: archive,
		Settings: worker.Settings{
			App: "app", Class: "sync", ConfigFile: file, LogLevel: "info", Cfg: map[string]any{"workers": 2},
			Hooks: []string{"on_starting", "pre_fork", "child_exit", "nworkers_changed", "on_exit"},
		},
		Log: func(level int, text string) { r.add("%d %s", level, text) },
		Failed: func(hook string, err error) {
			last := strings.Split(err.Error(), "\n")
			r.add("%s failed: %s", hook, last[len(last)-1])
		},
	})
	if err == nil {
		t.Cleanup(func() { p.Close(context.Background()) })
	}
	return p, r, err
}

func run(t *testing.T, p *hooks.Process, e hooks.Event) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	return p.Run(ctx, e)
}

func TestHooksSeeWorkersLive(t *testing.T) {
	p, r, err := start(t, `
import atexit
def on_starting(server):
    server.log.info("starting %d of %d", server.num_workers, server.cfg.workers)
    atexit.register(server.log.info, "atexit")
def pre_fork(server, worker):
    worker.mine = worker.age * 10
def child_exit(server, worker):
    server.log.warning("%s %d %s", worker, worker.mine, sorted(server.WORKERS))
def nworkers_changed(server, now, before):
    server.log.info("%s %s", now, before)
def on_exit(server):
    server.log.debug("not at this level")
    server.log.error("exit")
`)
	if err != nil {
		t.Fatal(err)
	}
	two := 2
	for _, e := range []hooks.Event{
		{Hook: "nworkers_changed", Now: 2},
		{Hook: "on_starting"},
		{Hook: "pre_fork", Age: 1}, {Hook: "started", Age: 1, PID: 501},
		{Hook: "pre_fork", Age: 2}, {Hook: "started", Age: 2, PID: 502},
		{Hook: "nworkers_changed", Now: 3, Before: &two},
		{Hook: "child_exit", Age: 1, PID: 501},
		{Hook: "no_such_hook"},
	} {
		p.Tell(e)
	}
	if err := run(t, p, hooks.Event{Hook: "on_exit"}); err != nil {
		t.Fatal(err)
	}
	p.Close(t.Context())
	want := "20 2 None\n20 starting 2 of 2\n20 3 2\n30 <Worker 501> 10 [502]\n40 exit\n20 atexit"
	if got := r.String(); got != want {
		t.Errorf("the hooks said\n%s\nwant\n%s", got, want)
	}
}

func TestAHookThatRaises(t *testing.T) {
	p, r, err := start(t, `
import sys
def on_starting(server): raise LookupError("no database")
def pre_fork(server, worker): sys.exit("enough")
def on_exit(server): server.log.info("still here")
`)
	if err != nil {
		t.Fatal(err)
	}
	if err := run(t, p, hooks.Event{Hook: "on_starting"}); err == nil || !strings.Contains(err.Error(), "LookupError: no database") {
		t.Errorf("on_starting: %v", err)
	}
	if err := run(t, p, hooks.Event{Hook: "pre_fork", Age: 1}); err == nil {
		t.Error("pre_fork: no error")
	}
	if err := run(t, p, hooks.Event{Hook: "on_exit"}); err != nil {
		t.Errorf("on_exit: %v", err)
	}
	p.Close(t.Context())
	want := "on_starting failed: LookupError: no database\npre_fork failed: SystemExit: enough\n20 still here"
	if got := r.String(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestAFileThatFailsThere(t *testing.T) {
	if _, _, err := start(t, "raise OSError('only here')"); err == nil || !strings.Contains(err.Error(), "OSError: only here") {
		t.Errorf("got %v", err)
	}
}

func TestAHookIsNotWaitedForForEver(t *testing.T) {
	fifo := filepath.Join(t.TempDir(), "go")
	if out, err := exec.Command("mkfifo", fifo).CombinedOutput(); err != nil {
		t.Fatalf("mkfifo: %v: %s", err, out)
	}
	p, _, err := start(t, "def on_starting(server): open("+`"`+fifo+`"`+").read()")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
	defer cancel()
	if err := p.Run(ctx, hooks.Event{Hook: "on_starting"}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	if err := os.WriteFile(fifo, nil, 0); err != nil {
		t.Fatal(err)
	}
	if err := run(t, p, hooks.Event{Hook: "none"}); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

func TestAProcessThatEnds(t *testing.T) {
	p, r, err := start(t, "import os\ndef on_starting(server): os._exit(7)")
	if err != nil {
		t.Fatal(err)
	}
	if err := run(t, p, hooks.Event{Hook: "on_starting"}); !errors.Is(err, hooks.ErrEnded) {
		t.Errorf("got %v", err)
	}
	if err := run(t, p, hooks.Event{Hook: "on_exit"}); !errors.Is(err, hooks.ErrEnded) {
		t.Errorf("afterwards: %v", err)
	}
	p.Tell(hooks.Event{Hook: "on_exit"})
	if got := r.String(); !strings.HasPrefix(got, "on_starting failed: the process of the server hooks has ended") {
		t.Errorf("told %s", got)
	}
}

func TestThreadsOfHooksMayLog(t *testing.T) {
	p, r, err := start(t, `
import threading
def on_starting(server):
    threads = [threading.Thread(target=lambda i=i: server.log.info("thread %d", i)) for i in range(8)]
    for t in threads: t.start()
    for t in threads: t.join()
`)
	if err != nil {
		t.Fatal(err)
	}
	if err := run(t, p, hooks.Event{Hook: "on_starting"}); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(r.String(), "\n")
	slices.Sort(lines)
	if len(slices.Compact(lines)) != 8 {
		t.Errorf("got %q", lines)
	}
}
