package bench

import (
	"fmt"
	"io"
	"strings"
)

func (res *Result) writeVerdicts(w io.Writer) {
	if res.SLO != nil {
		for _, c := range res.SLO.Clauses {
			fmt.Fprintf(w, "SLO:      %s: %s", c.Clause, c.Verdict)
			if c.Value != beyondAll {
				fmt.Fprintf(w, " (%.4g)", c.Value)
			}
			if c.Reason != "" {
				fmt.Fprintf(w, ": %s", c.Reason)
			}
			fmt.Fprintln(w)
		}
	}
	if a := res.Against; a != nil {
		fmt.Fprintf(w, "Against:  %s: %s", a.Baseline, a.Verdict)
		if a.Reason != "" {
			fmt.Fprintf(w, "; %s", a.Reason)
		}
		fmt.Fprintln(w)
		for _, f := range a.Figures {
			fmt.Fprintf(w, "  %-8s %s\n", figureName(f.Figure), f.describe(a.Margin))
		}
	}
}

func figureName(name string) string { return strings.TrimSuffix(name, "_ms") }

// formatFigure writes a value of a figure with its unit.
func formatFigure(name string, v float64) string {
	switch {
	case v == beyondAll:
		return "failed"
	case figure(name) == rateFigure:
		return fmt.Sprintf("%.1f/s", v)
	case figure(name) == errorsFigure:
		return fmt.Sprintf("%.2f %%", 100*v)
	}
	return formatMS(v)
}

// describe puts a verdict into words.
func (f FigureAgainst) describe(margin float64) string {
	s := fmt.Sprintf("%-9s", f.Verdict)
	if f.Old != 0 || f.New != 0 || f.Reason == "" {
		unit := "%"
		if figure(f.Figure) == errorsFigure {
			unit, margin = "points", errorMargin
		}
		s += fmt.Sprintf(" %s, was %s: %+.1f %s (interval %+.1f to %+.1f, margin %g)", formatFigure(f.Figure, f.New),
			formatFigure(f.Figure, f.Old), 100*f.Change, unit, 100*f.ChangeLow, 100*f.ChangeHigh, 100*margin)
	}
	if f.Reason != "" {
		s += "; " + f.Reason
	}
	return s
}

// writeRuns writes how far runs differ.
func (res *Result) writeRuns(w io.Writer) {
	if len(res.Intervals) == 0 {
		return
	}
	fmt.Fprintf(w, "\n%s: mean, 95 %% interval of it, least and most\n", Plural(len(res.Runs), "run"))
	for _, v := range res.Intervals {
		show := func(x float64) string { return formatFigure(v.Figure, x) }
		fmt.Fprintf(w, "  %-6s %12s  %12s to %-12s  %12s  %12s\n", figureName(v.Figure), show(v.Mean), show(v.Low), show(v.High), show(v.Min), show(v.Max))
	}
}
