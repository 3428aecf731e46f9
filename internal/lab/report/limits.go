package report

import (
	"fmt"
	"slices"

	"girin/internal/lab/chart"
	"girin/internal/lab/plan"
)

// limits says where more workers or threads stopped helping, and why: cores, the GIL, or
// slots.
func limits(p *panel, cores int) []string {
	if !p.Alone || p.open() {
		return nil
	}
	switch p.Kind {
	case plan.Waiting:
		return slotLimits(p)
	case plan.Computing:
		return computeLimits(p, cores)
	}
	return nil
}

// slotLimits compares each subject with the concurrency that its sizes promise.
func slotLimits(p *panel) []string {
	var lines []string
	for _, subject := range subjects(p) {
		var shares []float64
		worst := (*cell)(nil)
		for _, c := range p.Cells {
			if c.Setting.Subject != subject || c.Setting.Again || !c.OK() || c.Ideal == 0 || c.Setting.Slots() == 0 {
				continue
			}
			shares = append(shares, c.Rate.Median/c.Ideal)
			if worst == nil || c.Rate.Median/c.Ideal < worst.Rate.Median/worst.Ideal {
				worst = c
			}
		}
		if len(shares) < 2 {
			continue
		}
		slices.Sort(shares)
		lines = append(lines, fmt.Sprintf("%s: %s reached %.0f to %.0f %% of min(workers x threads, %d clients) / %g s; worst was %s with %s of %s requests/s. Beyond as many slots as clients, more workers cannot help.",
			p.Name(), subject, 100*shares[0], 100*shares[len(shares)-1], p.Clients, p.TakesS, sizeAndClass(worst.Setting), chart.Format(worst.Rate.Median), chart.Format(worst.Ideal)))
	}
	return lines
}

// computeLimits follows the sync class (or what has no class) along workers, then threads.
func computeLimits(p *panel, cores int) []string {
	var lines []string
	for _, subject := range subjects(p) {
		along := func(fixed, vary func(plan.Setting) int) (low, high *cell) {
			for _, c := range p.Cells {
				s := c.Setting
				if s.Subject != subject || s.Again || !c.OK() || s.Class != "sync" && s.Class != "" || fixed(s) != 1 {
					continue
				}
				if low == nil || vary(s) < vary(low.Setting) {
					low = c
				}
				if high == nil || vary(s) > vary(high.Setting) {
					high = c
				}
			}
			return low, high
		}
		workers := func(s plan.Setting) int { return s.Workers }
		threads := func(s plan.Setting) int { return s.Threads }
		if low, high := along(threads, workers); low != high {
			lines = append(lines, fmt.Sprintf("%s: on %s, %d workers instead of %d gave %.2fx: this machine has %s to compute with.",
				p.Name(), subject, high.Setting.Workers, low.Setting.Workers, high.Rate.Median/low.Rate.Median, count(cores, "core")))
		}
		if low, high := along(workers, threads); low != high {
			lines = append(lines, fmt.Sprintf("%s: on %s, %d threads instead of %d in one worker gave %.2fx: the GIL lets one thread of a process compute at a time.",
				p.Name(), subject, high.Setting.Threads, low.Setting.Threads, high.Rate.Median/low.Rate.Median))
		}
	}
	return lines
}

func subjects(p *panel) []string {
	var names []string
	for _, c := range p.Cells {
		if !slices.Contains(names, c.Setting.Subject) {
			names = append(names, c.Setting.Subject)
		}
	}
	return names
}
