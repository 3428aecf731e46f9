package report

import (
	"fmt"
	"io"
	"math"
	"text/tabwriter"

	"girin/internal/lab/chart"
	"girin/internal/lab/result"
	"girin/internal/verdict"
)

// A change is one setting of one panel in two runs of a plan.
type change struct {
	panel, setting string
	unit           string
	verdict.Comparison
	Pair verdict.Pair
}

// Diff writes what changed from one run of a plan to another: cell by cell, by the metric that
// each panel is ranked by. Verdicts are corrected for the number of cells (Holm 1979): with
// 95 % confidence, not one of them is wrong.
func Diff(w io.Writer, before, after *result.Folder) error {
	var rates, latencies []*change
	var missing []string
	old := map[string]*panel{}
	for _, p := range panels(before) {
		old[p.Name()] = p
	}
	for _, p := range panels(after) {
		switch was := old[p.Name()]; {
		case was == nil:
			missing = append(missing, fmt.Sprintf("%s is only in %s", p.Name(), after.Dir))
		case p.open():
			latencies = append(latencies, changes(was, p, " ms p99")...)
		default:
			rates = append(rates, changes(was, p, "/s")...)
		}
	}
	cells := len(rates) + len(latencies)
	decide(rates, cells, false)
	decide(latencies, cells, true)
	out := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(out, "endpoint\tsetting\t%s\t%s\tchange\tverdict\n", before.Dir, after.Dir)
	for _, c := range append(rates, latencies...) {
		fmt.Fprintf(out, "%s\t%s\t%s%s\t%s%s\t%s\t%s\n", c.panel, c.setting, format(c.Old), c.unit, format(c.New), c.unit,
			percent(c.Change), c.words())
	}
	if err := out.Flush(); err != nil {
		return err
	}
	for _, line := range missing {
		fmt.Fprintln(w, line)
	}
	_, err := fmt.Fprintf(w, "\n%d cells compared. Better and worse are right for all of them at once with 95 %% confidence (Holm's correction); the intervals too (Bonferroni).\n", cells)
	return err
}

// changes are the cells that both have, not yet judged.
func changes(was, is *panel, unit string) []*change {
	var all []*change
	for _, c := range is.Cells {
		if d := was.cell(c.Key()); d != nil && c.OK() && d.OK() {
			all = append(all, &change{panel: is.Name(), setting: c.Key(), unit: unit,
				Pair: verdict.Pair{Old: values(d.Runs, metric), New: values(c.Runs, metric)}})
		}
	}
	return all
}

// decide compares all of one kind, each at the level that so many cells together leave it.
func decide(all []*change, cells int, open bool) {
	pairs := make([]verdict.Pair, len(all))
	for i, c := range all {
		pairs[i] = c.Pair
	}
	for i, c := range verdict.CompareAll(pairs, cells, result.RuleOf(open)) {
		all[i].Comparison = c
	}
}

// words are the verdict and what it rests on.
func (c *change) words() string {
	if c.High == c.Low {
		return fmt.Sprintf("%s: %s", c.Verdict, c.Reason)
	}
	return fmt.Sprintf("%s (%s to %s, p=%.2g)", c.Verdict, percent(c.Low), percent(c.High), c.P)
}

// format writes a metric; the mean of runs among failures is none.
func format(v float64) string {
	if v == 0 || v >= verdict.Worst {
		return "?"
	}
	return chart.Format(v)
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
