package workload

import (
	"fmt"
	"strings"
	"testing"

	"girin/internal/bench"
)

// entry is one as Chrome writes it; more are members of its request.
func entry(method, url string, status int, kind, more string) string {
	return fmt.Sprintf(`{"_resourceType": "x", "request": {"method": %q, "url": %q, "httpVersion": "http/2.0", "headersSize": -1%s},
		"response": {"status": %d, "content": {"mimeType": %q}}}`, method, url, more, status, kind)
}

func sent(length int, postData string) string {
	return fmt.Sprintf(`, "headers": [{"name": ":method", "value": "POST"}, {"name": "content-length", "value": "%d"}], "postData": {%s}`, length, postData)
}

func fromHAR(t *testing.T, entries ...string) *Workload {
	t.Helper()
	w, err := FromHAR(write(t, "x.har", "\ufeff"+`{"log": {"version": "1.2", "pages": [], "entries": [`+strings.Join(entries, ",\n")+`]}}`), true)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func hasLeft(w *Workload, want string) bool {
	for _, l := range w.Left {
		if strings.Contains(l.What+": "+l.Why, want) {
			return true
		}
	}
	return false
}

// The application is where the pages come from, though a page has more fonts and scripts from elsewhere, and a browser's
// extensions ask more than both; an API without pages is where most requests go.
func TestSiteOfAHAR(t *testing.T) {
	page, api := entry("GET", "https://shop.example/", 200, "text/html; charset=utf-8", ""), entry("GET", "https://shop.example/api", 200, "application/json", "")
	var others []string
	for i := range 5 {
		others = append(others, entry("GET", fmt.Sprintf("https://cdn.example/%d.js", i), 200, "text/javascript", ""),
			entry("GET", fmt.Sprintf("chrome-extension://abc/%d.js", i), 200, "text/javascript", ""), entry("GET", "data:image/png;base64,AAAA", 200, "image/png", ""))
	}
	w := fromHAR(t, append(others, page, api, entry("GET", "https://fonts.example/a", 200, "font/woff2", ""))...)
	expect(t, w, map[string]float64{"GET /": 0.5, "GET /api": 0.5})
	if !hasLeft(w, "16 requests: to other sites than shop.example: cdn.example (5), fonts.example (1)") {
		t.Errorf("left out: %+v", w.Left)
	}
	w = fromHAR(t, append(others, api)...)
	if !hasLeft(w, "other sites than cdn.example: shop.example (1)") {
		t.Errorf("without pages: %+v", w.Left)
	}
}

// What is asked has the body that was sent, or is left out: browsers write what is no text with losses, and files not at all.
func TestBodiesOfAHAR(t *testing.T) {
	form := `"mimeType": "application/x-www-form-urlencoded", "params": [{"name": "who", "value": "기린 & co"}, {"name": "n", "value": "1"}]`
	w := fromHAR(t,
		entry("POST", "https://a.example/text", 200, "", sent(5, `"mimeType": "text/plain", "text": "a\u00e9bc"`)),
		entry("POST", "https://a.example/binary", 200, "", sent(5, `"mimeType": "application/octet-stream", "text": "\ufffdPNG\ufffd"`)),
		entry("POST", "https://a.example/upload", 200, "", sent(70000, `"mimeType": "multipart/form-data; boundary=x"`)),
		entry("POST", "https://a.example/params", 200, "", sent(33, form)),
		entry("POST", "https://a.example/base64", 200, "", sent(3, `"mimeType": "image/png", "text": "/wD+", "encoding": "base64"`)),
		entry("POST", "https://a.example/lost", 200, "", `, "bodySize": 12`),
		entry("POST", "https://a.example/none", 200, "", `, "bodySize": 0, "postData": null`))
	bodies := map[string]string{}
	for _, r := range w.Requests {
		bodies[r.Path] = string(r.Body)
	}
	want := map[string]string{"/text": "aébc", "/params": "who=%EA%B8%B0%EB%A6%B0+%26+co&n=1", "/base64": "\xff\x00\xfe", "/none": ""}
	if fmt.Sprintf("%q", bodies) != fmt.Sprintf("%q", want) {
		t.Errorf("got %q, want %q", bodies, want)
	}
	for _, path := range []string{"binary", "upload", "lost"} {
		if !hasLeft(w, "POST /"+path+": the file does not have its body") {
			t.Errorf("%s: %+v", path, w.Left)
		}
	}
}

// What the browser had is no load of the server's. Of two requests the one behind the login counts, and that an answer leads
// elsewhere is part of the load only if it did so for the browser: files without cookies, which Chrome writes, show no login.
func TestLoginsOfAHAR(t *testing.T) {
	cookie := func(v string) string { return fmt.Sprintf(`, "headers": [{"name": "cookie", "value": "s=%s"}]`, v) }
	cached := strings.Replace(entry("GET", "https://a.example/logo", 200, "image/png", ""), `{"_res`, `{"_fromCache": "disk", "_res`, 1)
	w := fromHAR(t, cached,
		entry("GET", "https://a.example/", 302, "text/html", ""), entry("GET", "https://a.example/", 200, "text/html", cookie("first")),
		entry("GET", "https://a.example/", 200, "text/html", cookie("last")), entry("GET", "https://a.example/", 302, "text/html", ""),
		entry("GET", "https://a.example/moved", 301, "text/html", ""), entry("GET", "https://a.example/same", 304, "text/html", ""))
	expect(t, w, map[string]float64{"GET /": 0.667, "GET /moved": 0.167, "GET /same": 0.167})
	for _, r := range w.Requests {
		if r.Redirects != (r.Path == "/moved") {
			t.Errorf("%+v", r)
		}
	}
	if got := fmt.Sprint(w.Requests[0].Header); got != "[{cookie s=last}]" || !hasLeft(w, "1 request: the browser had the answer in its cache") {
		t.Errorf("%s, left out %+v", got, w.Left)
	}
	w.Carry([]bench.Field{{Name: "Cookie", Value: "s=mine"}, {Name: "Host", Value: "a.example"}})
	if got := fmt.Sprint(w.Requests[0].Header); got != "[{Cookie s=mine} {Host a.example}]" {
		t.Errorf("carried: %s", got)
	}
}
