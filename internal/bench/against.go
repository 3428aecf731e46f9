package bench

import (
	"fmt"
	"math"
	"net/url"
	"slices"
	"strings"

	"girin/internal/verdict"
)

// DefaultMargin is the change of a rate or a latency below which two servers are the same.
const DefaultMargin = 0.05

// crowdNoise is the change that other programs may have made where they used the cores: runs that follow each other share
// what those did meanwhile, and no interval shows that.
const crowdNoise = 0.5

// errorMargin is the same for the share of errors: a tenth of a percentage point.
const errorMargin = 0.001

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
		{"stages", x.Stages, y.Stages},
		{"streams of a connection", x.Streams, y.Streams},
		{"scenario", x.Scenario, y.Scenario},
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
// within. Bonferroni's correction makes the intervals of all four figures hold at once with 95 % confidence.
func compare(old, now []RunFigures, margin float64) *Against {
	a := &Against{Verdict: Undecided, Margin: margin, OldRuns: len(old), NewRuns: len(now)}
	if len(old) < verdict.MinRuns || len(now) < verdict.MinRuns {
		a.Reason = fmt.Sprintf("%s there and %d here cannot tell a change from chance, each side needs %d: --runs makes them",
			Plural(len(old), "run"), len(now), verdict.MinRuns)
		return a
	}
	verdicts := map[Verdict]int{}
	for _, f := range comparedFigures {
		c := compareFigure(f, old, now, margin)
		verdicts[c.Verdict]++
		a.Figures = append(a.Figures, c)
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

// comparedFigures are those that are compared, each with this confidence.
var comparedFigures = [...]figure{rateFigure, p50Figure, p99Figure, errorsFigure}

const confidenceOfEach = 1 - (1-verdict.Confidence)/float64(len(comparedFigures))

// compareFigure compares one figure.
func compareFigure(f figure, old, now []RunFigures, margin float64) FigureAgainst {
	rule := verdict.Rule{MoreIsBetter: f == rateFigure, Margin: margin, Confidence: confidenceOfEach}
	least := leastDone(old, now)
	var c verdict.Comparison
	switch {
	case f == errorsFigure:
		rule.Margin = errorMargin
		c = verdict.CompareShares(valuesOf(f, old), valuesOf(f, now), least, rule)
	case f == p99Figure && least < Needs(99):
		c = verdict.Comparison{Verdict: Undecided, Reason: fmt.Sprintf("a run has fewer than %d requests", Needs(99))}
	default:
		others := max(crowdOf(old), crowdOf(now))
		if others > 0 {
			rule.Noise = crowdNoise
		}
		c = verdict.Compare(valuesOf(f, old), valuesOf(f, now), rule)
		if others > 0 && c.Verdict == Undecided {
			c.Reason += fmt.Sprintf("; other programs used up to %.1f cores", others)
		}
	}
	return FigureAgainst{Figure: string(f), Verdict: c.Verdict, Old: c.Old, New: c.New,
		Change: c.Change, ChangeLow: c.Low, ChangeHigh: c.High, Reason: c.Reason}
}

// crowdOf is how many cores other programs used before runs, if before half of these at least they left too few; else 0.
func crowdOf(runs []RunFigures) (most float64) {
	crowded := 0
	for _, r := range runs {
		if r.OthersCPU > 0 {
			crowded++
			most = max(most, r.OthersCPU)
		}
	}
	if 2*crowded < len(runs) {
		return 0
	}
	return most
}

func valuesOf(f figure, runs []RunFigures) []float64 {
	out := make([]float64, len(runs))
	for i, r := range runs {
		out[i] = f.of(r)
	}
	return out
}

func leastDone(a, b []RunFigures) int64 {
	least := int64(math.MaxInt64)
	for _, r := range slices.Concat(a, b) {
		least = min(least, r.Done)
	}
	return least
}
