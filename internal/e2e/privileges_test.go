package e2e_test

import (
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// account is who the server becomes: there is one of this name everywhere.
const account = "nobody"

func lookUp(t *testing.T) (uid, gid int) {
	t.Helper()
	u, err := user.Lookup(account)
	if err != nil {
		t.Fatal(err)
	}
	uid, err1 := strconv.Atoi(u.Uid)
	gid, err2 := strconv.Atoi(u.Gid)
	if err1 != nil || err2 != nil {
		t.Fatalf("%+v", u)
	}
	return uid, gid
}

// openDir is a directory that everyone may read, with the application in it.
func openDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "girin-user-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	app, err := os.ReadFile("testdata/app.py")
	if err != nil {
		t.Fatal(err)
	}
	put(t, filepath.Join(dir, "app.py"), string(app))
	return dir
}

// systemPython is one that every user may run; that of a virtual environment
// may lie in a home directory.
func systemPython(t *testing.T) string {
	t.Helper()
	for _, dir := range []string{"/usr/local/bin", "/usr/bin", "/bin"} {
		if path, err := exec.LookPath(filepath.Join(dir, "python3")); err == nil {
			return path
		}
	}
	t.Fatal("there is no python3 outside of home directories")
	return ""
}

// identities returns the user, group and supplementary groups that each thread
// of a process has.
func identities(t *testing.T, pid int) map[string]bool {
	t.Helper()
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", pid))
	if err != nil || len(threads) == 0 {
		t.Fatal(threads, err)
	}
	found := map[string]bool{}
	for _, path := range threads {
		b, err := os.ReadFile(path)
		if err != nil {
			continue // the thread has ended
		}
		text := ""
		for line := range strings.Lines(string(b)) {
			for _, name := range []string{"Uid:", "Gid:", "Groups:", "CapEff:"} {
				if rest, ok := strings.CutPrefix(line, name); ok {
					text += name + strings.Join(strings.Fields(rest), ",") + " "
				}
			}
		}
		found[text] = true
	}
	return found
}

func TestUserIsWhatTheWholeServerBecomes(t *testing.T) {
	if os.Geteuid() != 0 {
		s := launch(t, options{args: []string{"--user", account}})
		<-s.done
		if s.cmd.ProcessState.ExitCode() != 1 || !strings.Contains(s.log(), "only root can become another user") {
			t.Errorf("girin ended with %v: %s", s.err, s.log())
		}
		return
	}
	uid, gid := lookUp(t)
	dir := openDir(t)
	private := t.TempDir() // root's alone
	if err := os.Chmod(private, 0o700); err != nil {
		t.Fatal(err)
	}
	cert, key := certificate(t) // not for the user either
	socket, pidfile, errorlog := filepath.Join(dir, "s"), filepath.Join(dir, "pid"), filepath.Join(private, "error.log")
	s := launch(t, options{args: []string{
		"--user", account, "--python", systemPython(t), "--chdir", dir, "-b", "unix:" + socket, "--umask", "0117",
		"--pid", pidfile, "--access-logfile", errorlog, "--certfile", cert, "--keyfile", key,
	}})
	s.wait(t, "Ready after")

	want := fmt.Sprintf("Uid:%[1]d,%[1]d,%[1]d,%[1]d Gid:%[2]d,%[2]d,%[2]d,%[2]d Groups:%[2]d CapEff:0000000000000000 ", uid, gid)
	workers, _ := children(t, s.cmd.Process.Pid)
	for _, pid := range append(workers, s.cmd.Process.Pid) {
		if got := identities(t, pid); len(got) != 1 || !got[want] {
			t.Errorf("process %d runs as %v, want %s", pid, got, want)
		}
	}
	for path, mode := range map[string]os.FileMode{socket: os.ModeSocket | 0o660, pidfile: 0o644} {
		info, err := os.Lstat(path)
		if err != nil {
			t.Fatal(err)
		}
		if st := info.Sys().(*syscall.Stat_t); int(st.Uid) != uid || int(st.Gid) != gid || info.Mode() != mode {
			t.Errorf("%s belongs to %d:%d with mode %v, want %d:%d and %v", path, st.Uid, st.Gid, info.Mode(), uid, gid, mode)
		}
	}
	for _, what := range []string{key + " is not readable", "USR1 cannot open it again"} {
		s.wait(t, what)
	}

	// What signals can still do, and that they say what they cannot.
	if err := s.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	s.wait(t, "generation 2 serves")
	s.wait(t, "the certificate stays as it was")

	workers, _ = children(t, s.cmd.Process.Pid)
	if err := s.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	<-s.done
	eventually(t, "the workers are gone with their master", func() bool {
		for _, pid := range workers {
			if alive(pid) {
				return false
			}
		}
		return true
	})
}

func TestRequestsAreServedAsTheUser(t *testing.T) {
	if os.Geteuid() != 0 {
		return // the other test says what happens then
	}
	uid, gid := lookUp(t)
	dir := openDir(t)
	for _, class := range []string{"sync", "gthread"} {
		s := start(t, options{args: []string{"--user", account, "--python", systemPython(t), "--chdir", dir, "-k", class, "--initgroups"}})
		got := s.get(t, "/identity")
		if value(t, got, "uid") != strconv.Itoa(uid) || value(t, got, "gid") != strconv.Itoa(gid) || value(t, got, "groups") != fmt.Sprintf("[%d]", gid) {
			t.Errorf("%s: the application runs as\n%s", class, got)
		}
		if err := s.end(t, syscall.SIGTERM); err != nil {
			t.Errorf("%s: girin ended with %v", class, err)
		}
	}
}
