package e2e_test

import (
	"fmt"
	"io"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A stop takes graceful_timeout once, and the last hooks a second more, whatever hangs and
// whatever there is that does not let go. With what a busy machine takes for itself:
const (
	stopGrace = time.Second
	stopLimit = stopGrace + time.Second + 3*time.Second
)

// stopClasses are taken in turns.
var stopClasses = [][]string{{"-k", "sync", "--threads", "1"}, {"-k", "gthread"}, {"-k", "gevent"}, {"-k", "gaiohttp"}, {"-k", "auto"}}

func quit(t *testing.T, s *server) { signal(t, s, syscall.SIGQUIT) }

// stopHangs are hangs of which only the end is of interest.
func stopHangs() map[string]hang {
	all := maps.Clone(hangs)
	delete(all, "when_ready") // it is over when the server serves
	hook := func(name, arguments string) string {
		return "def " + name + "(" + arguments + "):\n    import spot; spot.pause()\n"
	}
	all["child_exit"] = hang{config: hook("child_exit", "server, worker"), provoke: term}
	all["child_exit and on_exit"] = hang{config: hook("child_exit", "server, worker") + hook("on_exit", "server"), provoke: term}
	all["nworkers_changed"] = hang{config: hook("nworkers_changed", "server, new, old"), provoke: hup}
	all["worker_int, by QUIT"] = hang{config: hook("worker_int", "worker"), provoke: quit}
	all["on_exit, by QUIT"] = hang{config: hook("on_exit", "server"), provoke: quit}
	all["worker_abort after a request"] = hang{config: hook("worker_abort", "worker"), app: hangs["a request"].app, provoke: hangs["a request"].provoke}
	all["the end of the application"] = hang{app: "import atexit, spot; atexit.register(spot.pause)", provoke: term}
	all["the end of the configuration"] = hang{config: "import atexit, spot; atexit.register(spot.pause)", provoke: term}
	return all
}

func TestAStopThatHangsTakesGracefulTimeoutOnce(t *testing.T) {
	all := stopHangs()
	for i, name := range slices.Sorted(maps.Keys(all)) {
		hang, class := all[name], stopClasses[i%len(stopClasses)]
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := hangingApp(t, hang.config, hang.app)
			args := append([]string{"--chdir", dir, "-c", filepath.Join(dir, "conf.py"), "--graceful-timeout", fmt.Sprint(stopGrace.Seconds())}, class...)
			s := launch(t, options{args: append(args, hang.args...), env: []string{"PYTHONPATH=" + dir}})
			began := time.Now()
			if hang.provoke != nil {
				s.wait(t, "Ready after")
				put(t, filepath.Join(dir, "hang"), "")
				began = time.Now()
				hang.provoke(t, s)
			}
			if !ends(hang.provoke) {
				waitFile(t, filepath.Join(dir, "hangs"))
				began = time.Now()
				term(t, s)
			}
			s.stopped(t, began)
			if _, err := os.Stat(filepath.Join(dir, "hangs")); err != nil {
				t.Error("nothing has hung")
			}
		})
	}
}

// ends reports whether what makes a server hang is the signal that ends it.
func ends(provoke func(*testing.T, *server)) bool {
	is := func(f func(*testing.T, *server)) bool { return fmt.Sprintf("%p", provoke) == fmt.Sprintf("%p", f) }
	return provoke != nil && (is(term) || is(quit))
}

// stopped judges how long a stop has taken that began then.
func (s *server) stopped(t *testing.T, began time.Time) {
	t.Helper()
	family := descendants(t, s.cmd.Process.Pid)
	select {
	case <-s.done:
	case <-time.After(limit):
		t.Fatal("it does not end")
	}
	took := time.Since(began)
	t.Logf("it took %.2f s", took.Seconds())
	if took > stopLimit {
		t.Errorf("it took %v", took)
	}
	eventually(t, "all its processes have ended", func() bool { return !slices.ContainsFunc(family, alive) })
}

// Whoever does not read, answer or leave holds up no stop.
func TestWhoDoesNotLetGoHoldsUpNoStop(t *testing.T) {
	grace := []string{"--graceful-timeout", fmt.Sprint(stopGrace.Seconds())}
	for name, test := range map[string]struct {
		args   func(t *testing.T, dir string) []string
		before func(t *testing.T, s *server) // TERM
	}{
		"statsd": {func(t *testing.T, dir string) []string {
			at := filepath.Join(dir, "statsd")
			l, err := net.ListenPacket("unixgram", at)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { l.Close() })
			return []string{"--statsd-host", "unix://" + at, "--access-logfile", os.DevNull}
		}, func(t *testing.T, s *server) {
			for range 200 { // more than a socket takes
				s.get(t, "/")
			}
		}},
		"the reader of the access log": {func(t *testing.T, dir string) []string {
			at := filepath.Join(dir, "pipe")
			if err := syscall.Mkfifo(at, 0o600); err != nil {
				t.Fatal(err)
			}
			reader, err := os.OpenFile(at, os.O_RDWR, 0)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { reader.Close() })
			return []string{"--access-logfile", at, "--access-logformat", strings.Repeat("x", 2000)}
		}, func(t *testing.T, s *server) {
			for range 100 { // more than a pipe takes
				s.get(t, "/")
			}
		}},
		"a sidecar": {func(t *testing.T, _ string) []string {
			return []string{"--sidecar", `deaf: sh -c "trap '' TERM; echo deaf; while :; do sleep 60; done"`}
		}, func(t *testing.T, s *server) { s.wait(t, "deaf: deaf") }},
		"a worker that was stopped": {nil, func(t *testing.T, s *server) {
			for _, pid := range descendants(t, s.cmd.Process.Pid) {
				_ = syscall.Kill(pid, syscall.SIGSTOP)
			}
		}},
		"clients that keep their connections": {func(*testing.T, string) []string { return []string{"--keep-alive", "60"} }, func(t *testing.T, s *server) {
			for range 20 {
				s.keep(t, "GET / HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 200")
			}
		}},
		"clients that have sent half a request": {nil, func(t *testing.T, s *server) {
			s.keep(t, "GET / HT", "")
			s.keep(t, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\nxxx", "")
		}},
		"an upload that is not read": {func(*testing.T, string) []string { return []string{"--stream-requests", "*"} }, func(t *testing.T, s *server) {
			nc := s.keep(t, "POST /sip?60 HTTP/1.1\r\nHost: x\r\nContent-Length: 100000000\r\n\r\n", "")
			_ = nc.SetWriteDeadline(time.Now().Add(2 * time.Second))
			n, _ := nc.Write(make([]byte, 100_000_000))
			if n == 100_000_000 {
				t.Error("all of it was read")
			}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			args := slices.Clone(grace)
			if test.args != nil {
				args = append(args, test.args(t, t.TempDir())...)
			}
			s := start(t, options{args: args})
			test.before(t, s)
			began := time.Now()
			term(t, s)
			s.stopped(t, began)
		})
	}
}

// keep sends something on a connection, waits for what comes first of the answer, and
// leaves the connection open.
func (s *server) keep(t *testing.T, request, answer string) net.Conn {
	t.Helper()
	nc, err := net.Dial("tcp", s.addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nc.Close() })
	_ = nc.SetDeadline(time.Now().Add(limit))
	if _, err := io.WriteString(nc, request); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, len(answer))
	if _, err := io.ReadFull(nc, got); err != nil || string(got) != answer {
		t.Fatalf("answered %q, %v", got, err)
	}
	return nc
}
