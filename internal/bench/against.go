package bench

import (
	"fmt"
	"math"
	"net/url"
	"slices"
	"strings"
)

// DefaultMargin is the change of a rate or a latency below which two servers are the same.
const DefaultMargin = 0.05

// errorMargin is the same for the share of errors: a tenth of a percentage point.
const errorMargin = 0.001

// minRuns is how many runs each side needs: of fewer nobody can say how much they differ by themselves.
const minRuns = 3

// Guard is what a result is judged by.
type Guard struct {
	SLO          SLOSpec   // none if empty
	Baseline     []*Result // none if empty
	BaselineName string
	Margin       float64
}

// Judge fills in SLO and Against.
func (g Guard) Judge(res *Result) {
	if len(g.SLO) > 0 {
		res.SLO = g.SLO.judge(res)
	}
	if len(g.Baseline) > 0 {
		var old []RunFigures
		for _, b := range g.Baseline {
			old = append(old, b.runs()...)
		}
		res.Against = compare(old, res.runs(), g.Margin)
		res.Against.Baseline = g.BaselineName
	}
}

// Check says why a run with these options could not be compared with the baseline; nil if it can, or there is none.
func (g Guard) Check(o Options) error {
	if len(g.Baseline) == 0 {
		return nil
	}
	r, err := newRun(o)
	if err != nil {
		return &OptionError{err}
	}
	return g.CheckResult(&Result{Load: r.load(), Targets: r.targets()})
}

// CheckResult is Check for a result that is there.
func (g Guard) CheckResult(res *Result) error {
	for _, b := range g.Baseline {
		if what := difference(b, res); what != "" {
			return fmt.Errorf("the baseline of %s is of another load, which no verdict can be about: %s", b.StartedAt.Format("2006-01-02 15:04:05"), what)
		}
	}
	return nil
}

// difference names what two loads differ in; empty if they are alike but for the server, the length and the seed.
func difference(a, b *Result) string {
	x, y := a.Load, b.Load
	for _, d := range []struct {
		what     string
		old, now any
	}{
		{"loop", x.Mode, y.Mode},
		{"clients", x.MaxClients, y.MaxClients},
		{"protocol", "HTTP/" + x.HTTP, "HTTP/" + y.HTTP},
		{"keep-alive", x.KeepAlive, y.KeepAlive},
		{"rate", RateCurve{x.RateFrom, x.RateTo}, RateCurve{y.RateFrom, y.RateTo}},
		{"arrivals", x.Arrivals, y.Arrivals},
		{"redirects followed", x.Follow, y.Follow},
		{"targets", askedFor(a.Targets), askedFor(b.Targets)},
	} {
		if d.old != d.now {
			return fmt.Sprintf("%s: %v there, %v here", d.what, d.old, d.now)
		}
	}
	for i, t := range a.Targets {
		if u := b.Targets[i]; t.BodyBytes != u.BodyBytes || t.BodySum != "" && t.BodySum != u.BodySum {
			return fmt.Sprintf("the body of %s: %d bytes there, %d here, with other content", t.URL, t.BodyBytes, u.BodyBytes)
		}
	}
	return ""
}

// askedFor lists targets without the server's address, which may differ.
func askedFor(targets []TargetCount) string {
	var list []string
	for _, t := range targets {
		path := t.URL
		if u, err := url.Parse(t.URL); err == nil {
			path = u.RequestURI()
		}
		list = append(list, fmt.Sprintf("%d=%s %s", t.Weight, t.Method, path))
	}
	return strings.Join(list, ", ")
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

// compare compares runs. A figure is worse or better if the interval of its change lies beyond the margin, the same if it lies
// within. The intervals are Welch's, of logarithms, since runs differ by factors; Bonferroni's correction makes all four hold
// at once with 95 % confidence.
func compare(old, now []RunFigures, margin float64) *Against {
	a := &Against{Verdict: Undecided, Margin: margin, OldRuns: len(old), NewRuns: len(now)}
	if len(old) < minRuns || len(now) < minRuns {
		a.Reason = fmt.Sprintf("%s there and %d here cannot tell a change from chance, each side needs %d: --runs makes them",
			plural(len(old), "run"), len(now), minRuns)
		return a
	}
	a.Figures = []FigureAgainst{
		compareFactor(rateFigure, old, now, margin),
		compareFactor(p50Figure, old, now, margin),
		compareFactor(p99Figure, old, now, margin),
		compareErrors(old, now),
	}
	verdicts := map[Verdict]int{}
	for _, f := range a.Figures {
		verdicts[f.Verdict]++
	}
	switch {
	case verdicts[Worse] > 0:
		a.Verdict = Worse
	case verdicts[Better] > 0:
		a.Verdict = Better
	case verdicts[Same] == len(a.Figures):
		a.Verdict = Same
	}
	return a
}

// compared is how many figures are compared, each with this confidence.
const (
	compared         = 4
	confidenceOfEach = 1 - 0.05/compared
)

// compareFactor compares a figure that runs differ in by factors.
func compareFactor(f figure, old, now []RunFigures, margin float64) FigureAgainst {
	out := FigureAgainst{Figure: string(f), Verdict: Undecided}
	x, y := valuesOf(f, old), valuesOf(f, now)
	if f == p99Figure && leastDone(old, now) < Needs(99) {
		out.Reason = fmt.Sprintf("a run has fewer than %d requests", Needs(99))
		return out
	}
	if lost, lostBefore := countBeyond(y), countBeyond(x); lost+lostBefore > 0 {
		return out.amongFailures(lost == len(y) && lostBefore == 0, lostBefore == len(x) && lost == 0)
	}
	if slices.Min(x) <= 0 || slices.Min(y) <= 0 {
		out.Reason = "a run has no success"
		return out
	}
	for _, list := range [][]float64{x, y} {
		for i := range list {
			list[i] = math.Log(list[i])
		}
	}
	mx, vx := meanAndVariance(x)
	my, vy := meanAndVariance(y)
	half := welchHalf(vx/float64(len(x)), vy/float64(len(y)), len(x), len(y))
	out.Old, out.New = math.Exp(mx), math.Exp(my)
	out.Change, out.ChangeLow, out.ChangeHigh = math.Expm1(my-mx), math.Expm1(my-mx-half), math.Expm1(my-mx+half)
	return out.decide(margin, f == rateFigure)
}

// compareErrors compares shares of errors. Runs without a failure do not differ at all, which says too much: the share of a run
// varies at least as that of independent requests would.
func compareErrors(old, now []RunFigures) FigureAgainst {
	f := errorsFigure
	x, y := valuesOf(f, old), valuesOf(f, now)
	mx, vx := meanAndVariance(x)
	my, vy := meanAndVariance(y)
	pooled := (mx + my) / 2
	least := pooled * (1 - pooled) / float64(max(leastDone(old, now), 1))
	half := welchHalf(max(vx, least)/float64(len(x)), max(vy, least)/float64(len(y)), len(x), len(y))
	out := FigureAgainst{Figure: string(f), Old: mx, New: my, Change: my - mx, ChangeLow: my - mx - half, ChangeHigh: my - mx + half}
	return out.decide(errorMargin, false)
}

// amongFailures is the verdict where a percentile of some run falls among failures.
func (f FigureAgainst) amongFailures(worse, better bool) FigureAgainst {
	f.Reason = "it falls among failures"
	switch {
	case worse:
		f.Verdict = Worse
	case better:
		f.Verdict, f.Reason = Better, "before, it fell among failures"
	}
	return f
}

// decide finds the verdict.
func (f FigureAgainst) decide(margin float64, moreIsBetter bool) FigureAgainst {
	above, below := Worse, Better
	if moreIsBetter {
		above, below = Better, Worse
	}
	switch {
	case f.ChangeLow > margin:
		f.Verdict = above
	case f.ChangeHigh < -margin:
		f.Verdict = below
	case f.ChangeLow >= -margin && f.ChangeHigh <= margin:
		f.Verdict = Same
	default:
		f.Verdict, f.Reason = Undecided, "the change may be within the margin or beyond it"
	}
	return f
}

// welchHalf is half of the interval of a difference of two means with these squared standard errors (Welch 1947).
func welchHalf(a, b float64, m, n int) float64 {
	if a+b == 0 {
		return 0
	}
	freedom := (a + b) * (a + b) / (a*a/float64(m-1) + b*b/float64(n-1))
	return studentT(confidenceOfEach, freedom) * math.Sqrt(a+b)
}

func valuesOf(f figure, runs []RunFigures) []float64 {
	out := make([]float64, len(runs))
	for i, r := range runs {
		out[i] = f.of(r)
	}
	return out
}

func countBeyond(values []float64) (n int) {
	for _, v := range values {
		if v == beyondAll {
			n++
		}
	}
	return n
}

func leastDone(a, b []RunFigures) int64 {
	least := int64(math.MaxInt64)
	for _, r := range slices.Concat(a, b) {
		least = min(least, r.Done)
	}
	return least
}
