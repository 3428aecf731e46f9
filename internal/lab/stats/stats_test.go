package stats

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

func TestSummarize(t *testing.T) {
	for _, tt := range []struct {
		values []float64
		want   Summary
	}{
		{nil, Summary{}},
		{[]float64{3}, Summary{N: 1, Median: 3, Lo: 3, Hi: 3}},
		{[]float64{5, 1, 3, 2, 4}, Summary{N: 5, Median: 3, Lo: 3, Hi: 3}},
		{[]float64{6, 1, 3, 2, 4, 5}, Summary{N: 6, Median: 3.5, Lo: 1, Hi: 6, HasInterval: true}},
	} {
		if got := Summarize(tt.values); got != tt.want {
			t.Errorf("%v: %+v, want %+v", tt.values, got, tt.want)
		}
	}
}

// The interval's promise, tried: 95 % of the intervals hold the true median.
func TestIntervalCoverage(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for _, n := range []int{6, 9, 15} {
		held := 0
		const trials = 4000
		for range trials {
			values := make([]float64, n)
			for i := range values {
				values[i] = random.ExpFloat64()
			}
			if s := Summarize(values); s.Lo <= math.Ln2 && math.Ln2 <= s.Hi {
				held++
			}
		}
		if share := float64(held) / trials; share < Confidence-0.01 {
			t.Errorf("%d runs: the interval holds the median in %.1f %%", n, 100*share)
		}
	}
}

func TestP(t *testing.T) {
	low, high := []float64{1, 2, 3, 4, 5, 6}, []float64{7, 8, 9, 10, 11, 12}
	if p := P(low, high); math.Abs(p-2.0/924) > 1e-9 { // 2 of the C(12,6) orders are as extreme
		t.Errorf("apart: p = %v, want 2/924", p)
	}
	if p := P(low, low); p < 0.9 {
		t.Errorf("with itself: p = %v", p)
	}
	if p := P([]float64{4, 4, 4}, []float64{4, 4, 4}); p != 1 {
		t.Errorf("all equal: p = %v", p)
	}
	if p := P(nil, low); p != 1 {
		t.Errorf("empty: p = %v", p)
	}
}

func TestNoiseFloor(t *testing.T) {
	control := []float64{100, 100, 100, 100, 100, 100}
	floor, ok := NoiseFloor(control, []float64{101, 99, 102, 100, 103, 98})
	if want := math.Log(1.03); !ok || math.Abs(floor-want) > 1e-9 {
		t.Errorf("floor %v, %v; want %v", floor, ok, want)
	}
	if _, ok := NoiseFloor(control[:5], control[:5]); ok {
		t.Error("five pairs gave a floor")
	}
}

func TestRank(t *testing.T) {
	around := func(center float64) []float64 {
		return []float64{center * 0.99, center * 0.995, center, center * 1.001, center * 1.005, center * 1.01}
	}
	samples := [][]float64{around(50), around(100), around(101), around(49.9)}
	order, place := Rank(samples, 0.05, true)
	if want := []int{2, 1, 0, 3}; !slices.Equal(order, want) {
		t.Errorf("order %v, want %v", order, want)
	}
	if want := []int{2, 1, 1, 2}; !slices.Equal(place, want) {
		t.Errorf("places %v, want %v", place, want)
	}
	if _, place := Rank(samples, 1, true); slices.Max(place) != 1 {
		t.Errorf("places %v within a noise floor of a factor e", place)
	}
	if order, _ := Rank(samples, 0.05, false); order[0] != 3 {
		t.Errorf("lower is better: %v", order)
	}
}

// Fifty settings that are all alike must not be ranked, in all but a few experiments.
func TestRankIsSilentAboutNothing(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	wrong := 0
	const trials = 100
	for range trials {
		samples := make([][]float64, 50)
		for i := range samples {
			for range MinRuns {
				samples[i] = append(samples[i], 100*(1+0.02*random.NormFloat64()))
			}
		}
		if _, place := Rank(samples, 0.03, true); slices.Max(place) > 1 {
			wrong++
		}
	}
	if wrong > trials/20 {
		t.Errorf("%d of %d experiments without a difference were ranked", wrong, trials)
	}
}
