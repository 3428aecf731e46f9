package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"girin/internal/lab/chart"
	"girin/internal/lab/plan"
	"girin/internal/lab/result"
	"girin/internal/lab/stats"
)

// A drawing is a chart of a panel with the name of its files.
type drawing struct {
	Name    string // last part of the file name
	Details string // heading of the fold that it hides in; empty if it is shown at once
	Scene   *chart.Scene
}

// drawings are the charts of a panel: the article's two where settings form a matrix of
// sizes, rows where they do not.
func (p *panel) drawings() []drawing {
	var all []drawing
	switch {
	case p.open():
		all = append(all, drawing{Name: "latency", Scene: p.percentileRows()}, drawing{Name: "served", Scene: p.rateRows()})
	case p.grouped():
		all = append(all, drawing{Name: "rate", Scene: p.rateGroups()}, drawing{Name: "time", Scene: p.timeGroups()},
			drawing{Name: "latency", Details: "Latency percentiles", Scene: p.percentileRows()})
	default:
		all = append(all, drawing{Name: "rate", Scene: p.rateRows()}, drawing{Name: "time", Scene: p.timeRows()},
			drawing{Name: "latency", Details: "Latency percentiles", Scene: p.percentileRows()})
	}
	return append(all,
		drawing{Name: "cpu", Details: "CPU of the server", Scene: p.costRows("CPU of the server's processes per request", "ms", func(c *cell) stats.Summary { return c.CPU })},
		drawing{Name: "memory", Details: "Memory of the server", Scene: p.costRows("Memory of the server's processes (Pss)", "MiB", func(c *cell) stats.Summary { return c.Memory })})
}

// grouped reports whether the settings are a matrix that reads best as groups of bars: two
// servers at most, since bars are filled or hatched, and several sizes.
func (p *panel) grouped() bool {
	sizes := map[string]bool{}
	for _, c := range p.Cells {
		sizes[c.Setting.Size()] = true
	}
	return len(subjects(p)) <= 2 && len(sizes) >= 3 && len(p.Cells) >= 8
}

func (p *panel) rateGroups() *chart.Scene {
	g := p.groups(func(c *cell) stats.Summary { return c.Rate }, rate)
	g.Title, g.Hint, g.Unit = p.Name()+": requests per second", "higher is better; a dot is a run", "requests/s"
	if p.hasIdeal() {
		g.IdealLabel = "ideal: " + p.idealMeans()
	}
	if p.Kind == plan.Waiting && p.TakesS > 0 {
		g.Ceiling, g.CeilingLabel = float64(p.Clients)/p.TakesS, fmt.Sprintf("all %d clients at once", p.Clients)
	}
	return g.Draw()
}

func (p *panel) hasIdeal() bool {
	return slices.ContainsFunc(p.Cells, func(c *cell) bool { return c.Ideal > 0 })
}

// idealMeans says what the panel's ideal is.
func (p *panel) idealMeans() string {
	switch {
	case slices.ContainsFunc(p.Cells, func(c *cell) bool { return len(c.Runs) > 0 && c.Runs[0].Ideal > 0 }):
		return "what the plan says can be served"
	case p.Kind == plan.Waiting:
		return fmt.Sprintf("min(W×T, %d clients) / %g s", p.Clients, p.TakesS)
	}
	return fmt.Sprintf("min(W, cores) / %s ms, the fastest computation", chart.Format(1000*p.ComputeS))
}

func (p *panel) timeGroups() *chart.Scene {
	g := p.groups(func(c *cell) stats.Summary { return c.Time }, func(r *result.Run) float64 { return r.TimePerRequestMS })
	g.Title, g.Hint, g.Unit = p.Name()+": time per request", "lower is better; a dot is a run", "ms"
	for i := range g.Groups {
		for j := range g.Groups[i].Bars {
			if b := &g.Groups[i].Bars[j]; b.Ideal > 0 {
				b.Ideal = 1000 * float64(p.Clients) / b.Ideal
			}
		}
	}
	if p.hasIdeal() {
		g.IdealLabel = "ideal: clients / ideal rate"
	}
	return g.Draw()
}

func groupLabel(s plan.Setting) string {
	if size := s.Size(); size != "" {
		return strings.ReplaceAll(size, "x", "×")
	}
	return cmp.Or(s.Class, s.Subject)
}

// groups makes a bar of each cell and a group of each size.
func (p *panel) groups(of func(*cell) stats.Summary, value func(*result.Run) float64) *chart.Groups {
	cells := p.charted()
	names := subjects(p)
	slices.SortStableFunc(cells, func(a, b *cell) int {
		return cmp.Or(bySize(a.Setting, b.Setting), p.classOrder(a.Setting.Class)-p.classOrder(b.Setting.Class),
			slices.Index(names, a.Setting.Subject)-slices.Index(names, b.Setting.Subject))
	})
	g := &chart.Groups{}
	seen := map[string]bool{}
	for _, c := range cells {
		label := groupLabel(c.Setting)
		if n := len(g.Groups); n == 0 || g.Groups[n-1].Label != label {
			g.Groups = append(g.Groups, chart.Group{Label: label})
		}
		group := &g.Groups[len(g.Groups)-1]
		group.Mark = group.Mark || c.Setting.Recommended
		bar := p.bar(c, of(c), value, names)
		group.Bars = append(group.Bars, bar)
		legend := strings.TrimSpace(c.Setting.Class + " " + c.Setting.Subject)
		if !seen[legend] {
			seen[legend] = true
			g.Legend = append(g.Legend, chart.Bar{Class: bar.Class, Hatched: bar.Hatched, Subject: bar.Subject, Tip: legend})
		}
	}
	return g
}

// charted are the cells that are drawn: the control's second run is in the table only.
func (p *panel) charted() []*cell {
	return slices.DeleteFunc(slices.Clone(p.Cells), func(c *cell) bool { return c.Setting.Again })
}

// bySize orders sizes; settings without one, which choose themselves, come last.
func bySize(a, b plan.Setting) int {
	if (a.Size() == "") != (b.Size() == "") {
		return len(b.Size()) - len(a.Size())
	}
	return cmp.Or(a.Workers-b.Workers, a.Threads-b.Threads)
}

// classOrder is the plan's.
func (p *panel) classOrder(class string) int {
	for i, c := range p.Cells {
		if c.Setting.Class == class {
			return i
		}
	}
	return len(p.Cells)
}

func (p *panel) bar(c *cell, s stats.Summary, value func(*result.Run) float64, names []string) chart.Bar {
	return chart.Bar{
		Value: s.Median, Lo: s.Lo, Hi: s.Hi, Runs: values(c.Runs, value), Class: cmp.Or(c.Setting.Class, c.Setting.Server), Subject: c.Setting.Subject,
		Hatched: slices.Index(names, c.Setting.Subject) > 0, Cell: p.cellKey(c), Tip: p.tip(c), Missing: !c.OK(), Ideal: c.Ideal,
	}
}

// cellKey is how the page finds a cell's timeline.
func (p *panel) cellKey(c *cell) string { return p.Name() + "/" + c.Key() }

// tip is what is shown while a cell is pointed at.
func (p *panel) tip(c *cell) string {
	if !c.OK() {
		return c.Key() + "\n" + firstInvalid(c)
	}
	lines := []string{c.Key(), chart.Format(c.Rate.Median) + " requests/s" + p.interval(c)}
	if c.Ideal > 0 {
		lines = append(lines, "ideal "+chart.Format(c.Ideal)+" requests/s")
	}
	lines = append(lines,
		"time per request "+chart.Format(c.Time.Median)+" ms",
		fmt.Sprintf("p50 %s, p99 %s ms", chart.Format(c.P50.Median), chart.Format(c.P99.Median)),
		fmt.Sprintf("%s MiB in %d processes", chart.Format(c.Memory.Median), c.Processes))
	if c.Setting.Recommended {
		lines = append(lines, "the documented recommendation")
	}
	return strings.Join(lines, "\n")
}

func firstInvalid(c *cell) string {
	if len(c.Invalid) == 0 {
		return "not measured"
	}
	return strings.Join(strings.Fields(c.Invalid[0].Invalid), " ")
}

func (p *panel) rateRows() *chart.Scene {
	hint := "higher is better; a dot is a run"
	if p.hasIdeal() {
		hint += "; the marks above and below a bar are the ideal, " + p.idealMeans()
	}
	r := p.rows(func(c *cell) stats.Summary { return c.Rate }, rate)
	r.Title, r.Hint, r.Unit = p.Name()+": requests per second", hint, "requests/s"
	for i, c := range p.charted() {
		row := &r.Rows[i]
		row.Ideal = c.Ideal
		if c.Ideal > 0 && c.OK() {
			row.Text += " of " + chart.Format(c.Ideal)
		}
		if p.starved(c) {
			row.Text, row.Alarm = row.Text+" starved", true
		}
	}
	return r.Draw()
}

func (p *panel) timeRows() *chart.Scene {
	r := p.rows(func(c *cell) stats.Summary { return c.Time }, func(r *result.Run) float64 { return r.TimePerRequestMS })
	r.Title, r.Hint, r.Unit = p.Name()+": time per request", "lower is better; a dot is a run", "ms"
	return r.Draw()
}

func (p *panel) costRows(title, unit string, of func(*cell) stats.Summary) *chart.Scene {
	r := p.rows(of, nil)
	r.Title, r.Hint, r.Unit = p.Name()+": "+title, "lower is better", unit
	return r.Draw()
}

// rows makes a row of each cell; value nil leaves the dots out.
func (p *panel) rows(of func(*cell) stats.Summary, value func(*result.Run) float64) *chart.Rows {
	r := &chart.Rows{}
	names := subjects(p)
	for _, c := range p.charted() {
		s := of(c)
		bar := p.bar(c, s, rate, names)
		bar.Runs = nil
		if value != nil {
			bar.Runs = values(c.Runs, value)
		}
		r.Rows = append(r.Rows, chart.Row{Label: rowLabel(c), Bar: bar, Text: rowText(c, s)})
	}
	return r
}

func rowLabel(c *cell) string {
	if c.Setting.Recommended {
		return c.Key() + " (documented)"
	}
	return c.Key()
}

func rowText(c *cell, s stats.Summary) string {
	if !c.OK() {
		return "invalid"
	}
	return chart.Format(s.Median)
}

// percentileRows draws p50 to p99, on a logarithmic axis: a tail may be a thousand times
// the median.
func (p *panel) percentileRows() *chart.Scene {
	r := &chart.Rows{Title: p.Name() + ": latency, p50 p90 p95 p99", Hint: "lower is better; logarithmic; p99 beside", Unit: "ms", Log: true}
	for _, c := range p.charted() {
		row := chart.Row{Label: rowLabel(c), Bar: p.bar(c, stats.Summary{}, rate, subjects(p)), Text: rowText(c, c.P99)}
		row.Bar.Runs = nil
		for _, s := range []struct {
			name  string
			value float64
		}{{"p50", c.P50.Median}, {"p90", c.P90.Median}, {"p95", c.P95.Median}, {"p99", c.P99.Median}} {
			if s.value > 0 {
				row.Points = append(row.Points, chart.Point{Value: s.value, Name: s.name})
			}
		}
		switch {
		case c.OK() && len(row.Points) == 0:
			row.Text, row.Alarm = "none answered", true
		case c.OK() && p.open() && !p.served(c): // the percentiles are those of the few that were answered
			row.Text, row.Alarm = fmt.Sprintf("%s of %s/s", chart.Format(c.Rate.Median), chart.Format(p.Offered)), true
		}
		r.Rows = append(r.Rows, row)
	}
	return r.Draw()
}
