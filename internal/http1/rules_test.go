package http1

import (
	"fmt"
	"strings"
	"testing"
)

// A rule is one row of the table of what a request may be: the request as
// HTTP/1.1 and as HTTP/2 carry it, and what becomes of it.
//
// In line and fields of HTTP/1.1 a target, a host and field lines are enough;
// "-" as its form says that it cannot say such a thing. HTTP/2's fields are
// "name: value" lines without the ordinary pseudo-fields where these are not told.
type rule struct {
	name        string
	h1          string // field lines, or with a first line that begins with > a whole head
	h2          string // lines; one that begins with > replaces all pseudo-fields
	ends        bool   // HTTP/2: the head ends the stream
	want1       *Error
	want2       *Error
	wantLength  int64 // of what is accepted
	wantChunked bool
	wantExpect  bool
	wantHost    string // "": x
}

const ordinary = ":method: GET\n:scheme: https\n:authority: x\n:path: /\n"

var rules = []rule{
	// Names and values.
	{name: "a name that is no token", h1: "A(b: c", h2: "a(b: c", want1: errName, want2: errName},
	{name: "an empty name", h1: ": c", h2: "~: c", want1: errEmptyName, want2: errEmptyName},
	{name: "a name with a space", h1: "A b: c", h2: "a b: c", want1: errName, want2: errName},
	{name: "upper case", h1: "ABC: d", h2: "Abc: d", want2: errUpperCase},
	{name: "NUL in a value", h1: "A: b\x00c", h2: "a: b\x00c", want1: errValue, want2: errValue},
	{name: "CR in a value", h1: "A: b\rc", h2: "a: b\rc", want1: errValue, want2: errValue},
	{name: "DEL in a value", h1: "A: b\x7f", h2: "a: b\x7f", want1: errValue, want2: errValue},
	{name: "bytes above 127", h1: "A: \xe9\xff", h2: "a: \xe9\xff"},
	{name: "space before a value", h1: "A:  b", h2: "a:  b", want2: errValueSpace},
	{name: "tab after a value", h1: "A: b\t", h2: "a: b\t", want2: errValueSpace},
	{name: "an empty value", h1: "A:", h2: "a: "},
	{name: "an underscore is dropped", h1: "A_b: c", h2: "a_b: c"},

	// Counts and sizes.
	{name: "as many fields as allowed", h1: strings.Repeat("A: b\n", 7) + "C: d", h2: strings.Repeat("a: b\n", 7) + "c: d", ends: true},
	{name: "one field more", h1: strings.Repeat("A: b\n", 8) + "C: d", h2: strings.Repeat("a: b\n", 9) + "c: d", want1: errFieldsMany, want2: errFieldsMany},
	{name: "a field as long as allowed", h1: "A: " + strings.Repeat("b", 95), h2: "a: " + strings.Repeat("b", 95)},
	{name: "a field one longer", h1: "A: " + strings.Repeat("b", 96), h2: "a: " + strings.Repeat("b", 96), want1: errFieldLong, want2: errFieldLong},
	{name: "a target too long", h1: ">GET /" + strings.Repeat("a", 200) + " HTTP/1.1\nHost: x",
		h2: ">:method: GET\n:scheme: https\n:authority: x\n:path: /" + strings.Repeat("a", 200), want1: errLineLong, want2: errLineLong},

	// Length.
	{name: "a length", h1: "Content-Length: 5", h2: "content-length: 5", wantLength: 5},
	{name: "leading zeros", h1: "Content-Length: 0005", h2: "content-length: 0005", wantLength: 5},
	{name: "length 0", h1: "Content-Length: 000", h2: "content-length: 000", ends: true},
	{name: "length with a sign", h1: "Content-Length: +5", h2: "content-length: +5", want1: errLength, want2: errLength},
	{name: "length in hexadecimal", h1: "Content-Length: 0x5", h2: "content-length: 0x5", want1: errLength, want2: errLength},
	{name: "an empty length", h1: "Content-Length:", h2: "content-length: ", want1: errLength, want2: errLength},
	{name: "a list of lengths", h1: "Content-Length: 5, 5", h2: "content-length: 5, 5", want1: errLength, want2: errLength},
	{name: "length beyond 63 bits", h1: "Content-Length: 9223372036854775808", h2: "content-length: 9223372036854775808", want1: errLengthHuge, want2: errLengthHuge},
	{name: "length twice", h1: "Content-Length: 5\nContent-Length: 5", h2: "content-length: 5\ncontent-length: 5", want1: errLengthTwice, want2: errLengthTwice},
	{name: "a length and no body", h1: "-", h2: "content-length: 4", ends: true, want2: errLengthBody},
	{name: "a body of unknown length", h1: "Transfer-Encoding: chunked", h2: "a: b", wantLength: -1, wantChunked: true},
	{name: "no body", h1: "A: b", h2: "a: b", ends: true},
	{name: "length and coding", h1: "Content-Length: 5\nTransfer-Encoding: chunked", h2: "content-length: 5\ntransfer-encoding: chunked", want1: errLengthCoding, want2: errConnectionField},

	// Where it is for.
	{name: "no host", h1: ">GET / HTTP/1.1\nA: b", h2: ">:method: GET\n:scheme: https\n:path: /", want1: errHostMissing, want2: errHostMissing},
	{name: "only Host", h1: ">GET / HTTP/1.1\nHost: a:1", h2: ">:method: GET\n:scheme: https\n:path: /\nhost: a:1", ends: true, wantHost: "a:1"},
	{name: "the same twice", h1: ">GET http://a:1/ HTTP/1.1\nHost: a:1", h2: ">:method: GET\n:scheme: https\n:authority: a:1\n:path: /\nhost: A:1", ends: true, wantHost: "a:1"},
	{name: "Host is another", h1: ">GET http://a/ HTTP/1.1\nHost: b", h2: "host: b", want2: errHostDiffers, wantHost: "a"},
	{name: "Host twice", h1: ">GET / HTTP/1.1\nHost: x\nHost: x", h2: ">:method: GET\n:scheme: https\n:path: /\nhost: x\nhost: x", want1: errHostRepeated, want2: errHostRepeated},
	{name: "an authority twice", h1: "-", h2: ">:method: GET\n:scheme: https\n:authority: x\n:authority: x\n:path: /", want2: errPseudo},
	{name: "an empty authority", h1: "-", h2: ">:method: GET\n:scheme: https\n:authority: \n:path: /", want2: errHost},
	{name: "an empty Host alone", h1: "-", h2: ">:method: GET\n:scheme: https\n:path: /\nhost: ", want2: errHost},
	{name: "userinfo", h1: ">GET / HTTP/1.1\nHost: u@x", h2: ">:method: GET\n:scheme: https\n:authority: u@x\n:path: /", want1: errHost, want2: errHost},
	{name: "a host with a slash", h1: ">GET / HTTP/1.1\nHost: x/y", h2: ">:method: GET\n:scheme: https\n:authority: x/y\n:path: /", want1: errHost, want2: errHost},
	{name: "an absolute target", h1: ">GET https://a/b HTTP/1.1\nHost: x", h2: ">:method: GET\n:scheme: https\n:authority: x\n:path: https://a/b", want2: errTarget, wantHost: "a"},
	{name: "an empty target", h1: ">GET  HTTP/1.1\nHost: x", h2: ">:method: GET\n:scheme: https\n:authority: x\n:path: ", want1: errTarget, want2: errTarget},
	{name: "a target without slash", h1: ">GET a HTTP/1.1\nHost: x", h2: ">:method: GET\n:scheme: https\n:authority: x\n:path: a", want1: errTarget, want2: errTarget},
	{name: "a fragment", h1: ">GET /#a HTTP/1.1\nHost: x", h2: ">:method: GET\n:scheme: https\n:authority: x\n:path: /#a", want1: errFragment, want2: errFragment},
	{name: "a space in the target", h1: ">GET /a b HTTP/1.1\nHost: x", h2: ">:method: GET\n:scheme: https\n:authority: x\n:path: /a b", want1: errTargetByte, want2: errTargetByte},
	{name: "* for OPTIONS", h1: ">OPTIONS * HTTP/1.1\nHost: x", h2: ">:method: OPTIONS\n:scheme: https\n:authority: x\n:path: *", ends: true},
	{name: "* for GET", h1: ">GET * HTTP/1.1\nHost: x", h2: ">:method: GET\n:scheme: https\n:authority: x\n:path: *", want1: errAsterisk, want2: errAsterisk},

	// Methods and pseudo-fields.
	{name: "a method in lower case", h1: ">get / HTTP/1.1\nHost: x", h2: ">:method: get\n:scheme: https\n:authority: x\n:path: /", want1: errMethod, want2: errMethod},
	{name: "CONNECT", h1: ">CONNECT x:1 HTTP/1.1\nHost: x:1", h2: ">:method: CONNECT\n:authority: x:1", want1: errConnect, want2: errConnect},
	{name: "no method", h1: "-", h2: ">:scheme: https\n:authority: x\n:path: /", want2: errPseudoMissing},
	{name: "no scheme", h1: "-", h2: ">:method: GET\n:authority: x\n:path: /", want2: errPseudoMissing},
	{name: "no path", h1: "-", h2: ">:method: GET\n:scheme: https\n:authority: x", want2: errPseudoMissing},
	{name: "method twice", h1: "-", h2: ">:method: GET\n:method: GET\n:scheme: https\n:authority: x\n:path: /", want2: errPseudo},
	{name: "path twice", h1: "-", h2: ">:method: GET\n:scheme: https\n:authority: x\n:path: /\n:path: /", want2: errPseudo},
	{name: "scheme twice", h1: "-", h2: ">:method: GET\n:scheme: https\n:scheme: https\n:authority: x\n:path: /", want2: errPseudo},
	{name: "another scheme", h1: ">GET ftp://x/ HTTP/1.1\nHost: x", h2: ">:method: GET\n:scheme: ftp\n:authority: x\n:path: /", want1: errTarget, want2: errScheme},
	{name: "an unknown pseudo-field", h1: "-", h2: ">:method: GET\n:scheme: https\n:authority: x\n:path: /\n:a: b", want2: errPseudo},
	{name: "a response's pseudo-field", h1: "-", h2: ">:method: GET\n:scheme: https\n:authority: x\n:path: /\n:status: 200", want2: errPseudo},
	{name: "a pseudo-field after a field", h1: "-", h2: ">:method: GET\n:scheme: https\n:authority: x\na: b\n:path: /", want2: errPseudo},

	// What speaks of the connection.
	{name: "Connection", h1: "Connection: keep-alive", h2: "connection: keep-alive", want2: errConnectionField},
	{name: "Keep-Alive", h1: "Keep-Alive: 5", h2: "keep-alive: 5", want2: errConnectionField},
	{name: "Proxy-Connection", h1: "Proxy-Connection: close", h2: "proxy-connection: close", want2: errConnectionField},
	{name: "Upgrade", h1: "Upgrade: h2c", h2: "upgrade: h2c", want2: errConnectionField},
	{name: "TE: trailers", h1: "TE: trailers", h2: "te: trailers"},
	{name: "TE: gzip", h1: "TE: gzip", h2: "te: gzip", want2: errTE},

	// Others that a server must understand.
	{name: "Expect and no body", h1: "Expect: 100-Continue", h2: "expect: 100-Continue", ends: true},
	{name: "Expect with a length", h1: "Content-Length: 5\nExpect: 100-Continue", h2: "content-length: 5\nexpect: 100-Continue", wantLength: 5, wantExpect: true},
	{name: "Expect without a length", h1: "Transfer-Encoding: chunked\nExpect: 100-Continue", h2: "expect: 100-Continue", wantLength: -1, wantChunked: true, wantExpect: true},
	{name: "another expectation", h1: "Expect: payment", h2: "expect: payment", want1: errExpect, want2: errExpect},
	{name: "Content-Type twice", h1: "Content-Type: a/b\nContent-Type: a/b", h2: "content-type: a/b\ncontent-type: a/b", want1: errTypeRepeated, want2: errTypeRepeated},
	{name: "a trailer that is not allowed is announced", h1: "Trailer: Content-Length, Host", h2: "trailer: content-length, host"},
}

var ruleLimits = Limits{RequestLine: 150, Fields: 9, FieldSize: 100}

func TestRulesAreThoseOfBothVersions(t *testing.T) {
	for _, c := range rules {
		t.Run(c.name, func(t *testing.T) {
			if c.h1 != "-" {
				r, err := c.parse()
				c.check(t, "HTTP/1.1", r, err, c.want1, c.h1 != "" && strings.Contains(c.h1, "chunked"))
			}
			r, err := c.add()
			c.check(t, "HTTP/2", r, err, c.want2, c.wantChunked || !c.ends && !strings.Contains(c.h2, "content-length: "))
		})
	}
}

func (c *rule) check(t *testing.T, version string, r *Request, err, want *Error, chunked bool) {
	t.Helper()
	if err != want {
		t.Fatalf("%s: got %v, want %v", version, verdict(err), verdict(want))
	}
	if want != nil {
		return
	}
	host := c.wantHost
	if host == "" {
		host = "x"
	}
	if string(r.Host) != host || r.Chunked != chunked || r.Expect100 != c.wantExpect {
		t.Errorf("%s: host %q, chunked %v, expects 100 Continue: %v", version, r.Host, r.Chunked, r.Expect100)
	}
	if r.ContentLength != c.wantLength && !chunked {
		t.Errorf("%s: length %d, want %d", version, r.ContentLength, c.wantLength)
	}
	for _, f := range r.Fields {
		if f.Kind == KindContentLength && string(f.Value) != fmt.Sprint(c.wantLength) {
			t.Errorf("%s: Content-Length is %q, want %d", version, f.Value, c.wantLength)
		}
	}
}

func (c *rule) parse() (*Request, *Error) {
	head := "GET / HTTP/1.1\nHost: x\n" + c.h1
	if rest, whole := strings.CutPrefix(c.h1, ">"); whole {
		head = rest
	}
	r := &Request{}
	_, err := r.Parse([]byte(strings.ReplaceAll(head, "\n", "\r\n")+"\r\n\r\n"), &ruleLimits)
	return r, err
}

func (c *rule) add() (*Request, *Error) {
	list := ordinary + c.h2
	if rest, whole := strings.CutPrefix(c.h2, ">"); whole {
		list = rest
	}
	r := &Request{}
	for line := range strings.SplitSeq(list, "\n") {
		i := 1 + strings.Index(line[1:], ": ")
		name := line[:i]
		if name == "~" {
			name = ""
		}
		if err := r.Add([]byte(name), []byte(line[i+2:]), &ruleLimits); err != nil {
			return r, err
		}
	}
	return r, r.End(c.ends, &ruleLimits)
}

// What RFC 9113 calls malformed is so told: the stream is reset for it.
func TestMalformedIsNotWhatOnlyThisServerRefuses(t *testing.T) {
	for _, err := range []*Error{errUpperCase, errValue, errName, errConnectionField, errTE, errPseudo, errPseudoMissing, errHostMissing, errHostDiffers, errTarget, errLengthBody, errLengthTwice} {
		if !err.Malformed || err.Status != 400 {
			t.Errorf("%q is not", err.Reason)
		}
	}
	for _, err := range []*Error{errUnderscore, errTypeRepeated, errExpect, errFieldsMany, errFieldLong, errLineLong, errConnect, errMethod} {
		if err.Malformed {
			t.Errorf("%q is", err.Reason)
		}
	}
}

func TestADecodedBodyIsAsLongAsDeclared(t *testing.T) {
	for _, test := range []struct {
		declared, came int64
		ended          bool
		want           *Error
	}{
		{9, 4, false, nil}, {9, 9, false, nil}, {9, 9, true, nil}, {9, 4, true, errLengthBody},
		{9, 10, false, errLengthBody}, {0, 1, false, errLengthBody}, {0, 0, true, nil}, {-1, 5, true, nil},
	} {
		r := Request{ContentLength: test.declared, Chunked: test.declared < 0}
		if got := r.Received(test.came, test.ended); got != test.want {
			t.Errorf("%d of %d, ended %v: %s", test.came, test.declared, test.ended, verdict(got))
		}
	}
}

func TestDecodedTrailers(t *testing.T) {
	for name, test := range map[string]struct {
		name, value string
		want        *Error
	}{
		"allowed":           {"x-sum", "1", nil},
		"not allowed":       {"content-length", "1", nil},
		"a pseudo-field":    {":path", "/", errPseudo},
		"upper case":        {"X-Sum", "1", errUpperCase},
		"of the connection": {"transfer-encoding", "chunked", errConnectionField},
		"NUL":               {"a", "\x00", errValue},
		"space":             {"a", " b", errValueSpace},
		"long":              {"a", strings.Repeat("b", maxTrailers), errTrailersLong},
	} {
		var trailers Trailers
		if got := trailers.Add([]byte(test.name), []byte(test.value)); got != test.want {
			t.Errorf("%s: %s", name, verdict(got))
		}
	}
	var trailers Trailers
	for range maxTrailerFields {
		if err := trailers.Add([]byte("a"), nil); err != nil {
			t.Fatal(err)
		}
	}
	if trailers.Add([]byte("a"), nil) != errTrailersLong {
		t.Error("their number is not bounded")
	}
}

func BenchmarkAdd(b *testing.B) {
	fields := [][2][]byte{}
	for line := range strings.SplitSeq(ordinary+"user-agent: bench\naccept: */*\naccept-encoding: gzip, deflate\ncookie: a=b", "\n") {
		i := 1 + strings.Index(line[1:], ": ")
		fields = append(fields, [2][]byte{[]byte(line[:i]), []byte(line[i+2:])})
	}
	l := DefaultLimits()
	var r Request
	b.ReportAllocs()
	for b.Loop() {
		r.Reset()
		for _, f := range fields {
			if err := r.Add(f[0], f[1], &l); err != nil {
				b.Fatal(err)
			}
		}
		if err := r.End(true, &l); err != nil {
			b.Fatal(err)
		}
	}
}
