package front

import (
	"strings"
	"testing"
)

// The client of an ASGI scope is the last of X-Forwarded-For that is no trusted proxy, as proxies write it.
func TestClientOfASGIBehindProxies(t *testing.T) {
	for name, test := range map[string]struct{ field, want string }{ // want "": the peer
		"an address":            {"192.0.2.1", "192.0.2.1 0"},
		"with its port":         {"192.0.2.1:5000", "192.0.2.1 5000"},
		"IPv6":                  {"2001:db8::1", "2001:db8::1 0"},
		"in brackets":           {"[2001:db8::1]", "2001:db8::1 0"},
		"in brackets, and port": {"[2001:db8::1]:443", "2001:db8::1 443"},
		"IPv4 as IPv6":          {"[::ffff:192.0.2.1]:9", "192.0.2.1 9"},
		"behind another proxy":  {"203.0.113.5, 192.0.2.1:5000, 127.0.0.9:80", "192.0.2.1 5000"},
		"proxies alone":         {"127.0.0.8:70, 127.0.0.9:80", "127.0.0.8 70"},
		"in two fields":         {"192.0.2.1:1\r\nX-Forwarded-For: 127.0.0.9", "192.0.2.1 1"},
		"no address":            {"unknown", ""},
		"no port":               {"192.0.2.1:http", ""},
		"a port too large":      {"192.0.2.1:70000", ""},
		"an open bracket":       {"[2001:db8::1", ""},
		"more than an address":  {"[2001:db8::1]x", ""},
		"behind what is none":   {"192.0.2.1, unknown, 127.0.0.9:80", "127.0.0.9 80"},
		"nothing":               {"", ""},
		"commas":                {" , ", ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := serveApp(t, func(c *appCall) { c.answer("200 OK", string(c.scope)) }, trusting("127.0.0.0/8"))
			s.SpeakASGI()
			nc := s.dial(t)
			if test.want == "" {
				test.want = strings.Replace(nc.LocalAddr().String(), ":", " ", 1)
			}
			_, scope := roundTrip(t, nc, "GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: "+test.field+"\r\n\r\n")
			if said := strings.Split(scope, "\x00"); len(said) < 9 || said[7]+" "+said[8] != test.want {
				t.Errorf("the scope is %q, want the client %s", said, test.want)
			}
		})
	}
}
