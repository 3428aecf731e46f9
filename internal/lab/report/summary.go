package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"girin/internal/lab/chart"
	"girin/internal/lab/plan"
	"girin/internal/lab/result"
	"girin/internal/verdict"
)

// A finding is what the summary says of one thing, in plain sentences.
type finding struct {
	About     string
	Sentences []string
}

func (f finding) String() string {
	return f.About + ":\n    " + strings.Join(f.Sentences, "\n    ")
}

// unanswered is the latency of what was never answered.
const unanswered = verdict.Worst

// summary is the experiment in words.
func summary(f *result.Folder, all []*panel) []finding {
	var findings []finding
	for _, p := range all {
		sentences := append(winner(p), limits(p, f.Machine.UsableCores)...)
		findings = append(findings, finding{p.Name(), sentences})
	}
	if victims := starvation(all); len(victims) > 0 {
		findings = append(findings, finding{"Starved, with less than half of what they could get", victims})
	}
	return append(findings, finding{"How sure", status(f, all)})
}

// status says how much was measured and how sure it is.
func status(f *result.Folder, all []*panel) []string {
	blocks := cmp.Or(f.Machine.Repeats, f.Plan.Repeats)
	s := fmt.Sprintf("%d of %d server starts measured, in %s.", len(f.Done()), f.Machine.Planned, count(blocks, "block"))
	if len(f.Done()) < f.Machine.Planned {
		s = "PARTIAL: " + s
	}
	lines := []string{s}
	if n, first := invalid(f.Runs); n > 0 {
		lines = append(lines, fmt.Sprintf("%d of %s do not count; of the first: %s.", n, count(len(f.Runs), "run"), first))
	}
	if m := f.Machine; m.UsableCores > 0 && m.LoadAverage > float64(m.UsableCores) {
		lines = append(lines, fmt.Sprintf("The machine was busy when it began (load %.1f, cores %d): what its other programs took is in these figures.", m.LoadAverage, m.UsableCores))
	}
	ranked := false
	for _, p := range all {
		if p.Rank.Done {
			ranked = true
			lines = append(lines, p.sure())
		}
	}
	switch {
	case ranked:
		lines = append(lines, "Places are right for all settings of an endpoint at once, with 95 % confidence. Those who share one cannot be told apart, which does not mean that they are equal.")
	case blocks < verdict.MinRuns:
		lines = append(lines, "A sketch: nothing is ranked, since differences between single runs may be chance; --tell 10% makes as many runs as it takes to tell 10 %.")
	case len(all) > 0:
		lines = append(lines, "Nothing is ranked: "+all[0].Rank.Why+".")
	}
	return lines
}

// invalid counts the runs that do not count, and says why the first of them does not.
func invalid(runs []result.Run) (n int, first string) {
	for _, r := range runs {
		if r.Invalid == "" {
			continue
		}
		if n++; n == 1 {
			first = strings.TrimSuffix(strings.Join(strings.Fields(r.Invalid), " "), ".")
		}
	}
	return n, first
}

// sure says what the panel's runs can tell.
func (p *panel) sure() string {
	s := fmt.Sprintf("%s: two runs of one setting differ by up to %s; settings that differ by %s are told apart 8 times in 10.",
		p.Name(), byHowMuch(p.Rank.Differ), byHowMuch(p.Rank.Tells))
	if p.Rank.Drifted {
		s += " But the control differs from its own second run: something else than the settings changed. Do not trust these places."
	}
	return s
}

// byHowMuch writes a difference, a large one as a factor.
func byHowMuch(share float64) string {
	if share >= 1 {
		return fmt.Sprintf("a factor of %.2g", 1+share)
	}
	return fmt.Sprintf("%.2g %%", 100*share)
}

func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// winner says which setting did best in a panel, what the others' best did, and at what price.
func winner(p *panel) []string {
	best := p.best(func(*cell) bool { return true })
	if best == nil {
		return []string{"Nothing valid was measured."}
	}
	lines := []string{fmt.Sprintf("%s %s %s.", best.Key(), p.sureness(best), p.result(best))}
	for _, subject := range otherSubjects(p, best) {
		if c := p.best(func(c *cell) bool { return c.Setting.Subject == subject }); c != nil {
			lines = append(lines, fmt.Sprintf("The best of %s is %s, %s.", subject, sizeAndClass(c.Setting), p.compare(best, c)))
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
	if !p.Rank.Done || best.Place != 1 {
		return "did best in this sketch, with"
	}
	first := 0
	for _, c := range p.Cells {
		if c.Place == 1 {
			first++
		}
	}
	if first == 1 {
		return "won, with"
	}
	return fmt.Sprintf("shares the first place with %s that cannot be told from it, with", count(first-1, "setting"))
}

// result is a cell's own number in words.
func (p *panel) result(c *cell) string {
	switch {
	case p.open() && p.served(c):
		return fmt.Sprintf("99 of 100 requests answered within %s ms", chart.Format(c.Due.Median))
	case p.open():
		return fmt.Sprintf("%s of %s requests/s answered in time", chart.Format(c.Rate.Median), chart.Format(p.Offered))
	}
	s := chart.Format(c.Rate.Median) + " requests/s"
	if c.Ideal > 0 {
		s += fmt.Sprintf(" (%.0f %% of the ideal)", 100*c.Rate.Median/c.Ideal)
	}
	return s
}

// interval is a cell's interval for its tip.
func (p *panel) interval(c *cell) string {
	s := c.Rate
	unit := "requests/s"
	if p.open() {
		s, unit = c.Due, "ms p99"
	}
	if !s.HasInterval || s.Hi >= unanswered {
		return ""
	}
	return fmt.Sprintf("; 95 %% sure of %s to %s %s", chart.Format(s.Lo), chart.Format(s.Hi), unit)
}

// compare says how far c is behind the best.
func (p *panel) compare(best, c *cell) string {
	if p.Rank.Done && c.Place == best.Place && c.Place > 0 {
		return "which cannot be told from it"
	}
	if p.open() {
		if !p.served(c) {
			return "with " + p.result(c)
		}
		return fmt.Sprintf("with %s ms, %.3g times as long", chart.Format(c.Due.Median), c.Due.Median/best.Due.Median)
	}
	return fmt.Sprintf("with %s, %.3g times as many", chart.Format(c.Rate.Median), c.Rate.Median/best.Rate.Median)
}

// price is what the winner cost in memory, beside the cheapest that is about as good.
func (p *panel) price(best *cell) string {
	if best.Memory.Median == 0 {
		return ""
	}
	s := fmt.Sprintf("%s took %s MiB in %s", best.Key(), chart.Format(best.Memory.Median), processesInWords(best.Processes))
	if !p.open() {
		cheap := p.cheapest(best)
		if cheap != best && cheap.Memory.Median < 0.9*best.Memory.Median {
			s += fmt.Sprintf("; %s came within 5 %% of it with %s MiB", cheap.Key(), chart.Format(cheap.Memory.Median))
		}
	}
	return s + "."
}

func processesInWords(n int) string {
	if n == 1 {
		return "1 process"
	}
	return fmt.Sprintf("%d processes", n)
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
			victims[c.Key()] = append(victims[c.Key()], fmt.Sprintf("%s got %s of %s/s", p.Name(), chart.Format(c.Rate.Median), chart.Format(cmp.Or(c.Ideal, p.Offered))))
		}
	}
	var lines []string
	for _, key := range order {
		lines = append(lines, fmt.Sprintf("By %s: %s.", key, strings.Join(victims[key], "; ")))
	}
	return lines
}
