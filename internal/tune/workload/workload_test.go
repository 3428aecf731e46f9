package workload

import (
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"girin/internal/bench"
	"girin/internal/control"
	"girin/internal/sched"
)

func write(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// shares are the requests by name.
func shares(w *Workload) map[string]float64 {
	got := map[string]float64{}
	for _, r := range w.Requests {
		got[r.Name()] = math.Round(1000*r.Share) / 1000
	}
	return got
}

func expect(t *testing.T, w *Workload, want map[string]float64) {
	t.Helper()
	if got := shares(w); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%s: got %v, want %v", w.Source, got, want)
	}
}

func TestFromURLs(t *testing.T) {
	path := write(t, "urls", "# a comment\n3=/hello?x=1\nhttp://elsewhere:9000/a\nAccept: text/html\n\n4=POST /form\nContent-Type: text/plain\n")
	w, err := FromURLs(path, URLs{AllMethods: false})
	if err != nil {
		t.Fatal(err)
	}
	expect(t, w, map[string]float64{"GET /hello?x=1": 0.75, "GET /a": 0.25})
	if len(w.Left) != 1 || !strings.Contains(w.Left[0].Why, "--all-methods") {
		t.Errorf("left out: %+v", w.Left)
	}
	targets := w.Targets("http://127.0.0.1:1")
	if targets[0].URL != "http://127.0.0.1:1/hello?x=1" || targets[0].Weight != 100 || targets[1].Weight != 33 || len(targets[1].Header) != 1 {
		t.Errorf("targets: %+v", targets)
	}
	all, err := FromURLs(path, URLs{AllMethods: true})
	if err != nil {
		t.Fatal(err)
	}
	expect(t, all, map[string]float64{"GET /hello?x=1": 0.375, "GET /a": 0.125, "POST /form": 0.5})
	if _, err := FromURLs("-", URLs{Stdin: strings.NewReader("DELETE /x\n")}); !errors.Is(err, ErrEmpty) || !strings.Contains(err.Error(), "DELETE /x: it may change data") {
		t.Errorf("nothing but a DELETE: %v", err)
	}
	if _, err := FromURLs("-", URLs{Stdin: strings.NewReader("Accept: x\n")}); err == nil || !strings.Contains(err.Error(), "line 1") {
		t.Errorf("a header below no URL: %v", err)
	}
}

// logOf are lines of the combined format.
func logOf(n int, at, request string, status int) string {
	return strings.Repeat(fmt.Sprintf("10.0.0.1 - - [%s +0000] \"%s HTTP/1.1\" %d 10 \"-\" \"-\"\n", at, request, status), n)
}

func TestFromAccessLog(t *testing.T) {
	text := logOf(60, "28/Nov/2026:12:00:01", "GET /", 200) + logOf(20, "28/Nov/2026:12:01:01", "GET /posts/1", 200) +
		logOf(10, "29/Nov/2026:12:00:01", "GET /posts/2", 200) + logOf(10, "29/Nov/2026:13:00:01", "POST /posts", 201) +
		logOf(7, "29/Nov/2026:13:00:01", "GET /wp-login.php", 404) + "what is this\n" + strings.Repeat("x", 3*longestLine) + "\n"
	var zipped strings.Builder
	z := gzip.NewWriter(&zipped)
	_, _ = z.Write([]byte(text))
	_ = z.Close()
	for _, path := range []string{write(t, "access.log", text), write(t, "access.log.gz", zipped.String())} {
		w, err := FromAccessLog(t.Context(), path, false)
		if err != nil {
			t.Fatal(err)
		}
		expect(t, w, map[string]float64{"GET /": 0.667, "GET /posts/1": 0.222, "GET /posts/2": 0.111})
		l := w.Log
		if l.Lines != 107 || l.Others != 2 || l.Hours[12] != 90 || l.Hours[13] != 17 || math.Abs(l.Peak-1) > 0.001 || math.Abs(l.Rates[12]-90./2/3600) > 1e-9 {
			t.Errorf("log: %+v", l)
		}
		if hour, rate := l.Busiest(); hour != 12 || rate != l.Rates[12] {
			t.Errorf("busiest: %d, %g", hour, rate)
		}
		if len(w.Left) != 2 {
			t.Errorf("left out: %+v", w.Left)
		}
	}
	if _, err := FromAccessLog(t.Context(), write(t, "x", "a\nb\n"), false); err == nil || !strings.Contains(err.Error(), "none of its 2 lines") {
		t.Errorf("no log: %v", err)
	}
	if _, err := FromAccessLog(t.Context(), write(t, "x", ""), false); err == nil || !strings.HasSuffix(err.Error(), ": it is empty") {
		t.Errorf("an empty log: %v", err)
	}
	if _, err := FromAccessLog(t.Context(), write(t, "x", logOf(3, "29/Nov/2026:13:00:01", "POST /a", 200)), false); !errors.Is(err, ErrEmpty) {
		t.Errorf("POST only: %v", err)
	}
}

// A log with more routes than are asked, each with more paths than are asked: the most frequent ones
// stand for them.
func TestFromALongLog(t *testing.T) {
	var b strings.Builder
	for route := range 80 {
		for id := range 9 {
			b.WriteString(logOf(1+90*(9-id)/(1+route), "29/Nov/2026:13:00:01", fmt.Sprintf("GET /route-%c%c/%d", 'a'+route%26, 'a'+route/26, id), 200))
		}
	}
	w, err := FromAccessLog(t.Context(), write(t, "x", b.String()), false)
	if err != nil {
		t.Fatal(err)
	}
	sum, perRouteSeen := 0.0, map[string]int{}
	for _, r := range w.Requests {
		sum += r.Share
		perRouteSeen[r.Route()]++
	}
	if len(w.Requests) != mostRequests || math.Abs(sum-1) > 1e-9 || perRouteSeen["GET /route-aa/*"] != perRoute {
		t.Errorf("%d requests, shares %g, %v", len(w.Requests), sum, perRouteSeen)
	}
	if !strings.Contains(fmt.Sprint(w.Left), "rarer requests") {
		t.Errorf("left out: %+v", w.Left)
	}
}

// However many routes and paths a log has, what is kept of them has bounds, and each route keeps one; it can be stopped.
func TestFromAnEndlessLog(t *testing.T) {
	counted := &tally{routes: map[string]*routeTally{}, minutes: map[int64]int64{}, days: map[int]map[string]bool{}, paths: mostPaths - 10}
	for route := range 100 {
		for query := range 30 {
			counted.add(logOf(1, "29/Nov/2026:13:00:01", fmt.Sprintf("GET /route-%c%c?q=%d", 'a'+route%26, 'a'+route/26, query), 200))
		}
	}
	kept := 0
	for name, r := range counted.routes {
		kept += len(r.examples)
		if list := r.requests(); len(list) == 0 || r.count != 30 {
			t.Errorf("%s: %d requests, count %d", name, len(list), r.count)
		}
	}
	if len(counted.routes) != 100 || kept > 110 {
		t.Errorf("%d routes, %d paths", len(counted.routes), kept)
	}
	ctx, stop := context.WithCancel(t.Context())
	stop()
	if _, err := FromAccessLog(ctx, write(t, "x", logOf(3, "29/Nov/2026:13:00:01", "GET /a", 200)), false); !errors.Is(err, context.Canceled) {
		t.Errorf("stopped: %v", err)
	}
}

const sampleHAR = `{"log": {"version": "1.2", "entries": [
 {"request": {"method": "GET", "url": "https://shop.example/cart?x=1", "headers": [
   {"name": ":authority", "value": "shop.example"}, {"name": "Cookie", "value": "session=1"}, {"name": "Host", "value": "shop.example"},
   {"name": "If-None-Match", "value": "x"}, {"name": "Accept", "value": "text/html"}]}, "response": {"status": 200}},
 {"request": {"method": "GET", "url": "https://shop.example/cart?x=1", "headers": []}, "response": {"status": 304}},
 {"request": {"method": "POST", "url": "https://shop.example/buy", "headers": [], "postData": {"text": "a=b"}}, "response": {"status": 302}},
 {"request": {"method": "GET", "url": "https://shop.example/gone", "headers": []}, "response": {"status": 404}},
 {"request": {"method": "GET", "url": "https://cdn.example/x.js", "headers": []}, "response": {"status": 200}},
 {"request": {"method": "GET", "url": "data:text/plain,x", "headers": []}, "response": {"status": 200}}]}}`

func TestFromHAR(t *testing.T) {
	path := write(t, "x.har", sampleHAR)
	w, err := FromHAR(path, true)
	if err != nil {
		t.Fatal(err)
	}
	expect(t, w, map[string]float64{"GET /cart?x=1": 0.667, "POST /buy": 0.333})
	want := []bench.Field{{Name: "Cookie", Value: "session=1"}, {Name: "Accept", Value: "text/html"}}
	if fmt.Sprint(w.Requests[0].Header) != fmt.Sprint(want) || string(w.Requests[1].Body) != "a=b" {
		t.Errorf("%+v", w.Requests)
	}
	if text, _ := json.Marshal(w); strings.Contains(string(text), "session") {
		t.Errorf("the result has the cookie: %s", text)
	}
	reading, err := FromHAR(path, false)
	if err != nil || len(reading.Requests) != 1 || len(reading.Left) != 3 {
		t.Errorf("%v: %+v", err, reading)
	}
	for _, text := range []string{"", "[]", `{"log": 1}`} {
		if _, err := FromHAR(write(t, "x", text), true); err == nil || !strings.Contains(err.Error(), "no HAR file") {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestFromStatus(t *testing.T) {
	s := control.Status{PID: 7, Sched: sched.Status{Routes: []sched.RouteStatus{
		{Name: "GET /", Count: 60}, {Name: "GET /a", Count: 20}, {Name: "GET /posts/*", Count: 15}, {Name: "404", Count: 4},
		{Name: "POST /a", Count: 5}, {Name: "GET /broken", Count: 5, Failed: 5},
	}}}
	w, err := FromStatus(s, false)
	if err != nil {
		t.Fatal(err)
	}
	expect(t, w, map[string]float64{"GET /": 0.75, "GET /a": 0.25})
	if len(w.Left) != 2 || !strings.HasPrefix(w.Left[0].What, "GET /posts/* (14 %") {
		t.Errorf("left out: %+v", w.Left)
	}
	if _, err := FromStatus(control.Status{PID: 7}, false); !errors.Is(err, ErrEmpty) {
		t.Errorf("nothing served: %v", err)
	}
}

func TestDrop(t *testing.T) {
	w := &Workload{Source: "urls", Requests: []Request{{Method: "GET", Path: "/a", Share: 0.5}, {Method: "GET", Path: "/b", Share: 0.5}}}
	if err := w.Drop([]string{"it answers 404", ""}); err != nil {
		t.Fatal(err)
	}
	expect(t, w, map[string]float64{"GET /b": 1})
	err := w.Drop([]string{"it answers 500"})
	if err == nil || !strings.Contains(err.Error(), "no request of it succeeds") || !strings.Contains(err.Error(), "GET /a: it answers 404") {
		t.Errorf("all dropped: %v", err)
	}
}

// What was asked for by GET once may do harm when it is asked for thousands of times; who names it in a file wants it.
func TestRiskyPaths(t *testing.T) {
	log := logOf(3, "29/Nov/2026:13:00:01", "GET /a", 200) + logOf(3, "29/Nov/2026:13:00:01", "GET /account/logout/?next=/", 200)
	har := `{"log": {"entries": [{"request": {"method": "GET", "url": "https://a.example/a"}, "response": {"status": 200}},
		{"request": {"method": "GET", "url": "https://a.example/posts/3/delete"}, "response": {"status": 200}},
		{"request": {"method": "GET", "url": "https://a.example/blocked"}, "response": {"status": 0}}]}}`
	for name, read := range map[string]func(all bool) (*Workload, error){
		"log": func(all bool) (*Workload, error) { return FromAccessLog(t.Context(), write(t, "x", log), all) },
		"har": func(all bool) (*Workload, error) { return FromHAR(write(t, "x", har), all) },
	} {
		for all, want := range map[bool]int{false: 1, true: 2} {
			if w, err := read(all); err != nil || len(w.Requests) != want || all != !strings.Contains(fmt.Sprint(w.Left), "by its name it may change something") {
				t.Errorf("%s, all methods %v: %v, %+v", name, all, err, w)
			}
		}
	}
	if w, err := FromURLs("-", URLs{Stdin: strings.NewReader("/logout\n")}); err != nil || len(w.Requests) != 1 {
		t.Errorf("a file: %v", err)
	}
}

// What redirects in the log belongs to the load; what does not, and redirects when it is asked, needs a login.
func TestRedirectsInALog(t *testing.T) {
	text := logOf(3, "29/Nov/2026:13:00:01", "GET /old", 301) + logOf(4, "29/Nov/2026:13:00:01", "GET /account", 200) + logOf(1, "29/Nov/2026:13:00:01", "GET /account", 302)
	w, err := FromAccessLog(t.Context(), write(t, "x", text), false)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range w.Requests {
		if r.Redirects != (r.Path == "/old") {
			t.Errorf("%+v", r)
		}
	}
}
