package logs

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
)

// request is a Fields of maps; names are lower-case.
type request struct{ in, out, env map[string]string }

func (r request) RequestHeader(name string) []byte  { return lookup(r.in, name) }
func (r request) ResponseHeader(name string) []byte { return lookup(r.out, name) }
func (r request) Environ(name string) []byte        { return lookup(r.env, name) }
func (r request) All() (request, response [][2]string, environ map[string]string) {
	return nil, nil, r.env
}

func lookup(m map[string]string, name string) []byte {
	if v, ok := m[name]; ok {
		return []byte(v)
	}
	return nil
}

func record() *AccessRecord {
	return &AccessRecord{
		Time: time.Date(2026, 11, 21, 2, 11, 0, 987654321, time.UTC), Duration: 2*time.Second + 34567*time.Microsecond,
		RemoteAddr: []byte("192.0.2.1"), Method: []byte("GET"), URI: []byte("/a%20b?c=d"), Path: []byte("/a b"), Query: []byte("c=d"),
		Proto: []byte("HTTP/1.1"), Status: 200, Sent: 1234, PID: 42,
		Fields: request{
			in:  map[string]string{"user-agent": "curl/8", "authorization": "Basic QWxhZGRpbjpvcGVu", "host": "example.org"},
			out: map[string]string{"content-type": "text/html"},
			env: map[string]string{"remote_port": "5000"},
		},
	}
}

func line(t *testing.T, format string, r *AccessRecord) string {
	t.Helper()
	f, err := ParseFormat(format)
	if err != nil {
		t.Fatal(err)
	}
	return string(f.append(nil, r, &clock{}))
}

func TestChangeableNames(t *testing.T) {
	for format, want := range map[string]string{
		Combined: "REMOTE_ADDR", JSON: "REMOTE_ADDR", "%(h)-20s %(U)s?%(q)s": "REMOTE_ADDR PATH_INFO QUERY_STRING",
		"%(r)s %({h}i)s": "",
	} {
		if got := strings.Join(ChangeableNames(format), " "); got != want {
			t.Errorf("of %q: %q, not %q", format, got, want)
		}
	}
}

func TestFormat(t *testing.T) {
	now := record().Time.Local().Format("[02/Jan/2006:15:04:05 -0700]")
	for format, want := range map[string]string{
		Combined:                  "192.0.2.1 - Aladdin " + now + ` "GET /a%20b?c=d HTTP/1.1" 200 1234 "-" "curl/8"`,
		"%(h)s":                   "192.0.2.1",
		"%(l)s%(u)s":              "-Aladdin",
		"%(r)s":                   "GET /a%20b?c=d HTTP/1.1",
		"%(m)s %(U)s":             "GET /a b",
		"%(q)s %(H)s":             "c=d HTTP/1.1",
		"%(s)d":                   "200",
		"%(b)s %(B)d":             "1234 1234",
		"%(T)s %(M)s %(D)s %(L)s": "2 2034 2034567 2.034567",
		"%(p)s":                   "<42>",
		"%(f)s %(a)s":             "- curl/8",
		"%({User-Agent}i)s %({content-type}o)s %({REMOTE_PORT}e)s": "curl/8 text/html 5000",
		"%({none}i)s %({none}x)s %({none)s":                        "- - -",
		"%(nothing)s":                                              "-",
		"100%% %(s)s":                                              "100% 200",
		"[%(s)6s] [%(s)-6s] [%(s)2s]":                              "[   200] [200   ] [200]",
		"[%(h)12s]":                                                "[   192.0.2.1]",
		"":                                                         "",
	} {
		if got := line(t, format, record()); got != want {
			t.Errorf("%q:\ngot  %s\nwant %s", format, got, want)
		}
	}
}

func TestFormatErrors(t *testing.T) {
	for format, want := range map[string]string{
		"%":           "a percent sign is %%",
		"%h":          "needs a name in parentheses",
		"%(h":         "no closing parenthesis",
		"%(h)":        "must end in s or d",
		"%(h)x":       "must end in s or d",
		"%(h)5-s":     "is not a width",
		"%(h)999999s": "is not a width",
	} {
		if _, err := ParseFormat(format); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %q", format, err, want)
		}
	}
}

func TestARequestWhoseHeadWasNeverRead(t *testing.T) {
	r := &AccessRecord{Time: record().Time, RemoteAddr: []byte("192.0.2.1"), Status: 400}
	if got, want := line(t, `%(h)s %(u)s "%(r)s" %(s)s %(b)s "%(f)s" %(q)s.`, r), `192.0.2.1 - "- - -" 400 0 "-" .`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// A client must not be able to write lines, or fields, of its own.
func TestNothingBreaksOutOfALine(t *testing.T) {
	for in, want := range map[string]string{
		"a\"b":         `a\"b`,
		`a\b`:          `a\\b`,
		`a\"b`:         `a\\\"b`,
		"a\r\nb":       `a\x0d\x0ab`,
		"\x1b[31m\x7f": `\x1b[31m\x7f`,
		"caf\xc3\xa9":  `caf\xc3\xa9`,
		"\x00":         `\x00`,
		"plain, text":  "plain, text",
	} {
		r := record()
		r.Fields = request{in: map[string]string{"user-agent": in}}
		if got := line(t, "%(a)s", r); got != want {
			t.Errorf("%q: got %s, want %s", in, got, want)
		}
	}
}

func TestJSON(t *testing.T) {
	r := record()
	r.Fields = request{in: map[string]string{"user-agent": "a\"\\\n\x7f\xff\xc3\xa9", "authorization": "Basic ///"}}
	text := line(t, JSON, r)
	want := `{"time":"2026-11-21T02:11:00.987Z","remote_addr":"192.0.2.1","method":"GET","uri":"/a%20b?c=d","protocol":"HTTP/1.1",` +
		`"status":200,"bytes":1234,"seconds":2.034567,"user_agent":"a\"\\\u000a\u007fÿé","pid":42}`
	if text != want {
		t.Errorf("got  %s\nwant %s", text, want)
	}
	if !json.Valid([]byte(text)) {
		t.Error("no valid JSON")
	}
}

// Whatever a client sends, a line stays one line of printable text, and JSON stays JSON.
func FuzzEscaping(f *testing.F) {
	f.Add([]byte("a\"\\\r\n\x00\xff\xc3\xa9"), []byte("Basic QTo="))
	f.Fuzz(func(t *testing.T, agent, authorization []byte) {
		r := record()
		r.URI = agent
		r.Fields = request{in: map[string]string{"user-agent": string(agent), "authorization": string(authorization)}}
		for _, c := range []byte(line(t, Combined, r)) {
			if c < ' ' || c > '~' {
				t.Fatalf("%q in a line", c)
			}
		}
		if text := line(t, JSON, r); !json.Valid([]byte(text)) || strings.Contains(text, "\n") {
			t.Fatalf("no line of JSON: %s", text)
		}
	})
}

func TestLoggingAllocatesNothing(t *testing.T) {
	r := record()
	r.Fields = &constant{[]byte("value")}
	for _, format := range []string{Combined, JSON, "%({x}i)s %({y}o)s %({z}e)s %(L)s"} {
		f, err := ParseFormat(format)
		if err != nil {
			t.Fatal(err)
		}
		dst, c := make([]byte, 0, 1024), &clock{}
		dst = f.append(dst, r, c)
		if n := testing.AllocsPerRun(100, func() { dst = f.append(dst[:0], r, c) }); n != 0 {
			t.Errorf("%s: %v allocations", format, n)
		}
	}
}

// constant answers every name with the same value, as a front would from its buffers.
type constant struct{ value []byte }

func (c *constant) RequestHeader(string) []byte  { return c.value }
func (c *constant) ResponseHeader(string) []byte { return c.value }
func (c *constant) Environ(string) []byte        { return c.value }
func (c *constant) All() (request, response [][2]string, environ map[string]string) {
	return nil, nil, nil
}

func BenchmarkCombined(b *testing.B) {
	f, err := ParseFormat(Combined)
	if err != nil {
		b.Fatal(err)
	}
	r, c := record(), &clock{}
	r.Fields = &constant{[]byte("value")}
	dst := make([]byte, 0, 1024)
	b.ReportAllocs()
	for b.Loop() {
		dst = f.append(dst[:0], r, c)
	}
}

// No format panics, and one that is understood gives the same line each time.
func FuzzParseFormat(f *testing.F) {
	f.Add(Combined)
	f.Add("%(s)-8s%%%({a}i)5d")
	f.Fuzz(func(t *testing.T, format string) {
		compiled, err := ParseFormat(format)
		if err != nil {
			return
		}
		r, c := record(), &clock{}
		first := string(compiled.append(nil, r, c))
		if second := string(compiled.append([]byte("x"), r, c)); second != "x"+first {
			t.Fatalf("%q: %q, then %q", format, first, second)
		}
	})
}
