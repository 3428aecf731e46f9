package report

import (
	"cmp"
	"fmt"
	"html/template"
	"math"
	"slices"

	"girin/internal/bench"
	"girin/internal/lab/chart"
	"girin/internal/tune"
)

const (
	mostLabels = 7 // besides auto
	// roof is how many times the SLO's limit the chart of latencies reaches.
	roof = 5
)

// palette are the colours of settings other than auto, in their order: most are of one class.
var palette = [...]string{"gthread", "gevent", "gaiohttp", "sync", "granian", "uwsgi", "other"}

// curves is the chart of p99 over rate.
func curves(r *tune.Result) template.HTML {
	c := chart.Curves{
		Title: "99th percentile of latency over the rate of requests", Hint: "lower and further to the right is better", XUnit: "requests per second",
		YUnit: "p99, ms", Limit: r.LimitMS, LimitLabel: limitLabel(r), Top: highest(r),
	}
	shown, least := 0, min(tune.Second, furthest(r))
	for _, candidate := range r.Candidates {
		curve := curveOf(candidate)
		if len(curve.Points) == 0 {
			continue
		}
		curve.Faint = candidate.Stage < least || shown >= mostLabels && candidate.Setting.Class != "auto"
		if !curve.Faint && candidate.Setting.Class != "auto" {
			curve.Class = palette[shown%len(palette)]
			shown++
		}
		c.Curves = append(c.Curves, curve)
	}
	if len(c.Curves) == 0 {
		return ""
	}
	return template.HTML(c.Draw().SVG())
}

// furthest is the stage that some setting has reached: a small budget ends with the first.
func furthest(r *tune.Result) (stage tune.Stage) {
	for _, c := range r.Candidates {
		stage = max(stage, c.Stage)
	}
	return stage
}

// limitLabel is the clause that has the limit.
func limitLabel(r *tune.Result) string {
	slo, err := bench.ParseSLO(r.SLO)
	if err != nil {
		return ""
	}
	return slo.HighestClause()
}

// highest is where the chart ends.
func highest(r *tune.Result) float64 {
	if r.LimitMS > 0 {
		return roof * r.LimitMS
	}
	most := 1.0
	for _, c := range r.Candidates {
		for _, m := range c.Runs {
			for _, p := range m.Points {
				if p.P99MS < math.MaxFloat64 {
					most = max(most, p.P99MS)
				}
			}
		}
	}
	return most
}

func curveOf(c *tune.Candidate) chart.Curve {
	curve := chart.Curve{Label: c.Setting.String(), Class: c.Setting.Class,
		Tip: fmt.Sprintf("%s\nholds %s requests/s\n%s MiB", c.Setting, c.Holds(), chart.Format(c.MemoryMiB()))}
	for _, m := range c.Runs {
		for _, p := range m.Points {
			if p.P99MS > 0 {
				curve.Points = append(curve.Points, chart.XY{X: p.Rate, Y: p.P99MS, Bad: !p.Held})
			}
		}
	}
	slices.SortStableFunc(curve.Points, func(a, b chart.XY) int { return cmp.Compare(a.X, b.X) })
	curve.Line = rising(curve.Points)
	return curve
}

// rising is the line nearest to the points that never falls (pool adjacent violators, Ayer and others
// 1955), of logarithms: latency grows with the rate, and what goes down is chance.
func rising(points []chart.XY) []chart.XY {
	type pool struct {
		sum   float64
		n     int
		first int
	}
	var pools []pool
	for i, p := range points {
		pools = append(pools, pool{math.Log(min(p.Y, 1e9)), 1, i})
		for k := len(pools) - 1; k > 0 && pools[k-1].sum/float64(pools[k-1].n) >= pools[k].sum/float64(pools[k].n); k-- {
			pools[k-1].sum += pools[k].sum
			pools[k-1].n += pools[k].n
			pools = pools[:k]
		}
	}
	var line []chart.XY
	for _, p := range pools {
		for i := p.first; i < p.first+p.n; i++ {
			line = append(line, chart.XY{X: points[i].X, Y: math.Exp(p.sum / float64(p.n))})
		}
	}
	return line
}

// hours is the chart of an access log's hours.
func hours(r *tune.Result) template.HTML {
	l := r.Workload.Log
	if l == nil || l.Peak == 0 {
		return ""
	}
	c := chart.Rows{Title: "Requests by the hour of the day", Hint: "in the access log, on average", Unit: "requests/s"}
	for hour, rate := range l.Rates {
		c.Rows = append(c.Rows, chart.Row{Label: fmt.Sprintf("%d:00", hour), Bar: chart.Bar{Value: rate, Class: "auto", Tip: fmt.Sprintf("%d requests", l.Hours[hour])},
			Text: chart.Format(rate)})
	}
	return template.HTML(c.Draw().SVG())
}
