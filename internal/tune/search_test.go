package tune

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

const simCores = 2

// truths are four applications: what each setting really holds, in requests per second.
var truths = map[string]func(Setting) float64{
	"light": func(s Setting) float64 { // 0.35 ms of CPU
		if s.Class == auto {
			return 5100
		}
		processes := float64(min(s.Workers, simCores)) - 0.02*float64(max(s.Workers-simCores-1, 0))
		return 2700 * processes * (1 - 0.015*math.Log2(float64(max(s.Threads, 1)))) * part(s.Class == "gevent", 0.85)
	},
	"sleeping": func(s Setting) float64 { // 100 ms of waiting
		switch s.Class {
		case auto:
			return 1150
		case "gevent":
			return 900 + 250*float64(min(s.Workers, simCores))
		}
		return min(0.92*float64(s.Slots())/0.1, 1250-1.5*float64(s.Slots()))
	},
	"computing": func(s Setting) float64 { // 25 ms of CPU
		if s.Class == auto {
			return 66
		}
		base := 33 * float64(min(s.Workers, simCores))
		return base * (1 - 0.03*float64(max(s.Workers-simCores-1, 0))) * (1 - 0.04*math.Log2(float64(max(s.Threads, 1))))
	},
	"mixed": func(s Setting) float64 { // a tenth computes, a tenth waits
		if s.Class == auto {
			return 310
		}
		slots := float64(max(s.Slots(), 32*s.Workers*int(part(s.Class != "gevent", 0))))
		return min(18*slots, 130*float64(min(s.Workers, simCores))*(1-0.02*math.Log2(slots)))
	},
}

func part(is bool, factor float64) float64 {
	if is {
		return factor
	}
	return 1
}

// simulated measures as bench.FindRate does: probes by factors, then between what held and what failed, one again where it
// failed by little. Servers differ by 2 % and probes of a second by 2.5 %, shorter ones by more; time passes as it would.
type simulated struct {
	truth func(Setting) float64
	rnd   *rand.Rand
}

func (m *simulated) measure(_ context.Context, s Setting, e Effort) (out Measurement, err error) {
	capacity := m.truth(s) * math.Exp(0.02*m.rnd.NormFloat64())
	out.Took, out.MemoryMiB = 1500*time.Millisecond, 30+25*float64(max(s.Workers, 3))
	rate := e.Start
	if rate == 0 {
		rate = capacity * math.Exp(0.3*m.rnd.NormFloat64())
		out.Took += 300 * time.Millisecond
	}
	low, high := 0.0, 0.0
	for range 40 {
		holds := m.probe(rate, capacity, e, &out)
		if !holds && rate < 1.3*capacity {
			holds = m.probe(rate, capacity, e, &out)
		}
		if holds {
			low = rate
		} else {
			high = rate
		}
		switch {
		case high == 0:
			rate *= e.Step
		case low == 0 && rate <= max(e.Floor, 0.1):
			out.FailsAt = high
			return out, nil
		case low == 0:
			rate = max(rate/e.Step, e.Floor)
		case high <= low*(1+e.Precision):
			out.Rate, out.FailsAt = low, high
			return out, nil
		default:
			rate = math.Sqrt(low * high)
		}
	}
	return out, errors.New("no end")
}

func (m *simulated) probe(rate, capacity float64, e Effort, out *Measurement) bool {
	length := min(max(e.Probe.Seconds(), 360/rate), float64(e.Longest)*e.Probe.Seconds())
	out.Took += time.Duration(length * float64(time.Second))
	return rate*math.Exp(0.025/math.Sqrt(min(length, 4))*m.rnd.NormFloat64()) < capacity
}

// run searches once and returns the winner, the candidates and the time.
func (m *simulated) run(t *testing.T, s Search) ([]*Candidate, time.Duration) {
	t.Helper()
	m.rnd = rand.New(rand.NewPCG(s.Seed, 7))
	s.Cores, s.Measure = simCores, m.measure
	s.Settings = Settings(simCores, App{})
	var elapsed time.Duration
	s.Progress = func(p Step) { elapsed = p.Elapsed }
	found, err := s.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return found, elapsed
}

// The truth is known here: what the search finds holds nearly what the best setting of all does, in at most a quarter of the time
// that measuring all of them as thoroughly takes, and auto is always measured to the end.
func TestSearchFindsTheBest(t *testing.T) {
	for name, truth := range truths {
		t.Run(name, func(t *testing.T) {
			best := 0.0
			for _, s := range Settings(simCores, App{}) {
				best = max(best, truth(s))
			}
			m := &simulated{truth: truth}
			_, sweep := m.run(t, Search{Budget: 10 * time.Minute, Exhaustive: true})
			budget := sweep * 23 / 100
			bad, slow := 0, 0
			const runs = 200
			for seed := range uint64(runs) {
				found, took := m.run(t, Search{Budget: budget, Seed: seed})
				if got := truth(found[0].Setting); got < 0.95*best {
					bad++
					t.Logf("seed %d: %v holds %.0f of %.0f", seed, found[0].Setting, got, best)
				}
				if took > sweep/4 {
					slow++
				}
				if !slices.ContainsFunc(found, func(c *Candidate) bool {
					return c.Setting.Class == auto && c.Stage == Final && len(c.Rates) >= leastBlocks
				}) {
					for _, c := range found {
						t.Log(c.Setting, c.Stage, c.Rates, c.Rate())
					}
					t.Errorf("seed %d: auto was not among the last", seed)
				}
			}
			t.Logf("sweep %v; %d of %d runs beyond 5 %%, %d too slow", sweep.Round(time.Second), bad, runs, slow)
			if bad > runs*3/100 || slow > 0 {
				t.Errorf("%d of %d runs found less than 95 %% of the best, %d took more than a quarter of the sweep's %v", bad, runs, slow, sweep)
			}
		})
	}
}

// Runs of one seed agree wholly, and the budget is kept.
func TestSearchIsSeeded(t *testing.T) {
	for _, budget := range []time.Duration{time.Minute, 3 * time.Minute, 10 * time.Minute} {
		for name, truth := range truths {
			m := &simulated{truth: truth}
			a, took := m.run(t, Search{Budget: budget, Seed: 5})
			b, _ := m.run(t, Search{Budget: budget, Seed: 5})
			if fmt.Sprint(names(a)) != fmt.Sprint(names(b)) {
				t.Errorf("%s: %v, then %v", name, names(a), names(b))
			}
			t.Logf("%s: budget %v, took %v, %d settings", name, budget, took.Round(time.Second), len(a))
			if took > budget*5/4+10*time.Second {
				t.Errorf("%s: a budget of %v, and it took %v", name, budget, took)
			}
		}
	}
}

func names(list []*Candidate) (all []string) {
	for _, c := range list {
		all = append(all, c.Setting.String())
	}
	return all
}

// Where threads are not safe auto is looked at, and no time is spent on it after that.
func TestSearchWithoutThreads(t *testing.T) {
	m := &simulated{truth: truths["computing"], rnd: rand.New(rand.NewPCG(1, 1))}
	s := Search{Settings: Settings(simCores, App{Alone: "it fails"}), Cores: simCores, Budget: 10 * time.Minute, Measure: m.measure, Alone: true}
	found, err := s.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range found {
		if threaded(c.Setting) && c.Stage > Screened {
			t.Errorf("%v came to stage %d", c.Setting, c.Stage)
		}
	}
	if found[0].Stage != Final || threaded(found[0].Setting) {
		t.Errorf("the best is %v", found[0].Setting)
	}
}

// Where nothing holds, few settings are enough to say so.
func TestSearchGivesUp(t *testing.T) {
	tried := 0
	s := Search{Settings: Settings(simCores, App{}), Cores: simCores, Budget: 10 * time.Minute,
		Measure: func(context.Context, Setting, Effort) (Measurement, error) {
			tried++
			return Measurement{TooSlow: true, Took: time.Second}, nil
		}}
	found, err := s.Run(t.Context())
	if err != nil || tried != 3 || len(found) != 3 {
		t.Errorf("%v, %d tried, %d found", err, tried, len(found))
	}
}

// What is known when a search is stopped stays known.
func TestSearchStopped(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	m := &simulated{truth: truths["light"], rnd: rand.New(rand.NewPCG(1, 1))}
	s := Search{Settings: Settings(simCores, App{}), Cores: simCores, Budget: 10 * time.Minute, Measure: m.measure,
		Progress: func(p Step) {
			if p.Done == 5 {
				cancel()
			}
		}}
	found, err := s.Run(ctx)
	if !errors.Is(err, context.Canceled) || len(found) != 5 {
		t.Errorf("%v, %d found", err, len(found))
	}
}

// A search that ends when one setting alone was looked at longer does not prefer it for that.
func TestSearchEndsWithOneLongerLook(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	s := Search{Settings: Settings(simCores, App{})[:4], Cores: simCores, Budget: 10 * time.Minute,
		Measure: func(_ context.Context, s Setting, e Effort) (Measurement, error) {
			rate := 200.0
			if s.Class == auto {
				rate = 300
				if e.Longest == 3 { // a longer look
					rate = 100
				}
			}
			return Measurement{Rate: rate, Took: time.Second}, nil
		},
		Progress: func(p Step) {
			if p.Stage == Second {
				cancel()
			}
		}}
	found, err := s.Run(ctx)
	if !errors.Is(err, context.Canceled) || len(found) != 4 {
		t.Fatalf("%v, %d found", err, len(found))
	}
	if best := choose(found, "").Best; best.Setting.Class == auto {
		t.Errorf("the best is %+v, of %+v", best, found)
	}
}

// What is too short for two longer looks has none.
func TestSearchWithoutTimeToCompare(t *testing.T) {
	s := Search{Settings: Settings(simCores, App{}), Cores: simCores, Budget: 30 * time.Second,
		Measure: func(context.Context, Setting, Effort) (Measurement, error) {
			return Measurement{Rate: 100, Took: 12 * time.Second}, nil
		}}
	if found, err := s.Run(t.Context()); err != nil || found[0].Stage != Screened || s.elapsed > s.Budget {
		t.Errorf("%v, stage %d after %v", err, found[0].Stage, s.elapsed)
	}
}

func TestSettings(t *testing.T) {
	wsgi := Settings(2, App{Missing: map[string]string{"gevent": "no"}})
	if len(wsgi) != 1+5+5*6 || wsgi[0].String() != "auto" {
		t.Errorf("%d settings: %v", len(wsgi), wsgi)
	}
	alone := Settings(2, App{Alone: "it fails in threads"})
	for _, s := range alone {
		if s.Threads > 1 {
			t.Errorf("threads for an application that cannot have them: %v", s)
		}
	}
	for _, s := range Settings(4, App{ASGI: true}) {
		if s.Class != "asgi" && s.Class != auto {
			t.Errorf("%v for ASGI", s)
		}
	}
	for s, want := range map[Setting]string{
		{Class: auto}:                                           "auto",
		{Class: auto, Preload: true}:                            "auto --preload",
		{Class: "sync", Workers: 5, Threads: 1}:                 "-w 5",
		{Class: gthread, Workers: 3, Threads: 8, Preload: true}: "-w 3 --threads 8 --preload",
		{Class: "gevent", Workers: 2}:                           "-k gevent -w 2",
	} {
		if s.String() != want {
			t.Errorf("%q, want %q", s, want)
		}
	}
}

// What String writes is read again, and a setting that is none is refused.
func TestParseSetting(t *testing.T) {
	for _, s := range append(append(Settings(2, App{}), Settings(2, App{ASGI: true})...), Setting{Class: auto, Preload: true},
		Setting{Class: gthread, Workers: 12, Threads: 3, Preload: true}) {
		if got, err := ParseSetting(s.String()); err != nil || got != s {
			t.Errorf("%q: %+v, %v, want %+v", s, got, err, s)
		}
	}
	for text, want := range map[string]Setting{
		"--workers 4": {Class: "sync", Workers: 4, Threads: 1}, "--threads 8": {Class: gthread, Workers: 1, Threads: 8},
		"-k auto": {Class: auto}, "-k gthread -w 2": {Class: "sync", Workers: 2, Threads: 1}, "-k gevent": {Class: "gevent", Workers: 1},
	} {
		if got, err := ParseSetting(text); err != nil || got != want {
			t.Errorf("%q: %+v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "app:app", "-w x", "-w -1", "auto -w 3", "--timeout 3"} {
		if got, err := ParseSetting(text); err == nil {
			t.Errorf("%q is read as %+v", text, got)
		}
	}
}
