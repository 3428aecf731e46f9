package bench

import (
	"encoding/json"
	"fmt"
	"io"
)

// WriteJSON writes the finding as indented JSON.
func (f *RateFinding) WriteJSON(w io.Writer) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(f)
}

// WriteText writes the probes and the answer.
func (f *RateFinding) WriteText(w io.Writer) error {
	text := "   requests/s  seconds   requests    failed          p50          p99\n"
	for _, p := range f.Probes {
		text += p.Line() + "\n"
	}
	_, err := io.WriteString(w, Printable(text+"\n"+f.Sentence()+"\n"))
	return err
}

// Line is one line of a table of probes.
func (p RateProbe) Line() string {
	word := "fails"
	if p.Held {
		word = "holds"
	}
	if p.Verdict == Undecided {
		word += "?"
	}
	s := fmt.Sprintf("  %11.1f  %7.1f  %9d  %8d  %11s  %11s  %s", p.Rate, p.DurationS, p.Done, p.Failed, formatFigure("p50_ms", p.P50MS),
		formatFigure("p99_ms", p.P99MS), word)
	if p.Confirms {
		s += ", to confirm"
	}
	if p.Reason != "" {
		s += "; " + p.Reason
	}
	return s
}

// Sentence is the answer.
func (f *RateFinding) Sentence() string {
	s := "The SLO holds at no rate that was tried"
	switch {
	case f.Rate > 0 && f.Stopped:
		s = fmt.Sprintf("The SLO has held at %.1f requests per second", f.Rate)
	case f.Rate > 0 && f.FailsAt > 0:
		s = fmt.Sprintf("The SLO holds up to %.1f requests per second, and fails at %.1f", f.Rate, f.FailsAt)
	case f.Rate > 0:
		s = fmt.Sprintf("The SLO holds at %.1f requests per second, the highest rate that was to be tried", f.Rate)
	case f.Verdict == Undecided:
		s = "It is not known at which rate the SLO holds"
	}
	if f.Reason != "" {
		s += "; " + f.Reason
	}
	return s + "."
}
