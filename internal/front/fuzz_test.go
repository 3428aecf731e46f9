package front

import (
	"bytes"
	"io"
	"net"
	"regexp"
	"strings"
	"testing"
	"time"
)

// FuzzConnection sends a client's bytes through everything that stands between
// a socket and the application: the server must neither panic nor hang, each
// answer must begin as one, and what reaches the application must be environ
// variables, each once.
func FuzzConnection(f *testing.F) {
	const get = "GET /a%00b?q HTTP/1.1\r\nHost: x\r\n"
	for _, seed := range []string{
		get + "\r\n", get + "\r\n" + get + "Connection: close\r\n\r\n", "HEAD / HTTP/1.0\r\n\r\n",
		"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc",
		"POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n3;a=b\r\nabc\r\n0\r\nT: t\r\n\r\n",
		get + "X-Forwarded-Proto: https\r\nX-Forwarded-Ssl: on\r\nSCRIPT_NAME: /a\r\nX_Y: z\r\nX-Request-Start: t=1700000000.1\r\n\r\n",
		"PROXY TCP4 192.0.2.1 198.51.100.2 4660 443\r\n" + get + "\r\n",
		"\r\n\r\n" + get, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "\x16\x03\x01\x00\xa5\x01",
	} {
		for options := range uint8(4) {
			f.Add([]byte(seed), options)
		}
	}
	f.Fuzz(func(t *testing.T, sent []byte, options uint8) {
		s := serveApp(t, func(c *appCall) {
			if c.pairs != len(c.environ) {
				t.Errorf("%d variables of %d pairs", len(c.environ), c.pairs)
			}
			for name := range c.environ {
				if !environName.MatchString(name) {
					t.Errorf("variable %q", name)
				}
			}
			c.answer("200 OK", "ok")
		}, func(c *Config) {
			c.Trust = Trust{Peers: Peers{All: options&1 != 0}, Forwarder: []string{"SCRIPT_NAME", "PATH_INFO"}, Secure: []SecureField{
				{"X-Forwarded-Proto", "https"}, {"X-Forwarded-Ssl", "on"},
			}}
			if options&2 != 0 {
				c.Proxy = ProxyProtocol{Versions: ProxyV1 | ProxyV2, Allow: Peers{All: true}}
			}
		})
		if answer := exchangeBytes(t, s.addr, sent); len(answer) > 0 && !strings.HasPrefix(answer, "HTTP/1.") {
			t.Errorf("the answer is %q", answer)
		}
		if log := s.log.String(); strings.Contains(log, "panic") {
			t.Error(log)
		}
	})
}

// environName is what a request may name: CGI's own variables and HTTP_*.
// SCRIPT_NAME and PATH_INFO may also be fields.
var environName = regexp.MustCompile(`^(wsgi\.url_scheme|(REQUEST|PATH|QUERY|SERVER|REMOTE|RAW|CONTENT|SCRIPT|PROXY|HTTP)_[!#-'*+.0-9A-Z^_|~` + "`" + `]+)$`)

// exchangeBytes sends all, says that there is no more, and returns all that comes.
func exchangeBytes(t *testing.T, addr string, sent []byte) string {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err = c.Write(sent); err == nil { // it may have been refused by now
		_ = c.(*net.TCPConn).CloseWrite()
	}
	var answer bytes.Buffer
	if _, err := io.Copy(&answer, c); err != nil {
		if e, ok := err.(net.Error); ok && e.Timeout() {
			t.Errorf("no end after %q", answer.String())
		}
	}
	return answer.String()
}

// FuzzRequestStart checks that what is taken for a time is one.
func FuzzRequestStart(f *testing.F) {
	for _, seed := range []string{"t=1700000000.123", "1700000000123", "t=1700000000123000", "", "t=", "1.2.3", "99999999999999999999"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, value string) {
		at, ok := parseRequestStart(value)
		if ok && (at.Unix() < 0 || at.Unix() > lastSecond || strings.Trim(value, "t=.0123456789") != "") {
			t.Errorf("%q is taken for %v", value, at)
		}
	})
}
