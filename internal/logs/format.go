package logs

import (
	"encoding/base64"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Combined is gunicorn's default access log format.
const Combined = `%(h)s %(l)s %(u)s %(t)s "%(r)s" %(s)s %(b)s "%(f)s" "%(a)s"`

// JSON is the name of the format with one JSON object for each line.
const JSON = "json"

// appender adds its part of a line to dst.
type appender func(dst []byte, r *AccessRecord, c *clock) []byte

// Format is a compiled access log format. It is immutable.
type Format struct{ parts []appender }

// ParseFormat compiles a format of gunicorn's: text with atoms such as %(h)s, or JSON.
// As in gunicorn an atom that does not exist is a dash; a malformed one is an error here.
func ParseFormat(format string) (*Format, error) {
	if format == JSON {
		return &Format{parts: []appender{appendJSON}}, nil
	}
	f := &Format{}
	rest := format
	for rest != "" {
		text, after, found := strings.Cut(rest, "%")
		if text != "" {
			f.parts = append(f.parts, literal(text))
		}
		if !found {
			break
		}
		if strings.HasPrefix(after, "%") {
			f.parts = append(f.parts, literal("%"))
			rest = after[1:]
			continue
		}
		part, tail, err := parseAtom(after)
		if err != nil {
			return nil, fmt.Errorf("access log format %q: %w", format, err)
		}
		f.parts = append(f.parts, part)
		rest = tail
	}
	return f, nil
}

var environAtom = regexp.MustCompile(`%\(\{([^})]*)\}e\)`)

// EnvironNames are the variables of the environ that a format names, in lower case.
func EnvironNames(format string) (names []string) {
	for _, found := range environAtom.FindAllStringSubmatch(format, -1) {
		names = append(names, strings.ToLower(found[1]))
	}
	return names
}

// changeable are the atoms that gunicorn makes of what an application leaves in its environ.
var changeable = []struct{ atom, variable string }{
	{"%(h)", "REMOTE_ADDR"}, {"%(U)", "PATH_INFO"}, {"%(q)", "QUERY_STRING"},
}

// ChangeableNames are the variables of the environ that a format shows without naming them.
func ChangeableNames(format string) (names []string) {
	if format == JSON {
		return []string{"REMOTE_ADDR"}
	}
	for _, c := range changeable {
		if strings.Contains(format, c.atom) {
			names = append(names, c.variable)
		}
	}
	return names
}

// parseAtom reads what follows a percent sign: (name), an optional width, and s, d or i.
func parseAtom(s string) (appender, string, error) {
	if !strings.HasPrefix(s, "(") {
		return nil, "", fmt.Errorf("%% needs a name in parentheses, as in %%(h)s; a percent sign is %%%%")
	}
	name, rest, ok := strings.Cut(s[1:], ")")
	if !ok {
		return nil, "", fmt.Errorf("%%(%s has no closing parenthesis", s[1:])
	}
	digits := strings.TrimLeft(rest, "-0123456789")
	spec := rest[:len(rest)-len(digits)]
	if digits == "" || !strings.ContainsRune("sdi", rune(digits[0])) {
		return nil, "", fmt.Errorf("%%(%s) must end in s or d", name)
	}
	part := atom(name)
	if spec != "" {
		width, err := strconv.Atoi(spec)
		if err != nil || width > 1000 || width < -1000 {
			return nil, "", fmt.Errorf("%%(%s)%s: %q is not a width", name, rest, spec)
		}
		part = padded(part, width)
	}
	return part, digits[1:], nil
}

// padded fills a part with spaces to a width, at the left, or at the right if it is negative.
func padded(part appender, width int) appender {
	return func(dst []byte, r *AccessRecord, c *clock) []byte {
		start := len(dst)
		dst = part(dst, r, c)
		end := len(dst)
		for len(dst)-start < max(width, -width) {
			dst = append(dst, ' ')
		}
		if spaces := len(dst) - end; width > 0 && spaces > 0 {
			copy(dst[start+spaces:], dst[start:end])
			for i := range spaces {
				dst[start+i] = ' '
			}
		}
		return dst
	}
}

func (f *Format) append(dst []byte, r *AccessRecord, c *clock) []byte {
	for _, part := range f.parts {
		dst = part(dst, r, c)
	}
	return dst
}

func literal(text string) appender {
	return func(dst []byte, _ *AccessRecord, _ *clock) []byte { return append(dst, text...) }
}

// atom finds the appender of a name in gunicorn's list, or the one of a dash.
func atom(name string) appender {
	if strings.HasPrefix(name, "{") {
		return fieldAtom(name)
	}
	switch name {
	case "h":
		return func(dst []byte, r *AccessRecord, _ *clock) []byte { return appendText(dst, r.RemoteAddr) }
	case "u":
		return appendUser
	case "t":
		return func(dst []byte, r *AccessRecord, c *clock) []byte { return c.append(dst, r.Time) }
	case "r":
		return appendRequestLine
	case "s":
		return func(dst []byte, r *AccessRecord, _ *clock) []byte { return strconv.AppendInt(dst, int64(r.Status), 10) }
	case "m":
		return func(dst []byte, r *AccessRecord, _ *clock) []byte { return appendText(dst, r.Method) }
	case "U":
		return func(dst []byte, r *AccessRecord, _ *clock) []byte { return appendText(dst, r.Path) }
	case "q":
		return func(dst []byte, r *AccessRecord, _ *clock) []byte { return appendEscaped(dst, r.Query) }
	case "H":
		return func(dst []byte, r *AccessRecord, _ *clock) []byte { return appendText(dst, r.Proto) }
	case "b", "B":
		return func(dst []byte, r *AccessRecord, _ *clock) []byte { return strconv.AppendInt(dst, r.Sent, 10) }
	case "f":
		return fieldAtom("{referer}i")
	case "a":
		return fieldAtom("{user-agent}i")
	case "T":
		return durationAtom(time.Second)
	case "M":
		return durationAtom(time.Millisecond)
	case "D":
		return durationAtom(time.Microsecond)
	case "L":
		return appendSeconds
	case "p":
		return func(dst []byte, r *AccessRecord, _ *clock) []byte {
			dst = strconv.AppendInt(append(dst, '<'), int64(r.PID), 10)
			return append(dst, '>')
		}
	}
	return literal("-") // "l" as well: identd's user name, which nobody asks for any more
}

// fieldAtom is {name}i, {name}o or {name}e: a request field, a response field, an environ variable.
func fieldAtom(name string) appender {
	key, kind, _ := strings.Cut(strings.ToLower(name[1:]), "}")
	var get func(Fields) []byte
	switch kind {
	case "i":
		get = func(f Fields) []byte { return f.RequestHeader(key) }
	case "o":
		get = func(f Fields) []byte { return f.ResponseHeader(key) }
	case "e":
		get = func(f Fields) []byte { return f.Environ(key) }
	default:
		return literal("-")
	}
	return func(dst []byte, r *AccessRecord, _ *clock) []byte {
		value := get(r.fields())
		if value == nil {
			return append(dst, '-')
		}
		return appendEscaped(dst, value) // also an empty one, as under gunicorn
	}
}

func (r *AccessRecord) fields() Fields {
	if r.Fields == nil {
		return noFields{}
	}
	return r.Fields
}

func durationAtom(unit time.Duration) appender {
	return func(dst []byte, r *AccessRecord, _ *clock) []byte {
		return strconv.AppendInt(dst, int64(r.Duration/unit), 10)
	}
}

// appendSeconds adds the duration as seconds with six decimals.
func appendSeconds(dst []byte, r *AccessRecord, _ *clock) []byte {
	dst = strconv.AppendInt(dst, int64(r.Duration/time.Second), 10)
	dst = append(dst, '.')
	micros := int64(r.Duration % time.Second / time.Microsecond)
	for scale := int64(100000); scale > 1 && micros < scale; scale /= 10 {
		dst = append(dst, '0')
	}
	return strconv.AppendInt(dst, micros, 10)
}

func appendRequestLine(dst []byte, r *AccessRecord, _ *clock) []byte {
	dst = append(appendText(dst, r.Method), ' ')
	dst = append(appendText(dst, r.URI), ' ')
	return appendText(dst, r.Proto)
}

func appendUser(dst []byte, r *AccessRecord, _ *clock) []byte {
	return appendText(dst, basicUser(r.fields().RequestHeader("authorization")))
}

// basicUser is the user name of Basic credentials (RFC 7617), nil if there is none.
func basicUser(authorization []byte) []byte {
	if len(authorization) < 6 || !strings.EqualFold(string(authorization[:6]), "basic ") {
		return nil
	}
	decoded, err := base64.StdEncoding.DecodeString(strings.TrimSpace(string(authorization[6:])))
	if err != nil {
		return nil
	}
	user, _, _ := strings.Cut(string(decoded), ":")
	return []byte(user)
}
