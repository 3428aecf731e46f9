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
		lines = append(lines, fmt.Sprintf("Of min(workers x threads, %d clients) / %g s, %s reached %.0f to %.0f %%; worst was %s with %s of %s requests/s.",
			p.Clients, p.TakesS, subject, 100*shares[0], 100*shares[len(shares)-1], sizeAndClass(worst.Setting), chart.Format(worst.Rate.Median), chart.Format(worst.Ideal)))
	}
	if len(lines) > 0 {
		lines = append(lines, fmt.Sprintf("Slots are the limit here: with as many as there are clients (%d), more workers or threads cannot help.", p.Clients))
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
			gain := high.Rate.Median / low.Rate.Median
			lines = append(lines, fmt.Sprintf("On %s, %d workers instead of %d gave %.2f times as many%s.", subject, high.Setting.Workers, low.Setting.Workers, gain,
				because(gain, float64(high.Setting.Workers)/float64(low.Setting.Workers), fmt.Sprintf("this machine has %s to compute with", count(cores, "core")))))
		}
		if low, high := along(workers, threads); low != high {
			gain := high.Rate.Median / low.Rate.Median
			lines = append(lines, fmt.Sprintf("%d threads instead of %d in one worker of %s gave %.2f times as many%s.", high.Setting.Threads, low.Setting.Threads, subject, gain,
				because(gain, float64(high.Setting.Threads)/float64(low.Setting.Threads), "the GIL lets one thread of a process compute at a time")))
		}
	}
	return lines
}

// because adds the reason if the gain stayed clearly below the effort.
func because(gain, effort float64, reason string) string {
	if gain > 0.75*effort {
		return ""
	}
	return ": " + reason
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
