package bench

import (
	"context"
	"testing"
	"time"
)

// learner is a server that does 20 requests a second to begin with, and while it is asked for more than it can do another 20 each
// half second, up to 200.
type learner struct{ rate float64 }

// run is a run against it. It learns while it is asked, and so in the warm-up too.
func (l *learner) run(_ context.Context, o Options) (*Result, error) {
	if !o.Rate.open() {
		return resultOf(0, 5), nil
	}
	const most = 200.0
	free, now := 0.0, 0.0
	one := func(due float64) (latency float64) {
		now = max(free, due)
		if now > due && l.rate < most { // it is behind
			l.rate = min(l.rate+20*1000/l.rate/500, most)
		}
		free = now + 1000/l.rate
		return free - due
	}
	warm := newSchedule(Options{Rate: o.Rate, Duration: o.Warmup})
	for c, i := (cursor{warm, warm.first}), int64(0); o.Warmup > 0; i++ {
		at, ok := c.at(i)
		if !ok {
			break
		}
		one(ms(int64(at)))
	}
	free = 0
	arrivals := newSchedule(o)
	var latencies, dues []float64
	for c, i := (cursor{arrivals, arrivals.first}), int64(0); ; i++ {
		at, ok := c.at(i)
		if !ok {
			break
		}
		latencies, dues = append(latencies, one(ms(int64(at)))), append(dues, ms(int64(at)))
	}
	return scheduled(o, 0, dues, latencies, free), nil
}

// What a server could hold that gets better at a load while it has it is found, by probes that are shorter than it takes to learn,
// where the search is told so; and by long ones in any case, since the end of the probe that failed would have held.
func TestFindRateOfAServerThatLearns(t *testing.T) {
	for name, tt := range map[string]struct {
		probe     time.Duration
		learns    bool
		low, high float64
	}{
		"told":        {500 * time.Millisecond, true, 180, 260}, // half a second is short for telling a queue that grows
		"long probes": {20 * time.Second, false, 180, 205},
	} {
		l := &learner{rate: 20}
		f, err := FindRate(t.Context(), RateSearch{Options: Options{Targets: []Target{{URL: "http://h/"}}, Duration: tt.probe},
			SLO: mustSLO(t, "p90<100ms"), Start: 10, Step: 2, Precision: 0.1, Once: true, Longest: 1, Learns: tt.learns, run: l.run})
		if err != nil || f.Rate < tt.low || f.Rate > tt.high {
			t.Errorf("%s: %v: %s", name, err, f.Sentence())
			for _, p := range f.Probes {
				t.Log(p.Line())
			}
		}
	}
}

// One that can do no more is not asked again and again.
func TestNoLessonsForAServerThatDoesNotLearn(t *testing.T) {
	runs := 0
	f, err := FindRate(t.Context(), RateSearch{Options: Options{Targets: []Target{{URL: "http://h/"}}, Duration: 2 * time.Second},
		SLO: mustSLO(t, "p90<60ms"), Start: 100, Once: true, Longest: 1, Learns: true, run: oneAtATime(&runs)})
	if err != nil || f.Rate < 180 || f.Rate > 205 || len(f.Probes) > 16 {
		t.Errorf("%v, %d probes: %s", err, len(f.Probes), f.Sentence())
		for _, p := range f.Probes {
			t.Log(p.Line())
		}
	}
}
