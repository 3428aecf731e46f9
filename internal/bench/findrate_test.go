package bench

import (
	"context"
	"math"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

func mustSLO(t *testing.T, text string) SLOSpec {
	spec, err := ParseSLO(text)
	if err != nil {
		t.Fatal(err)
	}
	return spec
}

// oneAtATime is a run against a server that takes 5 ms for a request and serves one after the other: 200 a second. Each
// twentieth run is disturbed.
func oneAtATime(runs *int) func(context.Context, Options) (*Result, error) {
	return func(_ context.Context, o Options) (*Result, error) {
		*runs++
		if o.Requests == 1 {
			return resultOf(0, 5), nil
		}
		if !o.Rate.open() {
			return resultOf(0, repeat(int(200*o.Duration.Seconds())*10, 5)...), nil // resultOf says that it took 10 s
		}
		var latencies, dues []float64 // of successes
		var failed int64
		free := 0.0
		arrivals := newSchedule(o)
		c := cursor{arrivals, arrivals.first}
		for i := int64(0); ; i++ {
			at, ok := c.at(i)
			if !ok {
				break
			}
			due := ms(int64(at))
			free = max(free, due) + 5
			if *runs%20 == 0 {
				free += 5
			}
			if free-due > ms(int64(o.Timeout)) {
				failed++
			} else {
				latencies, dues = append(latencies, free-due), append(dues, due)
			}
		}
		return scheduled(o, failed, dues, latencies, free), nil
	}
}

// scheduled is the result of an open loop whose successes were due and answered so, in ms, the last one when it ended.
func scheduled(o Options, failed int64, dues, latencies []float64, ended float64) *Result {
	res := resultOf(failed, latencies...)
	res.Rate.Offered, res.Rate.Achieved = o.Rate.From, o.Rate.From
	for i, due := range dues {
		res.samples[i].scheduled, res.samples[i].done = int64(due*1e6), int64((due+latencies[i])*1e6)
	}
	res.Schedule = &Schedule{Growth: res.growth()}
	res.DurationS = ended / 1000
	res.Rate.OK = float64(len(latencies)) / res.DurationS
	return res
}

// The server's capacity is known: with equal gaps it is the highest rate, with random ones requests queue before, and a tenth
// wait for 60 ms at about 190 a second (M/D/1).
func TestFindRate(t *testing.T) {
	for _, tt := range []struct {
		start     float64
		poisson   bool
		low, high float64
	}{{0, false, 190, 205}, {20, false, 190, 205}, {5000, false, 190, 205}, {0, true, 165, 205}, {20, true, 165, 205}} {
		runs := 0
		f, err := FindRate(t.Context(), RateSearch{Options: Options{Targets: []Target{{URL: "http://h/"}}, Poisson: tt.poisson, Duration: 10 * time.Second},
			SLO: mustSLO(t, "p90<60ms,errors<1%"), Start: tt.start, run: oneAtATime(&runs)})
		if err != nil {
			t.Fatal(err)
		}
		if f.Rate < tt.low || f.Rate > tt.high || f.FailsAt <= f.Rate || f.FailsAt > 1.2*f.Rate || f.Verdict != Holds || len(f.Probes) > 25 {
			t.Errorf("%+v: %s", tt, f.Sentence())
			for _, p := range f.Probes {
				t.Log(p.Line())
			}
		}
		last := f.Probes[len(f.Probes)-1]
		if !last.Confirms || !last.Held || last.Rate != f.Rate {
			t.Errorf("%+v: the last probe is %+v", tt, last)
		}
	}
}

// With a floor, the server of 200 a second is told from one of interest by what fails there; without the confirmation, and with
// small steps from a rate that is nearly right, the answer takes few probes.
func TestFindRateInAHurry(t *testing.T) {
	for _, tt := range []struct {
		start, floor float64
		low, high    float64
		most         int
	}{{300, 260, 0, 0, 4}, {180, 100, 180, 205, 4}, {210, 100, 180, 205, 4}, {400, 150, 170, 205, 8}} {
		runs := 0
		f, err := FindRate(t.Context(), RateSearch{Options: Options{Targets: []Target{{URL: "http://h/"}}, Duration: 10 * time.Second},
			SLO: mustSLO(t, "p90<60ms,errors<1%"), Start: tt.start, Floor: tt.floor, Step: 1.15, Precision: 0.2, Once: true, run: oneAtATime(&runs)})
		if err != nil {
			t.Fatal(err)
		}
		if f.Rate < tt.low || f.Rate > tt.high || len(f.Probes) > tt.most || (f.Rate == 0) != (f.Verdict == Fails) {
			t.Errorf("%+v: %s", tt, f.Sentence())
			for _, p := range f.Probes {
				t.Log(p.Line())
			}
		}
		for _, p := range f.Probes {
			if p.Confirms || p.Rate < tt.floor {
				t.Errorf("%+v: a probe that nobody wanted: %s", tt, p.Line())
			}
		}
	}
}

// From a rate that is far too low or far too high, small steps become large ones.
func TestFindRateFromFarAway(t *testing.T) {
	for start, most := range map[float64]int{2: 20, 20: 16, 4000: 12} {
		runs := 0
		f, err := FindRate(t.Context(), RateSearch{Options: Options{Targets: []Target{{URL: "http://h/"}}, Duration: 4 * time.Second},
			SLO: mustSLO(t, "p99<200ms"), Start: start, Step: 1.1, Precision: 0.04, Once: true, Longest: 1, run: oneAtATime(&runs)})
		if err != nil || f.Rate < 180 || f.Rate > 220 || len(f.Probes) > most {
			t.Errorf("from %g in %d probes: %v, %s", start, len(f.Probes), err, f.Sentence())
			for _, p := range f.Probes {
				t.Log(p.Line())
			}
		}
	}
}

// Half a second is too short for a queue to outgrow 200 ms, unless it is asked for 1.4 times what it can do: that the wait
// grows shows it.
func TestFindRateWithShortProbes(t *testing.T) {
	for _, poisson := range []bool{false, true} {
		mean := 0.0
		for seed := range uint64(10) {
			runs := 0
			f, err := FindRate(t.Context(), RateSearch{Options: Options{Targets: []Target{{URL: "http://h/"}}, Poisson: poisson, Duration: 2 * time.Second, Seed: 100 * seed},
				SLO: mustSLO(t, "p99<800ms,errors<1%"), Start: 50, Once: true, Longest: 1, run: oneAtATime(&runs)})
			if err != nil {
				t.Fatal(err)
			}
			mean += f.Rate / 10
			if f.Rate < 150 || f.Rate > 260 {
				t.Errorf("poisson %t, seed %d: %s", poisson, seed, f.Sentence())
				for _, p := range f.Probes {
					t.Log(p.Line())
				}
			}
		}
		if mean < 180 || mean > 240 { // 200; by latency alone, 271 and 284
			t.Errorf("poisson %t: %.0f on average", poisson, mean)
		}
	}
}

// Neither a stall nor a run whose end has more of the slow requests is a queue that grows; a queue is, behind slow ones too.
func TestGrowthOfTheWait(t *testing.T) {
	run := func(latency func(i int) float64) *Result {
		res := &Result{Load: Load{Mode: "open"}, Schedule: &Schedule{}}
		for i := range 1000 { // one each millisecond
			due := int64(i) * 1e6
			res.samples = append(res.samples, sample{scheduled: due, done: due + int64(1e6*latency(i))})
		}
		res.Requests.Done = 1000
		res.Schedule.Growth = res.growth()
		return res
	}
	mixed := func(i int) float64 { return []float64{1, 1, 1, 50, 80}[i%5] }
	for name, tt := range map[string]struct {
		res  *Result
		want float64
	}{
		"steady":                {run(mixed), 0},
		"queue":                 {run(func(i int) float64 { return 1 + 0.2*float64(i) }), 0.2},
		"queue behind a mix":    {run(func(i int) float64 { return mixed(i) + 0.3*float64(i) }), 0.3},
		"a queue that shrinks":  {run(func(i int) float64 { return 300 - 0.3*float64(i) }), 0},
		"stall of 100 ms":       {run(func(i int) float64 { return max(1, float64(100-(i-800)))*float64(max(0, min(1, i-799))) + 1 }), 0},
		"slow ones at the end":  {run(func(i int) float64 { return []float64{1, 1, 1, 80}[i%4] + 80*float64(max(0, i%2*(i-900))/100) }), 0},
		"only failures are few": {&Result{Schedule: &Schedule{}}, 0},
	} {
		if got := tt.res.Schedule.Growth; math.Abs(got-tt.want) > 0.03 {
			t.Errorf("%s: %.3f, want %.3f", name, got, tt.want)
		}
		if got := tt.res.growing(defaultPrecision); got != (tt.want > 0) {
			t.Errorf("%s: growing is %t", name, got)
		}
	}
	// of several runs the most counts, beside what chance makes in one of them
	several := &Result{Schedule: &Schedule{Growth: 0.08}, Requests: Requests{Done: 4000}, Runs: make([]RunFigures, 10)}
	if several.growing(defaultPrecision) {
		t.Error("what chance makes in one of ten runs is taken for growth")
	}
	// 240 requests a second where 200 can be done, for two seconds
	runs := 0
	res, _ := oneAtATime(&runs)(t.Context(), Options{Rate: RateCurve{240, 240}, Duration: 2 * time.Second, Timeout: time.Minute})
	if g := res.Schedule.Growth; math.Abs(g-0.2) > 0.02 {
		t.Errorf("growth %.3f, want 0.2", g)
	}
	res.Latency.Count, res.Load.Clients = 1, 1
	if res.doubt(); !slices.ContainsFunc(res.Doubts, func(d Doubt) bool { return d.Code == "growing" }) {
		t.Errorf("no doubt: %v", res.Doubts)
	}
	res.Schedule.Backlog.Count, res.Schedule.Connections, res.Load.MaxClients = 9, 2, 2
	if why := res.notKeptUp(); !strings.Contains(why, "or not over the 2 connections that -c allows") {
		t.Error(why) // the server is not blamed for what the client does
	}
}

// A real server, of 50 requests a second.
func TestFindRateOfARealServer(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		time.Sleep(20 * time.Millisecond) // the capacity under test
	}))
	defer s.Close()
	f, err := FindRate(t.Context(), RateSearch{Options: Options{Targets: []Target{{URL: s.URL}}, Duration: time.Second},
		SLO: mustSLO(t, "p50<300ms"), Start: 25, Precision: 0.5})
	if err != nil || f.Rate < 12 || f.Rate > 75 || f.FailsAt <= f.Rate {
		t.Errorf("%v: %s", err, f.Sentence())
		for _, p := range f.Probes {
			t.Log(p.Line())
		}
	}
}

func TestFindRateWhereThereIsNone(t *testing.T) {
	t.Parallel()
	slow := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { time.Sleep(30 * time.Millisecond) }))
	defer slow.Close()
	o := Options{Targets: []Target{{URL: slow.URL}}, Duration: 100 * time.Millisecond}
	f, err := FindRate(t.Context(), RateSearch{Options: o, SLO: mustSLO(t, "p50<5ms"), Start: 10})
	if err != nil || f.Verdict != Fails || f.Rate != 0 || len(f.Probes) != 1 || !strings.Contains(f.Sentence(), "even a single request") {
		t.Errorf("%v %+v", err, f)
	}
	f, err = FindRate(t.Context(), RateSearch{Options: o, SLO: mustSLO(t, "p50<5s"), Start: 10, Max: 40})
	if err != nil || f.Rate != 40 || f.FailsAt != 0 || !strings.Contains(f.Sentence(), "highest rate that was to be tried") {
		t.Errorf("%v %+v", err, f)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	f, err = FindRate(ctx, RateSearch{Options: o, SLO: mustSLO(t, "p50<5s"), Start: 10, Progress: func(RateProbe) { cancel() }})
	if err != nil || f.Verdict != Undecided || f.Rate != 10 || len(f.Probes) != 1 || !strings.Contains(f.Sentence(), "ended early") {
		t.Errorf("%v %+v", err, f)
	}
	failing := serve(t, always("HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n"))
	if _, err := FindRate(t.Context(), RateSearch{Options: Options{Targets: []Target{{URL: failing}}, Duration: 100 * time.Millisecond},
		SLO: mustSLO(t, "p50<5s")}); err == nil || !strings.Contains(err.Error(), "503") {
		t.Errorf("a failing server: %v", err)
	}
	if _, err := FindRate(t.Context(), RateSearch{Options: o}); err == nil {
		t.Error("no SLO, and no error")
	}
}

// Where the client could not send more, nobody knows what the server would have held.
func TestARateThatTheClientHasMissedIsUndecided(t *testing.T) {
	for busy, want := range map[bool]Verdict{false: Holds, true: Undecided} {
		runs := 0
		server := oneAtATime(&runs)
		f, err := FindRate(t.Context(), RateSearch{Options: Options{Targets: []Target{{URL: "http://h/"}}, Duration: 10 * time.Second},
			SLO: mustSLO(t, "p90<60ms"), Start: 20, run: func(ctx context.Context, o Options) (*Result, error) {
				res, err := server(ctx, o)
				if err == nil && o.Rate.From > 190 {
					res.Client.Bottleneck = busy
				}
				return res, err
			}})
		if err != nil || f.Verdict != want || f.Rate < 150 || strings.Contains(f.Sentence(), "the client was the bottleneck") != busy {
			t.Errorf("busy %t: %v, %v: %s", busy, err, f.Verdict, f.Sentence())
		}
	}
}

// A server that was asked for too much may have no room for those who connect: it is waited for, and the search goes on.
func TestASearchOutlivesAFullBacklog(t *testing.T) {
	runs, full := 0, 0
	server := oneAtATime(&runs)
	f, err := FindRate(t.Context(), RateSearch{Options: Options{Targets: []Target{{URL: "http://h/"}}, Duration: 10 * time.Second},
		SLO: mustSLO(t, "p90<60ms,errors<1%"), Start: 150, run: func(c context.Context, o Options) (*Result, error) {
			if o.Rate.From > 250 && full == 0 {
				full = 1 // the one after it finds the queue full
			} else if o.Rate.From > 0 && full == 1 {
				full = 2
				return nil, &net.OpError{Op: "dial", Net: "tcp", Err: os.ErrDeadlineExceeded}
			}
			return server(c, o)
		}})
	if err != nil || full != 2 || f.Rate < 190 || f.Rate > 205 || f.Verdict != Holds {
		t.Errorf("%v: %+v", err, f)
	}
}

// Who stops a search is told what has held so far.
func TestAStoppedSearchKeepsWhatHeld(t *testing.T) {
	runs := 0
	ctx, cancel := context.WithCancel(t.Context())
	server := oneAtATime(&runs)
	f, err := FindRate(ctx, RateSearch{Options: Options{Targets: []Target{{URL: "http://h/"}}, Duration: 10 * time.Second},
		SLO: mustSLO(t, "p90<60ms"), Start: 20, run: func(c context.Context, o Options) (*Result, error) {
			if o.Rate.From > 100 {
				cancel()
			}
			return server(c, o)
		}})
	if err != nil || f.Rate != 80 || f.Verdict != Undecided || !strings.Contains(f.Sentence(), "has held at 80.0 requests per second; ") || !strings.Contains(f.Sentence(), "interrupted") {
		t.Errorf("%v: %+v", err, f)
	}
}
