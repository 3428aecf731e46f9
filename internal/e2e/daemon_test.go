package e2e_test

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// daemon runs girin -D and returns what it says on the terminal, once it has ended.
func daemon(t *testing.T, addr string, more ...string) (said string, code int) {
	t.Helper()
	app, err := filepath.Abs("testdata")
	if err != nil {
		t.Fatal(err)
	}
	args := append([]string{"-D", "--python", python(t), "--pythonpath", app, "-w", "1", "-b", addr}, more...)
	cmd := exec.Command(os.Getenv("GIRIN"), append(args, "app")...)
	// A background server that kept the terminal would hold this up.
	out, _ := cmd.CombinedOutput()
	return string(out), cmd.ProcessState.ExitCode()
}

func TestADaemonListensWhenItsCommandEnds(t *testing.T) {
	dir := t.TempDir()
	pidFile, log, socket := filepath.Join(dir, "pid"), filepath.Join(dir, "log"), filepath.Join(dir, "s")
	said, code := daemon(t, "unix:"+socket, "--pid", pidFile, "--error-logfile", log)
	if code != 0 || said != "" {
		t.Fatalf("status %d: %s", code, said)
	}
	text, err := os.ReadFile(pidFile)
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Kill(pid, syscall.SIGKILL) })
	if sid, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat"); err != nil || strings.Fields(string(sid))[5] != strconv.Itoa(pid) {
		t.Errorf("it has no session of its own: %s, %v", sid, err)
	}
	if got := getFrom(t, "unix", socket, "/variables"); strings.Contains(got, "GIRIN_DAEMON") {
		t.Errorf("the application sees how the server was started:\n%s", got)
	}
	_ = syscall.Kill(pid, syscall.SIGTERM)
	for end := time.Now().Add(limit); alive(pid); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("it does not end")
		}
	}
	if text, _ := os.ReadFile(log); !strings.Contains(string(text), "Shutting down: Master") {
		t.Errorf("its log:\n%s", text)
	}
}

func TestADaemonThatCannotListenSaysSo(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	said, code := daemon(t, taken.Addr().String())
	if code != 1 || !strings.Contains(said, "address already in use") || !strings.Contains(said, "--error-logfile FILE") {
		t.Errorf("status %d: %s", code, said)
	}
}
