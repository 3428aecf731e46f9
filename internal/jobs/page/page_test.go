package page

import (
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
)

// asked notes what comes to the inside.
func asked(t *testing.T) (h http.Handler, inside *[]string) {
	t.Helper()
	inside = new([]string)
	return New(Config{App: `<shop>&"'`, Hosts: []string{"jobs.example.com"}, Inside: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		*inside = append(*inside, r.Method+" "+r.URL.RequestURI())
		w.WriteHeader(http.StatusAccepted)
	})}), inside
}

func do(h http.Handler, method, path string, change func(*http.Request)) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, "http://127.0.0.1:9100"+path, nil)
	if change != nil {
		change(r)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func tokenOf(t *testing.T, h http.Handler) string {
	t.Helper()
	m := regexp.MustCompile(`name="girin-token" content="([A-Z2-7]{26,})"`).FindStringSubmatch(do(h, "GET", Path, nil).Body.String())
	if m == nil {
		t.Fatal("the page has no token")
	}
	return m[1]
}

func TestThePageIsItselfAlone(t *testing.T) {
	h, _ := asked(t)
	w := do(h, "GET", Path, nil)
	text, policy := w.Body.String(), w.Header().Get("Content-Security-Policy")
	if w.Code != 200 || !strings.Contains(text, "Jobs of &lt;shop&gt;&amp;&#34;&#39;") || strings.Contains(text, "<shop>") {
		t.Errorf("%d: %s", w.Code, text)
	}
	for _, part := range []string{"default-src 'none'", "script-src 'sha256-", "style-src 'sha256-", "connect-src 'self'", "frame-ancestors 'none'", "base-uri 'none'", "form-action 'none'"} {
		if !strings.Contains(policy, part) {
			t.Errorf("the policy %q has no %s", policy, part)
		}
	}
	if strings.Contains(policy, "unsafe") || regexp.MustCompile(`(src|href)="?(https?:)?//`).MatchString(text) || strings.Contains(text, "innerHTML") {
		t.Error("it may run or load what is not its own")
	}
	for field, want := range map[string]string{
		"X-Frame-Options": "DENY", "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "Cache-Control": "no-store", "Cross-Origin-Resource-Policy": "same-origin",
	} {
		if got := w.Header().Get(field); got != want {
			t.Errorf("%s: %q", field, got)
		}
	}
}

func TestOnlyThePageChangesSomething(t *testing.T) {
	h, inside := asked(t)
	token := tokenOf(t, h)
	other, _ := asked(t)
	for name, change := range map[string]func(*http.Request){
		"no token":        nil,
		"another's token": func(r *http.Request) { r.Header.Set(tokenField, tokenOf(t, other)) },
		"half of it":      func(r *http.Request) { r.Header.Set(tokenField, token[:13]) },
		"in the query":    func(r *http.Request) { r.URL.RawQuery = "token=" + token },
		"another origin":  func(r *http.Request) { r.Header.Set(tokenField, token); r.Header.Set("Origin", "http://evil.example") },
		"no origin's":     func(r *http.Request) { r.Header.Set(tokenField, token); r.Header.Set("Origin", "null") },
		"another site":    func(r *http.Request) { r.Header.Set(tokenField, token); r.Header.Set("Sec-Fetch-Site", "cross-site") },
		"another port": func(r *http.Request) {
			r.Header.Set(tokenField, token)
			r.Header.Set("Origin", "http://127.0.0.1:9101")
		},
		"another name here": func(r *http.Request) { r.Header.Set(tokenField, token); r.Host = "evil.example" },
	} {
		for method, path := range map[string]string{"DELETE": "abc123", "POST": "abc123/retry"} {
			if w := do(h, method, Path+path, change); w.Code != http.StatusForbidden && w.Code != http.StatusMisdirectedRequest {
				t.Errorf("%s, %s: %d", name, method, w.Code)
			}
		}
	}
	if len(*inside) != 0 {
		t.Fatalf("it was done: %q", *inside)
	}
	own := func(r *http.Request) {
		r.Header.Set(tokenField, token)
		r.Header.Set("Origin", "http://127.0.0.1:9100")
		r.Header.Set("Sec-Fetch-Site", "same-origin")
	}
	for method, path := range map[string]string{"DELETE": "abc123", "POST": "abc123/retry"} {
		if w := do(h, method, Path+path, own); w.Code != http.StatusAccepted {
			t.Errorf("%s: %d %s", method, w.Code, w.Body)
		}
	}
	if len(*inside) != 2 {
		t.Errorf("%q", *inside)
	}
}

// A name that somebody else can lead to this address (DNS rebinding) is not this server's.
func TestOnlyKnownNamesAreAnswered(t *testing.T) {
	h, _ := asked(t)
	for host, want := range map[string]int{
		"127.0.0.1:9100": 200, "[::1]:9100": 200, "10.0.0.5": 200, "localhost:9100": 200, "LOCALHOST.": 200, "x.localhost": 200, "jobs.example.com": 200, "Jobs.Example.com:80": 200,
		"evil.example": 421, "evil.example:9100": 421, "127.0.0.1.evil.example": 421, "localhost.evil.example": 421, "": 421, "notlocalhost": 421, "xjobs.example.com": 421,
	} {
		if w := do(h, "GET", Path, func(r *http.Request) { r.Host = host }); w.Code != want {
			t.Errorf("%q: %d", host, w.Code)
		}
	}
}

func TestOtherSitesReadNothing(t *testing.T) {
	h, inside := asked(t)
	for site, want := range map[string]int{"": 202, "same-origin": 202, "none": 202, "same-site": 403, "cross-site": 403} {
		for _, path := range []string{"abc123", "events"} {
			if w := do(h, "GET", Path+path, func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", site) }); w.Code != want {
				t.Errorf("%s from %q: %d", path, site, w.Code)
			}
		}
	}
	*inside = nil
	for _, path := range []string{"../tasks", "abc%2fretry", "abc%3Fx", "ABC", "abc/result", "abc/purge", "a/b/c", strings.Repeat("a", 64)} {
		do(h, "GET", Path+path, nil)
	}
	if len(*inside) != 0 {
		t.Errorf("the inside was asked: %q", *inside)
	}
}
