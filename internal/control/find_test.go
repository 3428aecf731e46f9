package control

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestFind(t *testing.T) {
	dir := t.TempDir()
	if _, err := Find(dir, Choice{}); err == nil || !strings.Contains(err.Error(), "no girin server") {
		t.Error(err)
	}
	// One that has ended leaves its socket behind.
	dead, err := net.ListenUnix("unix", &net.UnixAddr{Name: filepath.Join(dir, "7.sock")})
	if err != nil {
		t.Fatal(err)
	}
	dead.SetUnlinkOnClose(false)
	dead.Close()
	if _, err := Find(dir, Choice{}); err == nil {
		t.Error("a dead server was found")
	}
	s := serve(t, dir, Status{})
	if path, err := Find(dir, Choice{}); err != nil || path != s.path {
		t.Error(path, err)
	}
	if _, err := os.Stat(filepath.Join(dir, "7.sock")); err == nil {
		t.Error("the dead server's socket is still there")
	}
	other, err := net.Listen("unix", filepath.Join(dir, "8.sock"))
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if _, err := Find(dir, Choice{}); err == nil || !strings.Contains(err.Error(), "--pid") || !strings.Contains(err.Error(), "8") {
		t.Error(err)
	}
}

// Of several servers an error lists what tells them apart; each can be chosen by what
// is told of it.
func TestSeveralServersAreToldApart(t *testing.T) {
	dir := t.TempDir()
	for path, status := range map[string]Status{
		Path(dir, 21): {App: "shop:app", Addresses: []string{"http://127.0.0.1:8000", "unix:/run/shop.sock"}},
		Path(dir, 22): {App: "blog:app\x1b[2J", Addresses: []string{"https://[::]:8443"}},
	} {
		l, err := net.Listen("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		s := &Server{path: path, listener: l}
		s.Serve(func() Status { return status }, nil)
		defer s.Close()
	}
	_, err := Find(dir, Choice{})
	for _, want := range []string{"--pid", "--bind", "pid 21", "shop:app", "http://127.0.0.1:8000 unix:/run/shop.sock", "pid 22", "blog:app"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in: %v", want, err)
		}
	}
	if err != nil && strings.Contains(err.Error(), "\x1b") {
		t.Errorf("%q", err)
	}
	for bind, pid := range map[string]int{
		"127.0.0.1:8000": 21, ":8000": 21, "localhost:8000": 21, "http://127.0.0.1:8000/": 21, "unix:/run/shop.sock": 21,
		":8443": 22, "[::]:8443": 22, "https://[::]:8443": 22, ":800": 0, ":80": 0, "/run/shop.sock": 21, "8000": 0,
	} {
		path, err := Find(dir, Choice{Bind: bind})
		switch {
		case pid == 0 && (err == nil || !strings.Contains(err.Error(), "listens on "+bind) || !strings.Contains(err.Error(), "pid 22")):
			t.Errorf("%s: %q, %v", bind, path, err)
		case pid != 0 && path != Path(dir, pid):
			t.Errorf("%s: %q, %v", bind, path, err)
		}
	}
	if path, err := Find(dir, Choice{PID: 22}); path != Path(dir, 22) {
		t.Errorf("%q, %v", path, err)
	}
	if _, err := Find(dir, Choice{PID: 1}); err == nil || !strings.Contains(err.Error(), "no girin server of this user has pid 1\n") || !strings.Contains(err.Error(), "shop:app") {
		t.Error(err)
	}
}
