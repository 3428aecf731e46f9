package front

import (
	"io"
	"net"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/net/http2"

	"girin/internal/http1"
)

var gunicornSecure = []SecureField{
	{"X-FORWARDED-PROTO", "https"}, {"X-FORWARDED-PROTOCOL", "ssl"}, {"X-FORWARDED-SSL", "on"},
}

func trusting(networks ...string) func(*Config) {
	return func(c *Config) {
		c.Trust = Trust{Secure: gunicornSecure, Forwarder: []string{"SCRIPT_NAME", "PATH_INFO"}}
		for _, n := range networks {
			c.Trust.Networks = append(c.Trust.Networks, netip.MustParsePrefix(n))
		}
	}
}

// A reload may change whom the server believes: that holds for connections that are open as well.
func TestTrustFollowsAReload(t *testing.T) {
	s := serveApp(t, answerEnviron, trusting("127.0.0.0/8"))
	nc := s.dial(t)
	defer nc.Close()
	const request = "GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-Proto: https\r\n\r\n"
	_, env := roundTrip(t, nc, request)
	wantLines(t, env, "wsgi.url_scheme=https")
	asked := s.cfg.Asked
	asked.Trust.Networks = []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}
	s.Adjust(asked)
	_, env = roundTrip(t, nc, request)
	wantNoLine(t, env, "wsgi.url_scheme")
	s.Adjust(s.cfg.Asked)
	_, env = roundTrip(t, nc, request)
	wantLines(t, env, "wsgi.url_scheme=https")
}

func TestForwardedScheme(t *testing.T) {
	a := newAuthority(t)
	proxy := serveApp(t, answerEnviron, trusting("127.0.0.0/8"))
	stranger := serveApp(t, answerEnviron, trusting("192.0.2.0/24"))
	secure := serveApp(t, answerEnviron, trusting("127.0.0.0/8"), a.files(t).secure(t))
	for name, test := range map[string]struct {
		s      *served
		fields string
		status int
		scheme string // "": as the listener says
	}{
		"none":                      {proxy, "", 200, ""},
		"https":                     {proxy, "X-Forwarded-Proto: https\r\n", 200, "https"},
		"another field":             {proxy, "X-Forwarded-SSL: on\r\n", 200, "https"},
		"two that agree":            {proxy, "X-Forwarded-Proto: https\r\nX-Forwarded-Protocol: ssl\r\n", 200, "https"},
		"two that disagree":         {proxy, "X-Forwarded-Proto: https\r\nX-Forwarded-SSL: off\r\n", 400, ""},
		"one field that disagrees":  {proxy, "X-Forwarded-Proto: https\r\nX-Forwarded-Proto: http\r\n", 400, ""},
		"that of a WebSocket":       {proxy, "X-Forwarded-Proto: wss\r\n", 200, "https"},
		"another value is http":     {proxy, "X-Forwarded-Proto: HTTPS\r\n", 200, ""},
		"http over TLS":             {secure, "X-Forwarded-Proto: http\r\n", 200, "http"},
		"https over TLS":            {secure, "X-Forwarded-Proto: https\r\n", 200, ""},
		"from a stranger":           {stranger, "X-Forwarded-Proto: https\r\n", 200, ""},
		"a stranger that disagrees": {stranger, "X-Forwarded-Proto: https\r\nX-Forwarded-SSL: off\r\n", 200, ""},
	} {
		t.Run(name, func(t *testing.T) {
			nc := test.s.client(t, a)
			res, env := roundTrip(t, nc, "GET / HTTP/1.1\r\nHost: a\r\n"+test.fields+"\r\n")
			if res.StatusCode != test.status {
				t.Fatalf("the answer is %s: %s", res.Status, env)
			}
			if test.scheme == "" {
				wantNoLine(t, env, "wsgi.url_scheme")
			} else {
				wantLines(t, env, "wsgi.url_scheme="+test.scheme)
			}
		})
	}
}

func TestForwarderHeaders(t *testing.T) {
	proxy := serveApp(t, answerEnviron, trusting("127.0.0.0/8"))
	stranger := serveApp(t, answerEnviron, trusting("192.0.2.0/24"))
	dangerous := serveApp(t, answerEnviron, trusting("192.0.2.0/24"), func(c *Config) { c.Limits.Underscores = http1.KeepUnderscores })
	refusing := serveApp(t, answerEnviron, trusting("127.0.0.0/8"), func(c *Config) { c.Limits.Underscores = http1.RefuseUnderscores })
	anyName := serveApp(t, answerEnviron, trusting("127.0.0.0/8"), func(c *Config) { c.Trust.Forwarder = []string{"*"} })
	for name, test := range map[string]struct {
		s             *served
		path, field   string
		status        int
		lines, absent []string
	}{
		"mount point":                               {proxy, "/app/x", "SCRIPT_NAME: /app", 200, []string{"SCRIPT_NAME=/app", "PATH_INFO=/x", "HTTP_SCRIPT_NAME=/app"}, nil},
		"mount point itself":                        {proxy, "/app", "SCRIPT_NAME: /app", 200, []string{"SCRIPT_NAME=/app", "PATH_INFO="}, nil},
		"in lower case":                             {proxy, "/app/x", "script_name: /app", 200, []string{"SCRIPT_NAME=/app"}, nil},
		"path outside":                              {proxy, "/apple", "SCRIPT_NAME: /app", 404, nil, nil},
		"path is not taken from the field":          {proxy, "/x", "PATH_INFO: /y", 200, []string{"PATH_INFO=/x", "HTTP_PATH_INFO=/y"}, nil},
		"another name is dropped":                   {proxy, "/", "REMOTE_USER: admin", 200, nil, []string{"REMOTE_USER", "HTTP_REMOTE_USER"}},
		"any name":                                  {anyName, "/", "REMOTE_USER: admin", 200, []string{"HTTP_REMOTE_USER=admin"}, []string{"REMOTE_USER"}},
		"from a stranger":                           {stranger, "/app/x", "SCRIPT_NAME: /app", 200, []string{"PATH_INFO=/app/x"}, []string{"SCRIPT_NAME", "HTTP_SCRIPT_NAME"}},
		"from a stranger, dangerous":                {dangerous, "/app/x", "SCRIPT_NAME: /app", 200, []string{"PATH_INFO=/app/x", "HTTP_SCRIPT_NAME=/app"}, []string{"SCRIPT_NAME"}},
		"a name that may, where others are refused": {refusing, "/app/x", "SCRIPT_NAME: /app", 200, []string{"SCRIPT_NAME=/app"}, nil},
		"twice":                  {proxy, "/app/x", "SCRIPT_NAME: /app\r\nscript_name: /", 400, nil, nil},
		"twice, from a stranger": {stranger, "/app/x", "SCRIPT_NAME: /app\r\nSCRIPT_NAME: /", 200, []string{"PATH_INFO=/app/x"}, nil},
		"refused":                {refusing, "/", "REMOTE_USER: admin", 400, nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			res, env := roundTrip(t, test.s.dial(t), "GET "+test.path+" HTTP/1.1\r\nHost: a\r\n"+test.field+"\r\n\r\n")
			if res.StatusCode != test.status {
				t.Fatalf("the answer is %s: %s", res.Status, env)
			}
			wantLines(t, env, test.lines...)
			wantNoLine(t, env, suffixed(test.absent, "=")...)
		})
	}
}

func suffixed(list []string, end string) (ended []string) {
	for _, s := range list {
		ended = append(ended, s+end)
	}
	return ended
}

// REMOTE_ADDR is who connected. What a field says stays in that field.
func TestRemoteAddressIsThePeer(t *testing.T) {
	s := serveApp(t, answerEnviron, trusting("127.0.0.0/8"))
	_, env := roundTrip(t, s.dial(t), "GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 192.0.2.1\r\nForwarded: for=192.0.2.1\r\n\r\n")
	wantLines(t, env, "REMOTE_ADDR=127.0.0.1", "HTTP_X_FORWARDED_FOR=192.0.2.1")
}

// Where nobody is believed, who connects through a unix socket is not either.
func TestNobodyIsBelieved(t *testing.T) {
	_, connect := serveUnix(t, trusting("127.0.0.0/8"), func(c *Config) {
		c.Trust.None, c.Trust.Forwarder, c.HTTP2.Clear = true, []string{"SCRIPT_NAME"}, true
	})
	_, env := roundTrip(t, connect(), "GET /a HTTP/1.1\r\nHost: a\r\nX-Forwarded-Proto: https\r\nSCRIPT_NAME: /a\r\n\r\n")
	wantLines(t, env, "PATH_INFO=/a", "SERVER_PORT=80")
	wantNoLine(t, env, "wsgi.url_scheme")
	wantNoLine(t, env, "SCRIPT_NAME")
	nc := connect()
	if _, err := io.WriteString(nc, http2.ClientPreface); err != nil {
		t.Fatal(err)
	}
	if got, _ := io.ReadAll(nc); !strings.HasPrefix(string(got), "HTTP/1.1 ") {
		t.Errorf("HTTP/2 is answered %q", got)
	}
}

// serveUnix serves on a unix socket.
func serveUnix(t *testing.T, change ...func(*Config)) (s *served, connect func() net.Conn) {
	t.Helper()
	s = newServed(t, answerEnviron, change...)
	path := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	s.Serve(l, 0)
	return s, func() net.Conn {
		nc, err := net.Dial("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { nc.Close() })
		return nc
	}
}

func TestUnixSocketHasTheClientsNameForTheServer(t *testing.T) {
	_, connect := serveUnix(t, trusting())
	for fields, want := range map[string]string{
		"Host: example.org\r\n":                                  "example.org 80",
		"Host: example.org:8080\r\n":                             "example.org 8080",
		"Host: [::1]\r\n":                                        "[::1] 80",
		"Host: [::1]:8080\r\n":                                   "[::1] 8080",
		"Host: example.org\r\nX-Forwarded-Proto: https\r\n":      "example.org 443",
		"Host: example.org:8443\r\nX-Forwarded-Proto: https\r\n": "example.org 8443",
	} {
		_, env := roundTrip(t, connect(), "GET / HTTP/1.1\r\n"+fields+"\r\n")
		name, port, _ := strings.Cut(want, " ")
		wantLines(t, env, "SERVER_NAME="+name, "SERVER_PORT="+port, "REMOTE_ADDR=")
		wantNoLine(t, env, "REMOTE_PORT")
	}
}
