package e2e_test

import (
	"bufio"
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Why a job has ended badly is known with what it said last, and how its worker ended.
func TestDeadJobsKeepTheirLastWords(t *testing.T) {
	for _, class := range []string{"gthread", "sync", "gevent"} {
		t.Run(class, func(t *testing.T) {
			j := startJobs(t, 1, "--offload", "/both/*,both,retry=0", "-k", class, "--tasks")
			j.offload(t, "both")
			job := j.accept(t, "GET", "/both/slain?x", nil)
			if now := j.ended(t, job); now.Status != "dead" || !strings.Contains(now.Reason, "ended by signal 9") {
				t.Errorf("%+v", now)
			}
			for _, out := range []string{j.cli(t, 0, "jobs", "show", job.ID), j.cli(t, 0, "jobs", "dead")} {
				if !strings.Contains(out, "\n  | last words of x\n") || !strings.Contains(out, "signal 9") {
					t.Errorf("it is not told what it said:\n%s", out)
				}
			}
			if out := j.cli(t, 0, "jobs", "show", "--json", job.ID); !strings.Contains(out, `"log": "last words of x"`) {
				t.Errorf("%s", out)
			}
			j.front.wait(t, "last words of x") // where it wrote it, as well
			if a := <-j.front.ask("GET", job.URL, nil); strings.Contains(a.body, "last words") {
				t.Errorf("its client is told: %s", a.body)
			}
			boom := j.task(t, `{"task": "jobs:boom", "args": ["why"]}`)
			eventually(t, "the task has failed", func() bool {
				return strings.Contains(j.cli(t, 0, "jobs", "show", boom), `"status": "failed"`)
			})
			out := j.cli(t, 0, "jobs", "show", boom)
			for _, line := range []string{"  | said before it raised", "  | ValueError: why"} {
				if !strings.Contains(out, line) {
					t.Errorf("there is no line %q in\n%s", line, out)
				}
			}
		})
	}
}

// In a worker of ASGI, too, and only what the job itself has said.
func TestDeadJobsOfALoopKeepTheirLastWords(t *testing.T) {
	j := startJobsOf(t, "asgijobs:app", 1, "--tasks", "-k", "asgi")
	boom := j.task(t, `{"task": "jobs:boom", "args": ["why"]}`)
	eventually(t, "the task has failed", func() bool {
		return strings.Contains(j.cli(t, 0, "jobs", "show", boom), `"status": "failed"`)
	})
	if out := j.cli(t, 0, "jobs", "show", boom); !strings.Contains(out, "  | said before it raised") || !strings.Contains(out, "  | ValueError: why") {
		t.Errorf("%s", out)
	}
}

// task hands over a task, and returns its id.
func (j *jobServers) task(t *testing.T, body string) string {
	t.Helper()
	j.offloadInside(t)
	var job accepted
	status, text := j.inside(t, http.MethodPost, "/tasks", body)
	if err := json.Unmarshal([]byte(text), &job); status != http.StatusAccepted || err != nil {
		t.Fatalf("%d %s: %v", status, text, err)
	}
	return job.ID
}

func TestJobsAreFollowed(t *testing.T) {
	j := startJobs(t, 1, "--offload", "/both/*,both")
	j.offload(t, "both")
	cmd := exec.Command(os.Getenv("GIRIN"), "jobs", "-f", "--pid", strconv.Itoa(j.front.cmd.Process.Pid))
	cmd.Env = append(os.Environ(), "GIRIN_RUNTIME_DIR="+j.control())
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cmd.Process.Kill() }()
	lines := make(chan string)
	go func() {
		defer close(lines)
		for s := bufio.NewScanner(out); s.Scan(); {
			lines <- s.Text()
		}
	}()
	next := func() string {
		select {
		case line := <-lines:
			return line
		case <-time.After(time.Minute):
			t.Fatal("no line comes")
			return ""
		}
	}
	if line := next(); line != "what jobs do from now on:" {
		t.Fatalf("it begins with %q", line)
	}
	gate := filepath.Join(j.dir, "gate")
	job := j.accept(t, "GET", "/both/until?x&"+gate, nil)
	for _, want := range []string{"running on", "done 200"} {
		line := next()
		if strings.Contains(line, "queued") { // where it was not replaced before it was read
			line = next()
		}
		if !strings.Contains(line, job.ID+"  GET /both/until  "+want) {
			t.Errorf("%q is not told by %q", want, line)
		}
		open(t, gate)
	}
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if line, more := <-lines; more {
		t.Errorf("it says %q at its end", line)
	}
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
}

// Each thing that is wrong with jobs is found, with what to do.
func TestTheDoctorFindsWhatIsWrong(t *testing.T) {
	j := startJobs(t, 1, "--offload", "/both/*,both", "--offload-version", "one", "--offload-move", "0")
	j.offload(t, "both")
	out := j.cli(t, 0, "jobs", "doctor")
	for _, want := range []string{"ok    the engine answers: NATS 2.", "ok    there is room", "ok    version one of jobs is served by", "clocks of the engine and this server agree", "no job has ended badly"} {
		if !strings.Contains(out, want) {
			t.Errorf("there is no %q in\n%s", want, out)
		}
	}
	gate := filepath.Join(j.dir, "gate")
	j.accept(t, "GET", "/both/until?first&"+gate, nil)
	j.await(t, "begin first")
	j.accept(t, "GET", "/both/x?second", nil)
	if err := j.front.end(t, syscall.SIGKILL); err == nil {
		t.Fatal("it was not killed")
	}
	open(t, gate)
	args := append(append([]string{}, j.args...), "--offload-version", "two", "--offload-slots", "0")
	j.front = startApp(t, "jobs", options{args: args, env: j.env})
	j.front.wait(t, "Jobs: connected")
	out = j.cli(t, 1, "jobs", "doctor")
	for _, want := range []string{
		"bad   2 jobs wait for version one of the application, which no server has\n      -> start a server of that version",
		"bad   version two of jobs is served by", "not all is well",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("there is no %q in\n%s", want, out)
		}
	}
	engine := engineOf(t, j.front)
	if err := syscall.Kill(engine, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = syscall.Kill(engine, syscall.SIGCONT) }()
	eventually(t, "it is found that the engine is silent", func() bool {
		out := j.cli(t, 1, "jobs", "doctor")
		return strings.Contains(out, "bad   the engine") && strings.Contains(out, "      -> ")
	})
}
