package bench

import (
	"math"
	"testing"
	"time"
)

func TestParseRate(t *testing.T) {
	for s, want := range map[string]RateCurve{"100": {100, 100}, "0.5": {0.5, 0.5}, "10:200": {10, 200}, "5:0": {5, 0}, "100/s": {100, 100}, "6000/1m": {100, 100}, "10/1s:20/s": {10, 20}} {
		if got, err := ParseRate(s); err != nil || got != want {
			t.Errorf("%s: %v, %v", s, got, err)
		}
	}
	for _, s := range []string{"", "x", "0", "-1", "1:", ":1", "1:2:3", "NaN", "1e9", "0:0", "1/", "1/x", "1/0s", "/s"} {
		if got, err := ParseRate(s); err == nil {
			t.Errorf("%q: %v, no error", s, got)
		}
	}
}

// timeOf is the inverse of the integral of the rate.
func TestRateCurveInverse(t *testing.T) {
	const over = 10 * time.Second
	for _, r := range []RateCurve{{100, 100}, {0, 100}, {100, 0}, {50, 51}, {1000, 10}} {
		slope := (r.To - r.From) / over.Seconds()
		total := (r.From + r.To) / 2 * over.Seconds()
		for u := 0.0; u < total; u += total / 97 {
			at := r.timeOf(u, over).Seconds()
			if hits := r.From*at + slope*at*at/2; math.Abs(hits-u) > 1e-4*total || at > over.Seconds()+1e-6 {
				t.Errorf("%v: %v hits are due at %v s, when %v are", r, u, at, hits)
			}
		}
	}
	if at := (RateCurve{100, 0}).timeOf(501, over); at != math.MaxInt64 {
		t.Errorf("a ramp of 500 requests has one more at %v", at)
	}
}

func arrivalsOf(o Options) []time.Duration {
	s := newSchedule(o)
	c := cursor{s, s.first}
	var all []time.Duration
	for {
		at, ok := c.at(int64(len(all)))
		if !ok {
			return all
		}
		all = append(all, at)
	}
}

func TestConstantSchedule(t *testing.T) {
	all := arrivalsOf(Options{Rate: RateCurve{1000, 1000}, Duration: 5 * time.Second})
	if len(all) != 5000 || all[0] != 0 || all[4999] != 4999*time.Millisecond {
		t.Errorf("%d arrivals from %v to %v", len(all), all[0], all[len(all)-1])
	}
	if n := len(arrivalsOf(Options{Rate: RateCurve{1000, 1000}, Requests: 2500})); n != 2500 {
		t.Errorf("%d arrivals, want 2500", n)
	}
}

func TestPoissonSchedule(t *testing.T) {
	o := Options{Rate: RateCurve{1000, 1000}, Duration: 20 * time.Second, Poisson: true, Seed: 7}
	all := arrivalsOf(o)
	// The count's standard deviation is 141.
	if math.Abs(float64(len(all))-20000) > 600 {
		t.Errorf("%d arrivals, want about 20000", len(all))
	}
	var sum, sq float64
	for i := 1; i < len(all); i++ {
		gap := (all[i] - all[i-1]).Seconds()
		sum += gap
		sq += gap * gap
	}
	n := float64(len(all) - 1)
	mean := sum / n
	if sd := math.Sqrt(sq/n - mean*mean); math.Abs(sd/mean-1) > 0.05 {
		t.Errorf("the gaps' deviation is %v of their mean, want 1: they are not exponential", sd/mean)
	}
	again := arrivalsOf(o)
	if len(again) != len(all) || again[len(again)-1] != all[len(all)-1] {
		t.Error("the same seed gives another schedule")
	}
	o.Seed = 8
	if other := arrivalsOf(o); other[0] == all[0] {
		t.Error("another seed gives the same schedule")
	}
}

// A cursor that comes late sees the same arrivals as one that was early.
func TestCursorsAgree(t *testing.T) {
	s := newSchedule(Options{Rate: RateCurve{1000, 1000}, Duration: 10 * time.Second, Poisson: true})
	early, late := cursor{s, s.first}, cursor{s, s.first}
	var times []time.Duration
	for i := range int64(5000) {
		at, _ := early.at(i)
		times = append(times, at)
	}
	for i := range int64(5000) {
		if at, ok := late.at(i); !ok || at != times[i] {
			t.Fatalf("arrival %d at %v and %v", i, at, times[i])
		}
	}
}

func TestAlarmIsPunctual(t *testing.T) {
	a, err := newAlarm()
	if err != nil {
		t.Fatal(err)
	}
	defer a.close()
	best := time.Hour
	for range 50 {
		began := time.Now()
		if err := a.sleep(3 * time.Millisecond); err != nil {
			t.Fatal(err)
		}
		d := time.Since(began)
		if d < 3*time.Millisecond {
			t.Fatalf("slept %v of 3 ms", d)
		}
		best = min(best, d)
	}
	if best > 4*time.Millisecond {
		t.Errorf("at best it slept %v instead of 3 ms", best)
	}
	woken := make(chan error)
	go func() { woken <- a.sleep(time.Hour) }()
	a.close()
	if err := <-woken; err == nil {
		t.Error("a closed alarm sleeps on")
	}
}

func TestStatusSet(t *testing.T) {
	set, err := ParseStatusSet("200, 404,5xx")
	if err != nil || !set.has(200) || !set.has(404) || !set.has(503) || set.has(201) || set.has(499) {
		t.Errorf("%v, %v", set, err)
	}
	for _, s := range []string{"", "6xx", "99", "abc", "200,"} {
		if set, err := ParseStatusSet(s); err == nil {
			t.Errorf("%q: %v, no error", s, set)
		}
	}
}
