package verdict

import (
	"math"
	"math/rand/v2"
	"testing"
)

func TestCompare(t *testing.T) {
	for _, tt := range []struct {
		name     string
		old, now []float64
		rule     Rule
		want     Verdict
	}{
		{"faster", []float64{100, 101, 99}, []float64{120, 121, 119}, Rule{MoreIsBetter: true, Margin: 0.05}, Better},
		{"slower", []float64{100, 101, 99}, []float64{80, 81, 79}, Rule{MoreIsBetter: true, Margin: 0.05}, Worse},
		{"longer", []float64{10, 10.1, 9.9}, []float64{12, 12.1, 11.9}, Rule{Margin: 0.05}, Worse},
		{"shorter", []float64{10, 10.1, 9.9}, []float64{8, 8.1, 7.9}, Rule{Margin: 0.05}, Better},
		{"the same", []float64{100, 100.1, 99.9}, []float64{100, 100.2, 99.8}, Rule{Margin: 0.05}, Same},
		{"too noisy", []float64{100, 150, 60}, []float64{110, 160, 70}, Rule{Margin: 0.05}, Undecided},
		{"too few", []float64{100, 100}, []float64{1, 1, 1}, Rule{}, Undecided},
		{"all failed", []float64{10, 10, 10}, []float64{Worst, Worst, Worst}, Rule{}, Worse},
		{"no longer failing", []float64{Worst, Worst, Worst}, []float64{10, 10, 10}, Rule{}, Better},
		{"one failed", []float64{10, 10, 10}, []float64{10, 10, Worst}, Rule{}, Undecided},
		{"nothing served", []float64{10, 10, 10}, []float64{0, 0, 0}, Rule{MoreIsBetter: true}, Worse},
	} {
		got := Compare(tt.old, tt.now, tt.rule)
		if got.Verdict != tt.want || got.Low > got.Change || got.Change > got.High {
			t.Errorf("%s: %+v, want %s", tt.name, got, tt.want)
		}
	}
}

// Of many comparisons of what is the same, in 95 of 100 experiments none is told apart; one that does differ is found.
func TestManyComparisons(t *testing.T) {
	rnd, wrong, missed := rand.New(rand.NewPCG(1, 2)), 0, 0
	const trials, cells = 150, 81
	rule := Rule{MoreIsBetter: true, Margin: 0.01}
	for range trials {
		w := worlds["usual"]
		old, now := w.samples(cells, 6, alike, rnd), w.samples(cells, 6, func(i int) float64 {
			return map[bool]float64{true: 1.5, false: 1}[i == 0]
		}, rnd)
		var pairs []Pair
		for i := range old {
			pairs = append(pairs, Pair{old[i], now[i]})
		}
		told := 0
		for i, c := range CompareAll(pairs, len(pairs), rule) {
			switch told1 := c.Verdict == Better || c.Verdict == Worse; {
			case i == 0 && c.Verdict != Better:
				missed++
			case i > 0 && told1:
				told++
			}
		}
		if told > 0 {
			wrong++
		}
	}
	if wrong > trials*8/100 || missed > 0 {
		t.Errorf("%d of %d experiments told the same apart, %d missed what differs by half", wrong, trials, missed)
	}
}

// Each stays at least as large as those before it.
func TestHolm(t *testing.T) {
	got := Holm([]float64{0.01, 0.04, 0.03, 0.005})
	want := []float64{0.03, 0.06, 0.06, 0.02}
	for i := range want {
		if math.Abs(got[i]-want[i]) > 1e-12 {
			t.Errorf("adjusted %v, want %v", got, want)
		}
	}
}
