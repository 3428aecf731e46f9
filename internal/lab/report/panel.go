package report

import (
	"cmp"
	"slices"
	"strings"

	"girin/internal/lab/plan"
	"girin/internal/lab/result"
	"girin/internal/lab/stats"
	"girin/internal/verdict"
)

// A panel is what can be compared with each other: one load, on every setting.
type panel struct {
	Scenario, Phase, Stream string
	Kind                    string
	Method, Path            string
	File                    string // of its requests; empty if it is one path
	Poisson                 bool
	Clients                 int
	Offered                 float64
	TakesS                  float64
	// Alone is false for a stream that competes with others: there latency matters as
	// much as the rate.
	Alone bool
	// Only is set if the report has no other scenario, so that its name says nothing.
	Only  bool
	Cells []*cell

	Rank ranking
	// ComputeS is the shortest time that one request computed, the base of the ideal.
	ComputeS float64
}

// A cell is one setting in one panel.
type cell struct {
	Setting plan.Setting
	Runs    []*result.Run // valid ones, by block
	Invalid []*result.Run

	Rate, Time, P50, P90, P95, P99, Max stats.Summary
	CPU                                 stats.Summary // server CPU in ms per request; of all streams if several
	Memory                              stats.Summary // MiB
	Processes                           int
	Ideal                               float64 // requests/s, 0 if unknown
	Place                               int     // 0 if not ranked
	// Due is the p99 of all that were due, which an open load is ranked by: verdict.Worst if
	// it falls among what was not answered.
	Due stats.Summary
}

// Key names the cell within the page.
func (c *cell) Key() string { return c.Setting.ID() }

// OK reports whether anything valid was measured.
func (c *cell) OK() bool { return len(c.Runs) > 0 }

// open reports whether the load came at a rate, so that the latency is the result.
func (p *panel) open() bool { return p.Offered > 0 }

// Name is the panel's heading: scenario, phase and stream, as far as they tell it from the
// others.
func (p *panel) Name() string {
	var parts []string
	for _, part := range []string{p.Scenario, p.Phase, p.Stream} {
		if !slices.Contains(parts, part) {
			parts = append(parts, part)
		}
	}
	if p.Only && len(parts) > 1 {
		parts = parts[1:]
	}
	return strings.Join(parts, ", ")
}

// panels groups the runs of a folder. Settings keep the plan's order.
func panels(f *result.Folder) []*panel {
	cores := max(1, f.Machine.UsableCores)
	order := map[string]int{}
	for i, s := range f.Plan.Expand(cores) {
		order[s.ID()] = i
	}
	var all []*panel
	scenarios := f.Plan.AllScenarios()
	for _, sc := range scenarios {
		for _, ph := range sc.Phases {
			for _, st := range ph.Streams {
				p := newPanel(sc, ph, st)
				p.Only = len(scenarios) == 1
				p.collect(f.Runs, cores)
				slices.SortStableFunc(p.Cells, func(a, b *cell) int { return order[a.Key()] - order[b.Key()] })
				p.rank()
				all = append(all, p)
			}
		}
	}
	return all
}

func newPanel(sc plan.Scenario, ph plan.Phase, st plan.Stream) *panel {
	return &panel{
		Scenario: sc.Name, Phase: ph.Name, Stream: st.Name, Kind: st.Kind, Method: st.Method, Path: st.Path, File: st.Requests(), Poisson: st.Load.Arrivals == plan.Poisson,
		Clients: st.Load.Clients, Offered: st.Load.Rate, TakesS: st.Takes.Seconds(), Alone: len(ph.Streams) == 1,
	}
}

// collect makes the panel's cells.
func (p *panel) collect(runs []result.Run, cores int) {
	byID := map[string]*cell{}
	for i := range runs {
		r := &runs[i]
		if r.Scenario != p.Scenario || r.Phase != p.Phase || r.Stream != p.Stream {
			continue
		}
		c := byID[r.Setting.ID()]
		if c == nil {
			c = &cell{Setting: r.Setting}
			byID[c.Key()] = c
			p.Cells = append(p.Cells, c)
		}
		if r.Invalid != "" {
			c.Invalid = append(c.Invalid, r)
			continue
		}
		c.Runs = append(c.Runs, r)
		if p.Kind == plan.Computing && r.AppMinMS > 0 && (p.ComputeS == 0 || r.AppMinMS/1000 < p.ComputeS) {
			p.ComputeS = r.AppMinMS / 1000
		}
	}
	for _, c := range p.Cells {
		c.summarize()
		c.Ideal = p.ideal(c, cores)
	}
}

func (c *cell) summarize() {
	slices.SortStableFunc(c.Runs, func(a, b *result.Run) int { return a.Block - b.Block })
	of := func(value func(*result.Run) float64) stats.Summary { return stats.Summarize(values(c.Runs, value)) }
	c.Rate = of(rate)
	c.Time = of(func(r *result.Run) float64 { return r.TimePerRequestMS })
	c.P50 = of(func(r *result.Run) float64 { return r.Latency.P50 })
	c.P90 = of(func(r *result.Run) float64 { return r.Latency.P90 })
	c.P95 = of(func(r *result.Run) float64 { return r.Latency.P95 })
	c.P99 = of(func(r *result.Run) float64 { return r.Latency.P99 })
	c.Due = of(metric)
	c.Max = of(func(r *result.Run) float64 { return r.Latency.Max })
	c.Memory = of(func(r *result.Run) float64 { return r.MemoryMiB })
	c.CPU = of(func(r *result.Run) float64 { return 1000 * r.ServerCPUS / float64(max(1, r.OK+r.Failed)) })
	for _, r := range c.Runs {
		c.Processes = max(c.Processes, r.Processes)
	}
}

func rate(r *result.Run) float64 { return r.Rate }
func values(runs []*result.Run, value func(*result.Run) float64) []float64 {
	out := make([]float64, len(runs))
	for i, r := range runs {
		out[i] = value(r)
	}
	return out
}

// ideal is what the setting could serve: as many at once as it has slots and clients ask,
// each taking what it waits; or as many as there are cores to compute. What the plan says
// of a stream goes first.
func (p *panel) ideal(c *cell, cores int) float64 {
	for _, r := range c.Runs {
		if r.Ideal > 0 {
			return r.Ideal
		}
	}
	switch {
	case !p.Alone || p.open():
		return 0
	case p.Kind == plan.Waiting && p.TakesS > 0:
		return float64(p.atOnce(c.Setting)) / p.TakesS
	case p.Kind == plan.Computing && p.ComputeS > 0:
		return float64(min(cores, p.Clients, processes(c.Setting, cores))) / p.ComputeS
	}
	return 0
}

// atOnce is min(W*T, clients).
func (p *panel) atOnce(s plan.Setting) int {
	if slots := s.Slots(); slots > 0 {
		return min(slots, p.Clients)
	}
	return p.Clients
}

// processes is how many can compute at once: under the GIL, one per process.
func processes(s plan.Setting, cores int) int {
	if s.Workers == 0 && s.Class == "auto" {
		return cores
	}
	return max(1, s.Workers)
}

// best is the first cell by the panel's metric; nil if nothing is valid.
func (p *panel) best(accept func(*cell) bool) *cell {
	var best *cell
	for _, c := range p.Cells {
		if c.OK() && !c.Setting.Again && accept(c) && (best == nil || p.better(c, best)) {
			best = c
		}
	}
	return best
}

func (p *panel) better(a, b *cell) bool {
	if p.open() {
		// What is not served has no latency: serving comes first.
		if sa, sb := p.served(a), p.served(b); sa != sb {
			return sa
		}
		return a.Due.Median < b.Due.Median
	}
	return a.Rate.Median > b.Rate.Median
}

// served reports whether an open load was kept up with: 19 of 20 requests were answered in time.
func (p *panel) served(c *cell) bool {
	return c.Due.Median < verdict.Worst && c.Rate.Median >= 0.95*cmp.Or(c.Ideal, p.Offered)
}

// starved reports whether a stream got less than half of what it could beside the others.
func (p *panel) starved(c *cell) bool {
	return !p.Alone && c.OK() && c.Rate.Median < 0.5*cmp.Or(c.Ideal, p.Offered)
}
