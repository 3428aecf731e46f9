// Package stats says how sure a lab's numbers are. It adds to golang.org/x/perf/benchmath
// (medians, order-statistic intervals, Mann-Whitney) the noise floor of an A/A control and
// a ranking that stays silent within it. It knows numbers, not servers.
package stats

import (
	"math"
	"slices"
	"sort"

	"golang.org/x/perf/benchmath"
)

// Confidence of intervals, and 1 minus the error rate of comparisons.
const Confidence = 0.95

// rankAlpha is the error rate of places. It is stricter than that of a single comparison,
// since the first one, which the others are compared with, was chosen for being the largest.
const rankAlpha = 0.01

// MinRuns is how many runs an interval at Confidence needs: with fewer the median may lie
// outside of everything seen (2 * 0.5^5 = 6 %).
const MinRuns = 6

// A Summary is the median of some runs. Lo and Hi bound it at Confidence; HasInterval is
// false, and both equal Median, when there are too few runs.
type Summary struct {
	N           int
	Median      float64
	Lo, Hi      float64
	HasInterval bool
}

// Summarize describes a sample. The values are not changed.
func Summarize(values []float64) Summary {
	if len(values) == 0 {
		return Summary{}
	}
	s := benchmath.AssumeNothing.Summary(sample(values), Confidence)
	if len(values) < MinRuns || math.IsInf(s.Lo, 0) || math.IsInf(s.Hi, 0) {
		return Summary{N: len(values), Median: s.Center, Lo: s.Center, Hi: s.Center}
	}
	return Summary{N: len(values), Median: s.Center, Lo: s.Lo, Hi: s.Hi, HasInterval: true}
}

func sample(values []float64) *benchmath.Sample {
	return benchmath.NewSample(slices.Clone(values), &benchmath.DefaultThresholds)
}

// P is the two-sided Mann-Whitney probability that a and b come from one distribution; 1 if
// either is empty or the test cannot say.
func P(a, b []float64) float64 {
	if len(a) == 0 || len(b) == 0 || equal(a, b) {
		return 1
	}
	return benchmath.AssumeNothing.Compare(sample(a), sample(b)).P
}

// equal reports whether all values are one: the test has no answer to that.
func equal(a, b []float64) bool {
	for _, v := range append(slices.Clone(a), b...) {
		if v != a[0] {
			return false
		}
	}
	return true
}

// NoiseFloor is the relative difference that two runs of one and the same thing show: the
// far end of the interval around the median of again[i]/control[i], less 1. Both have one
// value per block, in the blocks' order. ok is false with fewer than MinRuns pairs.
func NoiseFloor(control, again []float64) (floor float64, ok bool) {
	var ratios []float64
	for i := range min(len(control), len(again)) {
		if control[i] > 0 && again[i] > 0 {
			ratios = append(ratios, again[i]/control[i])
		}
	}
	s := Summarize(ratios)
	if !s.HasInterval {
		return 0, false
	}
	return max(math.Abs(math.Log(s.Lo)), math.Abs(math.Log(s.Hi))), true
}

// Differ reports whether a and b differ by more than the noise floor and more surely than
// Confidence.
func Differ(a, b []float64, floor float64) bool {
	x, y := Summarize(a).Median, Summarize(b).Median
	if x <= 0 || y <= 0 {
		return x != y
	}
	return math.Abs(math.Log(x/y)) > floor && P(a, b) < 1-Confidence
}

// Rank sorts samples by their median, the highest first if higher is better, and gives each
// its place. Those that do not differ from the first of a place share it. The comparisons
// against the first one are corrected for being many (Benjamini and Hochberg 1995), so that
// among fifty settings that are alike none falls behind by chance.
//
// It returns the order as indices, and the place of each sample by index, from 1.
func Rank(samples [][]float64, floor float64, higherIsBetter bool) (order, place []int) {
	medians := make([]float64, len(samples))
	for i, s := range samples {
		medians[i] = Summarize(s).Median
		order = append(order, i)
	}
	sort.SliceStable(order, func(i, j int) bool {
		if higherIsBetter {
			return medians[order[i]] > medians[order[j]]
		}
		return medians[order[i]] < medians[order[j]]
	})
	place = make([]int, len(samples))
	for rest, next := order, 1; len(rest) > 0; next++ {
		alike := leaders(samples, rest, floor)
		for _, i := range rest[:alike] {
			place[i] = next
		}
		rest = rest[alike:]
	}
	return order, place
}

// leaders counts how many of sorted, from its start, share the first one's place: those
// before the first that differs from it.
func leaders(samples [][]float64, sorted []int, floor float64) int {
	first := samples[sorted[0]]
	ps := make([]float64, len(sorted)-1)
	for i, other := range sorted[1:] {
		ps[i] = P(first, samples[other])
	}
	limit := falseDiscoveryLimit(ps, rankAlpha)
	for i, other := range sorted[1:] {
		if ps[i] <= limit && Differ(first, samples[other], floor) {
			return i + 1
		}
	}
	return len(sorted)
}

// falseDiscoveryLimit is the largest p that still counts: the greatest p(k), sorted, that is
// at most k/m*alpha. It is negative if none is.
func falseDiscoveryLimit(ps []float64, alpha float64) float64 {
	sorted := slices.Sorted(slices.Values(ps))
	for k := len(sorted); k > 0; k-- {
		if sorted[k-1] <= float64(k)/float64(len(sorted))*alpha {
			return sorted[k-1]
		}
	}
	return -1
}
