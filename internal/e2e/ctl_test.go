package e2e_test

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// ctl runs girin with a control directory, and returns what it wrote.
func ctl(t *testing.T, dir string, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	cmd := exec.Command(os.Getenv("GIRIN"), args...)
	cmd.Env = append(os.Environ(), "GIRIN_RUNTIME_DIR="+dir)
	var out, fault strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &fault
	_ = cmd.Run()
	return out.String(), fault.String(), cmd.ProcessState.ExitCode()
}

func TestARunningServerTellsWhatItDoes(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "run")
	if _, fault, code := ctl(t, dir, "ctl", "status"); code != 1 || !strings.Contains(fault, "no girin server") {
		t.Errorf("without a server: exit %d, %s", code, fault)
	}
	o := options{args: []string{"-k", "auto", "-w", "2"}, env: []string{"GIRIN_RUNTIME_DIR=" + dir}}
	first := start(t, o)
	pid := first.cmd.Process.Pid
	path := filepath.Join(dir, fmt.Sprintf("%d.sock", pid))
	if info, err := os.Stat(path); err != nil || info.Mode() != os.ModeSocket|0o600 {
		t.Fatalf("%v, %v", info, err)
	}
	first.get(t, "/wait?0.1")

	out, fault, code := ctl(t, dir, "ctl", "status")
	if code != 0 || !strings.Contains(out, fmt.Sprintf("pid %d, app, class auto", pid)) || !strings.Contains(out, "GET /wait") {
		t.Errorf("exit %d\n%s%s", code, out, fault)
	}
	var status struct {
		PID   int
		Sched struct{ Workers, Routes []any }
	}
	out, _, _ = ctl(t, dir, "ctl", "status", "--json")
	if err := json.Unmarshal([]byte(out), &status); err != nil || status.PID != pid || len(status.Sched.Workers) == 0 || len(status.Sched.Routes) != 1 {
		t.Errorf("%v: %+v", err, status)
	}

	second := start(t, o)
	if _, fault, code := ctl(t, dir, "ctl", "status"); code != 1 || !strings.Contains(fault, "--pid") || !strings.Contains(fault, fmt.Sprint(pid)) {
		t.Errorf("two servers: exit %d, %s", code, fault)
	}
	for _, choice := range [][]string{{"--pid", fmt.Sprint(pid)}, {"--socket", path}, {"--bind", first.addr}} {
		if out, fault, code := ctl(t, dir, append([]string{"ctl", "status"}, choice...)...); code != 0 || !strings.Contains(out, fmt.Sprintf("pid %d,", pid)) {
			t.Errorf("%v: exit %d\n%s%s", choice, code, out, fault)
		}
	}
	if err := second.end(t, syscall.SIGTERM); err != nil {
		t.Error(err)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "*.sock")); len(left) != 1 {
		t.Errorf("sockets: %v", left)
	}
	if _, fault, code := ctl(t, dir, "ctl", "status", "--pid", "1"); code != 1 || !strings.Contains(fault, "no girin server of this user has pid 1\n") || !strings.Contains(fault, first.addr) {
		t.Errorf("a server that is none: exit %d, %s", code, fault)
	}
}

func TestCtlSaysWhatItNeeds(t *testing.T) {
	for name, args := range map[string][]string{
		"nothing asked":  {"ctl"},
		"something else": {"ctl", "stop"},
		"unknown flag":   {"ctl", "status", "--jsno"},
		"no terminal":    {"top"},
		"top of":         {"top", "it"},
	} {
		if _, fault, code := ctl(t, t.TempDir(), args...); code != 2 || !strings.HasPrefix(fault, "girin "+args[0]+": ") {
			t.Errorf("%s: exit %d, %s", name, code, fault)
		}
	}
}

// On a system where no directory can be had the server is found all the same.
func TestAServerWithoutARuntimeDirectoryIsAsked(t *testing.T) {
	const dir = "/proc/none" // where nothing can be made
	s := start(t, options{env: []string{"GIRIN_RUNTIME_DIR=" + dir}})
	for _, args := range [][]string{{"ctl", "status"}, {"ctl", "status", "--pid", fmt.Sprint(s.cmd.Process.Pid)}} {
		out, fault, code := ctl(t, dir, args...)
		if code != 0 || !strings.Contains(out, fmt.Sprintf("pid %d, app", s.cmd.Process.Pid)) {
			t.Errorf("%v: exit %d, %s%s", args, code, out, fault)
		}
	}
}

// However many connections there are, workers that are killed can be started again:
// their descriptors are kept free.
func TestConnectionsLeaveDescriptorsForWorkers(t *testing.T) {
	const workers, limit = 20, 300
	s := start(t, options{
		args: []string{"-w", fmt.Sprint(workers), "--threads", "1", "-k", "sync"},
		wrap: []string{"prlimit", fmt.Sprintf("--nofile=%d:%d", limit, limit)},
	})
	for range limit { // until nobody more is accepted
		c, err := net.Dial("tcp", s.addr)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		_, _ = c.Write([]byte("GET / HTTP/1.1\r\n")) // no connection that is idle, and could go
	}
	n := len(strings.Split(s.log(), "\n"))
	all, _ := children(t, s.cmd.Process.Pid)
	for _, pid := range all {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
	eventually(t, "as many workers run as before", func() bool {
		now, _ := children(t, s.cmd.Process.Pid)
		return len(now) == len(all) && !slices.ContainsFunc(now, func(pid int) bool { return slices.Contains(all, pid) })
	})
	if log := strings.Join(strings.Split(s.log(), "\n")[n:], "\n"); strings.Contains(log, "cannot be started") {
		t.Errorf("a worker could not be started:\n%s", log)
	}
}
