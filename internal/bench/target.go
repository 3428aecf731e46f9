package bench

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// Target is one kind of request.
type Target struct {
	Method string // empty means GET, or POST if there is a body
	URL    string // http or https
	Header []Field
	Body   []byte
	Weight int // its share of the requests; zero means 1

	// Expect is the statuses that count as success; empty means Options.Expect. Checks must hold beside.
	Expect   StatusSet
	Checks   []Check
	Captures []Capture // for later steps of a scenario
}

// Field is one header field.
type Field struct {
	Name, Value string
}

// ParseTarget reads "[WEIGHT=][METHOD ]URL", where common has what the line does not say. socket is the path of the socket in
// a URL such as http+unix://%2Frun%2Fapp.sock/path, else empty.
func ParseTarget(line string, common Target) (t Target, socket string, err error) {
	t = common
	rest := line
	if w, after, ok := strings.Cut(line, "="); ok && isDigits(w) {
		if t.Weight, err = strconv.Atoi(w); err != nil || t.Weight == 0 {
			return t, "", fmt.Errorf("%q: %s is no weight", line, w)
		}
		rest = after
	}
	if m, after, ok := strings.Cut(rest, " "); ok && !strings.Contains(m, "{{") {
		t.Method, rest = m, strings.TrimSpace(after)
	}
	if after, ok := strings.CutPrefix(rest, "http+unix://"); ok {
		host, path, _ := strings.Cut(after, "/")
		if socket, err = url.PathUnescape(host); err != nil || socket == "" {
			return t, "", fmt.Errorf("%q: the part after http+unix:// must be the socket's path with / as %%2F", rest)
		}
		rest = "http://localhost/" + path
	}
	if after, ok := strings.CutPrefix(rest, "unix:"); ok && strings.Contains(after, "/") {
		return t, "", fmt.Errorf("%q: the URL of a Unix socket is http+unix://%s/", rest, url.PathEscape(strings.TrimPrefix(after, "//")))
	}
	if !strings.Contains(rest, "://") {
		rest = "http://" + rest
	}
	t.URL = rest
	return t, socket, nil
}

func isDigits(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == ""
}

// ParseField reads "Name: value".
func ParseField(s string) (Field, error) {
	name, value, ok := strings.Cut(s, ":")
	f := Field{strings.TrimSpace(name), strings.Trim(value, " \t")}
	if !ok || !isToken(f.Name) {
		return Field{}, fmt.Errorf("%q is not a header such as \"Accept: text/html\"", s)
	}
	if strings.ContainsAny(f.Value, "\r\n\x00") {
		return Field{}, fmt.Errorf("header %s: the value contains a line break or NUL", f.Name)
	}
	return f, nil
}

// BasicAuth is the Authorization header for "user:password" (RFC 7617).
func BasicAuth(userinfo string) Field {
	return Field{"Authorization", "Basic " + base64.StdEncoding.EncodeToString([]byte(userinfo))}
}

// request is a Target made ready: its bytes are sent as they are.
type request struct {
	Target
	url   *url.URL
	bytes []byte // HTTP/1.1 head and body
	head  bool   // a HEAD request: the response has no body
	again bool   // may be sent a second time: idempotent (RFC 9110, 9.2.2)
	// template is what the request is made of, anew for each; nil if it is always the same.
	template *targetTemplate
	looks    bool // at what has been answered, beyond the status
}

// site is where the requests go: all targets share it.
type site struct {
	tls        bool
	webSocket  bool
	host, port string // as in the URL, the port filled in
}

func (s site) address() string { return net.JoinHostPort(s.host, s.port) }

// prepare checks targets and builds their requests.
func prepare(o Options) (site, []*request, error) {
	var first site
	reqs := make([]*request, len(o.Targets))
	var captured []string // by the targets so far
	for i, t := range o.Targets {
		r, err := newRequest(t, o.NoKeepAlive)
		if err == nil && (o.Scenario || o.Random) {
			r.template, err = parseTarget(t, captured)
		}
		if err != nil {
			return site{}, nil, err
		}
		if len(r.Expect) == 0 {
			r.Expect = o.Expect
		}
		r.looks = len(t.Checks)+len(t.Captures) > 0
		for _, c := range t.Captures {
			captured = append(captured, c.Name)
		}
		s := siteOf(r.url)
		if i == 0 {
			first = s
		} else if s != first {
			return site{}, nil, fmt.Errorf("%s: all URLs must have one scheme, host and port, as %s has", t.URL, o.Targets[0].URL)
		}
		reqs[i] = r
	}
	return first, reqs, nil
}

func siteOf(u *url.URL) site {
	s := site{tls: u.Scheme == "https" || u.Scheme == "wss", webSocket: isWebSocket(u.Scheme), host: u.Hostname(), port: u.Port()}
	if s.port == "" {
		s.port = "80"
		if s.tls {
			s.port = "443"
		}
	}
	return s
}

func newRequest(t Target, closeAfter bool) (*request, error) {
	u, err := parseURL(t.URL)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" && !isWebSocket(u.Scheme) {
		return nil, fmt.Errorf("%q is not an http, https, ws or wss URL", t.URL)
	}
	if p := u.Port(); p != "" {
		if n, err := strconv.Atoi(p); err != nil || n < 1 || n > 65535 {
			return nil, fmt.Errorf("%q: %s is not a port", t.URL, p)
		}
	}
	if isWebSocket(u.Scheme) && len(t.Body) == 0 {
		t.Body = []byte(defaultMessage)
	}
	if t.Method == "" {
		t.Method = "GET"
		if len(t.Body) > 0 && !isWebSocket(u.Scheme) {
			t.Method = "POST"
		}
	}
	if strings.Contains(t.Method, "/") {
		return nil, fmt.Errorf("\"%s ...\": a URL has no blanks; %%20 stands for one", t.Method)
	}
	if !isToken(t.Method) || t.Method == "CONNECT" {
		return nil, fmt.Errorf("%q is not a method that can be sent to %s", t.Method, t.URL)
	}
	if t.Weight < 0 || t.Weight > maxWeight {
		return nil, fmt.Errorf("%s: weight %d is not between 1 and %d", t.URL, t.Weight, maxWeight)
	}
	t.Weight = max(t.Weight, 1)
	r := &request{Target: t, url: u, head: t.Method == "HEAD"}
	switch t.Method {
	case "GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE":
		r.again = !isWebSocket(u.Scheme)
	}
	r.bytes = r.encode(u, t.Method, closeAfter)
	return r, nil
}

// parseURL reads a URL as people type it: what its query has of blanks and of other letters than ASCII's is escaped, as a browser
// does. In the path url.URL does that.
func parseURL(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	if err != nil {
		return nil, err
	}
	var query strings.Builder
	for _, c := range []byte(u.RawQuery) {
		if c > ' ' && c < 0x7f && c != '"' && c != '<' && c != '>' {
			query.WriteByte(c)
		} else {
			fmt.Fprintf(&query, "%%%02X", c)
		}
	}
	u.RawQuery = query.String()
	return u, nil
}

// encode writes the request for u, which differs from r.url after a redirect.
func (r *request) encode(u *url.URL, method string, closeAfter bool) []byte {
	own := []Field{{"Host", u.Host}, {"User-Agent", "girin-bench"}, {"Accept", "*/*"}}
	if u.User != nil {
		password, _ := u.User.Password()
		own = append(own, BasicAuth(u.User.Username()+":"+password))
	}
	if closeAfter {
		own = append(own, Field{"Connection", "close"})
	}
	body := r.Body
	if isWebSocket(u.Scheme) {
		return body
	}
	if method != r.Method { // a redirect that turned POST into GET
		body = nil
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\n", method, u.RequestURI())
	for _, f := range own {
		if !hasField(r.Header, f.Name) {
			fmt.Fprintf(&b, "%s: %s\r\n", f.Name, f.Value)
		}
	}
	for _, f := range r.Header {
		if !strings.EqualFold(f.Name, "Content-Length") { // ours is true to the body
			fmt.Fprintf(&b, "%s: %s\r\n", f.Name, f.Value)
		}
	}
	if len(body) > 0 || method == "POST" || method == "PUT" || method == "PATCH" {
		fmt.Fprintf(&b, "Content-Length: %d\r\n", len(body))
	}
	b.WriteString("\r\n")
	b.Write(body)
	return b.Bytes()
}

func hasField(fields []Field, name string) bool {
	return slices.ContainsFunc(fields, func(f Field) bool { return strings.EqualFold(f.Name, name) })
}

const maxWeight = 1000

// rotation is the order in which targets take turns: each as often as its weight says, shuffled so that no pattern falls in
// step with the server.
func rotation(reqs []*request, seed uint64) []uint16 {
	var turns []uint16
	for i, r := range reqs {
		for range r.Weight {
			turns = append(turns, uint16(i))
		}
	}
	rnd := rand.New(rand.NewPCG(seed, 0x7475726e73))
	rnd.Shuffle(len(turns), func(i, j int) { turns[i], turns[j] = turns[j], turns[i] })
	return turns
}

// isToken reports whether s is a token of RFC 9110, 5.6.2.
func isToken(s string) bool {
	for i := range len(s) {
		if !tokenByte(s[i]) {
			return false
		}
	}
	return s != ""
}

func tokenByte(c byte) bool {
	switch {
	case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		return true
	}
	return strings.IndexByte("!#$%&'*+-.^_`|~", c) >= 0
}
