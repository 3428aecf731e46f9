package front

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"encoding/binary"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"

	"github.com/pires/go-proxyproto"
)

// binaryHeader makes a header of version 2.
func binaryHeader(command, family byte, payload string) string {
	b := append([]byte{}, proxySignature...)
	b = append(b, command, family)
	b = binary.BigEndian.AppendUint16(b, uint16(len(payload)))
	return string(b) + payload
}

const (
	payload4 = "\xc0\x00\x02\x01\xc6\x33\x64\x02\x12\x34\x01\xbb"
	payload6 = "\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01" +
		"\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x12\x34\x01\xbb"
)

func TestParseProxyHeader(t *testing.T) {
	for name, test := range map[string]struct {
		in       string
		protocol string // "": an error
		client   string
	}{
		"v1 TCP4":                  {"PROXY TCP4 192.0.2.1 198.51.100.2 4660 443\r\n", "TCP4", "192.0.2.1:4660"},
		"v1 TCP6":                  {"PROXY TCP6 2001:db8::1 2001:db8::2 4660 443\r\n", "TCP6", "[2001:db8::1]:4660"},
		"v1 UNKNOWN":               {"PROXY UNKNOWN\r\n", "UNKNOWN", ""},
		"v1 UNKNOWN with more":     {"PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n", "UNKNOWN", ""},
		"v1 families disagree":     {"PROXY TCP4 2001:db8::1 2001:db8::2 1 2\r\n", "", ""},
		"v1 UDP":                   {"PROXY UDP4 192.0.2.1 198.51.100.2 1 2\r\n", "", ""},
		"v1 a zone":                {"PROXY TCP6 fe80::1%eth0 fe80::2 1 2\r\n", "", ""},
		"v1 leading zero":          {"PROXY TCP4 192.0.2.01 198.51.100.2 1 2\r\n", "", ""},
		"v1 port with zero":        {"PROXY TCP4 192.0.2.1 198.51.100.2 01 2\r\n", "", ""},
		"v1 port too large":        {"PROXY TCP4 192.0.2.1 198.51.100.2 65536 2\r\n", "", ""},
		"v1 negative port":         {"PROXY TCP4 192.0.2.1 198.51.100.2 -1 2\r\n", "", ""},
		"v1 two spaces":            {"PROXY TCP4  192.0.2.1 198.51.100.2 1 2\r\n", "", ""},
		"v1 a field too many":      {"PROXY TCP4 192.0.2.1 198.51.100.2 1 2 3\r\n", "", ""},
		"v1 a field too few":       {"PROXY TCP4 192.0.2.1 198.51.100.2 1\r\n", "", ""},
		"v1 bare LF":               {"PROXY TCP4 192.0.2.1 198.51.100.2 1 2\n", "", ""},
		"v1 lower case":            {"proxy TCP4 192.0.2.1 198.51.100.2 1 2\r\n", "", ""},
		"v1 too long":              {"PROXY UNKNOWN " + strings.Repeat("x", 92) + "\r\n", "", ""},
		"v1 longest":               {"PROXY UNKNOWN " + strings.Repeat("x", 91) + "\r\n", "UNKNOWN", ""},
		"v2 TCP4":                  {binaryHeader(0x21, 0x11, payload4), "TCP4", "192.0.2.1:4660"},
		"v2 TCP6":                  {binaryHeader(0x21, 0x21, payload6), "TCP6", "[2001:db8::1]:4660"},
		"v2 TCP4 with additions":   {binaryHeader(0x21, 0x11, payload4+"\x04\x00\x01x"), "TCP4", "192.0.2.1:4660"},
		"v2 LOCAL":                 {binaryHeader(0x20, 0x00, ""), "LOCAL", ""},
		"v2 LOCAL with addresses":  {binaryHeader(0x20, 0x11, payload4), "LOCAL", ""},
		"v2 UNSPEC":                {binaryHeader(0x21, 0x00, ""), "UNSPEC", ""},
		"v2 version 1":             {binaryHeader(0x11, 0x11, payload4), "", ""},
		"v2 unknown command":       {binaryHeader(0x22, 0x11, payload4), "", ""},
		"v2 UDP":                   {binaryHeader(0x21, 0x12, payload4), "", ""},
		"v2 unix socket":           {binaryHeader(0x21, 0x31, strings.Repeat("x", 216)), "", ""},
		"v2 addresses cut":         {binaryHeader(0x21, 0x11, payload4[:11]), "", ""},
		"v2 too long":              {binaryHeader(0x21, 0x11, strings.Repeat("x", 4081)), "", ""},
		"HTTP":                     {"GET / HTTP/1.1\r\nHost: a\r\n\r\n", "", ""},
		"a TLS record":             {"\x16\x03\x01\x02\x00\x01\x00\x01", "", ""},
		"almost version 2":         {"\r\n\r\n\x00\r\nQUIT!", "", ""},
		"almost version 1":         {"PROXIES TCP4 192.0.2.1", "", ""},
		"v1 NUL in the address":    {"PROXY TCP4 192.0.2.1\x00 198.51.100.2 1 2\r\n", "", ""},
		"v1 empty address":         {"PROXY TCP4  198.51.100.2 1 2\r\n", "", ""},
		"v1 no protocol":           {"PROXY \r\n", "", ""},
		"v2 mapped IPv4 addresses": {binaryHeader(0x21, 0x21, strings.Repeat("\x00", 10)+"\xff\xff\xc0\x00\x02\x01"+payload6[16:]), "TCP6", "[::ffff:192.0.2.1]:4660"},
	} {
		t.Run(name, func(t *testing.T) {
			const next = "GET / HTTP/1.1\r\n"
			h, n, err := parseProxyHeader([]byte(test.in+next), ProxyV1|ProxyV2)
			if test.protocol == "" {
				if err == nil {
					t.Errorf("it is taken for %+v", h)
				}
				return
			}
			if err != nil || n != len(test.in) {
				t.Fatalf("%d of %d bytes, %v", n, len(test.in), err)
			}
			if h.protocol != test.protocol || test.client != "" && h.client.String() != test.client {
				t.Errorf("it says %+v", h)
			}
			for i := range len(test.in) {
				if _, n, err := parseProxyHeader([]byte(test.in[:i]), ProxyV1|ProxyV2); n != 0 || err != nil {
					t.Fatalf("of its first %d bytes %d were taken, %v", i, n, err)
				}
			}
		})
	}
}

func TestOnlyTheChosenVersionsOfTheProxyHeader(t *testing.T) {
	v1, v2 := []byte("PROXY UNKNOWN\r\n"), []byte(binaryHeader(0x20, 0, ""))
	for _, test := range []struct {
		versions ProxyVersions
		in       []byte
		ok       bool
	}{{ProxyV1, v1, true}, {ProxyV1, v2, false}, {ProxyV2, v1, false}, {ProxyV2, v2, true}} {
		if _, n, err := parseProxyHeader(test.in, test.versions); (err == nil && n > 0) != test.ok {
			t.Errorf("versions %b of %q: %d, %v", test.versions, test.in, n, err)
		}
	}
}

// FuzzProxyHeader checks that nothing is read twice or beyond its end, and that
// what is accepted names the addresses that another implementation finds.
func FuzzProxyHeader(f *testing.F) {
	for _, seed := range []string{
		"PROXY TCP4 192.0.2.1 198.51.100.2 4660 443\r\nGET", "PROXY TCP6 2001:db8::1 ::2 1 2\r\n", "PROXY UNKNOWN x\r\n",
		binaryHeader(0x21, 0x11, payload4), binaryHeader(0x21, 0x21, payload6+"\x04\x00\x00"), binaryHeader(0x20, 0, ""),
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		h, n, err := parseProxyHeader(b, ProxyV1|ProxyV2)
		if n < 0 || n > len(b) || n > maxProxyHeader || err != nil && n != 0 {
			t.Fatalf("%d of %d bytes, %v", n, len(b), err)
		}
		if n == 0 {
			return
		}
		for i := range n { // whole, or nothing
			if _, m, err := parseProxyHeader(b[:i], ProxyV1|ProxyV2); m != 0 || err != nil {
				t.Fatalf("of its first %d bytes %d were taken, %v", i, m, err)
			}
		}
		if !h.client.IsValid() {
			return
		}
		other, err := proxyproto.Read(bufio.NewReader(bytes.NewReader(b[:n])))
		if err != nil {
			return // additions that are no TLVs are passed over here
		}
		if a, ok := other.SourceAddr.(*net.TCPAddr); !ok || unmapped(a.AddrPort()) != unmapped(h.client) {
			t.Fatalf("%q: %v, elsewhere %v", b[:n], h.client, other.SourceAddr)
		}
	})
}

func unmapped(a netip.AddrPort) netip.AddrPort { return netip.AddrPortFrom(a.Addr().Unmap(), a.Port()) }

func proxied(allow ...string) func(*Config) {
	return func(c *Config) {
		c.Proxy.Versions = ProxyV1 | ProxyV2
		for _, a := range allow {
			c.Proxy.Allow.Networks = append(c.Proxy.Allow.Networks, netip.MustParsePrefix(a))
		}
	}
}

func (s *served) dial(t *testing.T) net.Conn {
	t.Helper()
	nc, err := net.Dial("tcp", s.addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nc.Close() })
	return nc
}

func TestProxyHeaderNamesTheClient(t *testing.T) {
	s := serveApp(t, answerEnviron, proxied("127.0.0.0/8"))
	for name, test := range map[string]struct {
		header string
		lines  []string
	}{
		"v1":    {"PROXY TCP4 192.0.2.1 198.51.100.2 4660 443\r\n", []string{"REMOTE_ADDR=192.0.2.1", "REMOTE_PORT=4660", "PROXY_PROTOCOL=TCP4", "PROXY_ADDR=198.51.100.2", "PROXY_PORT=443"}},
		"v2":    {binaryHeader(0x21, 0x21, payload6), []string{"REMOTE_ADDR=2001:db8::1", "REMOTE_PORT=4660", "PROXY_PROTOCOL=TCP6", "PROXY_ADDR=2001:db8::2"}},
		"local": {binaryHeader(0x20, 0, ""), []string{"REMOTE_ADDR=127.0.0.1", "PROXY_PROTOCOL=LOCAL"}},
	} {
		t.Run(name, func(t *testing.T) {
			nc := s.dial(t)
			_, env := roundTrip(t, nc, test.header+simpleGet)
			wantLines(t, env, test.lines...)
			_, env = roundTrip(t, nc, simpleGet) // it is said once for all requests
			wantLines(t, env, test.lines...)
		})
	}
}

func TestProxyHeaderByteByByte(t *testing.T) {
	s := serveApp(t, answerEnviron, proxied("127.0.0.0/8"))
	for _, header := range []string{"PROXY TCP4 192.0.2.1 198.51.100.2 4660 443\r\n", binaryHeader(0x21, 0x11, payload4)} {
		nc := s.dial(t)
		_ = nc.(*net.TCPConn).SetNoDelay(true)
		for i := range len(header) {
			if _, err := io.WriteString(nc, header[i:i+1]); err != nil {
				t.Fatal(err)
			}
		}
		_, env := roundTrip(t, nc, simpleGet)
		wantLines(t, env, "REMOTE_ADDR=192.0.2.1")
	}
}

func TestProxyHeaderBeforeTLS(t *testing.T) {
	a := newAuthority(t)
	s := serveApp(t, answerEnviron, proxied("127.0.0.0/8"), a.files(t).secure(t))
	nc := s.dial(t)
	if _, err := io.WriteString(nc, binaryHeader(0x21, 0x11, payload4)); err != nil {
		t.Fatal(err)
	}
	_, env := roundTrip(t, tls.Client(nc, &tls.Config{RootCAs: a.pool(), ServerName: "localhost"}), simpleGet)
	wantLines(t, env, "REMOTE_ADDR=192.0.2.1", "HTTPS=on")
}

// Trust in a proxy's word on the client goes by who connected, never by whom a
// header names.
func TestProxyHeaderGivesNoTrust(t *testing.T) {
	s := serveApp(t, answerEnviron, proxied("127.0.0.0/8"), func(c *Config) {
		c.Trust.Networks = []netip.Prefix{netip.MustParsePrefix("192.0.2.1/32")}
		c.Trust.Secure = []SecureField{{"X-FORWARDED-PROTO", "https"}}
	})
	_, env := roundTrip(t, s.dial(t), "PROXY TCP4 192.0.2.1 198.51.100.2 1 2\r\n"+
		"GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-Proto: https\r\n\r\n")
	wantNoLine(t, env, "wsgi.url_scheme=https")
}

func TestConnectionsWithoutAProxyHeaderAreRefused(t *testing.T) {
	for name, test := range map[string]struct {
		allow, sent, log string
	}{
		"from others":                  {"192.0.2.0/24", simpleGet, "not in proxy_allow_ips"},
		"from others, with a header":   {"192.0.2.0/24", "PROXY TCP4 192.0.2.1 198.51.100.2 1 2\r\n" + simpleGet, "not in proxy_allow_ips"},
		"from the proxy, without one":  {"127.0.0.0/8", simpleGet, "does not begin with a PROXY header"},
		"from the proxy, a broken one": {"127.0.0.0/8", "PROXY TCP4 a b c d\r\n" + simpleGet, "malformed"},
		"from the proxy, none at all":  {"127.0.0.0/8", "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := serveApp(t, answerEnviron, proxied(test.allow))
			nc := s.dial(t)
			_, _ = io.WriteString(nc, test.sent) // it may be closed already
			_ = nc.(*net.TCPConn).CloseWrite()
			if b, _ := io.ReadAll(nc); len(b) > 0 {
				t.Errorf("it was answered: %q", b)
			}
			if s.app.begun != 0 {
				t.Error("the application was called")
			}
			s.log.wait(t, test.log)
		})
	}
}
