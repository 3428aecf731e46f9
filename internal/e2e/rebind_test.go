package e2e_test

import (
	"bufio"
	"net"
	"net/http"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// freeAddress is one that nobody listens on.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// rebinds is a server whose configuration file says where it listens.
func rebinds(t *testing.T, args ...string) (s *server, bind func(addresses ...string)) {
	t.Helper()
	conf := filepath.Join(t.TempDir(), "conf.py")
	bind = func(addresses ...string) {
		for i := range addresses {
			addresses[i] = strconv.Quote(addresses[i])
		}
		put(t, conf, "bind = ["+strings.Join(addresses, ", ")+"]")
	}
	first := freeAddress(t)
	bind(first)
	dir, err := filepath.Abs("testdata")
	if err != nil {
		t.Fatal(err)
	}
	s = startBare(t, append([]string{"--python", python(t), "--chdir", dir, "-c", conf, "-w", "2", "--threads", "4"}, args...)...)
	if s.addr != first {
		t.Fatalf("it listens at %s, not %s", s.addr, first)
	}
	return s, bind
}

// HUP with another bind moves the server there: nobody who comes to the old address
// is reset, whoever is served stays, and requests know where they came in.
func TestAReloadMayChangeTheAddress(t *testing.T) {
	for _, args := range [][]string{nil, {"--preload"}} {
		s, bind := rebinds(t, args...)
		old, next := s.addr, freeAddress(t)
		path := filepath.Join(t.TempDir(), "s")
		kept, err := net.Dial("tcp", old)
		if err != nil {
			t.Fatal(err)
		}
		defer kept.Close()
		c := newCrowd(24, "tcp", old)
		for c.served.Load() < 48 {
			time.Sleep(time.Millisecond)
		}
		bind(next, "unix:"+path)
		hup(t, s)
		s.wait(t, "No longer listening at: http://"+old)
		eventually(t, "the old address is closed", func() bool { _, err := net.Dial("tcp", old); return err != nil })
		c.leave()
		if c.broken.Load() > 0 {
			t.Errorf("%d clients were served, %d broken, one by %v", c.served.Load(), c.broken.Load(), c.why)
		}
		_, port, _ := net.SplitHostPort(next)
		if got := value(t, getFrom(t, "tcp", next, "/environ"), "SERVER_PORT"); got != port {
			t.Errorf("SERVER_PORT is %s at the new address, not %s", got, port)
		}
		if got := value(t, getFrom(t, "unix", path, "/environ"), "SERVER_NAME"); got != "localhost" {
			t.Errorf("SERVER_NAME is %s at the unix socket", got)
		}
		if _, err := kept.Write([]byte("GET /environ HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")); err != nil {
			t.Fatal(err)
		}
		res, err := http.ReadResponse(bufio.NewReader(kept), nil)
		if err != nil {
			t.Fatal(err)
		}
		_, port, _ = net.SplitHostPort(old)
		if got := value(t, readAll(t, res), "SERVER_PORT"); got != port {
			t.Errorf("SERVER_PORT is %s on a connection to the old address, not %s", got, port)
		}

		bind(old, next) // and back
		hup(t, s)
		s.wait(t, "No longer listening at: unix:"+path)
		getFrom(t, "tcp", old, "/")
		getFrom(t, "tcp", next, "/")
		if err := s.end(t, syscall.SIGTERM); err != nil {
			t.Error(err)
		}
	}
}

// An address that cannot be had, and an application that cannot be loaded, leave the
// server where it was.
func TestAReloadThatFailsKeepsTheAddress(t *testing.T) {
	s, bind := rebinds(t)
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	free := freeAddress(t)
	bind(free, taken.Addr().String())
	hup(t, s)
	s.wait(t, "Reload failed: bind "+taken.Addr().String())
	getFrom(t, "tcp", s.addr, "/")
	if _, err := net.Dial("tcp", free); err == nil {
		t.Error("what was opened for the reload stays open")
	}
}
