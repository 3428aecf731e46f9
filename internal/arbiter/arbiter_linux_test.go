package arbiter_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"girin/internal/arbiter"
)

func TestHooksSeeWorkersLive(t *testing.T) {
	f, _ := begin(t, `
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
	two := 2
	for _, e := range []arbiter.Event{
		{Hook: "nworkers_changed", Now: 2},
		{Hook: "on_starting"},
		{Hook: "pre_fork", Age: 1}, {Hook: "started", Age: 1, PID: 501},
		{Hook: "pre_fork", Age: 2}, {Hook: "started", Age: 2, PID: 502},
		{Hook: "nworkers_changed", Now: 3, Before: &two},
		{Hook: "child_exit", Age: 1, PID: 501},
		{Hook: "no_such_hook"},
	} {
		f.Tell(e)
	}
	if err := f.run(arbiter.Event{Hook: "on_exit"}); err != nil {
		t.Fatal(err)
	}
	f.Close(t.Context())
	want := "20 2 None\n20 starting 2 of 2\n20 3 2\n30 <Worker 501> 10 [502]\n40 exit\n20 atexit"
	if got := f.String(); got != want {
		t.Errorf("the hooks said\n%s\nwant\n%s", got, want)
	}
}

func TestAHookThatRaises(t *testing.T) {
	f, _ := begin(t, `
import sys
def on_starting(server): raise LookupError("no database")
def pre_fork(server, worker): sys.exit("enough")
def on_exit(server): server.log.info("still here")
`)
	if err := f.run(arbiter.Event{Hook: "on_starting"}); err == nil || !strings.Contains(err.Error(), "LookupError: no database") {
		t.Errorf("on_starting: %v", err)
	}
	if err := f.run(arbiter.Event{Hook: "pre_fork", Age: 1}); err == nil {
		t.Error("pre_fork: no error")
	}
	if err := f.run(arbiter.Event{Hook: "on_exit"}); err != nil {
		t.Errorf("on_exit: %v", err)
	}
	want := "on_starting failed: LookupError: no database\npre_fork failed: SystemExit: enough\n20 still here"
	if got := f.String(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// Workers start and end between a run of the file and its settings: they belong to those before,
// and what the file has changed is there when its settings are in effect.
func TestAHookBetweenARunAndItsSettings(t *testing.T) {
	text := `
import os
os.environ["LOADS"] = str(int(os.environ.get("LOADS", "0")) + 1)
def child_exit(server, worker): os.environ["SEEN"] = os.environ["LOADS"]
def on_reload(server): server.log.info("%s, before %s", os.environ["LOADS"], os.environ["SEEN"])
`
	f, _ := begin(t, text)
	if _, err := f.load(text); err != nil {
		t.Fatal(err)
	}
	if err := f.run(arbiter.Event{Hook: "child_exit", Age: 1, PID: 501}); err != nil {
		t.Fatal(err)
	}
	if _, err := f.configure(); err != nil {
		t.Fatal(err)
	}
	if err := f.run(arbiter.Event{Hook: "on_reload"}); err != nil {
		t.Fatal(err)
	}
	if got, want := f.String(), "20 2, before 1"; got != want {
		t.Errorf("said %q, want %q", got, want)
	}
}

// What a file does stays where it runs, until it runs again.
func TestAFileThatFailsChangesNothing(t *testing.T) {
	f, _ := begin(t, `
import os
os.environ["STAGE"] = "first"
def on_reload(server): server.log.info("%s in %s", os.environ["STAGE"], os.path.basename(os.getcwd()))
`)
	for text, want := range map[string]string{
		"import os\nos.environ['STAGE'] = 'second'\nos.chdir('/')\nraise OSError('only here')": "OSError: only here",
		"workers = (": "SyntaxError",
		"import os\nos.environ['STAGE'] = 'third'\nimport sys\nsys.exit('enough')": "SystemExit: enough",
	} {
		_, err := f.load(text)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "girin_shim") {
			t.Errorf("%s: %v", want, err)
		}
	}
	if _, err := f.load("import os\nos.environ['STAGE'] = 'fourth'"); err != nil {
		t.Error(err) // and its settings are never used
	}
	if err := f.run(arbiter.Event{Hook: "on_reload"}); err != nil {
		t.Error(err)
	}
	if got, want := f.String(), "20 first in "+filepath.Base(filepath.Dir(f.path)); got != want {
		t.Errorf("said %q, want %q", got, want)
	}
}

// A reload that nobody wants any longer, since the server ends, ends its file alone: the last
// hooks run where the others did, and no hook of a start runs again.
func TestAFileThatNobodyWants(t *testing.T) {
	runs := func(t *testing.T, f *file) {
		for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(time.Millisecond) {
			if _, err := os.Stat(f.path + ".runs"); err == nil {
				return
			}
			if time.Now().After(deadline) {
				t.Fatal("it does not run")
			}
		}
	}
	const endless, deaf = "while True: time.sleep(0.01)", `
began = time.monotonic()
while time.monotonic() < began + 2.5: # longer than an interrupted hook may go on
    try: time.sleep(0.01)
    except BaseException: pass
`
	for name, is := range map[string]struct {
		text string
		wait func(t *testing.T, f *file)
	}{
		"before it runs":           {endless, func(*testing.T, *file) {}},
		"while it runs":            {endless, runs},
		"which hears no interrupt": {deaf, runs},
	} {
		t.Run(name, func(t *testing.T) {
			f, _ := begin(t, `
import os
def on_starting(server): server.log.info("starting")
def when_ready(server): server.log.info("ready in %d", os.getpid())
def on_exit(server): server.log.info("exit")
`)
			for _, hook := range []string{"on_starting", "when_ready"} {
				if err := f.run(arbiter.Event{Hook: hook}); err != nil {
					t.Fatal(err)
				}
			}
			text := "import time\nopen(__file__ + '.runs', 'w').close()\n" + is.text
			if err := os.WriteFile(f.path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			failed := make(chan error, 1)
			go func() {
				_, _, err := f.Load(ctx, f.place())
				failed <- err
			}()
			is.wait(t, f)
			cancel()
			if err := <-failed; err == nil {
				t.Error("it has settings")
			}
			if err := f.run(arbiter.Event{Hook: "on_exit"}); err != nil {
				t.Error(err)
			}
			if got := f.String(); strings.Count(got, "starting") != 1 || strings.Count(got, "ready in") != 1 || !strings.HasSuffix(got, "exit") {
				t.Errorf("said %s", got)
			}
		})
	}
}

func TestAHookIsNotWaitedForForEver(t *testing.T) {
	fifo := filepath.Join(t.TempDir(), "go")
	if out, err := exec.Command("mkfifo", fifo).CombinedOutput(); err != nil {
		t.Fatalf("mkfifo: %v: %s", err, out)
	}
	f, _ := begin(t, "def on_starting(server): open("+`"`+fifo+`"`+").read()")
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
	defer cancel()
	if err := f.Run(ctx, arbiter.Event{Hook: "on_starting"}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	if err := os.WriteFile(fifo, nil, 0); err != nil {
		t.Fatal(err)
	}
	if err := f.run(arbiter.Event{Hook: "none"}); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

// A hook that hangs holds nobody up for long: it is told where, and what it left is there.
func TestAHookThatHangsIsInterrupted(t *testing.T) {
	for name, hang := range map[string]string{
		"sleeps":           "time.sleep(1000)",
		"computes":         "\n        while True: pass",
		"waits for a lock": "lock = threading.Lock(); lock.acquire(); lock.acquire()",
		"catches all":      "\n        try: time.sleep(1000)\n        except Exception: time.sleep(1000)",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f, _ := begin(t, `
import threading, time
PLACE = []
def child_exit(server, worker):
    PLACE.append("kept")
    if True: `+hang+`
def on_exit(server): server.log.info(PLACE[0])
`)
			f.Tell(arbiter.Event{Hook: "child_exit", Age: 1, PID: 501})
			if err := f.run(arbiter.Event{Hook: "on_exit"}); err != nil {
				t.Error(err)
			}
			if got := f.String(); !strings.Contains(got, "child_exit failed: _girin_shim.arbiter.HookTooLong") || !strings.HasSuffix(got, "20 kept") {
				t.Errorf("said %s", got)
			}
		})
	}
}

// Code in C that hears no signal costs the process; a new one takes its place.
func TestAHookThatHearsNoSignal(t *testing.T) {
	f, _ := begin(t, `
import itertools, os
def on_starting(server): server.log.info("starting")
def when_ready(server): server.log.info("ready with %s", sorted(server.WORKERS))
def child_exit(server, worker):
    any(itertools.repeat(0))
def on_exit(server): server.log.info("exit")
`)
	f.Tell(arbiter.Event{Hook: "started", Age: 2, PID: 502})
	f.Tell(arbiter.Event{Hook: "child_exit", Age: 1, PID: 501})
	if err := f.run(arbiter.Event{Hook: "on_exit"}); err != nil {
		t.Error(err)
	}
	if got := f.String(); !strings.Contains(got, "heard no signal") || !strings.HasSuffix(got, "20 starting\n20 ready with [502]\n20 exit") {
		t.Errorf("said %s", got)
	}
}

func TestAProcessThatEndsIsStartedAnew(t *testing.T) {
	f, _ := begin(t, `
import os
def on_starting(server): server.log.info("starting")
def when_ready(server): server.log.info("ready, pid %d", os.getpid())
def on_reload(server): os._exit(7)
`)
	if err := f.run(arbiter.Event{Hook: "on_reload"}); err == nil || !strings.Contains(err.Error(), "exit status 7") {
		t.Errorf("got %v", err)
	}
	f.until(t, "ready, pid")
	if err := f.run(arbiter.Event{Hook: "when_ready"}); err != nil {
		t.Errorf("afterwards: %v", err)
	}
	if got := f.String(); strings.Count(got, "starting") != 1 || strings.Count(got, "ready, pid") != 2 {
		t.Errorf("said %s", got)
	}
}

// The end of the server waits for no process that dies in each of its last hooks.
func TestAProcessThatEndsInTheLastHooksIsNotStartedAnew(t *testing.T) {
	for _, c := range []struct {
		name   string
		before bool // it has died again and again before, and the next start waits
	}{{"once", false}, {"again and again", true}} {
		t.Run(c.name, func(t *testing.T) {
			f, _ := begin(t, `
import os
def on_reload(server): os._exit(7)
def child_exit(server, worker): os._exit(7)
def on_exit(server): server.log.info("exit")
`)
			if c.before {
				for range 5 {
					f.Tell(arbiter.Event{Hook: "on_reload"}) // with the pauses between them: 10 s
				}
				f.until(t, "anew")
			}
			f.Leave(time.Now().Add(30 * time.Second))
			began := time.Now()
			for age := range 8 {
				f.Tell(arbiter.Event{Hook: "child_exit", Age: age + 1, PID: 501 + age})
			}
			if err := f.run(arbiter.Event{Hook: "on_exit"}); err == nil {
				t.Errorf("on_exit ran:\n%s", f)
			}
			f.Close(t.Context())
			if took := time.Since(began); took > 4*time.Second {
				t.Errorf("it took %v:\n%s", took, f)
			}
			if got := f.String(); strings.Count(got, "not started anew, since the server ends") != 1 && !c.before {
				t.Errorf("said\n%s", got)
			}
		})
	}
}

func TestThreadsOfHooksMayLog(t *testing.T) {
	f, _ := begin(t, `
import threading
def on_starting(server):
    threads = [threading.Thread(target=lambda i=i: server.log.info("thread %d", i)) for i in range(8)]
    for t in threads: t.start()
    for t in threads: t.join()
`)
	if err := f.run(arbiter.Event{Hook: "on_starting"}); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(f.String(), "\n")
	slices.Sort(lines)
	if len(slices.Compact(lines)) != 8 {
		t.Errorf("got %q", lines)
	}
}

// A child that the file forks and that comes back is no second arbiter.
func TestAFileThatForks(t *testing.T) {
	f, _ := begin(t, "import os\nos.fork()\ndef on_starting(server):\n    os.fork()\ndef on_exit(server): server.log.info('exit')")
	for _, hook := range []string{"on_starting", "on_exit"} {
		if err := f.run(arbiter.Event{Hook: hook}); err != nil {
			t.Error(err)
		}
	}
	if got := f.String(); got != "20 exit" {
		t.Errorf("said %s", got)
	}
}

// What a hook starts ends as programs expect that start it: terminate works.
func TestAHelperCanBeEnded(t *testing.T) {
	f, _ := begin(t, `
import multiprocessing, time
def helper(): time.sleep(1000)
def on_starting(server):
    server.helper = multiprocessing.get_context("fork").Process(target=helper, daemon=True)
    server.helper.start()
    for _ in range(200):  # at once as well
        quick = multiprocessing.get_context("fork").Process(target=helper, daemon=True)
        quick.start()
        quick.terminate()
        quick.join()
def on_exit(server):
    server.helper.terminate()
    server.helper.join()
    server.log.info("helper: %d", server.helper.exitcode)
`)
	for _, hook := range []string{"on_starting", "on_exit"} {
		if err := f.run(arbiter.Event{Hook: hook}); err != nil {
			t.Error(err)
		}
	}
	if got := f.String(); got != "20 helper: -15" {
		t.Errorf("said %s", got)
	}
}

func TestHooksMustTakeTheirArguments(t *testing.T) {
	f := newFile(t)
	values, err := f.load(`
def on_starting(): pass
def pre_fork(server, worker, more): pass
post_fork = lambda *all: None
def post_request(worker, req, environ): pass
class When:
    def __call__(self, server): pass
when_ready = When()
child_exit = "os.path.join"
on_exit = "nothing.of_this_name"
`)
	if err != nil {
		t.Fatal(err)
	}
	text := string(values)
	for _, want := range []string{
		`"on_starting": ["wrong", "it is called as on_starting(server)`, `"pre_fork": ["wrong"`, `"post_fork": ["callable"`,
		`"post_request": ["callable"`, `"when_ready": ["callable"`, `"child_exit": ["callable"`, `"on_exit": ["wrong"`,
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%s is not in %s", want, text)
		}
	}
}

// A library in C may fork without Python's knowing: its child has the channel to the master.
func TestAnArbiterIsRenewedWhoeverHoldsItsChannel(t *testing.T) {
	f, _ := begin(t, `
import ctypes, os, signal, time
held = ctypes.PyDLL(None).fork()
if held == 0:
    time.sleep(60)
    os._exit(0)
def on_reload(server): os.kill(os.getpid(), signal.SIGKILL)
def when_ready(server): server.log.info("renewed")
with open("held", "a") as file: print(held, file=file)
`)
	t.Cleanup(func() {
		held, _ := os.ReadFile(filepath.Join(filepath.Dir(f.path), "held"))
		for _, pid := range strings.Fields(string(held)) {
			if n, err := strconv.Atoi(pid); err == nil {
				_ = syscall.Kill(n, syscall.SIGKILL)
			}
		}
	})
	_ = f.run(arbiter.Event{Hook: "on_reload"})
	f.until(t, "renewed")
}
