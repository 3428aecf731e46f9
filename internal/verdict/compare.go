package verdict

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/gonum/stat/distuv"
)

// A Verdict on a new sample beside an old one.
type Verdict string

// The verdicts. Same means that the whole interval of the change lies within the margin, which is more than Undecided.
const (
	Better    Verdict = "better"
	Worse     Verdict = "worse"
	Same      Verdict = "same"
	Undecided Verdict = "undecided"
)

// Confidence of all verdicts where a Rule has none of its own.
const Confidence = 0.95

// MinRuns is how many runs each side needs: of fewer nobody can say how much they differ by themselves.
const MinRuns = 3

// Worst is the latency of what has failed: above every other, and a number that JSON can hold.
const Worst = math.MaxFloat64

// A Rule says what counts as a difference.
type Rule struct {
	MoreIsBetter bool    // as of rates; latencies are better if they are less
	Margin       float64 // a change by less than this share is none
	Confidence   float64 // zero means 0.95
	Noise        float64 // a change that may be no more is undecided: something else may have made it
}

// A Comparison is a verdict and what it rests on.
type Comparison struct {
	Verdict  Verdict
	Old, New float64 // geometric means over the runs
	// Change is New/Old - 1, and the true one lies within Low and High with the rule's confidence.
	Change, Low, High float64
	// P is how probable such a difference is (or a greater one, either way) where the true change is within the margin.
	P      float64
	Reason string // of Undecided, and where there is no interval
}

// Compare compares the runs of something new with those of something old. Welch's interval of the difference of the
// logarithms is laid beside the margin.
func Compare(old, now []float64, r Rule) Comparison {
	c := Comparison{Verdict: Undecided, P: 1}
	if len(old) < MinRuns || len(now) < MinRuns {
		c.Reason = fmt.Sprintf("%d and %d runs cannot tell a change from chance, each side needs %d", len(old), len(now), MinRuns)
		return c
	}
	if bad := countBad(old, r) + countBad(now, r); bad > 0 {
		return c.amongFailures(countBad(old, r), len(old), countBad(now, r), len(now))
	}
	x, y := describe(logs(old)), describe(logs(now))
	c.Old, c.New = math.Exp(x.mean), math.Exp(y.mean)
	return c.decide(difference(x, y), r)
}

// CompareShares compares shares, such as that of the requests that failed; less is better, and Change, Low, High and the
// margin are differences of shares. Runs without a failure do not differ at all, which says too much: each is taken for
// at least as uncertain as that many independent requests would make it.
func CompareShares(old, now []float64, requests int64, r Rule) Comparison {
	c := Comparison{Verdict: Undecided, P: 1}
	if len(old) < MinRuns || len(now) < MinRuns {
		c.Reason = fmt.Sprintf("%d and %d runs cannot tell a change from chance, each side needs %d", len(old), len(now), MinRuns)
		return c
	}
	x, y := describe(old), describe(now)
	pooled := (x.mean + y.mean) / 2
	least := pooled * (1 - pooled) / float64(max(requests, 1))
	x.variance, y.variance = max(x.variance, least), max(y.variance, least)
	c.Old, c.New = x.mean, y.mean
	r.MoreIsBetter = false
	d := difference(x, y)
	half := d.half(r.confidence())
	c.Change, c.Low, c.High, c.P = d.mean, d.mean-half, d.mean+half, d.p(r.Margin)
	return c.settle(r)
}

// A Pair is two samples that are to be compared.
type Pair struct{ Old, New []float64 }

// CompareAll compares many pairs at once. Each P is Holm's adjusted one, and verdicts of worse and better are those whose
// P is below 1 - confidence: among all of them, none is wrong with that confidence. Intervals hold together too (Bonferroni).
// Where pairs are only some of what is compared, by other rules perhaps, of is how many that is; it is at least len(pairs).
func CompareAll(pairs []Pair, of int, r Rule) []Comparison {
	level := 1 - r.confidence()
	others := max(of-len(pairs), 0)
	each := r
	each.Confidence = 1 - level/float64(max(len(pairs)+others, 1))
	out := make([]Comparison, len(pairs))
	ps := make([]float64, len(pairs))
	for i, p := range pairs {
		out[i] = Compare(p.Old, p.New, each)
		ps[i] = out[i].P
	}
	for i, p := range holm(ps, others) {
		c := &out[i]
		c.P = p
		if c.Verdict == Undecided && p < level {
			c.Verdict, c.Reason = direction(c.Change, r), ""
		}
	}
	return out
}

// Holm adjusts probabilities for being many (Holm 1979): those that stay below a level are all true with that error rate.
func Holm(ps []float64) []float64 { return holm(ps, 0) }

// holm takes so many more probabilities into account, which may be larger than these.
func holm(ps []float64, others int) []float64 {
	order := make([]int, len(ps))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(ps[a], ps[b]) })
	out := make([]float64, len(ps))
	last := 0.0
	for k, i := range order {
		last = max(last, min(1, float64(len(ps)+others-k)*ps[i]))
		out[i] = last
	}
	return out
}

func (r Rule) confidence() float64 { return cmp.Or(r.Confidence, Confidence) }

// bad reports whether a value has no logarithm: a rate of nothing, or a latency among failures.
func (r Rule) bad(v float64) bool {
	if r.MoreIsBetter {
		return v <= 0
	}
	return v >= Worst || v <= 0
}

func countBad(values []float64, r Rule) (n int) {
	for _, v := range values {
		if r.bad(v) {
			n++
		}
	}
	return n
}

// amongFailures is the verdict where some run has no value: certain if all runs of one side have none and all of the other do.
func (c Comparison) amongFailures(badOld, old, badNew, now int) Comparison {
	c.Reason = "some runs fall among failures"
	switch {
	case badNew == now && badOld == 0:
		c.Verdict, c.P, c.Reason = Worse, 0, "every run falls among failures"
	case badOld == old && badNew == 0:
		c.Verdict, c.P, c.Reason = Better, 0, "before, every run fell among failures"
	}
	return c
}

// decide fills in what a difference of logarithms says.
func (c Comparison) decide(d gap, r Rule) Comparison {
	half := d.half(r.confidence())
	c.Change, c.Low, c.High = math.Expm1(d.mean), math.Expm1(d.mean-half), math.Expm1(d.mean+half)
	c.P = d.p(math.Log1p(r.Margin))
	return c.settle(r)
}

// settle finds the verdict from the interval.
func (c Comparison) settle(r Rule) Comparison {
	switch {
	case r.Noise > 0 && c.Low <= r.Noise && c.High >= -r.Noise:
		c.Verdict, c.Reason = Undecided, fmt.Sprintf("a change by less than %.0f %% may come of something else", 100*r.Noise)
	case c.Low > r.Margin || c.High < -r.Margin:
		c.Verdict = direction(c.Change, r)
	case c.Low >= -r.Margin && c.High <= r.Margin:
		c.Verdict = Same
	default:
		c.Verdict, c.Reason = Undecided, "the change may be within the margin or beyond it"
	}
	return c
}

func direction(change float64, r Rule) Verdict {
	if change > 0 == r.MoreIsBetter {
		return Better
	}
	return Worse
}

// sample is what a comparison needs of one.
type sample struct {
	n              int
	mean, variance float64
	freedom        float64 // of the variance
}

func describe(values []float64) sample {
	s := sample{n: len(values), freedom: float64(len(values) - 1)}
	for _, v := range values {
		s.mean += v / float64(s.n)
	}
	for _, v := range values {
		s.variance += (v - s.mean) * (v - s.mean) / max(s.freedom, 1)
	}
	return s
}

func logs(values []float64) []float64 {
	out := make([]float64, len(values))
	for i, v := range values {
		out[i] = math.Log(v)
	}
	return out
}

// gap is a difference of two means with its standard error and degrees of freedom (Welch 1947).
type gap struct{ mean, se, freedom float64 }

func difference(x, y sample) gap {
	a, b := x.variance/float64(x.n), y.variance/float64(y.n)
	g := gap{mean: y.mean - x.mean, se: math.Sqrt(a + b), freedom: x.freedom + y.freedom}
	if a+b > 0 && !math.IsInf(g.freedom, 1) {
		g.freedom = (a + b) * (a + b) / (a*a/x.freedom + b*b/y.freedom)
	}
	return g
}

// half is half of the interval that holds the true difference.
func (g gap) half(confidence float64) float64 {
	if g.se == 0 {
		return 0
	}
	return g.se * quantile(1-(1-confidence)/2, g.freedom)
}

// p is the two-sided probability of such a gap where the true one is no wider than margin.
func (g gap) p(margin float64) float64 {
	beyond := math.Abs(g.mean) - margin
	switch {
	case beyond <= 0:
		return 1
	case g.se == 0:
		return 0
	}
	return min(1, 2*tail(beyond/g.se, g.freedom))
}

// tail is the probability of Student's t above x.
func tail(x, freedom float64) float64 {
	if freedom > 1e6 {
		return distuv.UnitNormal.Survival(x)
	}
	return distuv.StudentsT{Sigma: 1, Nu: freedom}.CDF(-x)
}

func quantile(p, freedom float64) float64 {
	if freedom > 1e6 {
		return distuv.UnitNormal.Quantile(p)
	}
	return distuv.StudentsT{Sigma: 1, Nu: freedom}.Quantile(p)
}

// Mean is the mean of values, and the interval that holds the true one with 95 % confidence (Student's t).
func Mean(values []float64) (mean, low, high float64) {
	x := describe(values)
	if x.n < 2 {
		return x.mean, math.Inf(-1), math.Inf(1)
	}
	half := gap{se: math.Sqrt(x.variance / float64(x.n)), freedom: x.freedom}.half(Confidence)
	return x.mean, x.mean - half, x.mean + half
}
