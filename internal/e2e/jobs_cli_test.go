package e2e_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// cli runs girin for the server of j.
func (j *jobServers) cli(t *testing.T, want int, args ...string) string {
	t.Helper()
	out, fault, code := ctl(t, j.control(), append(args, "--pid", strconv.Itoa(j.front.cmd.Process.Pid))...)
	if code != want {
		t.Fatalf("girin %v: exit %d\n%s%s", args, code, out, fault)
	}
	return out + fault
}

func TestJobsAreShownAndHandled(t *testing.T) {
	metrics := freePort(t)
	j := startJobs(t, 1, "--offload", "/both/*,both", "--metrics", metrics)
	j.offload(t, "both")
	gate := filepath.Join(j.dir, "gate")
	lost := j.accept(t, "POST", "/both/until?lost&"+gate, nil)
	pid, _ := strconv.Atoi(j.await(t, "begin lost")[3])
	_ = syscall.Kill(pid, syscall.SIGKILL)
	j.ended(t, lost)
	if out := j.cli(t, 0, "jobs"); !strings.Contains(out, lost.ID+"  lost") || !strings.Contains(out, "POST /both/until") {
		t.Errorf("the list:\n%s", out)
	}
	if out := j.cli(t, 0, "jobs", "dead"); strings.Count(out, "\n") != 2 {
		t.Errorf("what ended badly:\n%s", out)
	}
	if out := j.cli(t, 0, "jobs", "show", lost.ID); !strings.Contains(out, `"status": "lost"`) || !strings.Contains(out, "died") {
		t.Errorf("one:\n%s", out)
	}
	if out := j.cli(t, 0, "jobs", "retry", lost.ID); !strings.Contains(out, "waits again") {
		t.Errorf("%s", out)
	}
	open(t, gate)
	if now := j.ended(t, lost); now.Status != "done" || j.begun("lost") != 2 {
		t.Errorf("%+v, begun %d times", now, j.begun("lost"))
	}
	if out := j.cli(t, 0, "jobs", "result", lost.ID); value(t, out, "method") != "POST" {
		t.Errorf("its result:\n%s", out)
	}
	j.cli(t, 1, "jobs", "cancel", lost.ID)
	j.cli(t, 1, "jobs", "retry", lost.ID)
	j.cli(t, 0, "jobs", "purge", lost.ID)
	j.cli(t, 1, "jobs", "show", lost.ID)
	if a := <-j.front.ask("GET", lost.URL, nil); a.status != 404 {
		t.Errorf("it is known although it was purged: %+v", a)
	}
	j.join(t, 3)
	if out := j.cli(t, 0, "offload", "peers"); !strings.Contains(out, "this one") || !strings.Contains(out, "0 of 3") {
		t.Errorf("peers:\n%s", out)
	}
	if out := j.cli(t, 0, "offload", "status"); !strings.Contains(out, "the engine answers") || !strings.Contains(out, "1 badly") {
		t.Errorf("status:\n%s", out)
	}
	scraped := getFrom(t, "tcp", metrics, "/metrics")
	for _, line := range []string{"girin_offload_connected 1", `girin_jobs_total{status="lost"} 1`, "girin_offload_peers 1", `girin_offload_queue_jobs{class="waiting"} 0`} {
		if !strings.Contains(scraped, line+"\n") {
			t.Errorf("it is not told that %s", line)
		}
	}
	eventually(t, "ctl status tells of the jobs", func() bool {
		return strings.Contains(j.cli(t, 0, "ctl", "status"), "0 wait, 0 run here, 0 accepted ones have not ended; 1 other servers")
	})
}

func TestAServerWithoutJobsSaysSo(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "run")
	s := start(t, options{env: []string{"GIRIN_RUNTIME_DIR=" + dir}})
	all, _ := children(t, s.cmd.Process.Pid)
	if len(all) != 1 {
		t.Errorf("it has %d children, not only its worker", len(all))
	}
	if out, fault, code := ctl(t, dir, "jobs"); code != 1 || !strings.Contains(fault, "has no jobs") {
		t.Errorf("exit %d, %s%s", code, out, fault)
	}
}

// However workers come to be, they know where jobs are taken.
func TestWorkersKnowWhereJobsAreTaken(t *testing.T) {
	conf := filepath.Join(t.TempDir(), "gunicorn.conf.py")
	if err := os.WriteFile(conf, []byte("timeout = 30\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, args := range map[string][]string{
		"started": {"--tasks"}, "forked from the file's process": {"--tasks", "-c", conf}, "forked from a template": {"--tasks", "--preload"},
		"both": {"--tasks", "--preload", "-c", conf},
	} {
		t.Run(name, func(t *testing.T) {
			j := startJobs(t, 1, args...)
			a := <-j.front.ask("GET", "/other/x?one", nil)
			socket := value(t, a.body, "socket")
			if info, err := os.Stat(socket); err != nil || info.Mode()&os.ModeSocket == 0 {
				t.Errorf("%q: %v", socket, err)
			}
			if err := j.front.end(t, syscall.SIGTERM); err != nil {
				t.Error(err)
			}
			if _, err := os.Stat(filepath.Dir(socket)); err == nil {
				t.Error("its directory is left")
			}
		})
	}
}

// A reload with other code is another version: what comes from then on runs on it.
func TestAReloadIsAnotherVersion(t *testing.T) {
	dir := t.TempDir()
	app := filepath.Join(dir, "app.py")
	write := func(text string) {
		t.Helper()
		code := fmt.Sprintf("def app(environ, start_response):\n    start_response('200 OK', [])\n    return [b'text=%s\\n']\n", text)
		if err := os.WriteFile(app, []byte(code), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("old")
	s := run(t, options{}, []string{os.Getenv("GIRIN"), "--python", python(t), "--chdir", dir, "-w", "1", "-b", "127.0.0.1:0",
		"--offload", "*", "--offload-dir", filepath.Join(dir, "store"), "app:app"})
	s.wait(t, "Jobs: connected")
	s.wait(t, "Ready after")
	if a := <-s.ask("GET", "/", nil); value(t, a.body, "text") != "old" {
		t.Fatalf("%+v", a)
	}
	write("new, and longer")
	n := s.lineCount()
	if err := s.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	s.waitAfter(t, "this node serves version", n)
	eventually(t, "jobs run on the new code", func() bool {
		a := <-s.ask("GET", "/", nil)
		return a.status == 200 && value(t, a.body, "text") == "new, and longer"
	})
}

// Who waits for a slot when a reload comes is served by the new code.
func TestAReloadTakesWaitingJobsWithIt(t *testing.T) {
	dir := t.TempDir()
	app, old, later := filepath.Join(dir, "app.py"), filepath.Join(dir, "old"), filepath.Join(dir, "later")
	write := func(text string) {
		t.Helper()
		code := fmt.Sprintf("import os, sys, time\ndef app(environ, start_response):\n"+
			"    print('it waits for', environ['QUERY_STRING'], file=sys.stderr, flush=True)\n"+
			"    while not os.path.exists(environ['QUERY_STRING']): time.sleep(0.01)\n    start_response('200 OK', [])\n    return [b'text=%s\\n']\n", text)
		if err := os.WriteFile(app, []byte(code), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("old")
	s := run(t, options{}, []string{os.Getenv("GIRIN"), "--python", python(t), "--chdir", dir, "-w", "1", "-b", "127.0.0.1:0",
		"--offload", "*", "--offload-slots", "1", "--offload-dir", filepath.Join(dir, "store"), "app:app"})
	s.wait(t, "Jobs: connected")
	s.wait(t, "Ready after")
	all := []<-chan answer{s.ask("POST", "/?"+old, nil)}
	s.wait(t, "it waits for "+old) // it has the slot
	all = append(all, s.ask("POST", "/?"+later, nil), s.ask("POST", "/?"+later, nil))
	write("new, and longer")
	n := s.lineCount()
	if err := s.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	s.waitAfter(t, "generation 2 serves", n)
	open(t, old)
	s.waitAfter(t, "this node serves version", n)
	open(t, later)
	for _, a := range all {
		if a := <-a; a.status != 200 {
			t.Errorf("%+v", a)
		}
	}
}

// What a version has accepted runs on the next one when no server has it any more.
func TestJobsMoveToTheNextVersion(t *testing.T) {
	j := startJobs(t, 0, "--offload", "/both/*,both", "--offload-version", "one")
	jobs := []accepted{j.accept(t, "POST", "/both/x?a", nil), j.accept(t, "GET", "/both/x?b", nil)}
	if err := j.front.end(t, syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	args := append(append([]string{}, j.args...), "--offload-version", "two", "--offload-slots", "1", "--offload-move", "0.1")
	j.front = startApp(t, "jobs", options{args: args, env: j.env})
	j.front.wait(t, "are for version two now")
	for _, job := range jobs {
		if now := j.ended(t, job); now.Status != "done" || now.Attempt != 1 {
			t.Errorf("%+v", now)
		}
	}
	if j.begun("a") != 1 || j.begun("b") != 1 {
		t.Errorf("begun %d and %d times", j.begun("a"), j.begun("b"))
	}
}
