package bench

import (
	"fmt"
	"math/rand/v2"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// A pattern is text with placeholders: {{int 1 100}}, {{hex 8}}, {{uuid}}, {{pick a b c}}, {{seq}} (1 and up, over all
// clients), and {{name}} for what an earlier step has captured.
type pattern []piece

// piece is literal text, or a function that makes some.
type piece struct {
	text string
	make func(*visitor) string // nil for text
}

// parsePattern reads a pattern. known are the names that it may refer to.
func parsePattern(text string, known []string) (pattern, error) {
	var t pattern
	for text != "" {
		before, rest, found := strings.Cut(text, "{{")
		if before != "" {
			t = append(t, piece{text: before})
		}
		if !found {
			break
		}
		call, after, closed := strings.Cut(rest, "}}")
		if !closed {
			return nil, fmt.Errorf("{{%s has no }}", rest)
		}
		make, err := parseCall(strings.Fields(call), known)
		if err != nil {
			return nil, fmt.Errorf("{{%s}}: %w", call, err)
		}
		t = append(t, piece{make: make})
		text = after
	}
	return t, nil
}

// parseCall finds what a placeholder's words stand for.
func parseCall(words []string, known []string) (func(*visitor) string, error) {
	if len(words) == 0 {
		return nil, fmt.Errorf("it names nothing")
	}
	name, args := words[0], words[1:]
	if slices.Contains(known, name) {
		return func(v *visitor) string { return v.values[name] }, nil
	}
	switch {
	case name == "uuid" && len(args) == 0:
		return (*visitor).uuid, nil
	case name == "seq" && len(args) == 0:
		return func(v *visitor) string { return strconv.FormatInt(v.sequence.Add(1), 10) }, nil
	case name == "pick" && len(args) > 0:
		return func(v *visitor) string { return args[v.random.IntN(len(args))] }, nil
	case name == "hex" && len(args) == 1:
		n, err := strconv.Atoi(args[0])
		if err != nil || n < 1 || n > 1<<16 {
			return nil, fmt.Errorf("%s is no number of digits", args[0])
		}
		return func(v *visitor) string { return v.hex(n) }, nil
	case name == "int" && len(args) == 2:
		low, err1 := strconv.ParseInt(args[0], 10, 64)
		high, err2 := strconv.ParseInt(args[1], 10, 64)
		if err1 != nil || err2 != nil || high < low || high-low < 0 || high-low+1 <= 0 {
			return nil, fmt.Errorf("%s to %s is no range", args[0], args[1])
		}
		return func(v *visitor) string { return strconv.FormatInt(low+v.random.Int64N(high-low+1), 10) }, nil
	}
	return nil, fmt.Errorf("neither a captured name nor one of int LOW HIGH, hex DIGITS, uuid, seq, pick A B")
}

// fixed reports whether the pattern is always the same text.
func (t pattern) fixed() bool {
	return !slices.ContainsFunc(t, func(p piece) bool { return p.make != nil })
}

// render fills the pattern in; quote, if any, is applied to what placeholders stand for.
func (t pattern) render(v *visitor, quote func(string) string) string {
	var b strings.Builder
	for _, p := range t {
		switch {
		case p.make == nil:
			b.WriteString(p.text)
		case quote != nil:
			b.WriteString(quote(p.make(v)))
		default:
			b.WriteString(p.make(v))
		}
	}
	return b.String()
}

func (v *visitor) uuid() string {
	a, b := v.random.Uint64(), v.random.Uint64()
	a = a&^0xf000 | 0x4000 // version 4 (RFC 9562, 5.4)
	b = b&^(3<<62) | 2<<62
	return fmt.Sprintf("%08x-%04x-%04x-%04x-%012x", a>>32, a>>16&0xffff, a&0xffff, b>>48, b&0xffffffffffff)
}

func (v *visitor) hex(n int) string {
	const digits = "0123456789abcdef"
	b := make([]byte, n)
	for i := range b {
		b[i] = digits[v.random.IntN(len(digits))]
	}
	return string(b)
}

// targetTemplate is a Target whose URL, header values or body have placeholders.
type targetTemplate struct {
	url, body pattern
	next      *piece    // the placeholder that is all of the URL behind its server; nil if there is more, or none
	header    []pattern // parallel to Target.Header
}

// parseTarget finds the placeholders of a target; nil if it has none.
func parseTarget(t Target, known []string) (*targetTemplate, error) {
	var out targetTemplate
	var err error
	if out.url, err = parsePattern(t.URL, known); err != nil {
		return nil, err
	}
	if out.body, err = parsePattern(string(t.Body), known); err != nil {
		return nil, err
	}
	if n := len(out.url); n == 2 && out.url[0].make == nil && out.url[1].make != nil && isServer(out.url[0].text) {
		out.next = &out.url[1]
	}
	fixed := out.url.fixed() && out.body.fixed()
	for _, f := range t.Header {
		h, err := parsePattern(f.Value, known)
		if err != nil {
			return nil, fmt.Errorf("header %s: %w", f.Name, err)
		}
		fixed = fixed && h.fixed()
		out.header = append(out.header, h)
	}
	if fixed {
		return nil, nil
	}
	return &out, nil
}

// isServer reports whether a URL's beginning ends with the slash behind its server.
func isServer(text string) bool {
	_, host, ok := strings.Cut(text, "://")
	return ok && strings.IndexByte(host, '/') == len(host)-1
}

// fill makes the request of one moment.
func (r *request) fill(v *visitor, closeAfter bool) (*request, error) {
	out := *r
	u, err := r.template.reference(r, v)
	if err != nil {
		return nil, err
	}
	out.url, out.URL = u, u.String()
	out.Body = []byte(r.template.body.render(v, nil))
	out.Header = slices.Clone(r.Header)
	for i, h := range r.template.header {
		out.Header[i].Value = strings.Map(notControl, h.render(v, nil))
	}
	out.bytes = out.encode(u, out.Method, closeAfter)
	return &out, nil
}

// reference is the URL of one moment. What placeholders stand for is escaped, but for one that is the whole path: a server may
// have said there where to go next.
func (t *targetTemplate) reference(r *request, v *visitor) (*url.URL, error) {
	if t.next == nil {
		return parseURL(t.url.render(v, escape))
	}
	value := t.next.make(v)
	if !strings.HasPrefix(value, "/") && !strings.Contains(value, "://") {
		return parseURL(t.url.render(v, escape))
	}
	u, err := r.url.Parse(strings.Map(notControl, value))
	if err == nil && siteOf(u) != siteOf(r.url) {
		err = fmt.Errorf("it leads to another host: %s", u)
	}
	return u, err
}

// escape makes text part of a segment of a path, or of a value of a query.
func escape(text string) string { return strings.ReplaceAll(url.QueryEscape(text), "+", "%20") }

// notControl drops what would end a header: a server's value may hold anything.
func notControl(r rune) rune {
	if r < ' ' && r != '\t' || r == 0x7f {
		return -1
	}
	return r
}

func newRandom(seed, client uint64) *rand.Rand {
	return rand.New(rand.NewPCG(seed, 0x76697369746f72^client<<24))
}
