package http1

import (
	"fmt"
	"strings"
	"testing"
)

// wellFormed is a good head and what must be read from it, in show's notation.
type wellFormed struct{ name, in, want string }

// goodLines are followed by "Host: h" CRLF CRLF.
var goodLines = []wellFormed{
	{"GET /", "GET / HTTP/1.1", "GET / h"},
	{"after an empty line", "\r\nGET / HTTP/1.1", "GET / h"},
	{"HTTP/1.0", "GET / HTTP/1.0", "GET / h 1.0 close"},
	{"HTTP/1.2 is served as 1.1", "GET / HTTP/1.2", "GET / h"},
	{"HTTP/1.9 is served as 1.1", "GET / HTTP/1.9", "GET / h"},
	{"HEAD", "HEAD / HTTP/1.1", "HEAD / h"},
	{"POST", "POST / HTTP/1.1", "POST / h"},
	{"DELETE", "DELETE /1 HTTP/1.1", "DELETE /1 h"},
	{"TRACE", "TRACE / HTTP/1.1", "TRACE / h"},
	{"longest registered method", "UPDATEREDIRECTREF / HTTP/1.1", "UPDATEREDIRECTREF / h"},
	{"hyphenated method", "VERSION-CONTROL / HTTP/1.1", "VERSION-CONTROL / h"},
	{"method of 20", "ABCDEFGHIJKLMNOPQRST / HTTP/1.1", "ABCDEFGHIJKLMNOPQRST / h"},
	{"method of odd tokens", "!$%&'*+-.^_`|~9 / HTTP/1.1", "!$%&'*+-.^_`|~9 / h"},
	{"unknown method", "BREW /pot HTTP/1.1", "BREW /pot h"},
	{"query", "GET /a?b=c&d HTTP/1.1", "GET /a ?b=c&d h"},
	{"empty query", "GET /a? HTTP/1.1", "GET /a ? h"},
	{"question marks in the query", "GET /a?b?c HTTP/1.1", "GET /a ?b?c h"},
	{"slashes in the query", "GET /a?b=/../c HTTP/1.1", "GET /a ?b=/../c h"},
	{"escapes are kept", "GET /a%20b%2Fc%00?%41 HTTP/1.1", "GET /a%20b%2Fc%00 ?%41 h"},
	{"broken escapes are kept", "GET /100%?%zz HTTP/1.1", "GET /100% ?%zz h"},
	{"two slashes", "GET //x/y HTTP/1.1", "GET //x/y h"},
	{"two slashes and a port", "GET //x:y@z/ HTTP/1.1", "GET //x:y@z/ h"},
	{"dots", "GET /../../etc/passwd HTTP/1.1", "GET /../../etc/passwd h"},
	{"colon in the path", "GET /a:b HTTP/1.1", "GET /a:b h"},
	{"URL in the path", "GET /http://x/ HTTP/1.1", "GET /http://x/ h"},
	{"what browsers leave unescaped", "GET /a|b{c}\"d\"<e>^`[f]\\ HTTP/1.1", "GET /a|b{c}\"d\"<e>^`[f]\\ h"},
	{"semicolons", "GET /a;v=1/b;w HTTP/1.1", "GET /a;v=1/b;w h"},
	{"asterisk in the path", "GET /* HTTP/1.1", "GET /* h"},
	{"OPTIONS *", "OPTIONS * HTTP/1.1", "OPTIONS * h"},
	{"OPTIONS /", "OPTIONS / HTTP/1.1", "OPTIONS / h"},
	{"absolute", "GET http://a/b?c HTTP/1.1", "GET /b ?c a"},
	{"absolute, https", "GET https://a/b HTTP/1.1", "GET /b a"},
	{"absolute, scheme in capitals", "GET HTTP://a/b HTTP/1.1", "GET /b a"},
	{"absolute, port", "GET http://a:8080/ HTTP/1.1", "GET / a:8080"},
	{"absolute, empty port", "GET http://a:/ HTTP/1.1", "GET / a:"},
	{"absolute, IPv6", "GET http://[::1]:80/ HTTP/1.1", "GET / [::1]:80"},
	{"absolute, no path", "GET http://a HTTP/1.1", "GET / a"},
	{"absolute, no path but a query", "GET http://a?b HTTP/1.1", "GET / ?b a"},
	{"absolute, no path, OPTIONS", "OPTIONS http://a HTTP/1.1", "OPTIONS * a"},
	{"absolute, no path but a query, OPTIONS", "OPTIONS http://a?b HTTP/1.1", "OPTIONS / ?b a"},
	{"absolute, URL in the query", "GET http://a/?u=http://b/ HTTP/1.1", "GET / ?u=http://b/ a"},
	{"request line of 4094", "GET /" + strings.Repeat("a", 4080) + " HTTP/1.1", "GET /" + strings.Repeat("a", 4080) + " h"},
}

// goodFields are put between "POST / HTTP/1.1" CRLF and CRLF.
var goodFields = []wellFormed{
	{"no space after colon", "Host:h\r\n", "POST / h"},
	{"spaces around the value", "Host: \t h \t \r\n", "POST / h"},
	{"name in capitals", "HOST: h\r\n", "POST / h"},
	{"empty Host", "Host:\r\n", "POST / "},
	{"Host with port", "Host: h:8000\r\n", "POST / h:8000"},
	{"Host with empty port", "Host: h:\r\n", "POST / h:"},
	{"Host with largest port", "Host: h:65535\r\n", "POST / h:65535"},
	{"Host, IPv4", "Host: 127.0.0.1:8000\r\n", "POST / 127.0.0.1:8000"},
	{"Host, IPv6", "Host: [::1]\r\n", "POST / [::1]"},
	{"Host, IPv6 with port", "Host: [2001:db8::1]:8000\r\n", "POST / [2001:db8::1]:8000"},
	{"Host, IPv4 in IPv6", "Host: [::ffff:1.2.3.4]\r\n", "POST / [::ffff:1.2.3.4]"},
	{"Host with underscore", "Host: my_host\r\n", "POST / my_host"},
	{"Host in punycode", "Host: xn--caf-dma.example.\r\n", "POST / xn--caf-dma.example."},
	{"Host with sub-delims", "Host: a!$&'()*+,;=b\r\n", "POST / a!$&'()*+,;=b"},
	{"empty value", "Host: h\r\nX-A:\r\n", "POST / h X-A="},
	{"blank value", "Host: h\r\nX-A: \t \r\n", "POST / h X-A="},
	{"value with inner white space", "Host: h\r\nX-A: a \t b\r\n", "POST / h X-A=a \t b"},
	{"value with colons", "Host: h\r\nX-A: a:b: c\r\n", "POST / h X-A=a:b: c"},
	{"value with all of printable ASCII", "Host: h\r\nX-A: ~}|{`_^]\\[@?>=<;:/.-,+*)('&%$#\"!\r\n", "POST / h X-A=~}|{`_^]\\[@?>=<;:/.-,+*)('&%$#\"!"},
	{"value in UTF-8", "Host: h\r\nX-A: caf\xc3\xa9\r\n", "POST / h X-A=caf\xc3\xa9"},
	{"value of 0x80 to 0xff", "Host: h\r\nX-A: \x80\x9f\xa0\xff\r\n", "POST / h X-A=\x80\x9f\xa0\xff"},
	{"repeated field", "Host: h\r\nX-A: 1\r\nx-a: 2\r\n", "POST / h X-A=1 x-a=2"},
	{"order is kept", "B: 1\r\nHost: h\r\nA: 2\r\nC: 3\r\n", "POST / h B=1 A=2 C=3"},
	{"odd name", "Host: h\r\n!#$%&'*+-.^`|~9: a\r\n", "POST / h !#$%&'*+-.^`|~9=a"},
	{"name of one letter", "Host: h\r\nA: b\r\n", "POST / h A=b"},
	{"underscore is dropped", "Host: h\r\nX_A: b\r\nX-A: c\r\n", "POST / h X-A=c"},
	{"underscored Content-Length is dropped", "Host: h\r\nContent_Length: 5\r\n", "POST / h"},
	{"underscored Host is dropped", "Host: h\r\nHos_t: x\r\n_Host: x\r\n", "POST / h"},
	{"Content-Length", "Host: h\r\nContent-Length: 5\r\n", "POST / h body=5"},
	{"Content-Length 0", "Host: h\r\nContent-Length: 0\r\n", "POST / h"},
	{"Content-Length with zeros", "Host: h\r\nContent-Length: 0005\r\n", "POST / h body=5"},
	{"largest Content-Length", "Host: h\r\nContent-Length: 9223372036854775807\r\n", "POST / h body=9223372036854775807"},
	{"zeros without end but the field's", "Host: h\r\nContent-Length: " + strings.Repeat("0", 100) + "7\r\n", "POST / h body=7"},
	{"chunked", "Host: h\r\nTransfer-Encoding: chunked\r\n", "POST / h chunked"},
	{"chunked in capitals", "Host: h\r\nTRANSFER-ENCODING: \tCHUNKED \r\n", "POST / h chunked"},
	{"Trailer", "Host: h\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum, , Date\r\n", "POST / h chunked"},
	{"Content-Type", "Host: h\r\nContent-Type: a/b; c=\"d\"\r\n", "POST / h"},
	{"close", "Host: h\r\nConnection: close\r\n", "POST / h close"},
	{"close in capitals", "Host: h\r\nConnection: CLOSE\r\n", "POST / h close"},
	{"close in a list", "Host: h\r\nConnection: TE,\tclose ,x\r\n", "POST / h close"},
	{"close in a second field", "Host: h\r\nConnection: TE\r\nConnection: close\r\n", "POST / h close"},
	{"close beats keep-alive", "Host: h\r\nConnection: keep-alive, close\r\n", "POST / h close"},
	{"closed is no close", "Host: h\r\nConnection: closed, x-close\r\n", "POST / h"},
	{"empty Connection", "Host: h\r\nConnection:\r\n", "POST / h"},
	{"keep-alive", "Host: h\r\nConnection: keep-alive\r\n", "POST / h"},
	{"Upgrade is ignored", "Host: h\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n", "POST / h"},
	{"Expect with a length", "Host: h\r\nExpect: 100-continue\r\nContent-Length: 5\r\n", "POST / h body=5 expect"},
	{"Expect in capitals, chunked", "Host: h\r\nExpect: 100-Continue\r\nTransfer-Encoding: chunked\r\n", "POST / h chunked expect"},
	{"Expect without body", "Host: h\r\nExpect: 100-continue\r\n", "POST / h"},
	{"Expect with length 0", "Host: h\r\nExpect: 100-continue\r\nContent-Length: 0\r\n", "POST / h"},
	{"100 fields", "Host: h\r\n" + strings.Repeat("Date: 1\r\n", 99), "POST / h"},
	{"field line of 8190", "Host: h\r\nA: " + strings.Repeat("b", 8190-len("A: \r\n")) + "\r\n", "POST / h A=" + strings.Repeat("b", 8185)},
}

// goodHTTP10 are put between "POST / HTTP/1.0" CRLF and CRLF.
var goodHTTP10 = []wellFormed{
	{"no fields", "", "POST /  1.0 close"},
	{"Host", "Host: h\r\n", "POST / h 1.0 close"},
	{"keep-alive", "Connection: Keep-Alive\r\n", "POST /  1.0"},
	{"keep-alive in a list", "Connection: x, keep-alive\r\n", "POST /  1.0"},
	{"keep-alive and close", "Connection: keep-alive\r\nConnection: close\r\n", "POST /  1.0 close"},
	{"Expect is ignored", "Content-Length: 5\r\nExpect: 100-continue\r\n", "POST /  1.0 close body=5"},
}

func goodHeads() (all []wellFormed) {
	wrap := func(group []wellFormed, kind, before, after string) {
		for _, c := range group {
			all = append(all, wellFormed{kind + "/" + c.name, before + c.in + after, c.want})
		}
	}
	wrap(goodLines, "line", "", "\r\nHost: h\r\n\r\n")
	wrap(goodFields, "fields", "POST / HTTP/1.1\r\n", "\r\n")
	wrap(goodHTTP10, "1.0", "POST / HTTP/1.0\r\n", "\r\n")
	return all
}

func TestWellFormedHeadsAreRead(t *testing.T) {
	for _, c := range goodHeads() {
		t.Run(c.name, func(t *testing.T) {
			l := DefaultLimits()
			r, err := parseWhole(c.in+"next", &l)
			if err != nil {
				t.Fatalf("whole: %v\n%.200q", err, c.in)
			}
			if got := show(r); got != c.want {
				t.Errorf("whole: got %q, want %q", got, c.want)
			}
			r, err = parsePieces(c.in, &l, 1)
			if err != nil {
				t.Fatalf("byte by byte: %v\n%.200q", err, c.in)
			}
			if got := show(r); got != c.want {
				t.Errorf("byte by byte: got %q, want %q", got, c.want)
			}
		})
	}
}

// show writes a Request down: method, path, query, host, then what is not the
// rule, then the fields that mean nothing here.
func show(r *Request) string {
	var s strings.Builder
	fmt.Fprintf(&s, "%s %s", r.Method, r.Path)
	if r.Query != nil {
		fmt.Fprintf(&s, " ?%s", r.Query)
	}
	fmt.Fprintf(&s, " %s", r.Host)
	if r.Minor == 0 {
		s.WriteString(" 1.0")
	}
	if !r.KeepAlive {
		s.WriteString(" close")
	}
	if r.ContentLength > 0 {
		fmt.Fprintf(&s, " body=%d", r.ContentLength)
	}
	if r.Chunked {
		s.WriteString(" chunked")
	}
	if r.Expect100 {
		s.WriteString(" expect")
	}
	for _, f := range r.Fields {
		if f.Kind == KindOther && string(f.Name) != "HTTP2-Settings" {
			fmt.Fprintf(&s, " %s=%s", f.Name, f.Value)
		}
	}
	return s.String()
}

func TestParseTakesOneHeadOfMany(t *testing.T) {
	l := DefaultLimits()
	heads := []string{wrkGet, browserGet, "GET /last HTTP/1.0\r\n\r\n"}
	b := []byte(strings.Join(heads, ""))
	var r Request
	for _, head := range heads {
		r.Reset()
		n, err := r.Parse(b, &l)
		if n != len(head) || err != nil {
			t.Fatalf("got %d, %v, want %d", n, err, len(head))
		}
		b = b[n:]
	}
}

func TestResetForgetsTheRequestBefore(t *testing.T) {
	l := DefaultLimits()
	var r Request
	first := "POST /a?b HTTP/1.0\r\nHost: x\r\nConnection: keep-alive\r\nContent-Length: 5\r\nContent-Type: a/b\r\n\r\n"
	if _, err := r.Parse([]byte(first), &l); err != nil {
		t.Fatal(err)
	}
	r.Reset()
	second := "POST / HTTP/1.1\r\nHost: h\r\nContent-Type: a/b\r\nTransfer-Encoding: chunked\r\n\r\n"
	if _, err := r.Parse([]byte(second), &l); err != nil {
		t.Fatal(err)
	}
	if got, want := show(&r), "POST / h chunked"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// What was read before a fault is for the access log, and must not point into
// a buffer of an earlier call.
func TestVerdictLeavesWhatWasRead(t *testing.T) {
	l := DefaultLimits()
	r, err := parsePieces("GET /a HTTP/1.1\r\nHost: h\r\nX : y\r\n\r\n", &l, 1)
	if err != errSpaceColon || string(r.Method) != "GET" || string(r.Target) != "/a" || string(r.Host) != "h" {
		t.Errorf("got %v, %q %q %q", err, r.Method, r.Target, r.Host)
	}
}

// A head of 800 KiB that comes byte by byte would take minutes if each call
// began anew.
func TestByteByByteIsLinear(t *testing.T) {
	l := DefaultLimits()
	b := []byte("GET / HTTP/1.1\r\nHost: h\r\n" + strings.Repeat("A: "+strings.Repeat("b", 8185)+"\r\n", 99) + "\r\n")
	var r Request
	for i := 1; i < len(b); i++ {
		if n, err := r.Parse(b[:i], &l); n != 0 || err != nil {
			t.Fatal(i, n, err)
		}
	}
	if n, err := r.Parse(b, &l); n != len(b) || err != nil {
		t.Fatal(n, err)
	}
}
