package bench

import (
	"fmt"
	"math"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// machine draws runs as they were seen on machines that do other work too.
type machine struct {
	noise float64 // of a run, as a factor
	level float64 // of a server: where its memory lies, what else ran at that hour
	drift float64 // how much of a run's noise is in the next one
	spike float64 // how often a run is disturbed, by up to a third
	fails float64 // share of requests that fail
}

func (m machine) runs(n int, slowdown float64, rnd *rand.Rand) []RunFigures {
	level, noise := math.Exp(m.level*rnd.NormFloat64()), 0.0
	out := make([]RunFigures, n)
	for i := range out {
		noise = m.drift*noise + math.Sqrt(1-m.drift*m.drift)*rnd.NormFloat64()
		factor := slowdown * level * math.Exp(m.noise*noise)
		if rnd.Float64() < m.spike {
			factor *= 1 + rnd.Float64()/3
		}
		failed := int64(0)
		for range 2000 {
			if rnd.Float64() < m.fails {
				failed++
			}
		}
		out[i] = RunFigures{DurationS: 10, Done: 2000, Failed: failed, Rate: 1000 / factor,
			P50MS: 5 * factor * math.Exp(m.noise*rnd.NormFloat64()/2), P99MS: 20 * factor * math.Exp(3*m.noise*rnd.NormFloat64())}
	}
	return out
}

var machines = map[string]machine{
	"quiet":      {noise: 0.005},
	"noisy":      {noise: 0.04},
	"levels":     {noise: 0.02, level: 0.015},
	"drifting":   {noise: 0.03, drift: 0.5},
	"disturbed":  {noise: 0.02, spike: 0.1},
	"some fails": {noise: 0.02, fails: 0.01},
}

// Twelve servers that are the same, each against each: at most 5 % of the verdicts may say otherwise.
func TestSameServersAreNotToldApart(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for name, m := range machines {
		for _, n := range []int{3, 5, 10} {
			wrong, pairs := 0, 0
			for range 20 {
				var servers [12][]RunFigures
				for i := range servers {
					servers[i] = m.runs(n, 1, rnd)
				}
				for i := range servers {
					for k := range i {
						pairs++
						if v := compare(servers[k], servers[i], DefaultMargin).Verdict; v == Worse || v == Better {
							wrong++
						}
					}
				}
			}
			if share := float64(wrong) / float64(pairs); share > 0.05 {
				t.Errorf("%s, %d runs: %.1f %% of %d pairs are told apart", name, n, 100*share, pairs)
			}
		}
	}
}

// What does differ is found.
func TestDifferentServersAreToldApart(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 4))
	for _, tt := range []struct {
		machine  string
		runs     int
		slowdown float64
		want     Verdict
	}{
		{"quiet", 3, 1.1, Worse}, {"quiet", 3, 1 / 1.1, Better}, {"noisy", 5, 1.3, Worse}, {"noisy", 10, 1 / 1.3, Better},
		{"levels", 5, 1.2, Worse}, {"disturbed", 10, 1.3, Worse}, {"quiet", 10, 1, Same},
	} {
		m, right := machines[tt.machine], 0
		for range 200 {
			if compare(m.runs(tt.runs, 1, rnd), m.runs(tt.runs, tt.slowdown, rnd), DefaultMargin).Verdict == tt.want {
				right++
			}
		}
		if right < 160 {
			t.Errorf("%s, %d runs, %g times: %s in %d of 200", tt.machine, tt.runs, tt.slowdown, tt.want, right)
		}
	}
}

func TestErrorsAgainst(t *testing.T) {
	with := func(failed ...int64) (runs []RunFigures) {
		for _, f := range failed {
			p99 := 20.0
			if f > 10 {
				p99 = beyondAll
			}
			runs = append(runs, RunFigures{Done: 1000, Failed: f, Rate: 100, P50MS: 5, P99MS: p99})
		}
		return runs
	}
	for _, tt := range []struct {
		old, now    []RunFigures
		want, of99  Verdict
		whole, name string
	}{
		{with(0, 0, 0), with(0, 0, 0), Same, Same, "same", "none"},
		{with(0, 0, 0), with(100, 90, 110), Worse, Worse, "worse", "new failures"},
		{with(100, 90, 110), with(0, 0, 0), Better, Better, "better", "failures gone"},
		{with(0, 0, 0), with(1, 0, 1), Undecided, Same, "undecided", "a few"},
		{with(100, 90, 110), with(100, 90, 105), Undecided, Undecided, "undecided", "the same failures"},
	} {
		a := compare(tt.old, tt.now, DefaultMargin)
		if a.Figures[3].Verdict != tt.want || a.Figures[2].Verdict != tt.of99 || string(a.Verdict) != tt.whole {
			t.Errorf("%s: %s: %+v", tt.name, a.Verdict, a.Figures)
		}
	}
	if a := compare(with(0), with(0, 0, 0, 0), DefaultMargin); a.Verdict != Undecided || !strings.Contains(a.Reason, "--runs") {
		t.Errorf("one run: %+v", a)
	}
}

// Where other programs used the cores before most runs of a side, a change that they may have made is none of the server's.
func TestAgainstAmongOthers(t *testing.T) {
	runs := func(rate float64, others ...float64) (out []RunFigures) {
		for i, o := range others {
			r := rate + float64(i)
			out = append(out, RunFigures{Done: 1000, Rate: r, P50MS: 1000 / r, P99MS: 2000 / r, OthersCPU: o})
		}
		return out
	}
	for _, tt := range []struct {
		name     string
		old, now []RunFigures
		want     Verdict
	}{
		{"quiet", runs(600, 0, 0, 0), runs(450, 0, 0, 0), Worse},
		{"one look in three", runs(600, 0, 0, 0), runs(450, 0, 0.5, 0), Worse},
		{"crowded here", runs(600, 0, 0, 0), runs(450, 0, 0.5, 1.9), Undecided},
		{"crowded there", runs(450, 1.9, 1.9, 1.9), runs(600, 0, 0, 0), Undecided},
		{"alike", runs(600, 1.9, 1.9, 1.9), runs(600, 1.9, 1.9, 1.9), Undecided},
		{"a third of it", runs(600, 1.9, 1.9, 1.9), runs(200, 1.9, 1.9, 1.9), Worse},
	} {
		a := compare(tt.old, tt.now, DefaultMargin)
		if a.Verdict != tt.want || tt.want == Undecided && !strings.Contains(a.Figures[0].Reason, "other programs used up to 1.9 cores") {
			t.Errorf("%s: %s %+v", tt.name, a.Verdict, a.Figures)
		}
	}
}

// Real servers of known speed: the same, four times as slow and five times as quick, which other programs do not hide, and one
// that fails. They are slow enough to differ by more than a busy machine makes of them.
func TestAgainstRealServers(t *testing.T) {
	t.Parallel()
	serverOf := func(delay time.Duration, failEach int64) *httptest.Server {
		var n atomic.Int64
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			time.Sleep(delay) // the latency under test
			if failEach > 0 && n.Add(1)%failEach == 0 {
				w.WriteHeader(http.StatusServiceUnavailable)
			}
		}))
		t.Cleanup(s.Close)
		return s
	}
	runs := func(s *httptest.Server) *Result {
		res, err := RunTimes(t.Context(), Options{Targets: []Target{{URL: s.URL + "/x"}}, Requests: 100, Clients: 10}, 4)
		if err != nil {
			t.Fatal(err)
		}
		return res
	}
	for _, tt := range []struct {
		name     string
		delay    time.Duration
		failEach int64
		possible []Verdict
	}{
		{"the same", 100 * time.Millisecond, 0, []Verdict{Same, Undecided}},
		{"slower", 400 * time.Millisecond, 0, []Verdict{Worse}},
		{"faster", 20 * time.Millisecond, 0, []Verdict{Better}},
		{"failing", 100 * time.Millisecond, 10, []Verdict{Worse}},
	} {
		undisturbed(t, func() error {
			g := Guard{Baseline: []*Result{runs(serverOf(100*time.Millisecond, 0))}, BaselineName: "b", Margin: DefaultMargin}
			now := runs(serverOf(tt.delay, tt.failEach))
			if err := g.CheckResult(now); err != nil {
				t.Errorf("%s: %v", tt.name, err)
			}
			g.Judge(now)
			v := now.Against.Verdict
			if now.Verdict() == Holds && v == Worse {
				t.Errorf("%s: a worse server holds", tt.name)
			}
			if !slices.Contains(tt.possible, v) {
				return fmt.Errorf("%s: %s %+v", tt.name, v, now.Against.Figures)
			}
			return nil
		})
	}
}

func TestOtherLoadsAreRefused(t *testing.T) {
	url := serve(t, always(okResponse))
	load := func(change func(*Options)) Options {
		o := Options{Targets: []Target{{URL: url + "/a?b", Body: []byte("one")}}, Requests: 10, Clients: 2}
		change(&o)
		return o
	}
	g := Guard{Baseline: []*Result{mustRun(t, "", load(func(*Options) {}))}}
	for name, change := range map[string]func(*Options){
		"":              func(*Options) {},
		"GET /a?b":      func(o *Options) { o.Targets[0].Method = "GET" },
		"POST /other":   func(o *Options) { o.Targets[0].URL = url + "/other" },
		"the body":      func(o *Options) { o.Targets[0].Body = []byte("two") },
		"clients":       func(o *Options) { o.Clients = 3 },
		"keep-alive":    func(o *Options) { o.NoKeepAlive = true },
		"rate":          func(o *Options) { o.Rate = RateCurve{5, 5} },
		"HTTP/2":        func(o *Options) { o.HTTP2 = true },
		"POST /a?b, 1=": func(o *Options) { o.Targets = append(o.Targets, Target{URL: url}) },
	} {
		err := g.Check(load(change))
		if (err == nil) != (name == "") || err != nil && name != "rate" && !strings.Contains(err.Error(), name) {
			t.Errorf("%q: %v", name, err)
		}
	}
	if err := g.Check(load(func(o *Options) { o.Targets[0].URL = "http://127.0.0.1:1/a?b"; o.Requests, o.Seed = 20, 4 })); err != nil {
		t.Errorf("another server, length and seed: %v", err)
	}
}

// Several runs are one result, of which every figure is that of all requests.
func TestRunsAreMerged(t *testing.T) {
	for _, maxSamples := range []int{0, 600} {
		var served atomic.Int64
		url := serve(t, func(p *peer) {
			for p.request() != nil {
				if served.Add(1)%10 == 0 {
					p.send("HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n")
				} else {
					p.send(okResponse)
				}
			}
		})
		o := Options{Targets: []Target{{URL: url}}, Requests: 500, Clients: 2, MaxSamples: maxSamples, Warmup: 50 * time.Millisecond}
		res, err := RunTimes(t.Context(), o, 3)
		if err != nil {
			t.Fatal(err)
		}
		if served.Load() <= 1500 {
			t.Errorf("no warm-up: %d served", served.Load())
		}
		n := res.Requests
		if n.Done != 1500 || n.Failed < 140 || n.Failed > 160 || res.Latency.Count != n.OK || len(res.Runs) != 3 || len(res.Intervals) != 6 {
			t.Errorf("%d samples: %+v, %d latencies, %d runs", maxSamples, n, res.Latency.Count, len(res.Runs))
		}
		if res.Statuses[200]+res.Statuses[503] != 1500 || res.Targets[0].OK != n.OK || (maxSamples == 0) != (len(res.samples) == 1500) {
			t.Errorf("%d samples: %v %+v", len(res.samples), res.Statuses, res.Targets)
		}
		for _, v := range res.Intervals {
			if v.Low > v.Mean || v.Mean > v.High || v.Min > v.Mean || v.Max < v.Mean {
				t.Errorf("%+v", v)
			}
		}
		last := int64(0)
		for _, s := range res.samples {
			if s.done < last {
				t.Fatalf("%d samples: stamps go back from %d to %d", maxSamples, last, s.done)
			}
			last = s.done
		}
	}
}

// The interval covers the truth as often as it says.
func TestIntervalsCover(t *testing.T) {
	rnd := rand.New(rand.NewPCG(5, 6))
	covered := 0
	for range 1000 {
		runs := make([]RunFigures, 5)
		for i := range runs {
			runs[i].Rate = 1000 + 30*rnd.NormFloat64()
		}
		if v := intervals(runs)[0]; v.Low <= 1000 && 1000 <= v.High {
			covered++
		}
	}
	if covered < 930 || covered > 970 {
		t.Errorf("%d of 1000 intervals cover the mean, want 950", covered)
	}
}
