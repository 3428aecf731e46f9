package scrape_test

import (
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"girin/internal/metrics"
	"girin/internal/metrics/scrape"
)

// routes are two that are known, one of which has a name that no label can have.
func routes() ([]metrics.Route, metrics.Sums) {
	return []metrics.Route{
		{Name: "GET /a", Sums: metrics.Sums{Requests: 7, Failed: 2, Service: 1500 * time.Millisecond, Queue: 250 * time.Millisecond}},
		{Name: "GET /\"\xff\n", Sums: metrics.Sums{Requests: 1}},
	}, metrics.Sums{Requests: 3}
}

func TestScrape(t *testing.T) {
	s := new(metrics.Server)
	s.Answered(204, 0)
	s.Answered(503, 40)
	s.Began(3 * time.Millisecond)
	s.Served(2 * time.Minute)
	s.Ended(metrics.Killed)
	s.Decided()
	handler := scrape.Handler(scrape.Config{Version: "9.9", Server: s, Routes: routes, Gauges: func() scrape.Gauges {
		return scrape.Gauges{Class: "auto", InFlight: 5, Running: 3, Connections: 7, Workers: 2, Serving: 1, StandingBy: 1, Slots: 4, Computing: 2,
			Sidecars: []scrape.Sidecar{{Name: "celery", Up: true, Starts: 2}, {Name: "beat", Starts: 5}}}
	}})
	answer := httptest.NewRecorder()
	handler.ServeHTTP(answer, httptest.NewRequest("GET", "/metrics", nil))
	if answer.Code != 200 || !strings.HasPrefix(answer.Header().Get("Content-Type"), "text/plain; version=0.0.4") {
		t.Fatalf("%d, %s", answer.Code, answer.Header().Get("Content-Type"))
	}
	got := "\n" + answer.Body.String()
	for _, line := range []string{
		`girin_info{class="auto",version="9.9"} 1`,
		`girin_workers_by_state{state="draining"} 0`,
		`girin_workers_by_state{state="serving"} 1`,
		`girin_workers_by_state{state="standby"} 1`,
		`girin_route_requests_total{route="GET /a"} 7`,
		`girin_route_failed_total{route="GET /a"} 2`,
		`girin_route_service_seconds_total{route="GET /a"} 1.5`,
		`girin_route_queue_seconds_total{route="GET /a"} 0.25`,
		`girin_route_requests_total{route="other"} 3`,
		`girin_route_requests_total{route="GET /\"?\n"} 1`,
		`girin_responses_total{status="2xx"} 1`,
		`girin_responses_total{status="5xx"} 1`,
		`girin_responses_total{status="none"} 0`,
		`girin_response_body_bytes_total 40`,
		`girin_requests_in_flight 5`,
		`girin_requests_queued 2`,
		`girin_request_queue_seconds_bucket{le="0.0025"} 0`,
		`girin_request_queue_seconds_bucket{le="0.005"} 1`,
		`girin_request_service_seconds_bucket{le="60"} 0`,
		`girin_request_service_seconds_bucket{le="+Inf"} 1`,
		`girin_request_service_seconds_sum 120`,
		`girin_workers_ended_total{how="killed"} 1`,
		`girin_decisions_total 1`,
		`girin_requests_computing 2`,
		`girin_sidecar_up{sidecar="celery"} 1`,
		`girin_sidecar_up{sidecar="beat"} 0`,
		`girin_sidecar_starts_total{sidecar="beat"} 5`,
		`go_goroutines `,
	} {
		if !strings.Contains(got, "\n"+line) {
			t.Errorf("%s is missing in%s", line, got)
		}
	}
}

// The document lists each metric and no other.
func TestTheDocumentListsTheMetrics(t *testing.T) {
	text, err := os.ReadFile("../../../docs/METRICS.md")
	if err != nil {
		t.Fatal(err)
	}
	documented := map[string]bool{}
	for _, row := range regexp.MustCompile("(?m)^\\| `(girin_[a-z_]+)`").FindAllStringSubmatch(string(text), -1) {
		documented[row[1]] = true
	}
	one := map[string]int64{"one": 1}
	handler := scrape.Handler(scrape.Config{Server: new(metrics.Server), Routes: routes, Gauges: func() scrape.Gauges {
		return scrape.Gauges{Sidecars: []scrape.Sidecar{{Name: "celery"}}, Jobs: &scrape.Jobs{Attempts: one, Ended: one, Callbacks: one, Placed: one, Local: one, Trips: new(metrics.Durations).Snapshot()}}
	}})
	answer := httptest.NewRecorder()
	handler.ServeHTTP(answer, httptest.NewRequest("GET", "/metrics", nil))
	for _, line := range regexp.MustCompile(`(?m)^# TYPE (girin_[a-z_]+) `).FindAllStringSubmatch(answer.Body.String(), -1) {
		if !documented[line[1]] {
			t.Errorf("%s is not in docs/METRICS.md", line[1])
		}
		delete(documented, line[1])
	}
	for name := range documented {
		t.Errorf("%s is in docs/METRICS.md, and nowhere else", name)
	}
}

func TestNothingElseIsThere(t *testing.T) {
	handler := scrape.Handler(scrape.Config{Server: new(metrics.Server), Routes: routes, Gauges: func() scrape.Gauges { return scrape.Gauges{} }})
	for target, want := range map[string]int{"/": 404, "/metrics/x": 404} {
		answer := httptest.NewRecorder()
		handler.ServeHTTP(answer, httptest.NewRequest("GET", target, nil))
		if answer.Code != want {
			t.Errorf("%s: %d", target, answer.Code)
		}
	}
	answer := httptest.NewRecorder()
	if handler.ServeHTTP(answer, httptest.NewRequest("POST", "/metrics", nil)); answer.Code != 405 {
		t.Errorf("POST: %d", answer.Code)
	}
}
