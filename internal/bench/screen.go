package bench

import (
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"
)

// Measures of the live screen.
const (
	screenRows  = 14 // of the histogram, at most
	screenRates = 60 // last rates that are drawn
)

// LiveScreen returns a Progress function that keeps several lines up to date on w: how far the run is, its rate so far, and the
// latencies of all its successes. It is nil if w is no terminal.
func LiveScreen(w io.Writer) func(Progress) {
	f, ok := w.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return nil
	}
	s := &screen{}
	return func(p Progress) {
		width, height := 80, 24
		if w, h, err := term.GetSize(int(f.Fd())); err == nil && w > 0 && h > 0 {
			width, height = w, h
		}
		fmt.Fprint(f, s.draw(p, width, height))
	}
}

// screen is what was drawn last, so that it can be drawn over.
type screen struct {
	drawn []int // width of each line
	rates []float64
}

// draw returns what turns the screen into that of p.
func (s *screen) draw(p Progress, width, height int) string {
	erase := "\r\x1b[J"
	if n := s.rows(width); n > 0 {
		erase = fmt.Sprintf("\r\x1b[%dA\x1b[J", min(n, max(height-1, 1)))
	}
	s.drawn = s.drawn[:0]
	if p.Last {
		return erase
	}
	s.rates = append(s.rates, p.Rate)
	s.rates = s.rates[max(0, len(s.rates)-screenRates):]
	lines := []string{p.line(), "rate  " + sparkline(s.rates)}
	lines = append(lines, histogramLines(p.Histogram, width)...)
	lines = lines[:min(len(lines), max(height-1, 1))] // what has scrolled away cannot be drawn over
	for i, l := range lines {
		if r := []rune(l); len(r) >= width {
			lines[i] = string(r[:width-1])
		}
		s.drawn = append(s.drawn, len([]rune(lines[i])))
	}
	return erase + strings.Join(lines, "\n") + "\n"
}

// rows is how many rows what was drawn takes now: a terminal that has become narrower has wrapped its lines.
func (s *screen) rows(width int) (n int) {
	for _, w := range s.drawn {
		n += max(1, (w+width-1)/width)
	}
	return n
}

var eighths = []rune("▁▂▃▄▅▆▇█")

// sparkline draws values from 0 to their largest.
func sparkline(values []float64) string {
	most := 0.0
	for _, v := range values {
		most = max(most, v)
	}
	var b strings.Builder
	for _, v := range values {
		i := 0
		if most > 0 {
			i = int(v / most * float64(len(eighths)-1))
		}
		b.WriteRune(eighths[i])
	}
	return b.String()
}

// histogramLines draws a row for each bin. Those above the last row that fits are joined in it.
func histogramLines(bins []Bin, width int) (lines []string) {
	if len(bins) > screenRows {
		last := bins[screenRows-1]
		for _, b := range bins[screenRows:] {
			last.ToMS, last.Count = b.ToMS, last.Count+b.Count
		}
		bins = append(append([]Bin{}, bins[:screenRows-1]...), last)
	}
	most := int64(1)
	for _, b := range bins {
		most = max(most, b.Count)
	}
	room := max(1, width-34)
	for _, b := range bins {
		bar := strings.Repeat("█", int(b.Count*int64(room)/most))
		if bar == "" && b.Count > 0 {
			bar = "▏"
		}
		lines = append(lines, fmt.Sprintf("%9s to %-9s %s %d", formatMS(b.FromMS), formatMS(b.ToMS), bar, b.Count))
	}
	return lines
}

// histogram is the live buckets, one bin for each doubling, between the first and the last that have any.
func (t *totals) histogram() (bins []Bin) {
	first, last := -1, -1
	var counts [liveOctaves]int64
	for b, n := range t.buckets {
		if n > 0 {
			counts[b/8] += int64(n)
			if last = b / 8; first < 0 {
				first = b / 8
			}
		}
	}
	for o := first; o >= 0 && o <= last; o++ {
		bins = append(bins, Bin{FromMS: ms(1 << (o + liveShift)), ToMS: ms(1 << (o + liveShift + 1)), Count: counts[o]})
	}
	return bins
}
