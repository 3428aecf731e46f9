package bench

import (
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/term"
)

// LiveLine returns a Progress function that keeps one line up to date on w; nil if w is no terminal.
func LiveLine(w io.Writer) func(Progress) {
	f, ok := w.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return nil
	}
	return func(p Progress) {
		if p.Last {
			fmt.Fprint(f, "\r\x1b[K")
			return
		}
		text := p.line()
		if width, _, err := term.GetSize(int(f.Fd())); err == nil && 0 < width && width <= len(text) {
			text = text[:width-1]
		}
		fmt.Fprint(f, "\r\x1b[K"+text)
	}
}

func (p Progress) line() string {
	done := fmt.Sprint(p.Done)
	if p.Requests > 0 {
		done = fmt.Sprintf("%d/%d", p.Done, p.Requests)
	}
	s := fmt.Sprintf("%5.1f s  %s done  %.0f/s  p50 %s  p99 %s  errors %d", p.Elapsed.Seconds(), done, p.Rate, formatMS(p.P50MS),
		formatMS(p.P99MS), p.Errors)
	if p.Left > 0 {
		s += fmt.Sprintf("  left %v", p.Left.Round(time.Second))
	}
	return s
}
