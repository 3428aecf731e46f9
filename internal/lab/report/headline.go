package report

import (
	"fmt"
	"strings"

	"girin/internal/lab/chart"
	"girin/internal/lab/plan"
	"girin/internal/lab/result"
)

// A headline is what a report begins with: a picture, and a sentence that takes no knowledge of
// the lab. Both are about each server's best setting.
type headline struct {
	Sentence string
	Picture  *chart.Scene // nil if nothing valid was measured
}

// mostInSentence is how many endpoints the sentence names; the picture has all.
const mostInSentence = 3

func headlineOf(f *result.Folder, all []*panel) headline {
	var h headline
	var parts []string
	sketch := true
	picture := &chart.Rows{Title: f.Plan.Name + ": each server in its best setting", Hint: "100 % is the best of the row's group; longer is better", Unit: "of the best"}
	for _, p := range all {
		best := p.bestOfEach()
		if len(best) == 0 {
			continue
		}
		sketch = sketch && !p.Rank.Done
		if len(parts) < mostInSentence {
			parts = append(parts, p.say(best))
		}
		for _, c := range best {
			picture.Rows = append(picture.Rows, p.pictureRow(c, best[0]))
		}
	}
	if len(parts) == 0 {
		h.Sentence = "Nothing valid was measured."
		return h
	}
	h.Picture = picture.Draw()
	h.Sentence = upper(strings.Join(parts, "; ")) + "."
	if sketch {
		h.Sentence += " (A sketch: what differs little here may be chance.)"
	}
	return h
}

// bestOfEach is each server's best setting, the best first. Of a plan with one server it is its
// best and its worst setting.
func (p *panel) bestOfEach() []*cell {
	first := p.best(func(*cell) bool { return true })
	if first == nil {
		return nil
	}
	all := []*cell{first}
	for _, subject := range otherSubjects(p, first) {
		if c := p.best(func(c *cell) bool { return c.Setting.Subject == subject }); c != nil {
			all = append(all, c)
		}
	}
	if len(all) == 1 {
		if worst := p.worst(); worst != first {
			all = append(all, worst)
		}
	}
	for i := 1; i < len(all); i++ { // insertion: there are few
		for j := i; j > 1 && p.better(all[j], all[j-1]); j-- {
			all[j], all[j-1] = all[j-1], all[j]
		}
	}
	return all
}

func (p *panel) worst() *cell {
	var worst *cell
	for _, c := range p.Cells {
		if c.OK() && !c.Setting.Again && (worst == nil || p.better(worst, c)) {
			worst = c
		}
	}
	return worst
}

// say is the panel's part of the sentence: "of sleep, girin auto answered 79 a second, gunicorn gevent 1x1 64 (0.81 times)".
func (p *panel) say(best []*cell) string {
	first := best[0]
	var parts []string
	if p.open() {
		parts = append(parts, fmt.Sprintf("99 of 100 requests of %s took at most %s on %s", p.subjectOfSentence(), p.due(first), first.Key()))
	} else {
		parts = append(parts, fmt.Sprintf("of %s, %s answered %s requests a second", p.subjectOfSentence(), first.Key(), chart.Format(first.Rate.Median)))
	}
	for _, c := range best[1:min(len(best), 4)] {
		switch {
		case p.Rank.Done && c.Place == first.Place:
			parts = append(parts, c.Key()+" cannot be told from it")
		case p.open():
			parts = append(parts, p.due(c)+" on "+c.Key())
		default:
			parts = append(parts, fmt.Sprintf("%s %s", c.Key(), chart.Format(c.Rate.Median)))
		}
	}
	return strings.Join(parts, ", ")
}

// subjectOfSentence names the panel, and what its requests do.
func (p *panel) subjectOfSentence() string {
	does := map[string]string{plan.Waiting: "which waits", plan.Computing: "which computes"}[p.Kind]
	if does == "" {
		return p.Name()
	}
	if p.TakesS > 0 && p.Kind == plan.Waiting {
		does += fmt.Sprintf(" for %g s", p.TakesS)
	}
	return p.Name() + " (" + does + ")"
}

// due is the p99 that an open load is ranked by, in words.
func (p *panel) due(c *cell) string {
	if c.Due.Median >= unanswered {
		return "no known time (more than 1 in 100 were not answered)"
	}
	return chart.Format(c.Due.Median) + " ms"
}

// pictureRow is a setting's share of the panel's best.
func (p *panel) pictureRow(c, best *cell) chart.Row {
	bar := p.bar(c, c.Rate, rate, subjects(p))
	share, text := c.Rate.Median/best.Rate.Median, chart.Format(c.Rate.Median)+"/s"
	if p.open() {
		share, text = best.Due.Median/c.Due.Median, p.shortDue(c)
	}
	bar.Value, bar.Lo, bar.Hi, bar.Runs = 100*min(share, 1), 0, 0, nil
	return chart.Row{Label: p.Name() + ": " + c.Key(), Bar: bar, Text: text}
}

func (p *panel) shortDue(c *cell) string {
	if c.Due.Median >= unanswered {
		return "unanswered"
	}
	return chart.Format(c.Due.Median) + " ms"
}

// upper begins a sentence; what does not begin with an ASCII letter stays.
func upper(s string) string {
	if s != "" && s[0] >= 'a' && s[0] <= 'z' {
		return string(s[0]-'a'+'A') + s[1:]
	}
	return s
}
