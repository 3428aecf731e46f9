package report

import (
	"fmt"
	"slices"
	"strings"

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
	var said []string
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
		if shares[0] >= 0.9 {
			said = append(said, fmt.Sprintf("%s came to %.0f %% of that or more in every setting", subject, 100*shares[0]))
		} else {
			said = append(said, fmt.Sprintf("%s to between %.0f %% (%s) and %.0f %%", subject, 100*shares[0], sizeAndClass(worst.Setting), 100*shares[len(shares)-1]))
		}
	}
	if len(said) == 0 {
		return nil
	}
	return []string{
		"W workers of T threads should let W x T requests wait at once: " + strings.Join(said, "; ") + ".",
		fmt.Sprintf("With as many threads as there are clients (%d), more of them cannot help.", p.Clients),
	}
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
			lines = append(lines, p.gained(low, high, effort{fmt.Sprintf("On %s, %d workers instead of %d", subject, high.Setting.Workers, low.Setting.Workers),
				float64(high.Setting.Workers) / float64(low.Setting.Workers), fmt.Sprintf("this machine has %s to compute with", count(cores, "core"))}))
		}
		if low, high := along(workers, threads); low != high {
			lines = append(lines, p.gained(low, high, effort{fmt.Sprintf("%d threads instead of %d in one worker of %s", high.Setting.Threads, low.Setting.Threads, subject),
				float64(high.Setting.Threads) / float64(low.Setting.Threads), "the GIL lets one thread of a process compute at a time"}))
		}
	}
	return lines
}

// effort is more of something, by what factor, and why it may not help.
type effort struct {
	what   string
	factor float64
	reason string
}

// gained says what an effort brought, and why not more if it stayed clearly below its factor.
func (p *panel) gained(low, high *cell, e effort) string {
	gain := high.Rate.Median / low.Rate.Median
	if !p.Rank.Done || low.Place != high.Place {
		return fmt.Sprintf("%s gave %.2f times as many%s.", e.what, gain, because(gain, e))
	}
	if 1+p.Rank.Tells > e.factor {
		return e.what + " made no difference that can be told: the runs differ too much by themselves."
	}
	return e.what + " made no difference that can be told" + because(gain, e) + "."
}

func because(gain float64, e effort) string {
	if gain > 0.75*e.factor {
		return ""
	}
	return ": " + e.reason
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
