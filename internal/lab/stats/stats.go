// Package stats describes runs for charts and tables: medians and their intervals from order
// statistics (golang.org/x/perf/benchmath). What differs from what is package verdict's.
package stats

import (
	"math"
	"slices"

	"golang.org/x/perf/benchmath"
)

// Confidence of intervals.
const Confidence = 0.95

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
