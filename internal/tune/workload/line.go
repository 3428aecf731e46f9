package workload

import (
	"encoding/json"
	"math"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// ParseLine reads a line of an access log. ok is false if it holds no request.
func ParseLine(line string) (e Entry, ok bool) {
	line = plain(line)
	if strings.HasPrefix(line, "{") {
		return parseJSONLine(line)
	}
	return parseText(line)
}

// plain is a line without the colours that servers write for terminals, and that stay in a log which was taken from one.
func plain(line string) string { return colours.ReplaceAllString(strings.TrimSpace(line), "") }

var colours = regexp.MustCompile("\x1b\\[[0-9;]*m")

// logTime is the time of the common and the combined format; the others are Werkzeug's and Django's, daphne's, and Granian's
// and hypercorn's.
const logTime = "02/Jan/2006:15:04:05 -0700"

var textTimes = []string{logTime, "02/Jan/2006 15:04:05", "02/Jan/2006:15:04:05", "2006-01-02 15:04:05 -0700", time.RFC3339}

// longestTime bounds what is looked at behind a bracket: a client may ask for a query of nothing else.
const longestTime = 40

// parseText reads the common and the combined format, and what development servers and uvicorn write: "REQUEST" STATUS, and
// before it, mostly, [TIME]. What stands around does not matter. Where there is no time, the request has to name its protocol
// and to have a status, so that what an application writes into the same log is not taken for one.
func parseText(line string) (e Entry, ok bool) {
	rest := line
	for e.Time.IsZero() {
		_, after, found := strings.Cut(rest, "[")
		if !found {
			rest = line
			break
		}
		text, _, closed := strings.Cut(after[:min(longestTime, len(after))], "]")
		if !closed {
			rest = after
			continue
		}
		if e.Time = textTime(text); !e.Time.IsZero() {
			after = after[len(text)+1:]
		}
		rest = after
	}
	for {
		_, after, found := strings.Cut(rest, `"`)
		request, behind, closed := cutQuoted(after)
		if !found || !closed {
			return e, false
		}
		status, written := statusOf(behind)
		if sure := !e.Time.IsZero() || written && strings.Contains(request, " HTTP/"); sure {
			e.Status = status
			return e, e.setRequest(request)
		}
		rest = behind
	}
}

func textTime(text string) time.Time {
	for _, layout := range textTimes {
		if at, err := time.Parse(layout, text); err == nil {
			return at
		}
	}
	return time.Time{}
}

// statusOf is the number that stands behind a request.
func statusOf(text string) (status int, written bool) {
	fields := strings.Fields(text)
	if len(fields) == 0 {
		return 0, false
	}
	status, _ = strconv.Atoi(fields[0])
	return status, len(fields[0]) == 3 && status >= 100
}

// cutQuoted ends at a quote that no backslash stands before.
func cutQuoted(s string) (text, rest string, ok bool) {
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case '"':
			return s[:i], s[i+1:], true
		}
	}
	return "", "", false
}

// setRequest takes a request line: METHOD TARGET PROTOCOL.
func (e *Entry) setRequest(line string) bool {
	fields := strings.Fields(line)
	if len(fields) < 2 {
		return false
	}
	return e.set(fields[0], fields[1])
}

// set takes a method and a target if they could be asked for again.
func (e *Entry) set(method, target string) bool {
	if method == "" || len(method) > 20 || strings.Trim(method, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != "" {
		return false
	}
	u, err := url.ParseRequestURI(target)
	if err != nil || strings.ContainsAny(target, "\\\"<>") {
		return false // an escaped byte: what was asked for cannot be told
	}
	path := u.RequestURI()
	if !strings.HasPrefix(path, "/") || strings.HasPrefix(path, "//") {
		return false
	}
	e.Method, e.Path = method, path
	return true
}

// The names under which servers write JSON: girin, nginx's usual formats, Caddy, Traefik, gunicorn's.
var (
	methodKeys = []string{"method", "request_method", "requestmethod", "http_method", "verb"}
	targetKeys = []string{"uri", "request_uri", "requesturi", "path", "requestpath", "url", "requesturl", "target"}
	queryKeys  = []string{"query", "query_string", "args"}
	lineKeys   = []string{"request", "request_line", "requestline"}
	textKeys   = []string{"message", "msg", "event", "log"} // Python's JSON formatters and containers' logs: a line as it would be alone
	innerKeys  = []string{"request", "httprequest"}         // objects that have some of these
	statusKeys = []string{"status", "status_code", "statuscode", "downstreamstatus", "response_status", "code"}
	timeKeys   = []string{"time", "timestamp", "@timestamp", "ts", "time_iso8601", "time_local", "msec", "startutc", "date"}
)

func parseJSONLine(line string) (e Entry, ok bool) {
	var raw map[string]any
	if json.Unmarshal([]byte(line), &raw) != nil {
		return e, false
	}
	fields := map[string]any{}
	for k, v := range raw {
		fields[strings.ToLower(k)] = v
	}
	for _, key := range innerKeys {
		inner, _ := fields[key].(map[string]any)
		for k, v := range inner {
			fields[strings.ToLower(k)] = v
		}
	}
	e.Status = int(numberOf(first(fields, statusKeys)))
	e.Time = timeOf(first(fields, timeKeys))
	method, target := textOf(first(fields, methodKeys)), textOf(first(fields, targetKeys))
	if method == "" || target == "" {
		if e.setRequest(textOf(first(fields, lineKeys))) {
			return e, true
		}
		inner, ok := parseText(plain(textOf(first(fields, textKeys))))
		if inner.Time.IsZero() {
			inner.Time = e.Time
		}
		return inner, ok
	}
	if query := strings.TrimPrefix(textOf(first(fields, queryKeys)), "?"); query != "" && query != "-" && !strings.Contains(target, "?") {
		target += "?" + query
	}
	return e, e.set(method, target)
}

func first(fields map[string]any, keys []string) any {
	for _, k := range keys {
		if v := fields[k]; v != nil {
			return v
		}
	}
	return nil
}

func textOf(v any) string {
	s, _ := v.(string)
	return s
}

func numberOf(v any) float64 {
	switch v := v.(type) {
	case float64:
		if math.Abs(v) < 1e15 {
			return v
		}
	case string:
		n, err := strconv.ParseFloat(v, 64)
		if err == nil && math.Abs(n) < 1e15 {
			return n
		}
	}
	return 0
}

// timeOf reads a time in one of the usual forms, or seconds or milliseconds since 1970.
func timeOf(v any) time.Time {
	text := strings.Trim(textOf(v), "[]")
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05.000Z0700", "2006-01-02 15:04:05", logTime} {
		if at, err := time.Parse(layout, text); err == nil {
			return at
		}
	}
	n := numberOf(v)
	if n > 1e11 {
		n /= 1000
	}
	if n <= 0 || n > 1e11 {
		return time.Time{}
	}
	return time.Unix(int64(n), 0).UTC()
}
