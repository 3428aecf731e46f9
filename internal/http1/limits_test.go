package http1

import (
	"strings"
	"testing"
)

func TestLimits(t *testing.T) {
	line := func(n int) string { // a head whose request line has n bytes
		return "GET /" + strings.Repeat("a", n-len("GET / HTTP/1.1")) + " HTTP/1.1\r\nHost: h\r\n\r\n"
	}
	fields := func(n int) string {
		return "GET / HTTP/1.1\r\nHost: h\r\n" + strings.Repeat("A: b\r\n", n-1) + "\r\n"
	}
	field := func(n int) string { // one field line has n bytes with its CRLF
		return "GET / HTTP/1.1\r\nHost: h\r\nA: " + strings.Repeat("b", n-len("A: \r\n")) + "\r\n\r\n"
	}
	for _, c := range []struct {
		name   string
		limits Limits
		in     string
		want   *Error
	}{
		{"line at the limit", Limits{RequestLine: 100}, line(100), nil},
		{"line over the limit", Limits{RequestLine: 100}, line(101), errLineLong},
		{"line without limit", Limits{}, line(64 << 10), nil},
		{"line over 64 KiB", Limits{}, line(64<<10 + 1), errLineLong},
		{"line, limit too large", Limits{RequestLine: 100000}, line(8190), nil},
		{"line, limit too large, over", Limits{RequestLine: 100000}, line(8191), errLineLong},
		{"line, limit negative", Limits{RequestLine: -1}, line(8190), nil},
		{"line, limit negative, over", Limits{RequestLine: -1}, line(8191), errLineLong},
		{"fields at the limit", Limits{Fields: 3}, fields(3), nil},
		{"fields over the limit", Limits{Fields: 3}, fields(4), errFieldsMany},
		{"fields without limit", Limits{}, fields(32768), nil},
		{"fields over 32768", Limits{}, fields(32769), errFieldsMany},
		{"fields, limit too large", Limits{Fields: 40000}, fields(32769), errFieldsMany},
		{"field at the limit", Limits{FieldSize: 100}, field(100), nil},
		{"field over the limit", Limits{FieldSize: 100}, field(101), errFieldLong},
		{"field, limit zero", Limits{}, field(8190), nil},
		{"field, limit zero, over", Limits{}, field(8191), errFieldLong},
		{"field, large limit", Limits{FieldSize: 1 << 20}, field(100000), nil},
		{"head over MaxHead", Limits{FieldSize: 1 << 20}, "GET / HTTP/1.1\r\nHost: h\r\n" +
			strings.Repeat("A: "+strings.Repeat("b", 1<<18)+"\r\n", 5) + "\r\n", errHeadLong},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, err := parseWhole(c.in, &c.limits); err != c.want {
				t.Errorf("whole: got %v, want %v", verdict(err), verdict(c.want))
			}
			if _, err := parsePieces(c.in, &c.limits, 9999); err != c.want {
				t.Errorf("in pieces: got %v, want %v", verdict(err), verdict(c.want))
			}
		})
	}
}

func TestUnderscores(t *testing.T) {
	const in = "GET / HTTP/1.1\r\nHost: h\r\nX_A: 1\r\nScript_Name: /app\r\n\r\n"
	forwarder := []string{"SCRIPT_NAME", "PATH_INFO"}
	for _, c := range []struct {
		name   string
		limits Limits
		want   string
		err    *Error
	}{
		{"drop", Limits{}, "GET / h", nil},
		{"keep", Limits{Underscores: KeepUnderscores}, "GET / h X_A=1 Script_Name=/app", nil},
		{"refuse", Limits{Underscores: RefuseUnderscores}, "", errUnderscore},
		{"drop, from a forwarder", Limits{Forwarder: forwarder}, "GET / h Script_Name=/app", nil},
		{"refuse, from a forwarder", Limits{Underscores: RefuseUnderscores, Forwarder: forwarder}, "", errUnderscore},
		{"refuse, all allowed", Limits{Underscores: RefuseUnderscores, Forwarder: append(forwarder, "x_a")},
			"GET / h X_A=1 Script_Name=/app", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, err := parseWhole(in, &c.limits)
			if err != c.err {
				t.Fatalf("got %v, want %v", verdict(err), verdict(c.err))
			}
			if got := show(r); err == nil && got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}
