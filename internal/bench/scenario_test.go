package bench

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// shop is a server that gives each visitor a token, a cookie and an id, and refuses requests without them.
type shop struct {
	mu     sync.Mutex
	orders map[string]int // by token: how often it ordered
	seen   map[string]bool
	wrong  []string
}

func (s *shop) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case r.URL.Path == "/login":
		if s.seen[string(body)] || !regexp.MustCompile(`^user=[0-9a-f]{12}&n=[1-6]$`).Match(body) {
			s.wrong = append(s.wrong, "login "+string(body))
		}
		s.seen[string(body)] = true
		token := fmt.Sprintf("t/%d", len(s.seen))
		http.SetCookie(w, &http.Cookie{Name: "other", Value: "x"})
		http.SetCookie(w, &http.Cookie{Name: "session", Value: "of-" + token})
		_ = json.NewEncoder(w).Encode(map[string]any{"user": map[string]any{"tokens": []string{token}}})
	case strings.HasPrefix(r.URL.Path, "/basket/"):
		token := strings.TrimPrefix(r.URL.Path, "/basket/")
		if r.Header.Get("Cookie") != "session=of-"+token {
			s.wrong = append(s.wrong, token+" with cookie "+r.Header.Get("Cookie"))
		}
		w.Header().Set("X-Next", "/order?of="+token)
		fmt.Fprintf(w, "basket <b>%d</b> of %s", len(token), token)
	case r.URL.Path == "/order":
		s.orders[r.URL.Query().Get("of")]++
		w.WriteHeader(http.StatusCreated)
		fmt.Fprint(w, "thank you")
	default:
		http.NotFound(w, r)
	}
}

const shopScenario = `
headers: {Accept: text/plain}
steps:
  - url: /login
    method: POST
    body: "user={{hex 12}}&n={{int 1 6}}"
    capture:
      token: {json: user.tokens.0}
      session: {cookie: session}
  - url: /basket/{{token}}
    headers: {Cookie: "session={{session}}"}
    check: {body: basket, match: "<b>[0-9]+</b>", headers: {X-Next: /order}}
    capture:
      next: {header: X-Next}
      size: {regexp: "<b>([0-9]+)</b>"}
  - url: "/order?of={{token}}"
    method: POST
    body: "{{size}} {{uuid}} {{seq}} {{pick a b}}"
    expect: 201
`

// Values of one response go into the next request; each round has new random data; what a step failed is told.
func TestScenario(t *testing.T) {
	for _, http2 := range []bool{false, true} {
		s := &shop{orders: map[string]int{}, seen: map[string]bool{}}
		server := httptest.NewUnstartedServer(s)
		server.Config.Protocols = new(http.Protocols)
		server.Config.Protocols.SetHTTP1(true)
		server.Config.Protocols.SetUnencryptedHTTP2(true)
		server.Start()
		defer server.Close()
		file := filepath.Join(t.TempDir(), "shop.yaml")
		if err := os.WriteFile(file, []byte(shopScenario), 0o666); err != nil {
			t.Fatal(err)
		}
		targets, err := ReadScenario(file, server.URL)
		if err != nil {
			t.Fatal(err)
		}
		res, err := Run(t.Context(), Options{Targets: targets, Scenario: true, Requests: 300, Clients: 5, HTTP2: http2})
		if err != nil {
			t.Fatal(err)
		}
		s.mu.Lock()
		if res.Requests.OK != 300 || len(s.wrong) > 0 || len(s.orders) < 90 {
			t.Errorf("http2 %v: %+v %v %v, %d orders: %v", http2, res.Requests, res.Errors, res.ErrorExamples, len(s.orders), s.wrong)
		}
		for token, n := range s.orders {
			if n != 1 || !strings.HasPrefix(token, "t/") {
				t.Errorf("%q ordered %d times", token, n)
			}
		}
		s.mu.Unlock()
		if res.Targets[2].OK < 95 || res.Targets[0].OK < res.Targets[2].OK {
			t.Errorf("steps: %+v", res.Targets)
		}
	}
}

// A step whose check fails is a failure of its own kind, and its visitor begins anew.
func TestFailedChecks(t *testing.T) {
	url := serve(t, always("HTTP/1.1 200 OK\r\nX-A: one\r\nContent-Length: 5\r\n\r\nhello"))
	for _, tt := range []struct {
		target Target
		says   string
	}{
		{Target{Checks: []Check{{Value: "hell"}, {Header: "x-a", Value: "on"}, {Match: regexp.MustCompile("^h.*o$")}}}, ""},
		{Target{Checks: []Check{{Value: "bye"}}}, `the body does not contain "bye"`},
		{Target{Checks: []Check{{Match: regexp.MustCompile("^x")}}}, "the body does not match ^x"},
		{Target{Checks: []Check{{Header: "X-A", Value: "two"}}}, `the header X-A does not contain "two"`},
		{Target{Checks: []Check{{Header: "X-B"}}}, "the header X-B is not there"},
		{Target{Captures: []Capture{{Name: "a", JSON: "b"}}}, "there is nothing to capture for a"},
		{Target{Expect: StatusSet{{201, 201}}}, "status 200"},
	} {
		first := Target{URL: url + "/first"}
		tt.target.URL = url + "/second"
		after := Target{URL: url + "/third"}
		res := mustRun(t, "", Options{Targets: []Target{first, tt.target, after}, Scenario: true, Requests: 30, Clients: 1})
		if (tt.says == "") != (res.Requests.Failed == 0) {
			t.Errorf("%+v: %d failed: %v", tt.target, res.Requests.Failed, res.ErrorExamples)
		}
		if tt.says == "" {
			continue
		}
		if said := res.ErrorExamples["check"] + res.ErrorExamples["status"]; said != tt.says {
			t.Errorf("said %q, want %q", said, tt.says)
		}
		if res.Targets[0].OK != 15 || res.Targets[1].Failed != 15 || res.Targets[2].OK != 0 {
			t.Errorf("%s: the visitor did not begin anew: %+v", tt.says, res.Targets)
		}
	}
}

func TestScenarioMistakes(t *testing.T) {
	for text, want := range map[string]string{
		"steps: []":                              "no steps",
		"steps: [{url: /a}]":                     "has no server",
		"steps: [{method: GET}]":                 "step 1: it has no url",
		"step: 1":                                `unknown field "step"`,
		"steps: [{url: 'http://h/', expect: 9}]": "step 1: expect",
		"steps: [{url: 'http://h/', check: {match: '('}}]":                "step 1: check: error parsing regexp",
		"steps: [{url: 'http://h/', capture: {a: {json: b, header: c}}}]": "takes one of json, header, cookie, regexp",
		"steps: [{url: 'http://h/', headers: {'a b': c}}]":                "is not a header",
		"steps: [{url: 'http://h/', body: a, body_file: b}]":              "exclude each other",
	} {
		file := filepath.Join(t.TempDir(), "s.yaml")
		if err := os.WriteFile(file, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
		if _, err := ReadScenario(file, ""); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
	for text, want := range map[string]string{
		"{{nothing}}": "neither a captured name", "{{int 5 1}}": "no range", "{{hex x}}": "no number", "{{": "has no }}", "{{}}": "names nothing",
		"{{int -9223372036854775808 9223372036854775807}}": "no range", "{{later}}": "neither a captured name",
	} {
		_, err := newRun(Options{Scenario: true, Requests: 1, Targets: []Target{{URL: "http://h/", Body: []byte(text)},
			{URL: "http://h/", Captures: []Capture{{Name: "later", Header: "a"}}}}})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}

// No text makes the reading of placeholders panic, and what is read is filled in without one.
func FuzzPattern(f *testing.F) {
	for _, s := range []string{"a{{int 1 6}}b", "{{hex 3}}{{uuid}}", "{{pick a b}}{{seq}}", "{{", "}}{{x}}", "{{token}}"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		p, err := parsePattern(text, []string{"token"})
		if err != nil {
			return
		}
		var sequence atomic.Int64
		v := &visitor{random: newRandom(1, 1), sequence: &sequence, values: map[string]string{"token": "t"}}
		if filled := p.render(v, nil); p.fixed() && filled != text {
			t.Errorf("%q became %q", text, filled)
		}
	})
}

// No body makes looking for a value in it panic.
func FuzzJSONPath(f *testing.F) {
	f.Add(`{"a": [1, {"b": null}]}`, "a.1.b")
	f.Fuzz(func(t *testing.T, body, path string) {
		if v, ok := jsonAt([]byte(body), path); !ok && v != "" {
			t.Errorf("%q is nothing and %q", body, v)
		}
	})
}

// What a placeholder stands for stays one segment, or one value; one that is the whole path leads where the server said, but to
// no other one.
func TestCapturedValuesInURLs(t *testing.T) {
	const odd = "a&b=c+d é/?#%2F"
	var mu sync.Mutex
	var paths []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		switch r.URL.Path {
		case "/start":
			w.Header().Set("Location", "/orders/7?from=start")
			w.Header().Set("X-Away", "http://127.0.0.2:1/x")
			fmt.Fprint(w, odd)
		default:
			paths = append(paths, r.URL.RequestURI())
			if q := r.URL.Query(); q.Has("q") && (len(q) != 1 || q.Get("q") != odd) {
				t.Errorf("the query is %v", q)
			}
			if rest, ok := strings.CutPrefix(r.URL.Path, "/item/"); ok && rest != odd {
				t.Errorf("the path is %q", rest)
			}
		}
	}))
	defer server.Close()
	scenario := func(last string) string {
		path := filepath.Join(t.TempDir(), "s.yaml")
		text := "base: " + server.URL + "\nsteps:\n  - url: /start\n    capture:\n      odd: {regexp: \".*\"}\n      next: {header: Location}\n      away: {header: X-Away}\n" +
			"  - url: /search?q={{odd}}\n  - url: /item/{{odd}}\n  - url: \"" + last + "\"\n"
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for last, want := range map[string]string{"/{{next}}": "", "{{next}}": "", "{{away}}": "another host"} {
		targets, err := ReadScenario(scenario(last), "")
		if err != nil {
			t.Fatalf("%s: %v", last, err)
		}
		res, err := Run(t.Context(), Options{Targets: targets, Scenario: true, Requests: 8})
		if err != nil {
			t.Fatalf("%s: %v", last, err)
		}
		if want == "" && (res.Requests.OK != 8 || res.Partial) || want != "" && !strings.Contains(res.PartialReason, want) {
			t.Errorf("%s: %+v, %s, %v", last, res.Requests, res.PartialReason, res.ErrorExamples)
		}
	}
	mu.Lock()
	defer mu.Unlock()
	if !slices.Contains(paths, "/orders/7?from=start") {
		t.Errorf("asked for %v", paths)
	}
}
