package config

import (
	"encoding/json"
	"reflect"
	"testing"
	"time"
)

func TestParse(t *testing.T) {
	num := func(s string) any { return json.Number(s) }
	mode := Option{Kind: Choice, Choices: []string{"off", "v1"}, Synonyms: map[string]string{"false": "off"}}
	for _, test := range []struct {
		option Option
		raw    any
		want   any // an error's text if it is a string that begins with !
	}{
		{Option{Kind: Int}, "42", int64(42)},
		{Option{Kind: Int}, " 42 ", int64(42)},
		{Option{Kind: Int}, "010", int64(10)},
		{Option{Kind: Int}, "0x10", int64(16)},
		{Option{Kind: Int}, num("42"), int64(42)},
		{Option{Kind: Int}, num("4.0"), int64(4)},
		{Option{Kind: Int}, num("2.5"), "!2.5 is not a whole number"},
		{Option{Kind: Int}, "many", "!'many' is not a whole number"},
		{Option{Kind: Int}, "", "!'' is not a whole number"},
		{Option{Kind: Int}, "-3", "!'-3' is negative"},
		{Option{Kind: Int}, "99999999999", int64(1<<31 - 1)},
		{Option{Kind: Int, check: atLeast(1)}, "99999999999", "!'99999999999' is too large"},
		{Option{Kind: Int}, true, int64(1)},
		{Option{Kind: Int}, []any{num("1")}, "![1] is not a whole number"},
		{Option{Kind: Int, check: atLeast(1)}, "0", "!0 is too small; the least is 1"},
		{Option{Kind: Int, check: atMost(2)}, "3", "!3 is too large; the most is 2"},
		{Option{Kind: Size}, "1024", int64(1024)},
		{Option{Kind: Size}, "64K", int64(64 << 10)},
		{Option{Kind: Size}, "1 GiB", int64(1 << 30)},
		{Option{Kind: Size}, "2mb", int64(2 << 20)},
		{Option{Kind: Size}, "9000000T", "!'9000000T' is too large"},
		{Option{Kind: Size}, "K", "!'K' is not a whole number"},
		{Option{Kind: Mode}, "022", int64(18)},
		{Option{Kind: Mode}, "0o22", int64(18)},
		{Option{Kind: Mode}, num("18"), int64(18)},
		{Option{Kind: Mode}, "09", "!'09' is not a file mode"},
		{Option{Kind: Mode}, "010000", "!'010000' is out of range (0 to 07777)"},
		{Option{Kind: Seconds}, "30", 30 * time.Second},
		{Option{Kind: Seconds}, num("2.5"), 2500 * time.Millisecond},
		{Option{Kind: Seconds}, "0", time.Duration(0)},
		{Option{Kind: Seconds}, "soon", "!'soon' is not a number of seconds"},
		{Option{Kind: Seconds}, "NaN", "!'NaN' is not a number of seconds"},
		{Option{Kind: Seconds}, "Inf", "!'Inf' is too large; 0 is no limit"},
		{Option{Kind: Seconds}, "-1", "!'-1' is negative"},
		{Option{Kind: Seconds}, num("1000000000000"), (1<<31 - 1) * time.Second},
		{Option{Kind: Seconds}, true, time.Second},
		{Option{Kind: Seconds}, "0x10", 16 * time.Second},
		{Option{Kind: Mode}, false, int64(0)},
		{Option{Kind: List, Default: []string{}}, "", []string{}},
		{Option{Kind: List, Default: []string{}}, map[string]any{}, []string{}},
		{Option{Kind: List, Default: []string{"a"}}, false, "!False is not a list"},
		{Option{Kind: Bool}, true, true},
		{Option{Kind: Bool}, "False", false},
		{Option{Kind: Bool}, num("1"), "!1 is neither True nor False"},
		{mode, "V1", "v1"},
		{mode, false, "off"},
		{mode, "v3", "!'v3' is not one of off, v1"},
		{Option{Kind: String}, " a b ", "a b"},
		{Option{Kind: String}, num("1"), "!1 is not text"},
		{Option{Kind: List}, "a,b", []string{"a,b"}},
		{Option{Kind: List}, []any{"a", "b"}, []string{"a", "b"}},
		{Option{Kind: List}, []any{num("1")}, "!1 is not text"},
		{Option{Kind: List}, num("1"), "!1 is not a list"},
		{Option{Kind: Commas}, " a ,,b", []string{"a", "b"}},
		{Option{Kind: Commas}, []any{"a"}, []string{"a"}},
		{Option{Kind: Addrs}, "127.0.0.1,::1,10.0.0.0/8,*", []string{"127.0.0.1", "::1", "10.0.0.0/8", "*"}},
		{Option{Kind: Addrs}, "192.168.1.1/24", "!'192.168.1.1/24' has bits set beyond its network; did you mean 192.168.1.0/24?"},
		{Option{Kind: Addrs}, "proxy", "!'proxy' is neither an IP address nor a network nor * nor none"},
		{Option{Kind: Addrs}, "none", []string{"none"}},
		{Option{Kind: Addrs}, "none,::1", "!none stands alone"},
		{Option{Kind: Dict}, map[string]any{"a": "b"}, map[string]string{"a": "b"}},
		{Option{Kind: Dict}, map[string]any{"a": num("1")}, "!'a': 1 is not text"},
		{Option{Kind: Dict}, "a", "!'a' is not a dictionary"},
		{Option{Kind: Class}, "gevent", "gevent"},
		{Option{Kind: Class}, object{"class", "a.B"}, "a.B"},
		{Option{Kind: Class}, object{"other", "<x>"}, "!<x> is not text"},
		{Option{Kind: Hook}, object{"callable", "f"}, "f"},
		{Option{Kind: Account}, num("1000"), "1000"},
		{Option{Kind: Account}, "www", "www"},
		{Option{Kind: String, check: checkURLPath}, "/healthz", "/healthz"},
		{Option{Kind: String, check: checkFieldValue}, "", ""},
		{Option{Kind: String, check: checkFieldValue}, "shop 1.0", "shop 1.0"},
		{Option{Kind: String, check: checkFieldValue}, "a\r\nX: b", "!'a\r\nX: b' is not visible ASCII, or has spaces at an end"},
		{Option{Kind: String, check: checkFieldValue}, "café", "!'café' is not visible ASCII, or has spaces at an end"},
		{Option{Kind: String, check: checkURLPath}, "healthz", "!'healthz' is not a path such as /healthz"},
		{Option{Kind: List, check: checkEnv}, "A", "!'A' is not of the form KEY=VALUE"},
		{Option{Kind: String, check: checkAccessLogFormat}, "%(h", `!access log format "%(h": %(h has no closing parenthesis`},
		{Option{Kind: Account, check: checkUser}, "no-such-user", "!there is no user 'no-such-user'"},
		{Option{Kind: Account, check: checkGroup}, "no-such-group", "!there is no group 'no-such-group'"},
	} {
		got, err := test.option.parse(test.raw)
		if err != nil {
			got = "!" + err.Error()
		}
		if !reflect.DeepEqual(got, test.want) {
			t.Errorf("%v %v: got %#v, want %#v", test.option.Kind, quote(test.raw), got, test.want)
		}
	}
}

func TestWorkerClass(t *testing.T) {
	for name, want := range map[string]string{
		"sync":                                  "sync",
		"gthread":                               "gthread",
		"gevent":                                "gevent",
		"gaiohttp":                              "gaiohttp",
		"gunicorn.workers.sync.SyncWorker":      "sync",
		"gunicorn.workers.gthread.ThreadWorker": "gthread",
		"gunicorn.workers.ggevent.GeventWorker": "gevent",
		"gunicorn.workers.gaiohttp.AiohttpWorker": "gaiohttp",
		"gevent_wsgi": "gevent means gevent: gevent's own HTTP server takes no part here",
		"gunicorn.workers.ggevent.GeventPyWSGIWorker": "gevent means gevent: gevent's own HTTP server takes no part here",
		"eventlet": "gevent means gevent, which must be installed: eventlet takes no part here",
		"gunicorn.workers.gtornado.TornadoWorker": "'gunicorn.workers.gtornado.TornadoWorker' is not built; gevent or gthread may do",
		"uvicorn.workers.UvicornWorker":           "asgi means asgi: uvicorn takes no part here",
		"uvicorn_worker.UvicornH11Worker":         "asgi means asgi: uvicorn takes no part here",
		"asgi":                                    "asgi",
		"auto":                                    "auto",
		"gtread":                                  "'gtread' is not a worker class; did you mean gthread?",
		"mine.Worker":                             "'mine.Worker' is not a worker class (auto, sync, gthread, gevent, gaiohttp, asgi); classes of one's own do not run here",
	} {
		class, note, err := workerClass(name)
		got := class
		if note != "" {
			got += " " + note
		}
		if err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
}

func TestParseAddress(t *testing.T) {
	for bind, want := range map[string]string{
		"":                   "0.0.0.0:8000",
		"example.org":        "example.org:8000",
		"EXAMPLE.org:80":     "example.org:80",
		"127.0.0.1:0":        "127.0.0.1:0",
		":9000":              ":9000",
		"tcp://127.0.0.1:80": "127.0.0.1:80",
		"[::1]":              "[::1]:8000",
		"[::1]:80":           "[::1]:80",
		"unix:/run/x.sock":   "unix:/run/x.sock",
		"unix:///run/x.sock": "unix:/run/x.sock",
		"unix:x.sock":        "unix:x.sock",
		"fd://3":             "fd://3",
		"unix:":              "'unix:' has no path",
		"unix":               "'unix' has no path",
		"fd://x":             "'fd://x' is not a file descriptor",
		"a:b":                "'b' is not a port number (in 'a:b')",
		"a:65536":            "'65536' is not a port number (in 'a:65536')",
		"::1":                "'::1' needs brackets around an IPv6 address, as in [::1]:8000",
		"[::1":               "'[::1' is not an address such as [::1]:8000",
		"[::1]80":            "'[::1]80' is not an address such as [::1]:8000",
	} {
		a, err := ParseAddress(bind)
		got := a.String()
		if err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%q: got %q, want %q", bind, got, want)
		}
	}
}

// An address that is understood means the same when it is written out.
func FuzzParseAddress(f *testing.F) {
	for _, seed := range []string{"", ":80", "[::1]:80", "unix:/x", "unix://x", "unix:////", "fd://3", "tcp://a:1", "a:b:c", "[[]"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, bind string) {
		a, err := ParseAddress(bind)
		if err != nil {
			return
		}
		if again, err := ParseAddress(a.String()); err != nil || again != a {
			t.Fatalf("%q is %+v, but %q is %+v, %v", bind, a, a.String(), again, err)
		}
	})
}
