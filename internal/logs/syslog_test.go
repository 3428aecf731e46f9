package logs

import (
	"io"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestParseSyslogAddress(t *testing.T) {
	for text, want := range map[string]string{
		"unix:///dev/log":        "unixgram,unix /dev/log",
		"unix:///dev/log#dgram":  "unixgram /dev/log",
		"unix:///dev/log#stream": "unix /dev/log",
		"udp://localhost:514":    "udp localhost:514",
		"udp://localhost":        "udp localhost:514",
		"tcp://[::1]:6514":       "tcp [::1]:6514",
		"tcp://[::1]":            "tcp [::1]:514",
		"unix://":                "",
		"unix:///dev/log#other":  "",
		"udp://localhost:http":   "",
		"localhost:514":          "",
		"":                       "",
	} {
		networks, addr, err := ParseSyslogAddress(text)
		got := strings.Join(networks, ",") + " " + addr
		if err != nil {
			got = ""
		}
		if got != want {
			t.Errorf("%s: %q, %v, want %q", text, got, err, want)
		}
	}
}

func FuzzParseSyslogAddress(f *testing.F) {
	for _, seed := range []string{"unix:///dev/log#dgram", "udp://[::1]:514", "tcp://a", "udp://:1", "[[]"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		networks, addr, err := ParseSyslogAddress(text)
		if (err == nil) != (len(networks) > 0 && addr != "") {
			t.Fatalf("%q: %q, %q, %v", text, networks, addr, err)
		}
	})
}

// daemon is a syslog daemon on a socket; each message can be received.
func daemon(t *testing.T) (address string, messages <-chan string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "log")
	socket, err := net.ListenPacket("unixgram", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { socket.Close() })
	received := make(chan string, 16)
	go func() {
		defer close(received)
		buf := make([]byte, 4096)
		for {
			n, _, err := socket.ReadFrom(buf)
			if err != nil {
				return
			}
			received <- string(buf[:n])
		}
	}()
	return "unix://" + path, received
}

func expect(t *testing.T, messages <-chan string, want string) {
	t.Helper()
	select {
	case got := <-messages:
		if got != want {
			t.Errorf("syslog got %q, want %q", got, want)
		}
	case <-time.After(10 * time.Second):
		t.Fatalf("syslog did not get %q", want)
	}
}

func TestErrorLogInSyslog(t *testing.T) {
	address, messages := daemon(t)
	l, err := OpenError(ErrorOptions{
		Target: Target{Path: "-"}, Level: Info, Stderr: io.Discard, Syslog: &Syslog{Address: address, Facility: 16, Tag: "gunicorn.shop.error"},
	})
	if err != nil {
		t.Fatal(err)
	}
	l.Debugf("not at this level")
	l.Log(Critical, 7, "first\n")
	l.Log(Info, 8, "second\nline")
	_, _ = l.Write([]byte("what the application printed\n"))
	l.Log(Warning, 9, "third")
	expect(t, messages, "<130>gunicorn.shop.error: [7] first")
	expect(t, messages, "<134>gunicorn.shop.error: [8] second\nline")
	expect(t, messages, "<132>gunicorn.shop.error: [9] third")
	if err := l.Close(); err != nil {
		t.Error(err)
	}
}

func TestAccessLogInSyslogAlone(t *testing.T) {
	address, messages := daemon(t)
	format, err := ParseFormat("%(m)s %(U)s")
	if err != nil {
		t.Fatal(err)
	}
	l, err := OpenAccess(AccessOptions{Format: format, Syslog: &Syslog{Address: address, Facility: 1, Tag: "t"}})
	if err != nil {
		t.Fatal(err)
	}
	l.Log(&AccessRecord{PID: 12, Method: []byte("GET"), Path: []byte("/a")})
	expect(t, messages, "<14>t: [12] GET /a")
	if err := l.Reopen(); err != nil {
		t.Error(err)
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
}

// By UDP every other line seems to be taken.
func TestWithoutADaemonByUDPTheFileSaysSoOnce(t *testing.T) {
	nobody, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody.Close()
	var file strings.Builder
	l, err := OpenError(ErrorOptions{Target: Target{Path: "-"}, Stderr: &file, Syslog: &Syslog{Address: "udp://" + nobody.LocalAddr().String(), Tag: "t"}})
	if err != nil {
		t.Fatal(err)
	}
	for range 100 {
		l.Infof("line")
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	if n := strings.Count(file.String(), "lines are lost"); n > 1 {
		t.Errorf("it is said %d times", n)
	}
}

func TestWithoutADaemonTheFileSaysSo(t *testing.T) {
	var file strings.Builder
	l, err := OpenError(ErrorOptions{
		Target: Target{Path: "-"}, Stderr: &file, Syslog: &Syslog{Address: "unix://" + filepath.Join(t.TempDir(), "none"), Tag: "t"},
	})
	if err != nil {
		t.Fatal(err)
	}
	l.Infof("one")
	l.Infof("two")
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	if got := file.String(); !strings.Contains(got, "] one\n") || strings.Count(got, "lines are lost") != 1 {
		t.Errorf("the file has\n%s", got)
	}
}
