package e2e_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// sidecar prints a line with its process id, and ends 0.2 s after TERM.
const sidecar = `import os, signal, subprocess, sys, time
def end(*_):
    time.sleep(0.2)
    print("finished")
    sys.exit(0)
signal.signal(signal.SIGTERM, signal.SIG_IGN if "stubborn" in sys.argv else end)
child = subprocess.Popen(["setsid", "sleep", "600"])
print("child", child.pid)
print("prefix", sys.prefix, "mark", os.environ.get("MARK"), "in", os.getcwd(), "self", os.getpid())
while True:
    time.sleep(60)
`

func sidecarDir(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	app, err := os.ReadFile("testdata/app.py")
	if err != nil {
		t.Fatal(err)
	}
	put(t, filepath.Join(dir, "app.py"), string(app))
	put(t, filepath.Join(dir, "side.py"), sidecar)
	return dir
}

// sidecarPIDs are those of the nth start: of the command, and of what it has started.
func sidecarPIDs(t *testing.T, s *server, after int) []int {
	t.Helper()
	var pids []int
	for _, what := range []string{" child ", " self "} {
		line := s.waitAfter(t, what, after)
		pid, err := strconv.Atoi(line[strings.LastIndex(line, " ")+1:])
		if err != nil {
			t.Fatal(err)
		}
		pids = append(pids, pid)
	}
	return pids
}

func (s *server) said() int { return len(strings.Split(s.log(), "\n")) }

func allEnded(t *testing.T, pids []int) {
	t.Helper()
	eventually(t, fmt.Sprintf("%v have ended", pids), func() bool { return !slices.ContainsFunc(pids, alive) })
}

func TestASidecarLivesWithTheServer(t *testing.T) {
	dir, runtime := sidecarDir(t), t.TempDir()
	s := start(t, options{
		args: []string{"--chdir", dir, "-e", "MARK=7", "--metrics", "127.0.0.1:0", "--sidecar", "python side.py", "--sidecar", "broken: python -c 'raise SystemExit(9)'", "--sidecar", "no-such-command"},
		env:  []string{"GIRIN_RUNTIME_DIR=" + runtime},
	})
	pids := sidecarPIDs(t, s, 0)
	line := s.wait(t, " side: prefix ")
	if !strings.Contains(line, fmt.Sprintf("[%d] [INFO] side: prefix ", pids[1])) || !strings.Contains(line, " mark 7 in "+dir+" ") {
		t.Error(line)
	}
	if venv := os.Getenv("VIRTUAL_ENV"); venv != "" && !strings.Contains(line, " "+venv+" ") {
		t.Errorf("it runs in another environment than %s: %s", venv, line)
	}
	s.wait(t, "Sidecar broken ended with exit code 9 after")
	s.wait(t, "Sidecar no-such-command could not be started")
	s.get(t, "/")

	out, _, _ := ctl(t, runtime, "ctl", "status", "--json")
	var status struct {
		Sidecars []struct {
			Name, State, Last string
			PID, Starts       int
		}
	}
	if err := json.Unmarshal([]byte(out), &status); err != nil || len(status.Sidecars) != 3 || status.Sidecars[0].PID != pids[1] || status.Sidecars[0].State != "running" {
		t.Errorf("%v: %+v", err, status)
	}
	if out, _, _ := ctl(t, runtime, "ctl", "status"); !strings.Contains(out, "\nside ") || !strings.Contains(out, "exit code 9") {
		t.Error(out)
	}
	at := s.wait(t, "Metrics at: http://")
	addr := strings.TrimSuffix(at[strings.Index(at, "http://")+len("http://"):], "/metrics")
	scraped := getFrom(t, "tcp", addr, "/metrics")
	for _, want := range []string{`girin_sidecar_up{sidecar="side"} 1`, `girin_sidecar_starts_total{sidecar="side"} 1`, `girin_sidecar_up{sidecar="no-such-command"} 0`} {
		if !strings.Contains(scraped, want) {
			t.Errorf("the metrics have no %s", want)
		}
	}

	n := s.said()
	_ = syscall.Kill(pids[1], syscall.SIGKILL)
	again := sidecarPIDs(t, s, n)
	allEnded(t, pids)
	if err := s.end(t, syscall.SIGTERM); err != nil {
		t.Error(err)
	}
	allEnded(t, again)
	if !strings.Contains(s.log(), "side: finished") {
		t.Error("it could not finish what it did")
	}
}

func TestAReloadStartsSidecarsAgainIfItSucceeds(t *testing.T) {
	dir := sidecarDir(t)
	conf := filepath.Join(dir, "conf.py")
	put(t, conf, `sidecar = ["one: python side.py"]`)
	s := start(t, options{args: []string{"--chdir", dir, "-c", conf}})
	first := sidecarPIDs(t, s, 0)

	put(t, filepath.Join(dir, "app.py"), "raise RuntimeError('broken')")
	n := s.said()
	hup(t, s)
	s.waitAfter(t, "the running version stays", n)
	if slices.ContainsFunc(first, func(pid int) bool { return !alive(pid) }) {
		t.Error("a reload that failed has ended the sidecar")
	}

	app, _ := os.ReadFile("testdata/app.py")
	put(t, filepath.Join(dir, "app.py"), string(app))
	put(t, conf, `sidecar = "two: python side.py"`)
	n = s.said()
	hup(t, s)
	s.waitAfter(t, "two: child", n)
	second := sidecarPIDs(t, s, n)
	allEnded(t, first)
	log := s.log()
	if strings.Index(log, "one: finished") > strings.Index(log, "two: child") {
		t.Error("both ran at once")
	}

	put(t, conf, "")
	hup(t, s)
	allEnded(t, second)
	s.get(t, "/")
}

func TestNoSidecarStretchesTheEnd(t *testing.T) {
	for name, c := range map[string]struct {
		grace string
		sigs  []syscall.Signal
		after time.Duration // at least
	}{
		"TERM":                {"1", []syscall.Signal{syscall.SIGTERM}, time.Second},
		"INT":                 {"600", []syscall.Signal{syscall.SIGINT}, 0},
		"TERM and then TERM":  {"600", []syscall.Signal{syscall.SIGTERM, syscall.SIGTERM}, 0},
		"KILL, of the server": {"600", []syscall.Signal{syscall.SIGKILL}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := start(t, options{args: []string{"--chdir", sidecarDir(t), "--graceful-timeout", c.grace, "--sidecar", "python side.py stubborn"}})
			pids := sidecarPIDs(t, s, 0)
			began := time.Now()
			for i, sig := range c.sigs {
				if i > 0 {
					s.wait(t, "Worker exiting")
					time.Sleep(100 * time.Millisecond) // else it counts as the same signal
				}
				signal(t, s, sig)
			}
			select {
			case <-s.done:
			case <-time.After(limit):
				t.Fatal("it does not end")
			}
			if d := time.Since(began); d < c.after || d > c.after+10*time.Second {
				t.Errorf("it took %v", d)
			}
			allEnded(t, pids)
		})
	}
}

func TestAnApplicationThatCannotBeLoadedHasNoSidecars(t *testing.T) {
	dir := sidecarDir(t)
	put(t, filepath.Join(dir, "app.py"), "raise RuntimeError('broken')")
	s := launch(t, options{args: []string{"--chdir", dir, "--sidecar", "python side.py"}})
	select {
	case <-s.done:
	case <-time.After(limit):
		t.Fatal("it does not end")
	}
	if strings.Contains(s.log(), "] Sidecar ") {
		t.Error("one was started")
	}
}
