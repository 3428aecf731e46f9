package e2e_test

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// manager is a service manager's notify socket.
type manager struct {
	conn *net.UnixConn
	env  []string
}

func newManager(t *testing.T) *manager {
	t.Helper()
	path := filepath.Join(t.TempDir(), "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return &manager{conn: conn, env: []string{"NOTIFY_SOCKET=" + path}}
}

// hears reports whether a message comes within d.
func (m *manager) hears(d time.Duration) bool {
	_ = m.conn.SetReadDeadline(time.Now().Add(d))
	_, err := m.conn.Read(make([]byte, 4096))
	return err == nil
}

// expect waits for a message with a line and returns the whole message. On the
// way it passes over others, but not over one with a line of not.
func (m *manager) expect(t *testing.T, line string, not ...string) []string {
	t.Helper()
	_ = m.conn.SetReadDeadline(time.Now().Add(limit))
	var buf [4096]byte
	for {
		n, err := m.conn.Read(buf[:])
		if err != nil {
			t.Fatalf("waiting for %s: %v", line, err)
		}
		lines := strings.Split(string(buf[:n]), "\n")
		if slices.Contains(lines, line) {
			return lines
		}
		for _, bad := range not {
			if slices.Contains(lines, bad) {
				t.Fatalf("%s came before %s", bad, line)
			}
		}
	}
}

func TestSystemdIsToldOfTheServersLife(t *testing.T) {
	m := newManager(t)
	s := start(t, options{env: m.env})
	m.expect(t, "READY=1")

	before := monotonicMicroseconds(t)
	if err := s.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	message := m.expect(t, "RELOADING=1", "READY=1")
	stamp := slices.IndexFunc(message, func(l string) bool { return strings.HasPrefix(l, "MONOTONIC_USEC=") })
	if stamp < 0 {
		t.Fatalf("no MONOTONIC_USEC in %q", message)
	}
	us, err := strconv.ParseInt(strings.TrimPrefix(message[stamp], "MONOTONIC_USEC="), 10, 64)
	if after := monotonicMicroseconds(t); err != nil || us < before || us > after {
		t.Errorf("%s is not between %d and %d (%v)", message[stamp], before, after, err)
	}
	m.expect(t, "READY=1")
	s.wait(t, "Reloaded: generation 2 serves")

	if err := s.end(t, syscall.SIGTERM); err != nil {
		t.Errorf("girin ended with %v", err)
	}
	m.expect(t, "STOPPING=1")
}

func monotonicMicroseconds(t *testing.T) int64 {
	t.Helper()
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
		t.Fatal(err)
	}
	return ts.Nano() / 1000
}

func TestSystemdIsToldOfAFailedReload(t *testing.T) {
	m := newManager(t)
	dir := t.TempDir()
	app := filepath.Join(dir, "app.py")
	put(t, app, "def application(e, s):\n    s('200 OK', [])\n    return [b'first']\n")
	s := start(t, options{env: m.env, args: []string{"--chdir", dir}})
	m.expect(t, "READY=1")
	put(t, app, "raise RuntimeError('broken')\n")
	if err := s.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	m.expect(t, "RELOADING=1")
	m.expect(t, "READY=1")
	if body := s.get(t, "/"); body != "first" {
		t.Errorf("the answer is %q", body)
	}
}

func put(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestSystemdWatchdog(t *testing.T) {
	m := newManager(t)
	start(t, options{env: append(m.env, "WATCHDOG_USEC=400000")})
	m.expect(t, "READY=1")
	for range 3 {
		m.expect(t, "WATCHDOG=1")
	}
}

// A master that is stopped does not say that it is alive, and what the service
// manager gave to the master is not passed on to workers.
func TestSystemdWatchdogFallsSilentAndWorkersHearNothing(t *testing.T) {
	m := newManager(t)
	s := start(t, options{env: append(m.env, "WATCHDOG_USEC=400000")})
	m.expect(t, "WATCHDOG=1")
	variables := s.get(t, "/variables")
	for _, name := range []string{"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "LISTEN_FDS", "LISTEN_PID"} {
		if strings.Contains("\n"+variables, "\n"+name+"=") {
			t.Errorf("workers have %s", name)
		}
	}
	if err := s.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	if err := unix.Waitid(unix.P_PID, s.cmd.Process.Pid, nil, unix.WSTOPPED|unix.WNOWAIT, nil); err != nil {
		t.Fatal(err)
	}
	for m.hears(10 * time.Millisecond) { // what it had sent before
	}
	if m.hears(time.Second) {
		t.Fatal("a stopped master says that it is alive")
	}
	if err := s.cmd.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	m.expect(t, "WATCHDOG=1")
}

// activate starts a server that gets sockets as systemd hands them over.
// LISTEN_PID must be its own, which a shell that becomes it can tell.
func activate(t *testing.T, files ...*os.File) *server {
	t.Helper()
	return start(t, options{
		wrap: []string{"sh", "-c", `LISTEN_PID=$$ exec "$@"`, "sh"},
		env:  []string{fmt.Sprintf("LISTEN_FDS=%d", len(files))}, files: files,
	})
}

func TestSocketActivation(t *testing.T) {
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer tcp.Close()
	path := filepath.Join(t.TempDir(), "s")
	local, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer local.Close()
	s := activate(t, fileOf(t, tcp), fileOf(t, local))
	if got := value(t, getFrom(t, "tcp", tcp.Addr().String(), "/environ"), "SERVER_PORT"); got != strconv.Itoa(tcp.Addr().(*net.TCPAddr).Port) {
		t.Errorf("SERVER_PORT is %s", got)
	}
	if got := value(t, getFrom(t, "unix", path, "/environ"), "SERVER_NAME"); got != "localhost" {
		t.Errorf("SERVER_NAME is %s", got)
	}
	if err := s.end(t, syscall.SIGTERM); err != nil {
		t.Errorf("girin ended with %v", err)
	}
	if _, err := os.Stat(path); err != nil {
		t.Errorf("the inherited socket's path is gone: %v", err)
	}
}

func fileOf(t *testing.T, l net.Listener) *os.File {
	t.Helper()
	f, err := l.(interface{ File() (*os.File, error) }).File()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// A master that ends leaves an inherited socket to the next one: whoever
// connects meanwhile waits and is served.
func TestRestartsBehindAnInheritedSocketRefuseNobody(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	var served, failed atomic.Int64
	stop := make(chan struct{})
	var clients sync.WaitGroup
	for range 4 {
		clients.Go(func() {
			client := &http.Client{Timeout: limit, Transport: &http.Transport{DisableKeepAlives: true}}
			for {
				select {
				case <-stop:
					return
				default:
				}
				res, err := client.Get("http://" + l.Addr().String() + "/")
				if err != nil {
					failed.Add(1)
					t.Error(err)
					return
				}
				res.Body.Close()
				served.Add(1)
			}
		})
	}
	const restarts = 20
	for range restarts {
		s := activate(t, fileOf(t, l))
		before := served.Load()
		for served.Load() == before && failed.Load() == 0 {
			getFrom(t, "tcp", l.Addr().String(), "/")
		}
		if err := s.end(t, syscall.SIGTERM); err != nil {
			t.Fatalf("girin ended with %v", err)
		}
	}
	last := activate(t, fileOf(t, l)) // serves those who wait
	close(stop)
	clients.Wait()
	_ = last.end(t, syscall.SIGTERM)
	t.Logf("%d requests served over %d restarts, %d failed", served.Load(), restarts, failed.Load())
}
