package report

import (
	"fmt"

	"girin/internal/lab/chart"
)

// A glance is the table at the top of a report whose streams compete or follow each other:
// a row per setting, a column per panel, shaded by how near each comes to the column's best.
// It shows whom a server serves at whose expense.
type glance struct {
	Columns []string
	Rows    []glanceRow
}

type glanceRow struct {
	Setting, Subject string
	Fields           []glanceField
}

// A glanceField is shaded by Level, from 0 (a fifth of the best or less) to 4 (as good).
type glanceField struct {
	Text, Cell string
	Level      int
}

// atAGlance makes the table; it is empty where each panel stands for itself.
func atAGlance(all []*panel) glance {
	var several []*panel
	for _, p := range all {
		if !p.Alone || p.Phase != p.Scenario {
			several = append(several, p)
		}
	}
	var g glance
	if len(several) < 2 {
		return g
	}
	for _, p := range several {
		unit := "requests/s"
		if p.open() {
			unit = "p99 ms"
		}
		g.Columns = append(g.Columns, p.Name()+", "+unit)
	}
	for _, c := range several[0].charted() {
		row := glanceRow{Setting: c.Key(), Subject: c.Setting.Subject}
		for _, p := range several {
			row.Fields = append(row.Fields, p.glanceField(p.cell(c.Key())))
		}
		g.Rows = append(g.Rows, row)
	}
	return g
}

func (p *panel) glanceField(c *cell) glanceField {
	if c == nil || !c.OK() {
		return glanceField{Text: "invalid"}
	}
	best := p.best(func(*cell) bool { return true })
	f := glanceField{Cell: p.cellKey(c)}
	switch {
	case !p.open():
		f.Text, f.Level = chart.Format(c.Rate.Median), level(c.Rate.Median/best.Rate.Median)
	case !p.served(c):
		f.Text = fmt.Sprintf("%s (%s of %s/s)", chart.Format(c.P99.Median), chart.Format(c.Rate.Median), chart.Format(p.Offered))
		f.Level = min(level(best.P99.Median/c.P99.Median), level(c.Rate.Median/p.Offered))
	default:
		f.Text, f.Level = chart.Format(c.P99.Median), level(best.P99.Median/c.P99.Median)
	}
	if p.starved(c) {
		f.Text, f.Level = f.Text+" starved", 0
	}
	return f
}

// level is how near a share comes to 1.
func level(share float64) int {
	n := 0
	for _, bound := range []float64{0.2, 0.5, 0.8, 0.95} {
		if share >= bound {
			n++
		}
	}
	return n
}
