package bench

import (
	"strings"
	"testing"
	"time"
)

// runOf is a closed loop of one client whose requests take so many milliseconds, one after the other.
func runOf(latencies ...int64) *Result {
	res := &Result{Load: Load{Mode: "closed", Clients: 1}, Samples: Samples{Complete: true}}
	var now int64
	for _, l := range latencies {
		s := sample{scheduled: now, sent: now, done: now + l*int64(time.Millisecond)}
		now = s.done
		res.samples = append(res.samples, s)
	}
	res.DurationS = float64(now) / 1e9
	res.describeSamples(res.samples, nil)
	return res
}

// failing is the same of requests that all fail.
func failing(latencies ...int64) *Result {
	res := runOf(latencies...)
	for i := range res.samples {
		res.samples[i].kind = ErrStatus
	}
	res.describeSamples(res.samples, nil)
	return res
}

// shift has samples come so many milliseconds later.
func shift(samples []sample, by int64) {
	for i := range samples {
		s := &samples[i]
		s.scheduled, s.sent, s.done = s.scheduled+by*1e6, s.sent+by*1e6, s.done+by*1e6
	}
}

func times(n int, latency int64) (all []int64) {
	for range n {
		all = append(all, latency)
	}
	return all
}

// 2,250 answers of 2 ms and one of 500 ms: their p99 is 2 ms, and a tenth of the time is lost. Of those who come at times of
// their own, one of a hundred waits 450 ms or more: (500 - x) / 5,000 = 1 %.
func TestStandstill(t *testing.T) {
	res := runOf(append(times(2250, 2), 500)...)
	if s := res.stoodStill(); s.p99 != 450*time.Millisecond || s.total != 500*time.Millisecond || s.longest != 500*time.Millisecond {
		t.Errorf("%+v", s)
	}
	if d := doubtStandstill(res); len(d) != 1 || !strings.Contains(d[0].Text, "No answer came for 500 ms in all, up to 500 ms at a time") || !strings.Contains(d[0].Text, "a p99 of 450 ms") {
		t.Errorf("%v", d)
	}
	for name, quiet := range map[string]*Result{
		"steady":                     runOf(times(2000, 2)...),
		"the percentile shows it":    runOf(append(times(200, 2), times(20, 500)...)...),
		"too short to matter":        runOf(append(times(2250, 2), 40)...),
		"a few":                      runOf(1, 2, 300),
		"an open loop, which met it": func() *Result { r := runOf(append(times(2250, 2), 500)...); r.Load.Mode = "open"; return r }(),
		"clients that come and go":   func() *Result { r := runOf(append(times(2250, 2), 500)...); r.Load.Stages = "1@1s"; return r }(),
		"no success":                 failing(times(20, 500)...),
		"a client without a core":    func() *Result { r := runOf(times(2250, 2)...); shift(r.samples[1000:], 500); return r }(),
		"nothing":                    {},
	} {
		if d := doubtStandstill(quiet); len(d) != 0 {
			t.Errorf("%s: %v", name, d)
		}
	}
}

func TestWaitOf(t *testing.T) {
	for _, tt := range []struct {
		gaps   []int64
		budget int64
		want   int64
	}{
		{[]int64{500}, 50, 450},
		{[]int64{100, 100}, 20, 90},
		{[]int64{100, 50, 100}, 100, 50},
		{[]int64{100, 80, 10}, 120, 30},
		{[]int64{100}, 100, 0},
		{[]int64{10, 10}, 100, 0},
	} {
		if got := waitOf(tt.gaps, tt.budget); got != tt.want {
			t.Errorf("%v, %d: %d, want %d", tt.gaps, tt.budget, got, tt.want)
		}
	}
}

// A stall that all clients of a closed loop wait for is told.
func TestStandstillIsTold(t *testing.T) {
	t.Parallel()
	began := time.Now()
	url := serve(t, func(p *peer) {
		for p.request() != nil {
			time.Sleep(time.Millisecond)
			if into := time.Since(began); into > 500*time.Millisecond && into < 1200*time.Millisecond {
				time.Sleep(1200*time.Millisecond - into) // the stall under test
			}
			p.send(okResponse)
		}
	})
	if res := mustRun(t, url, Options{Clients: 4, Duration: 2 * time.Second}); !hasDoubt(res, "standstill") {
		t.Errorf("p99 %v of a server that stood still for 0.7 of 2 s, and %v", res.Latency.At(99), res.Doubts)
	}
}
