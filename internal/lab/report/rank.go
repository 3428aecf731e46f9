package report

import (
	"fmt"
	"math"

	"girin/internal/lab/result"
	"girin/internal/verdict"
)

// A ranking is what a panel's runs tell of the order of its settings.
type ranking struct {
	// Done is false where places would mean nothing, and Why says why.
	Done bool
	Why  string
	// Tells is the difference between two settings that such an experiment finds 8 times in
	// 10; Differ is what two runs of one setting differ by at most, 95 times in 100.
	Tells, Differ float64
	// Drifted is set where the control differs from its own second run.
	Drifted bool
}

// rank gives places, or says why there are none.
func (p *panel) rank() {
	var ranked, again []*cell
	var samples [][]float64
	for _, c := range p.Cells {
		switch {
		case len(c.Runs) < verdict.MinRuns:
		case c.Setting.Again:
			again = append(again, c)
		default:
			ranked = append(ranked, c)
			samples = append(samples, values(c.Runs, metric))
		}
	}
	if len(ranked) < 2 {
		p.Rank.Why = fmt.Sprintf("fewer than two settings have %d valid runs", verdict.MinRuns)
		return
	}
	rule := result.RuleOf(p.open())
	places := verdict.Rank(samples, rule)
	for i, c := range ranked {
		c.Place = places.Place[i]
	}
	p.Rank = ranking{Done: true, Differ: places.Spread.Differ(),
		Tells: verdict.Tells(places.Spread, len(ranked), leastRuns(ranked), rule)}
	for _, c := range again {
		if first := p.firstOf(c); first != nil && first.Place > 0 {
			v := verdict.Compare(values(first.Runs, metric), values(c.Runs, metric), rule).Verdict
			p.Rank.Drifted = v == verdict.Better || v == verdict.Worse
		}
	}
}

func leastRuns(cells []*cell) int {
	least := math.MaxInt
	for _, c := range cells {
		least = min(least, len(c.Runs))
	}
	return least
}

func metric(r *result.Run) float64 { return r.Metric() }

// firstOf finds the control's first run of its second; nil if there is none.
func (p *panel) firstOf(again *cell) *cell {
	once := again.Setting
	once.Again = false
	return p.cell(once.ID())
}
