package control

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"girin/internal/sched"
)

func serve(t *testing.T, dir string, status Status) *Server {
	t.Helper()
	s, err := Listen(dir)
	if err != nil {
		t.Fatal(err)
	}
	s.Serve(func() Status { return status }, nil)
	t.Cleanup(s.Close)
	return s
}

func TestAStatusArrivesAsItWasSent(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "girin")
	want := Status{PID: os.Getpid(), App: "app:app", Uptime: time.Second, Sched: sched.Status{
		Routes: []sched.RouteStatus{{Name: "GET /\x1b", Count: 3, ServiceP95: time.Millisecond}},
	}, Decisions: []Decision{{Time: time.Unix(5, 0).UTC(), Text: "why"}}}
	s := serve(t, dir, want)
	got, err := Get(t.Context(), s.path)
	if err != nil || fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%v\n%+v\n%+v", err, got, want)
	}
}

func TestOnlyTheOwnerCanReachTheSocket(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "girin")
	s := serve(t, dir, Status{})
	for path, want := range map[string]os.FileMode{dir: os.ModeDir | 0o700, s.path: os.ModeSocket | 0o600} {
		info, err := os.Stat(path)
		if err != nil || info.Mode() != want {
			t.Errorf("%s: %v, %v; want %v", path, info.Mode(), err, want)
		}
	}
}

// A directory that others can change, or that is none, is refused.
func TestAnUnsafeDirectoryIsRefused(t *testing.T) {
	base := t.TempDir()
	open := filepath.Join(base, "open")
	if err := os.Mkdir(open, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(open, 0o777); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(base, "link")
	if err := os.Symlink(t.TempDir(), link); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(base, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{open, link, file} {
		if s, err := Listen(dir); err == nil {
			s.Close()
			t.Errorf("%s is taken", dir)
		}
	}
}

func TestWhoMayAsk(t *testing.T) {
	for _, test := range []struct {
		uid, ours int
		want      bool
	}{{1000, 1000, true}, {0, 1000, true}, {0, 0, true}, {1001, 1000, false}, {1000, 0, false}} {
		if got := allowed(test.uid, test.ours); got != test.want {
			t.Errorf("user %d asks a server of %d: %v", test.uid, test.ours, got)
		}
	}
}

// A peer that may not ask gets no answer, and does not keep others from theirs.
func TestOthersGetNoAnswer(t *testing.T) {
	l, err := net.Listen("unix", filepath.Join(t.TempDir(), "s"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	asked := 0
	c := checked{l, func(uid int) bool {
		if uid != os.Geteuid() {
			t.Errorf("user %d, want %d", uid, os.Geteuid())
		}
		asked++
		return asked > 1
	}}
	first, err := net.Dial("unix", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer first.Close()
	second, err := net.Dial("unix", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer second.Close()
	conn, err := c.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if n, err := first.Read(make([]byte, 1)); n != 0 || err == nil {
		t.Errorf("the first got %d bytes, %v", n, err)
	}
}

func TestDir(t *testing.T) {
	env := func(pairs ...string) func(string) string {
		return func(key string) string {
			for i := 0; i < len(pairs); i += 2 {
				if pairs[i] == key {
					return pairs[i+1]
				}
			}
			return ""
		}
	}
	if dir, err := Dir(env("GIRIN_RUNTIME_DIR", "/x")); dir != "/x" || err != nil {
		t.Error(dir, err)
	}
	dir, err := Dir(env("XDG_RUNTIME_DIR", "/run/user/5", "HOME", "/home/a"))
	want := "/run/user/5/girin"
	if os.Geteuid() == 0 {
		want = "/run/girin"
	}
	if dir != want || err != nil {
		t.Error(dir, err)
	}
}

func TestCloseRemovesTheSocket(t *testing.T) {
	dir := t.TempDir()
	s, err := Listen(dir)
	if err != nil {
		t.Fatal(err)
	}
	s.Close() // without Serve
	s = serve(t, dir, Status{})
	s.Close()
	if len(sockets(dir)) != 0 {
		t.Error("it is still there")
	}
	if _, err := Get(context.Background(), s.path); err == nil {
		t.Error("it still answers")
	}
}

// A server that cannot have a directory is asked through a socket without a path.
func TestWithoutADirectoryASocketHasNoPath(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "girin")
	s, err := ListenAbstract(dir)
	if err != nil {
		t.Fatal(err)
	}
	s.Serve(func() Status { return Status{App: "abstract"} }, nil)
	defer s.Close()
	for _, pid := range []int{0, os.Getpid()} {
		path, err := Find(dir, Choice{PID: pid})
		if err != nil {
			t.Fatal(err)
		}
		if got, err := Get(t.Context(), path); err != nil || got.App != "abstract" {
			t.Errorf("%+v, %v", got, err)
		}
	}
}

// A socket whose server is too busy to accept is neither removed nor passed over.
func TestABusyServersSocketStays(t *testing.T) {
	dir := t.TempDir()
	path := Path(dir, 1)
	fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Close(fd)
	if err := errors.Join(syscall.Bind(fd, &syscall.SockaddrUnix{Name: path}), syscall.Listen(fd, 0)); err != nil {
		t.Fatal(err)
	}
	for {
		c, err := net.Dial("unix", path)
		if err != nil {
			break
		}
		defer c.Close()
	}
	sweep(dir)
	if got, err := Find(dir, Choice{}); err != nil || got != path {
		t.Errorf("found %q, %v", got, err)
	}
}
