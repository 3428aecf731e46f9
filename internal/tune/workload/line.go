package workload

import (
	"encoding/json"
	"math"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// ParseLine reads a line of an access log. ok is false if it holds no request.
func ParseLine(line string) (e Entry, ok bool) {
	line = strings.TrimSpace(line)
	if strings.HasPrefix(line, "{") {
		return parseJSONLine(line)
	}
	return parseCombined(line)
}

// logTime is the time of the common and the combined format.
const logTime = "02/Jan/2006:15:04:05 -0700"

// parseCombined reads HOST - USER [TIME] "REQUEST" STATUS and whatever follows; what stands before
// the time does not matter.
func parseCombined(line string) (e Entry, ok bool) {
	rest := line
	for e.Time.IsZero() {
		_, after, found := strings.Cut(rest, "[")
		text, behind, closed := strings.Cut(after, "]")
		if !found || !closed {
			return e, false
		}
		if at, err := time.Parse(logTime, text); err == nil {
			e.Time, after = at, behind
		}
		rest = after
	}
	_, rest, found := strings.Cut(rest, `"`)
	request, rest, closed := cutQuoted(rest)
	if !found || !closed || !e.setRequest(request) {
		return e, false
	}
	if fields := strings.Fields(rest); len(fields) > 0 {
		e.Status, _ = strconv.Atoi(fields[0])
	}
	return e, true
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
	targetKeys = []string{"uri", "request_uri", "requesturi", "path", "requestpath", "url", "target"}
	queryKeys  = []string{"query", "query_string", "args"}
	lineKeys   = []string{"request", "request_line", "requestline"}
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
	if inner, is := fields["request"].(map[string]any); is {
		for k, v := range inner {
			fields[strings.ToLower(k)] = v
		}
	}
	e.Status = int(numberOf(first(fields, statusKeys)))
	e.Time = timeOf(first(fields, timeKeys))
	method, target := textOf(first(fields, methodKeys)), textOf(first(fields, targetKeys))
	if method == "" || target == "" {
		return e, e.setRequest(textOf(first(fields, lineKeys)))
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
