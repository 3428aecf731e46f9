package report

import (
	"fmt"
	"html/template"
	"slices"
	"strconv"
	"strings"

	"girin/internal/lab/chart"
	"girin/internal/lab/result"
)

func (p *panel) view(i int, chartName string) panelView {
	v := panelView{ID: fmt.Sprintf("panel-%d", i+1), Name: p.Name(), About: p.about()}
	for _, d := range p.drawings() {
		v.Charts = append(v.Charts, chartView{File: chartName + "-" + d.Name, Details: d.Details, SVG: template.HTML(d.Scene.SVG())})
	}
	v.Columns, v.Rows = p.table()
	return v
}

func (p *panel) about() string {
	load := fmt.Sprintf("%d clients, each of which asks again as soon as it has the answer", p.Clients)
	if p.open() {
		load = fmt.Sprintf("%g requests per second, whatever becomes of the answers; latency counts from the moment a request was due", p.Offered)
		if p.Poisson {
			load = "at random moments, on average " + load
		}
	}
	what := p.Method + " " + p.Path
	if p.File != "" {
		what = "The requests of " + p.File
	}
	s := fmt.Sprintf("%s (%s): %s.", what, p.Kind, load)
	if !p.Alone {
		s += " Other streams load the server at the same time."
	}
	return s
}

// table holds every number of the panel.
func (p *panel) table() (columns []string, rows []rowView) {
	columns = []string{"setting", "place", "req/s", "95 % interval", "of ideal", "time/req ms", "p50", "p90", "p95", "p99", "max ms",
		"CPU ms/req", "MiB", "processes", "runs", "remarks"}
	for _, c := range p.Cells {
		rows = append(rows, rowView{Subject: c.Setting.Subject, Fields: p.fields(c)})
	}
	return columns, rows
}

func (p *panel) fields(c *cell) []field {
	number := func(v float64) field {
		if v == 0 {
			return field{}
		}
		return field{Text: chart.Format(v), Sort: strconv.FormatFloat(v, 'g', 6, 64)}
	}
	interval := field{}
	if s := c.Rate; s.HasInterval {
		interval = field{Text: chart.Format(s.Lo) + " to " + chart.Format(s.Hi), Sort: strconv.FormatFloat((s.Hi-s.Lo)/max(s.Median, 1e-9), 'g', 6, 64)}
	}
	share := field{}
	if c.Ideal > 0 && c.OK() {
		share = field{Text: fmt.Sprintf("%.0f %%", 100*c.Rate.Median/c.Ideal), Sort: fmt.Sprintf("%.5f", c.Rate.Median/c.Ideal)}
	}
	return []field{
		{Text: c.Key(), Sort: c.Key(), Cell: p.cellKey(c)},
		number(float64(c.Place)), number(c.Rate.Median), interval, share, number(c.Time.Median),
		number(c.P50.Median), p.tail(c, 90, c.P90.Median), p.tail(c, 95, c.P95.Median), p.tail(c, 99, c.P99.Median), number(c.Max.Median),
		number(c.CPU.Median), number(c.Memory.Median), number(float64(c.Processes)), number(float64(len(c.Runs))), p.remarks(c),
	}
}

// tail marks a percentile that the sample is too small for.
func (p *panel) tail(c *cell, percentile, value float64) field {
	if value == 0 {
		return field{}
	}
	text := chart.Format(value)
	for _, r := range c.Runs {
		if slices.Contains(r.Latency.Unsure, percentile) {
			text = "≈" + text
			break
		}
	}
	return field{Text: text, Sort: strconv.FormatFloat(value, 'g', 6, 64)}
}

func (p *panel) remarks(c *cell) field {
	var words []string
	if c.Setting.Recommended {
		words = append(words, "documented recommendation")
	}
	if p.starved(c) {
		words = append(words, "starved")
	}
	if len(c.Invalid) > 0 {
		words = append(words, fmt.Sprintf("%d invalid: %s", len(c.Invalid), firstInvalid(c)))
	}
	text := strings.Join(words, "; ")
	return field{Text: text, Sort: text, Bad: len(c.Invalid) > 0 || p.starved(c)}
}

// addData adds the timelines: of each cell the run in the middle.
func (p *panel) addData(data map[string]cellData, m *result.Machine) {
	for _, c := range p.Cells {
		d := cellData{Title: p.Name() + ": " + c.Key(), Command: m.Commands[c.Key()], Requests: [][5]float64{}}
		if !c.OK() {
			d.About = firstInvalid(c)
			data[p.cellKey(c)] = d
			continue
		}
		run := middle(c.Runs)
		d.About = fmt.Sprintf("Block %d: %s requests/s, server CPU %s s, %s MiB.", run.Block,
			chart.Format(run.Rate), chart.Format(run.ServerCPUS), chart.Format(run.MemoryMiB))
		if n := run.OK + run.Failed; n > int64(len(run.Stamps)) {
			d.About += fmt.Sprintf(" The first %d of %d requests are shown.", len(run.Stamps), n)
		}
		for _, doubt := range run.Doubts {
			d.About += " " + doubt
		}
		d.Requests = timeline(run.Stamps)
		data[p.cellKey(c)] = d
	}
}
