package stats

import (
	"math"
	"math/rand/v2"
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
