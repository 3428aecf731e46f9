package lab

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/charmbracelet/x/ansi"

	"girin/internal/bench"
	"girin/internal/lab/result"
)

// A Display shows progress: a line that stays per visit and, on a terminal, a live one
// below with what runs now and the time left.
type Display struct {
	w     io.Writer
	width func() int // of the terminal, whose last line may be redrawn; nil: it is none
}

// NewDisplay writes to w. If that is a terminal, width says how many columns it has now.
func NewDisplay(w io.Writer, width func() int) *Display { return &Display{w: w, width: width} }

// Show takes one step of a run.
func (d *Display) Show(p Progress) {
	d.clear()
	d.skipped(p.Skipped)
	if p.Forecast != nil {
		fmt.Fprintln(d.w, p.Forecast)
	}
	if p.JustFinished != nil {
		fmt.Fprintf(d.w, "[%d/%d] %s\n", p.Done, p.Total, bench.Printable(finished(p)))
	}
	if d.width != nil && p.ScenarioBegun != "" {
		line := fmt.Sprintf("[%d/%d] block %d/%d  %s  %s  %s", p.Done+1, p.Total, p.Visit.Block, p.Blocks,
			p.Visit.Setting.ID(), p.ScenarioBegun, left(p.Left))
		fmt.Fprint(d.w, ansi.Truncate(line, max(d.width()-1, 0), "")) // one that wraps cannot be redrawn
	}
}

// skipped has a line for each reason, with the first few that it concerns.
func (d *Display) skipped(all []result.Skip) {
	const named = 3
	var reasons []string
	what := map[string][]string{}
	for _, s := range all {
		if what[s.Why] == nil {
			reasons = append(reasons, s.Why)
		}
		what[s.Why] = append(what[s.Why], s.What)
	}
	for _, why := range reasons {
		names := what[why]
		text := strings.Join(names[:min(len(names), named)], ", ")
		if more := len(names) - named; more > 0 {
			text += fmt.Sprintf(" and %d more", more)
		}
		fmt.Fprintf(d.w, "skipped: %s: %s\n", text, bench.Printable(why))
	}
}

// Close removes the live line.
func (d *Display) Close() { d.clear() }

func (d *Display) clear() {
	if d.width != nil {
		fmt.Fprint(d.w, "\r\x1b[K")
	}
}

func finished(p Progress) string {
	words := []string{fmt.Sprintf("%-24s", p.Visit.Setting.ID())}
	said := ""
	for i := range p.JustFinished {
		r := &p.JustFinished[i]
		if r.Invalid != "" && r.Invalid == said {
			continue // a server that did not start says so once
		}
		said = r.Invalid
		words = append(words, outcome(r))
	}
	return strings.Join(words, "  ") + "  " + left(p.Left)
}

// outcome is the number that the eye looks for first.
func outcome(r *result.Run) string {
	name := r.Stream
	if r.Phase != r.Scenario && r.Phase != r.Stream {
		name = r.Phase + "/" + name
	}
	switch {
	case r.Invalid != "":
		return fmt.Sprintf("%s invalid: %s", name, strings.Join(strings.Fields(r.Invalid), " "))
	case r.Offered > 0:
		return fmt.Sprintf("%s %.4g/s p99 %.4g ms", name, r.Rate, r.Latency.P99)
	}
	return fmt.Sprintf("%s %.4g/s", name, r.Rate)
}

func left(d time.Duration) string {
	if d <= 0 {
		return ""
	}
	return fmt.Sprintf("%v left", d.Round(time.Second))
}
