package verdict

import (
	"math"
	"math/rand/v2"
	"testing"
)

// world draws runs of things as they are seen on machines that do other work too.
type world struct {
	noise float64 // of a run, as a share
	mixed float64 // by what factor the noise of things differs among them
	spike float64 // how often a run is disturbed, by up to a third
	drift float64 // how much of the machine's noise of one block, the same for all things, is in the next one
	step  float64 // values come in steps of this share, as counts of a short run do
	tails bool    // the noise has long tails (Student's t with 3 degrees)
}

var worlds = map[string]world{
	"quiet":     {noise: 0.004},
	"usual":     {noise: 0.03},
	"unlike":    {noise: 0.01, mixed: 8},
	"disturbed": {noise: 0.02, spike: 0.1},
	"drifting":  {noise: 0.03, drift: 0.5},
	"stepped":   {noise: 0.004, step: 0.01},
	"tailed":    {noise: 0.02, tails: true},
}

func (w world) samples(things, runs int, level func(thing int) float64, rnd *rand.Rand) [][]float64 {
	out := make([][]float64, things)
	machine := make([]float64, runs)
	for k := range machine {
		machine[k] = math.Sqrt(1-w.drift*w.drift) * rnd.NormFloat64()
		if k > 0 {
			machine[k] += w.drift * machine[k-1]
		}
	}
	for i := range out {
		noise := w.noise
		if w.mixed > 0 {
			noise *= math.Exp(rnd.Float64() * math.Log(w.mixed))
		}
		for k := range runs {
			z := rnd.NormFloat64()
			if w.tails {
				z /= math.Sqrt((sq(rnd) + sq(rnd) + sq(rnd)) / 3)
			}
			if w.drift > 0 {
				z += machine[k]
			}
			v := 1000 * level(i) * math.Exp(noise*z)
			if rnd.Float64() < w.spike {
				v /= 1 + rnd.Float64()/3
			}
			if w.step > 0 {
				v = 1000 * level(i) * (1 + w.step*math.Round((v/(1000*level(i))-1)/w.step))
			}
			out[i] = append(out[i], v)
		}
	}
	return out
}

func sq(rnd *rand.Rand) float64 { z := rnd.NormFloat64(); return z * z }

func alike(int) float64 { return 1 }

var rates = Rule{MoreIsBetter: true, Margin: 0.01}

// Settings that are all alike are not ranked, in all but 5 % of the experiments, whatever the noise is like.
func TestPlacesAreRightTogether(t *testing.T) {
	for name, w := range worlds {
		for _, size := range [][2]int{{2, 3}, {2, 6}, {9, 3}, {9, 6}, {57, 3}, {57, 6}} {
			rnd, wrong, trials := rand.New(rand.NewPCG(1, uint64(size[0]))), 0, min(2000, 20000/(size[0]*size[0]))+60
			for range trials {
				for _, place := range Rank(w.samples(size[0], size[1], alike, rnd), rates).Place {
					if place != 1 {
						wrong++
						break
					}
				}
			}
			t.Logf("%s: %d settings, %d repeats: %.1f %% of %d experiments ranked", name, size[0], size[1], 100*float64(wrong)/float64(trials), trials)
			if slack := 3 * math.Sqrt(0.05*0.95/float64(trials)); float64(wrong)/float64(trials) > 0.05+slack {
				t.Errorf("%s: %d settings, %d repeats: %d of %d experiments without a difference were ranked", name, size[0], size[1], wrong, trials)
			}
		}
	}
}

// A setting that is 100 times slower is never on place 1, though it be one of 57 with 3 repeats each.
func TestTheSlowestIsNeverFirst(t *testing.T) {
	for name, w := range worlds {
		for _, repeats := range []int{3, 6} {
			rnd, last := rand.New(rand.NewPCG(2, 3)), 57
			for range 15 {
				slow := func(i int) float64 { return map[bool]float64{true: 0.01, false: 1}[i == 0] }
				last = min(last, Rank(w.samples(57, repeats, slow, rnd), rates).Place[0])
			}
			t.Logf("%s, %d repeats: place %d of 57 at least", name, repeats, last)
			if last == 1 {
				t.Errorf("%s, %d repeats: a setting 100 times slower is on place 1", name, repeats)
			}
		}
	}
}

// What Tells promises is kept: of a difference of that size, 8 in 10 are found, and it is not far too careful either.
func TestTellsWhatItSays(t *testing.T) {
	for _, tt := range []struct {
		name            string
		things, repeats int
	}{{"usual", 57, 6}, {"usual", 57, 3}, {"usual", 9, 6}, {"quiet", 27, 4}, {"usual", 2, 6}, {"usual", 6, 12}} {
		w, rnd := worlds[tt.name], rand.New(rand.NewPCG(4, 5))
		told := Tells(Spread{SD: w.noise, Prior: math.Inf(1)}, tt.things, tt.repeats, rates)
		slower := func(i int) float64 { return map[bool]float64{true: 1 / (1 + told), false: 1}[i == 0] }
		found, trials := 0, 150
		for range trials {
			if Rank(w.samples(tt.things, tt.repeats, slower, rnd), rates).P[0][1] < 0.05 {
				found++
			}
		}
		share := float64(found) / float64(trials)
		t.Logf("%s, %d settings, %d repeats: power %.2f for a difference of %.1f %%", tt.name, tt.things, tt.repeats, share, 100*told)
		if share < 0.72 || share > 0.95 {
			t.Errorf("%s, %d settings, %d repeats: power %.2f for %.1f %%, 0.8 was said", tt.name, tt.things, tt.repeats, share, 100*told)
		}
	}
}

func TestRepeats(t *testing.T) {
	s := Spread{SD: 0.03, Prior: math.Inf(1)}
	few, many := Repeats(s, 57, 0.2, rates), Repeats(s, 57, 0.05, rates)
	if few < MinRuns || many <= few || Tells(s, 57, few, rates) > 0.2 || Tells(s, 57, many-1, rates) <= 0.05 {
		t.Errorf("%d repeats for 20 %%, %d for 5 %%", few, many)
	}
	if n := Repeats(Spread{SD: 1, Prior: math.Inf(1)}, 57, 0.02, rates); n != 0 {
		t.Errorf("%d repeats for what no experiment can tell", n)
	}
	if !math.IsInf(Tells(s, 57, 2, rates), 1) {
		t.Error("two repeats tell something")
	}
}

func TestPlaces(t *testing.T) {
	around := func(center float64) []float64 {
		return []float64{center * 0.99, center * 0.995, center, center * 1.001, center * 1.005, center * 1.01}
	}
	got := Rank([][]float64{around(50), around(100), around(101), around(49.9), {100}}, rates)
	if want := []int{3, 1, 1, 3, 0}; !equalInts(got.Place, want) {
		t.Errorf("places %v, want %v", got.Place, want)
	}
	if got.Order[0] != 2 {
		t.Errorf("order %v", got.Order)
	}
	// Latencies: less is better, and what fails in every run is behind all others.
	worst := []float64{Worst, Worst, Worst}
	got = Rank([][]float64{worst, around(20), around(10), around(10)}, Rule{Margin: 0.01})
	if want := []int{4, 3, 1, 1}; !equalInts(got.Place, want) {
		t.Errorf("places %v, want %v", got.Place, want)
	}
}

func equalInts(a, b []int) bool {
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return len(a) == len(b)
}

// Two more runs of one thing differ by no more than Differ says, 95 times in 100.
func TestTwoRunsDifferByNoMoreThanSaid(t *testing.T) {
	for name, w := range worlds {
		for _, size := range [][2]int{{2, 6}, {9, 3}, {57, 6}} {
			rnd, within, trials := rand.New(rand.NewPCG(6, 7)), 0, 800
			for range trials {
				samples := w.samples(size[0], size[1]+2, alike, rnd)
				a, b := samples[0][size[1]], samples[0][size[1]+1]
				for i := range samples {
					samples[i] = samples[i][:size[1]]
				}
				if math.Abs(math.Log(a/b)) <= math.Log1p(Noise(samples, rates).Differ()) {
					within++
				}
			}
			share := float64(within) / float64(trials)
			t.Logf("%s, %v: %.3f", name, size, share)
			least := 0.93 // where the noise is normal, but for the trials' own chance
			if w.spike+w.step > 0 || w.tails || w.mixed > 0 {
				least = 0.87
			}
			if share < least {
				t.Errorf("%s, %d things, %d runs: %.1f %% of two further runs differ by no more than was said", name, size[0], size[1], 100*share)
			}
		}
	}
}
