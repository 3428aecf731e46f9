package workload

import (
	"net/url"
	"strings"
	"testing"
	"time"
)

func TestParseLine(t *testing.T) {
	noon := time.Date(2026, 11, 29, 12, 0, 1, 0, time.UTC)
	for _, tt := range []struct {
		line string
		want Entry // Method "" : it is none
	}{
		// nginx's default, and gunicorn's.
		{`10.0.0.1 - - [29/Nov/2026:12:00:01 +0000] "GET /posts/7?page=2 HTTP/1.1" 200 612 "https://a.example/" "Mozilla/5.0 (X11; \"x\")"`,
			Entry{"GET", "/posts/7?page=2", 200, noon}},
		{`::1 - ann [29/Nov/2026:13:00:01 +0100] "POST /login HTTP/2.0" 302 0 "-" "curl/8"`, Entry{"POST", "/login", 302, noon}},
		// Apache's combined with the virtual host before it, and the common format.
		{`a.example:443 10.0.0.1 - - [29/Nov/2026:12:00:01 +0000] "HEAD / HTTP/1.1" 404 0`, Entry{"HEAD", "/", 404, noon}},
		{`[::1] - - [29/Nov/2026:12:00:01 +0000] "GET / HTTP/1.1" - 0`, Entry{"GET", "/", 0, noon}},
		{`10.0.0.1 - - [29/Nov/2026:12:00:01 +0000] "GET http://a.example/x HTTP/1.1" 200 1`, Entry{"GET", "/x", 200, noon}},
		// girin's own JSON, nginx's usual one, Caddy's, and one with the request as a line.
		{`{"time":"2026-11-29T12:00:01.000Z","remote_addr":"::1","method":"GET","uri":"/a?b=c","protocol":"HTTP/1.1","status":200,"bytes":4,"seconds":0.01}`,
			Entry{"GET", "/a?b=c", 200, noon}},
		{`{"time_iso8601":"2026-11-29T12:00:01+00:00","request_method":"GET","request_uri":"/a","status":"301"}`, Entry{"GET", "/a", 301, noon}},
		{`{"level":"info","ts":1795953601.25,"request":{"method":"PUT","uri":"/a","host":"a"},"status":204}`, Entry{"PUT", "/a", 204, noon}},
		{`{"msec":"1795953601.250","request":"GET /a HTTP/1.1","status":200}`, Entry{"GET", "/a", 200, noon}},
		{`{"timestamp":1795953601250,"method":"GET","path":"/a","query":"?x=1","status_code":200}`, Entry{"GET", "/a?x=1", 200, noon}},
		{`{"method":"GET","path":"/a"}`, Entry{"GET", "/a", 0, time.Time{}}},
		// What development servers and others write, as it is and in colours, with a time and without.
		{`INFO:     127.0.0.1:53412 - "GET /a?b=c HTTP/1.1" 200 OK`, Entry{"GET", "/a?b=c", 200, time.Time{}}},
		{"\x1b[32mINFO\x1b[0m:     127.0.0.1:53412 - \"\x1b[1mGET /a HTTP/1.1\x1b[0m\" \x1b[32m200 OK\x1b[0m", Entry{"GET", "/a", 200, time.Time{}}},
		{`127.0.0.1 - - [29/Nov/2026 12:00:01] "GET /a HTTP/1.1" 304 -`, Entry{"GET", "/a", 304, noon}},
		{`[29/Nov/2026 12:00:01] "POST /a/ HTTP/1.1" 201 7`, Entry{"POST", "/a/", 201, noon}},
		{`127.0.0.1:53412 - - [29/Nov/2026:12:00:01] "GET /a" 200 7`, Entry{"GET", "/a", 200, noon}},
		{`[2026-11-29 13:00:01 +0100] 10.0.0.1 - "GET /a HTTP/1.1" 200 1.25`, Entry{"GET", "/a", 200, noon}},
		{`2026-11-29T12:00:01Z "ann" said "GET /a HTTP/1.1" 200 in 3 ms`, Entry{"GET", "/a", 200, time.Time{}}},
		{`10.0.0.1 - - [yesterday] "GET / HTTP/1.1" 200 0`, Entry{"GET", "/", 200, time.Time{}}},
		// JSON around a line, as Python's formatters and containers write it, and Google's.
		{`{"message":"10.0.0.1 - - [29/Nov/2026:12:00:01 +0000] \"GET /a HTTP/1.1\" 200 6 \"-\" \"curl/8\"","levelname":"INFO"}`, Entry{"GET", "/a", 200, noon}},
		{`{"log":"INFO:     10.0.0.1:1 - \"GET /a HTTP/1.1\" 404 Not Found\n","stream":"stdout","time":"2026-11-29T12:00:01Z"}`, Entry{"GET", "/a", 404, noon}},
		{`{"httpRequest":{"requestMethod":"GET","requestUrl":"https://a.example/a?b=c","status":200},"timestamp":"2026-11-29T12:00:01Z"}`, Entry{"GET", "/a?b=c", 200, noon}},
		// What is no request that can be asked again.
		{"", Entry{}},
		{"hello", Entry{}},
		{`10.0.0.1 - - [29/Nov/2026:12:00:01 +0000] "\x16\x03\x01" 400 0`, Entry{}},
		{`10.0.0.1 - - [29/Nov/2026:12:00:01 +0000] "GET /\xff HTTP/1.1" 200 0`, Entry{}},
		{`10.0.0.1 - - [29/Nov/2026:12:00:01 +0000] "-" 408 0`, Entry{}},
		{`10.0.0.1 - - [29/Nov/2026:12:00:01 +0000] "CONNECT a:443 HTTP/1.1" 405 0`, Entry{}},
		{`INFO: the client said "GET /a HTTP/1.1" twice`, Entry{}},
		{`INFO: "GET /a" 200`, Entry{}},
		{`{"message":"started"}`, Entry{}},
		{`{"method":"GET","status":200}`, Entry{}},
		{`{"method":1,"path":{},"status":"x"}`, Entry{}},
		{`{`, Entry{}},
	} {
		got, ok := ParseLine(tt.line)
		if ok != (tt.want.Method != "") {
			t.Errorf("%s: %v, %+v", tt.line, ok, got)
		} else if ok && (got.Method != tt.want.Method || got.Path != tt.want.Path || got.Status != tt.want.Status || !got.Time.Equal(tt.want.Time)) {
			t.Errorf("%s:\n got %+v\nwant %+v", tt.line, got, tt.want)
		}
	}
}

// Whatever stands in a log, what comes of it can be asked for.
func FuzzParseLine(f *testing.F) {
	f.Add(`10.0.0.1 - - [29/Nov/2026:12:00:01 +0000] "GET /posts/7?page=2 HTTP/1.1" 200 612 "-" "\"x"`)
	f.Add(`{"time":1795953601.25,"request":{"method":"PUT","uri":"/a"},"status":204}`)
	f.Add(`{"request":"GET //a HTTP/1.1","args":"?"}`)
	f.Fuzz(func(t *testing.T, line string) {
		e, ok := ParseLine(line)
		if !ok {
			return
		}
		u, err := url.ParseRequestURI(e.Path)
		if err != nil || u.Host != "" || !strings.HasPrefix(e.Path, "/") || strings.ContainsAny(e.Path, " \r\n\x00") || e.Method == "" {
			t.Errorf("%q: %+v, %v", line, e, err)
		}
		if strings.ContainsAny(e.Method, " \r\n") {
			t.Errorf("%q: method %q", line, e.Method)
		}
		if name := (Request{Method: e.Method, Path: e.Path}).Route(); strings.Contains(name, "?") && !strings.Contains(line, "%3F") && !strings.Contains(line, "%3f") {
			t.Errorf("%q: route %q", line, name)
		}
	})
}

func FuzzHAR(f *testing.F) {
	f.Add([]byte(sampleHAR))
	f.Add([]byte(`{"log":{"entries":[{"request":{"method":"get","url":"https://a/x","headers":[{"name":":path","value":"/"}]}}]}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		w, err := parseHAR(text, "x")
		if err != nil {
			return
		}
		for _, r := range w.Requests {
			if !strings.HasPrefix(r.Path, "/") && r.Path != "*" && !strings.Contains(r.Path, ":") {
				t.Errorf("%q: %+v", text, r)
			}
			for _, h := range r.Header {
				if strings.ContainsAny(h.Name+h.Value, "\r\n\x00") {
					t.Errorf("%q: header %q", text, h)
				}
			}
		}
	})
}

// A client that asks for a query of brackets holds nobody up who reads the log later.
func TestALineOfBracketsIsReadAtOnce(t *testing.T) {
	began := time.Now()
	e, ok := ParseLine(`INFO:     127.0.0.1:53412 - "GET /?` + strings.Repeat("[", 60_000) + `] HTTP/1.1" 200 OK`)
	if took := time.Since(began); !ok || e.Status != 200 || took > 5*time.Second {
		t.Errorf("%v, status %d, after %v", ok, e.Status, took)
	}
}
