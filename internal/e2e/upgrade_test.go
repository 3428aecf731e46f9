package e2e_test

import (
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// pidIn is what a pidfile says; 0: it is not there.
func pidIn(path string) int {
	b, _ := os.ReadFile(path)
	pid, _ := strconv.Atoi(strings.TrimSpace(string(b)))
	return pid
}

// serverOf is the process whose worker answers.
func serverOf(t *testing.T, network, addr string) int {
	t.Helper()
	parent, err := strconv.Atoi(value(t, getFrom(t, network, addr, "/identity"), "ppid"))
	if err != nil {
		t.Fatal(err)
	}
	return parent
}

// USR2 starts another server on the same sockets, which takes the place of the first once
// that has ended: nobody who connects meanwhile is reset, neither at the port nor at the path.
func TestUSR2HandsOverToAnotherServer(t *testing.T) {
	dir := t.TempDir()
	pidFile, path := filepath.Join(dir, "pid"), filepath.Join(dir, "s")
	addr, metrics := freeAddress(t), freeAddress(t)
	s := start(t, options{args: []string{"-b", addr, "-b", "unix:" + path, "--pid", pidFile, "--metrics", metrics, "--graceful-timeout", "5"}})
	first := s.cmd.Process.Pid
	clients := []*crowd{newCrowd(12, "tcp", addr), newCrowd(12, "unix", path)}

	_ = s.cmd.Process.Signal(syscall.SIGUSR2)
	eventually(t, "the second pidfile", func() bool { return pidIn(pidFile+".2") != 0 })
	second := pidIn(pidFile + ".2")
	t.Cleanup(func() { _ = syscall.Kill(second, syscall.SIGKILL) })
	eventually(t, "both servers answer", func() bool { return serverOf(t, "tcp", addr) == second })
	if pidIn(pidFile) != first {
		t.Errorf("the pidfile says %d, not %d", pidIn(pidFile), first)
	}
	_ = s.cmd.Process.Signal(syscall.SIGUSR2)
	s.wait(t, "USR2 signal ignored. Child exists.")

	_ = s.cmd.Process.Signal(syscall.SIGTERM)
	eventually(t, "the second server is the only one", func() bool { return !alive(first) && pidIn(pidFile) == second && pidIn(pidFile+".2") == 0 })
	for range 20 {
		for network, at := range map[string]string{"tcp": addr, "unix": path} {
			if got := serverOf(t, network, at); got != second {
				t.Fatalf("%d answers at %s, not %d", got, at, second)
			}
		}
	}
	if res, err := http.Get("http://" + metrics + "/metrics"); err != nil || res.StatusCode != 200 {
		t.Errorf("metrics: %v, %v", res, err)
	} else {
		res.Body.Close()
	}
	for _, c := range clients {
		c.leave()
		if c.broken.Load()+c.refused.Load() > 0 {
			t.Errorf("%d clients were served, %d refused, %d broken, one by %v", c.served.Load(), c.refused.Load(), c.broken.Load(), c.why)
		}
	}

	_ = syscall.Kill(second, syscall.SIGTERM) // the sockets are its own by now
	eventually(t, "it ends", func() bool { return !alive(second) })
	for _, left := range []string{path, pidFile} {
		if _, err := os.Lstat(left); err == nil {
			t.Errorf("%s is left", left)
		}
	}
	if _, err := net.DialTimeout("tcp", addr, time.Second); err == nil {
		t.Error("somebody still listens")
	}
}

// A second server that ends leaves the first as it was.
func TestTheServerOfUSR2MayGoAgain(t *testing.T) {
	dir := t.TempDir()
	pidFile, path := filepath.Join(dir, "pid"), filepath.Join(dir, "s")
	s := start(t, options{args: []string{"-b", "unix:" + path, "--pid", pidFile}})
	for _, by := range []syscall.Signal{syscall.SIGTERM, syscall.SIGKILL} {
		_ = s.cmd.Process.Signal(syscall.SIGUSR2)
		eventually(t, "the second pidfile", func() bool { return pidIn(pidFile+".2") != 0 })
		second := pidIn(pidFile + ".2")
		t.Cleanup(func() { _ = syscall.Kill(second, syscall.SIGKILL) })
		eventually(t, "it answers", func() bool { return serverOf(t, "unix", path) == second })
		before := strings.Count(s.log(), "that USR2 started has ended")
		_ = syscall.Kill(second, by)
		eventually(t, "it has ended", func() bool { return strings.Count(s.log(), "that USR2 started has ended") > before })
		getFrom(t, "unix", path, "/")
		eventually(t, "its pidfile goes", func() bool { return pidIn(pidFile+".2") == 0 })
	}
	if pidIn(pidFile) != s.cmd.Process.Pid {
		t.Errorf("the pidfile says %d", pidIn(pidFile))
	}
	if err := s.end(t, syscall.SIGTERM); err != nil {
		t.Error(err)
	}
	if _, err := os.Lstat(path); err == nil {
		t.Error("the unix socket is left")
	}
}

// Both may end in the same moment: nothing is left.
func TestBothServersOfUSR2EndAtOnce(t *testing.T) {
	dir := t.TempDir()
	pidFile, path := filepath.Join(dir, "pid"), filepath.Join(dir, "s")
	s := start(t, options{args: []string{"-b", "unix:" + path, "--pid", pidFile}})
	_ = s.cmd.Process.Signal(syscall.SIGUSR2)
	eventually(t, "the second pidfile", func() bool { return pidIn(pidFile+".2") != 0 })
	second := pidIn(pidFile + ".2")
	t.Cleanup(func() { _ = syscall.Kill(second, syscall.SIGKILL) })
	eventually(t, "it answers", func() bool { return serverOf(t, "unix", path) == second })
	_ = syscall.Kill(second, syscall.SIGTERM)
	if err := s.end(t, syscall.SIGTERM); err != nil {
		t.Error(err)
	}
	eventually(t, "both have ended", func() bool { return !alive(second) })
	for _, left := range []string{path, pidFile, pidFile + ".2"} {
		if _, err := os.Lstat(left); err == nil {
			t.Errorf("%s is left", left)
		}
	}
}

// A first server that is killed as soon as it has started the second leaves all to that.
func TestTheServerOfUSR2OutlivesTheFirst(t *testing.T) {
	dir := t.TempDir()
	pidFile, path := filepath.Join(dir, "pid"), filepath.Join(dir, "s")
	s := start(t, options{args: []string{"-b", "unix:" + path, "--pid", pidFile}})
	_ = s.cmd.Process.Signal(syscall.SIGUSR2)
	s.wait(t, "starts beside this one")
	_ = s.cmd.Process.Kill()
	eventually(t, "the second server's pid", func() bool { return pidIn(pidFile) != 0 && pidIn(pidFile) != s.cmd.Process.Pid })
	second := pidIn(pidFile)
	t.Cleanup(func() { _ = syscall.Kill(second, syscall.SIGKILL) })
	if got := serverOf(t, "unix", path); got != second {
		t.Errorf("%d answers, not %d", got, second)
	}
	_ = syscall.Kill(second, syscall.SIGTERM)
	eventually(t, "it ends", func() bool { return !alive(second) })
}

// What there must not be twice is told.
func TestUSR2WithSidecarsIsAnswered(t *testing.T) {
	s := start(t, options{args: []string{"--sidecar", "sleep 60"}})
	_ = s.cmd.Process.Signal(syscall.SIGUSR2)
	s.wait(t, "USR2 starts no server beside this one: its sidecars would run twice")
	s.get(t, "/")
	if err := s.end(t, syscall.SIGTERM); err != nil {
		t.Error(err)
	}
}
