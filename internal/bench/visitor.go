package bench

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
)

// visitor is what one client remembers: where it is in the scenario, and what it has captured.
type visitor struct {
	random   *rand.Rand
	sequence *atomic.Int64 // shared by all visitors
	values   map[string]string
	step     int
}

// A Check is what a response must be like, beside its status, to count as a success.
type Check struct {
	Header string         // the name of a field that must be there; empty: the check is of the body
	Value  string         // it must contain this text
	Match  *regexp.Regexp // or, if not nil, match this
}

// A Capture takes a value from a response for the requests after it.
type Capture struct {
	Name   string
	JSON   string         // path into the body, such as items.0.id
	Header string         // name of a field
	Cookie string         // name of a cookie
	Regexp *regexp.Regexp // of the body; its first group, or all of it
}

// maxText bounds how much of a body is kept for checks and captures.
const maxText = 1 << 20

// looksAtBody reports whether a target's checks or captures need the body.
func (t Target) looksAtBody() bool {
	for _, c := range t.Checks {
		if c.Header == "" {
			return true
		}
	}
	for _, c := range t.Captures {
		if c.JSON != "" || c.Regexp != nil {
			return true
		}
	}
	return false
}

// fieldsLookedAt are the header fields that checks and captures need, in lower case.
func (t Target) fieldsLookedAt() (names []string) {
	for _, c := range t.Checks {
		if c.Header != "" {
			names = append(names, strings.ToLower(c.Header))
		}
	}
	for _, c := range t.Captures {
		switch {
		case c.Header != "":
			names = append(names, strings.ToLower(c.Header))
		case c.Cookie != "":
			names = append(names, "set-cookie")
		}
	}
	return names
}

// answer is a response as checks and captures see it.
type answer struct {
	text   []byte
	fields func(name string) (string, bool)
}

// check returns what is wrong with a response; empty if nothing is.
func (t Target) check(a answer) string {
	for _, c := range t.Checks {
		text, there := string(a.text), true
		where := "the body"
		if c.Header != "" {
			text, there = a.fields(c.Header)
			where = "the header " + c.Header
		}
		switch {
		case !there:
			return where + " is not there"
		case c.Match != nil && !c.Match.MatchString(text):
			return fmt.Sprintf("%s does not match %s", where, c.Match)
		case !strings.Contains(text, c.Value):
			return fmt.Sprintf("%s does not contain %q", where, c.Value)
		}
	}
	return ""
}

// capture takes the target's values from a response; it returns what it could not find.
func (v *visitor) capture(t Target, a answer) string {
	for _, c := range t.Captures {
		value, ok := c.from(a)
		if !ok {
			return fmt.Sprintf("there is nothing to capture for %s", c.Name)
		}
		v.values[c.Name] = value
	}
	return ""
}

func (c Capture) from(a answer) (string, bool) {
	switch {
	case c.Header != "":
		return a.fields(c.Header)
	case c.Cookie != "":
		return cookieIn(a, c.Cookie)
	case c.JSON != "":
		return jsonAt(a.text, c.JSON)
	}
	m := c.Regexp.FindSubmatch(a.text)
	if m == nil {
		return "", false
	}
	return string(m[min(1, len(m)-1)]), true
}

// cookieIn finds a cookie among the Set-Cookie fields, which are kept as one list.
func cookieIn(a answer, name string) (string, bool) {
	all, _ := a.fields("Set-Cookie")
	for line := range strings.SplitSeq(all, "\n") {
		if c, err := http.ParseSetCookie(line); err == nil && c.Name == name {
			return c.Value, true
		}
	}
	return "", false
}

// jsonAt walks into a JSON text.
func jsonAt(text []byte, path string) (string, bool) {
	var v any
	if json.Unmarshal(text, &v) != nil {
		return "", false
	}
	for key := range strings.SplitSeq(path, ".") {
		switch at := v.(type) {
		case map[string]any:
			next, ok := at[key]
			if !ok {
				return "", false
			}
			v = next
		case []any:
			i, err := strconv.Atoi(key)
			if err != nil || i < 0 || i >= len(at) {
				return "", false
			}
			v = at[i]
		default:
			return "", false
		}
	}
	switch at := v.(type) {
	case string:
		return at, true
	case nil:
		return "", false
	case float64:
		return strconv.FormatFloat(at, 'f', -1, 64), true
	}
	b, err := json.Marshal(v)
	return string(b), err == nil
}
