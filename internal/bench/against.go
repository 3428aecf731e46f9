package bench

import (
	"fmt"
	"math"
	"slices"

	"github.com/aclements/go-moremath/stats"
)

// DefaultMargin is the change of latency below which two runs are the same: two runs of one server on a quiet machine differ
// by a few percent.
const DefaultMargin = 0.05

const minBatches = 8

// Guard is what a result is judged by.
type Guard struct {
	SLO          SLOSpec // none if empty
	Baseline     *Result // nil if there is none
	BaselineName string
	Margin       float64
}

// Judge fills in SLO and Against.
func (g Guard) Judge(res *Result) {
	if len(g.SLO) > 0 {
		res.SLO = g.SLO.judge(res)
	}
	if g.Baseline != nil {
		res.Against = compare(g.Baseline.Batches, res.Batches, g.Margin)
		res.Against.Baseline = g.BaselineName
		if g.Baseline.Load != res.Load && res.Against.Reason == "" {
			res.Against.Reason = differentLoad(g.Baseline.Load, res.Load)
		}
	}
}

func differentLoad(a, b Load) string {
	if a.Mode == b.Mode && a.Clients == b.Clients && a.HTTP == b.HTTP && a.KeepAlive == b.KeepAlive && a.RateFrom == b.RateFrom {
		return ""
	}
	return "the baseline was made with another load"
}

// Verdict is the worst of SLO and Against, a certain fault before an open question; Holds if there is neither.
func (res *Result) Verdict() Verdict {
	var all []Verdict
	if res.SLO != nil {
		all = append(all, res.SLO.Verdict)
	}
	if res.Against != nil {
		all = append(all, res.Against.Verdict)
	}
	for _, v := range []Verdict{Fails, Worse, Undecided} {
		if slices.Contains(all, v) {
			return v
		}
	}
	return Holds
}

// compare compares the batches' medians of two runs. Worse or better takes both: that chance is unlikely (Mann-Whitney, 5 %),
// and that the change is beyond the margin with 95 % confidence. Same means that the whole interval lies within the margin.
func compare(old, now []Batch, margin float64) *Against {
	a := &Against{Verdict: Undecided, P: 1, Margin: margin}
	x, y := medians(old), medians(now)
	if len(x) < minBatches || len(y) < minBatches {
		a.Reason = fmt.Sprintf("too few requests to compare: %d and %d batches, and each run needs %d", len(x), len(y), minBatches)
		return a
	}
	slices.Sort(x)
	slices.Sort(y)
	a.OldMS, a.NewMS = x[len(x)/2], y[len(y)/2]
	if test, err := stats.MannWhitneyUTest(x, y, stats.LocationDiffers); err == nil {
		a.P = test.P
	}
	a.Change, a.ChangeLow, a.ChangeHigh = ratioInterval(x, y)
	switch {
	case a.P < 0.05 && a.ChangeLow > margin:
		a.Verdict = Worse
	case a.P < 0.05 && a.ChangeHigh < -margin:
		a.Verdict = Better
	case a.ChangeLow >= -margin && a.ChangeHigh <= margin:
		a.Verdict = Same
	default:
		a.Reason = "the change may be within the margin or beyond it"
	}
	return a
}

func medians(batches []Batch) []float64 {
	var out []float64
	for _, b := range batches {
		if b.MedianMS > 0 {
			out = append(out, b.MedianMS)
		}
	}
	return out
}

// ratioInterval estimates y/x - 1 by Hodges and Lehmann: the median of all pairs, and the pairs at the ranks that
// Mann-Whitney's normal approximation gives for 95 % (Hollander, Wolfe and Chicken, Nonparametric Statistical Methods, 4.3).
func ratioInterval(x, y []float64) (mid, low, high float64) {
	pairs := make([]float64, 0, len(x)*len(y))
	for _, a := range x {
		for _, b := range y {
			pairs = append(pairs, b/a-1)
		}
	}
	slices.Sort(pairs)
	m, n := float64(len(x)), float64(len(y))
	cut := int(math.Floor(m*n/2 - 1.96*math.Sqrt(m*n*(m+n+1)/12)))
	cut = min(max(cut, 0), len(pairs)-1)
	return pairs[len(pairs)/2], pairs[cut], pairs[len(pairs)-1-cut]
}

// describe puts a verdict into words.
func (a *Against) describe() string {
	s := fmt.Sprintf("%s: median latency %s, was %s: %+.1f %% (95 %% interval %+.1f to %+.1f %%, margin %.0f %%, p = %.2g)", a.Verdict,
		formatMS(a.NewMS), formatMS(a.OldMS), 100*a.Change, 100*a.ChangeLow, 100*a.ChangeHigh, 100*a.Margin, a.P)
	if a.Reason != "" {
		s += "; " + a.Reason
	}
	return s
}
