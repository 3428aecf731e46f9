package bench

import (
	"context"
	"strings"
	"testing"
	"time"
)

// What a mix does is hopeless if what its parts do alone breaks a clause in more of all requests than it allows, for certain.
func TestHopeless(t *testing.T) {
	quick, slow := resultOf(0, repeat(200, 5)...), resultOf(0, repeat(5, 500)...)
	for _, tt := range []struct {
		slo   string
		parts []Part
		want  string // empty: there is hope
	}{
		{"p99<200ms", []Part{{"GET /", 0.9, quick}, {"GET /slow", 0.1, slow}}, "GET /slow alone takes 500 ms, and its own p99 is 500 ms; it is 10 % of all requests"},
		{"p99<200ms", []Part{{"GET /slow", 1, slow}}, "GET /slow alone takes 500 ms, and its own p99 is 500 ms"},
		{"p99<=500ms", []Part{{"GET /slow", 1, slow}}, ""},
		{"p99<500ms", []Part{{"GET /slow", 1, slow}}, "GET /slow"},
		{"p99<200ms", []Part{{"GET /", 0.995, quick}, {"GET /slow", 0.005, slow}}, ""},
		{"p99<200ms", []Part{{"GET /", 0.99, quick}, {"GET /slow", 0.01, slow}}, ""}, // 5 of 5 show no more than 55 %
		{"p90<200ms", []Part{{"GET /", 0.95, quick}, {"GET /slow", 0.05, slow}}, ""},
		{"p99<200ms", []Part{{"GET /", 1, resultOf(0, append(repeat(150, 5), repeat(50, 500)...)...)}}, ""}, // now and then
		{"p50<200ms", []Part{{"GET /slow", 1, resultOf(0, 500, 500, 5)}}, ""},                               // two of three are chance
		{"errors<1%", []Part{{"GET /", 0.5, quick}, {"GET /flaky", 0.5, resultOf(20, repeat(80, 5)...)}}, "20 of 100 requests of GET /flaky failed"},
		{"errors<1%", []Part{{"GET /flaky", 1, resultOf(1, repeat(99, 5)...)}}, ""},
		{"errors<=0", []Part{{"GET /flaky", 1, resultOf(1, repeat(99, 5)...)}}, "1 of 100 requests of GET /flaky failed"},
		{"p99<200ms", []Part{{"GET /gone", 1, resultOf(9)}}, "9 of 9 requests of GET /gone failed"},
		{"p99<200ms", []Part{{"GET /flaky", 1, resultOf(50, repeat(50, 5)...)}}, "50 of 100 requests of GET /flaky failed"},
		{"p99<200ms", []Part{{"GET /none", 1, nil}}, ""},
		{"p10>1ms,rps>5,mean<1ms", []Part{{"GET /", 1, slow}}, ""},
	} {
		got := mustSLO(t, tt.slo).Hopeless(tt.parts)
		if (got == "") != (tt.want == "") || !strings.HasPrefix(got, tt.want) {
			t.Errorf("%s, %v: %q, want %q", tt.slo, tt.parts, got, tt.want)
		}
	}
}

// twoRoutes answers / in 2 ms and /slow in 300 ms, at any rate.
func twoRoutes(_ context.Context, o Options) (*Result, error) {
	var latencies []float64
	for range 400 {
		for _, target := range o.Targets {
			took := 2.0
			if strings.HasSuffix(target.URL, "/slow") {
				took = 300
			}
			latencies = append(latencies, repeat(max(target.Weight, 1), took)...)
		}
	}
	if o.Requests > 0 {
		latencies = latencies[:o.Requests]
	}
	res := resultOf(0, latencies...)
	for _, target := range o.Targets {
		res.Targets = append(res.Targets, TargetCount{Method: "GET", URL: target.URL})
	}
	res.Rate.Offered, res.Rate.Achieved = o.Rate.From, o.Rate.From
	return res, nil
}

// A rare route that breaks the SLO alone ends the search soon, and is named with its own p99; where the clause allows as many,
// it does not.
func TestFindRateNamesTheRouteThatBreaksIt(t *testing.T) {
	targets := []Target{{URL: "http://h/", Weight: 9}, {URL: "http://h/slow", Weight: 1}}
	search := RateSearch{Options: Options{Targets: targets, Duration: time.Second}, SLO: mustSLO(t, "p99<200ms"), Start: 1e5, run: twoRoutes}
	f, err := FindRate(t.Context(), search)
	if err != nil || !f.TooSlow || f.Verdict != Fails || len(f.Probes) > 8 || !strings.Contains(f.Sentence(), "GET http://h/slow alone takes 300 ms, and its own p99 is 300 ms; it is 10 % of all requests") {
		t.Errorf("%v, %d probes: %s", err, len(f.Probes), f.Sentence())
	}
	search.SLO, search.Max = mustSLO(t, "p85<200ms"), 2e5
	if f, err := FindRate(t.Context(), search); err != nil || f.TooSlow || f.Rate != 2e5 {
		t.Errorf("%v: %s", err, f.Sentence())
	}
}
