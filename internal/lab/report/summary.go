package report

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"girin/internal/lab/chart"
	"girin/internal/lab/plan"
	"girin/internal/lab/result"
)

// A finding is what the summary says of one thing, in plain sentences.
type finding struct {
	About     string
	Sentences []string
}

func (f finding) String() string { return f.About + ": " + strings.Join(f.Sentences, " ") }

// summary is the experiment in words.
func summary(f *result.Folder, all []*panel) []finding {
	findings := []finding{{"How sure", []string{status(f, all)}}}
	for _, p := range all {
		sentences := append(winner(p), limits(p, f.Machine.UsableCores)...)
		findings = append(findings, finding{p.Name(), sentences})
	}
	if victims := starvation(all); len(victims) > 0 {
		findings = append(findings, finding{"Starved, with less than half of what they could get", victims})
	}
	return findings
}

// status says how much was measured and how sure it is.
func status(f *result.Folder, all []*panel) string {
	blocks := f.Plan.Repeats
	s := fmt.Sprintf("%d of %d server starts measured, in %s.", len(f.Done()), f.Machine.Planned, count(blocks, "block"))
	if len(f.Done()) < f.Machine.Planned {
		s = "PARTIAL: " + s
	}
	var floors []string
	for _, p := range all {
		if p.Ranked {
			floors = append(floors, fmt.Sprintf("%s %.1f %%", p.Name(), 100*math.Expm1(p.Floor)))
		}
	}
	switch {
	case len(floors) > 0:
		return s + " Two runs of the same thing differ by up to: " + strings.Join(floors, ", ") + "; nothing is ranked within that."
	case blocks < 6:
		return s + " A sketch: nothing is ranked, since differences between single runs may be chance; --repeats 6 gives intervals and places."
	case len(all) > 0:
		return s + " Nothing is ranked: " + all[0].Unranked + "."
	}
	return s
}

func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// winner says which setting did best in a panel, by how much, how sure and at what price.
func winner(p *panel) []string {
	best := p.best(func(*cell) bool { return true })
	if best == nil {
		return []string{"Nothing valid was measured."}
	}
	lines := []string{fmt.Sprintf("%s %s with %s%s.", best.Key(), p.sureness(best), p.result(best), p.interval(best))}
	for _, subject := range otherSubjects(p, best) {
		c := p.best(func(c *cell) bool { return c.Setting.Subject == subject })
		if c != nil {
			lines = append(lines, fmt.Sprintf("Best of %s: %s with %s, %s.", subject, sizeAndClass(c.Setting), p.result(c), p.compare(best, c)))
		}
	}
	if invalid := p.withoutRuns(); invalid > 0 {
		lines = append(lines, fmt.Sprintf("%d of %d settings have no valid run and are not compared.", invalid, len(p.Cells)))
	}
	if price := p.price(best); price != "" {
		lines = append(lines, price)
	}
	return lines
}

// withoutRuns counts the cells of which nothing valid is known.
func (p *panel) withoutRuns() int {
	n := 0
	for _, c := range p.Cells {
		if !c.OK() {
			n++
		}
	}
	return n
}

// sureness is the verb of the sentence about the winner.
func (p *panel) sureness(best *cell) string {
	if !p.Ranked || best.Place != 1 {
		return "did best in this sketch"
	}
	first := 0
	for _, c := range p.Cells {
		if c.Place == 1 {
			first++
		}
	}
	if first == 1 {
		return "won"
	}
	return fmt.Sprintf("shares the first place with %s that cannot be told from it,", count(first-1, "setting"))
}

// result is a cell's own number in words.
func (p *panel) result(c *cell) string {
	if p.open() {
		return fmt.Sprintf("p50 %s ms and p99 %s ms, %s of %s requests/s answered in time",
			chart.Format(c.P50.Median), chart.Format(c.P99.Median), chart.Format(c.Rate.Median), chart.Format(p.Offered))
	}
	s := chart.Format(c.Rate.Median) + " requests/s"
	if c.Ideal > 0 {
		s += fmt.Sprintf(" (%.0f %% of the ideal)", 100*c.Rate.Median/c.Ideal)
	}
	return s
}

func (p *panel) interval(c *cell) string {
	s := c.Rate
	unit := "requests/s"
	if p.open() {
		s, unit = c.P99, "ms p99"
	}
	if !s.HasInterval {
		return ""
	}
	return fmt.Sprintf("; 95 %% sure of %s to %s %s", chart.Format(s.Lo), chart.Format(s.Hi), unit)
}

// compare says how far c is behind the best.
func (p *panel) compare(best, c *cell) string {
	if p.Ranked && c.Place == best.Place && c.Place > 0 {
		return "which is no difference beyond the noise"
	}
	if p.open() {
		return fmt.Sprintf("%.3g times the p99", c.P99.Median/best.P99.Median)
	}
	return fmt.Sprintf("%.3g times as many", c.Rate.Median/best.Rate.Median)
}

// price is what the winner cost in memory, beside the cheapest that is about as good.
func (p *panel) price(best *cell) string {
	if best.Memory.Median == 0 {
		return ""
	}
	s := fmt.Sprintf("The first took %s MiB in %d processes", chart.Format(best.Memory.Median), best.Processes)
	if !p.open() {
		cheap := p.cheapest(best)
		if cheap != best && cheap.Memory.Median < 0.9*best.Memory.Median {
			s += fmt.Sprintf("; %s came within 5 %% of it with %s MiB", cheap.Key(), chart.Format(cheap.Memory.Median))
		}
	}
	return s + "."
}

// cheapest is the cell with the least memory among those within 5 % of the best's rate.
func (p *panel) cheapest(best *cell) *cell {
	cheap := best
	for _, c := range p.Cells {
		if c.OK() && !c.Setting.Again && c.Rate.Median >= 0.95*best.Rate.Median && c.Memory.Median < cheap.Memory.Median {
			cheap = c
		}
	}
	return cheap
}

func otherSubjects(p *panel, best *cell) []string {
	var names []string
	for _, c := range p.Cells {
		if name := c.Setting.Subject; name != best.Setting.Subject && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

func sizeAndClass(s plan.Setting) string {
	text := strings.TrimSpace(strings.TrimPrefix(s.ID(), s.Subject))
	return cmp.Or(text, "its only setting")
}

// starvation lists who got less than half of what it could, where streams compete.
func starvation(all []*panel) []string {
	victims := map[string][]string{}
	var order []string
	for _, p := range all {
		for _, c := range p.Cells {
			if !p.starved(c) || c.Setting.Again {
				continue
			}
			if victims[c.Key()] == nil {
				order = append(order, c.Key())
			}
			victims[c.Key()] = append(victims[c.Key()], fmt.Sprintf("%s %s of %s/s", p.Name(), chart.Format(c.Rate.Median), chart.Format(c.Ideal)))
		}
	}
	var lines []string
	for _, key := range order {
		lines = append(lines, fmt.Sprintf("By %s: %s.", key, strings.Join(victims[key], "; ")))
	}
	return lines
}
