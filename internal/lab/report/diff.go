package report

import (
	"fmt"
	"io"
	"math"
	"text/tabwriter"

	"girin/internal/lab/chart"
	"girin/internal/lab/result"
	"girin/internal/lab/stats"
)

// Diff writes what changed from one run of a plan to another: cell by cell, by the metric
// that each panel is ranked by, and no more than the noise allows to say.
func Diff(w io.Writer, before, after *result.Folder) error {
	out := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(out, "endpoint\tsetting\t%s\t%s\tchange\tverdict\n", before.Dir, after.Dir)
	old := map[string]*panel{}
	for _, p := range panels(before) {
		old[p.Name()] = p
	}
	for _, p := range panels(after) {
		was := old[p.Name()]
		if was == nil {
			fmt.Fprintf(out, "%s\t\t\t\t\tonly in %s\n", p.Name(), after.Dir)
			continue
		}
		diffPanel(out, was, p)
	}
	return out.Flush()
}

func diffPanel(out io.Writer, was, is *panel) {
	value, _ := is.metric()
	unit := "/s"
	if is.open() {
		unit = " ms p99"
	}
	floor := max(was.Floor, is.Floor)
	for _, c := range is.Cells {
		d := was.cell(c.Key())
		if d == nil || !c.OK() || !d.OK() {
			continue
		}
		a, b := values(d.Runs, value), values(c.Runs, value)
		x, y := stats.Summarize(a), stats.Summarize(b)
		fmt.Fprintf(out, "%s\t%s\t%s%s\t%s%s\t%s\t%s\n", is.Name(), c.Key(), chart.Format(x.Median), unit, chart.Format(y.Median), unit,
			percent(y.Median/x.Median-1), verdict(a, b, floor, was.Floor > 0 && is.Floor > 0))
	}
}

// verdict says whether a difference is more than noise.
func verdict(a, b []float64, floor float64, known bool) string {
	switch {
	case !known || len(a) < stats.MinRuns || len(b) < stats.MinRuns:
		return fmt.Sprintf("undecided (%d and %d runs; 6 are needed, and a control)", len(a), len(b))
	case stats.Differ(a, b, floor):
		return fmt.Sprintf("differs (p=%.3f, noise floor %s)", stats.P(a, b), percent(math.Expm1(floor)))
	}
	return fmt.Sprintf("the same within the noise (p=%.3f, noise floor %s)", stats.P(a, b), percent(math.Expm1(floor)))
}

// cell finds a setting's cell; nil if there is none.
func (p *panel) cell(key string) *cell {
	for _, c := range p.Cells {
		if c.Key() == key {
			return c
		}
	}
	return nil
}

// percent writes a change with its sign.
func percent(share float64) string {
	if math.IsNaN(share) || math.IsInf(share, 0) {
		return "?"
	}
	return fmt.Sprintf("%+.1f %%", 100*share)
}
