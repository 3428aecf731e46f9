// Package e2e_test runs the built girin with Python workers and looks at it from
// outside: through sockets, signals, and what an operating system shows.
package e2e_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// limit is how long anything may take here.
const limit = 30 * time.Second

// TestMain builds girin, unless $GIRIN says where it is.
func TestMain(m *testing.M) {
	os.Exit(func() int {
		if os.Getenv("GIRIN") != "" {
			return m.Run()
		}
		dir, err := os.MkdirTemp("", "girin-e2e-")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer os.RemoveAll(dir)
		path := filepath.Join(dir, "girin")
		if out, err := exec.Command("go", "build", "-o", path, "girin/cmd/girin").CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "go build: %v\n%s", err, out)
			return 1
		}
		os.Setenv("GIRIN", path)
		return m.Run()
	}())
}

func python(t *testing.T) string {
	t.Helper()
	if venv := os.Getenv("VIRTUAL_ENV"); venv != "" {
		return filepath.Join(venv, "bin", "python")
	}
	path, err := exec.LookPath("python3")
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// server is a girin that runs.
type server struct {
	cmd  *exec.Cmd
	addr string
	done chan struct{}
	err  error // set before done is closed

	mu      sync.Mutex
	lines   []string      // guarded by mu: its error log
	written chan struct{} // guarded by mu: closed by the next line
}

// options of a server beside its command line.
type options struct {
	args  []string
	env   []string
	files []*os.File
	wrap  []string // a command that runs it
	attr  *syscall.SysProcAttr
}

// start starts a server for testdata/app.py and waits until it serves.
func start(t *testing.T, o options) *server {
	t.Helper()
	s := launch(t, o)
	s.wait(t, "Ready after")
	return s
}

// launch starts a server and does not wait.
func launch(t *testing.T, o options) *server {
	t.Helper()
	dir, err := filepath.Abs("testdata")
	if err != nil {
		t.Fatal(err)
	}
	args := append(o.wrap, os.Getenv("GIRIN"), "--python", python(t), "--chdir", dir, "-w", "1", "--threads", "4", "-b", "127.0.0.1:0")
	return run(t, o, append(append(args, o.args...), "app"))
}

// startBare starts a server of these arguments alone.
func startBare(t *testing.T, args ...string) *server {
	t.Helper()
	s := run(t, options{}, append(append([]string{os.Getenv("GIRIN")}, args...), "app"))
	s.wait(t, "Ready after")
	return s
}

func run(t *testing.T, o options, args []string) *server {
	t.Helper()
	s := &server{cmd: exec.Command(args[0], args[1:]...), done: make(chan struct{}), written: make(chan struct{})}
	s.cmd.Env = append(os.Environ(), o.env...)
	s.cmd.ExtraFiles, s.cmd.SysProcAttr = o.files, o.attr
	// Its working directory decides nothing: --chdir does.
	s.cmd.Dir = t.TempDir()
	out, err := s.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go s.follow(out)
	t.Cleanup(func() {
		_ = s.cmd.Process.Kill()
		<-s.done
		if t.Failed() {
			t.Logf("its log:\n%s", s.log())
		}
	})
	return s
}

func (s *server) follow(out io.Reader) {
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		s.mu.Lock()
		s.lines = append(s.lines, lines.Text())
		close(s.written)
		s.written = make(chan struct{})
		s.mu.Unlock()
	}
	s.err = s.cmd.Wait()
	close(s.done)
}

func (s *server) log() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Join(s.lines, "\n")
}

// wait waits until the log has a line with what, and returns it.
func (s *server) wait(t *testing.T, what string) string {
	t.Helper()
	return s.waitAfter(t, what, 0)
}

// waitAfter waits for a line after the first n.
func (s *server) waitAfter(t *testing.T, what string, n int) string {
	t.Helper()
	late := time.After(limit)
	for {
		s.mu.Lock()
		lines, written := s.lines, s.written
		s.mu.Unlock()
		for _, line := range lines[n:] {
			if _, url, ok := strings.Cut(line, "Listening at: "); ok && s.addr == "" {
				s.addr = strings.Fields(strings.TrimPrefix(strings.TrimPrefix(url, "https://"), "http://"))[0]
			}
			if strings.Contains(line, what) {
				return line
			}
		}
		select {
		case <-written:
		case <-s.done:
			t.Fatalf("girin ended (%v) before it said %q:\n%s", s.err, what, s.log())
		case <-late:
			t.Fatalf("girin did not say %q:\n%s", what, s.log())
		}
	}
}

// end sends a signal and waits for the end.
func (s *server) end(t *testing.T, sig os.Signal) error {
	t.Helper()
	if err := s.cmd.Process.Signal(sig); err != nil {
		t.Fatal(err)
	}
	select {
	case <-s.done:
	case <-time.After(limit):
		t.Fatalf("girin did not end on %v:\n%s", sig, s.log())
	}
	return s.err
}

// get makes a request on a connection of its own.
func (s *server) get(t *testing.T, path string) string {
	t.Helper()
	return getFrom(t, "tcp", s.addr, path)
}

func getFrom(t *testing.T, network, addr, path string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	transport := &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, addr)
	}}
	r, err := http.NewRequestWithContext(ctx, "GET", "http://localhost"+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := transport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != 200 {
		t.Fatalf("GET %s: %s, %v: %s", path, res.Status, err, body)
	}
	return string(body)
}

// value finds a line KEY=value.
func value(t *testing.T, text, key string) string {
	t.Helper()
	for line := range strings.Lines(text) {
		if v, ok := strings.CutPrefix(line, key+"="); ok {
			return strings.TrimSuffix(v, "\n")
		}
	}
	t.Fatalf("there is no %s in:\n%s", key, text)
	return ""
}

func alive(pid int) bool {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	_, state, _ := strings.Cut(string(b), ") ")
	return !strings.HasPrefix(state, "Z")
}

func readAll(t *testing.T, res *http.Response) string {
	t.Helper()
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Error(err)
	}
	return string(body)
}
