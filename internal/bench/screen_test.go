package bench

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// The screen is drawn over itself, fits its width, has all that was counted, and leaves nothing.
func TestLiveScreen(t *testing.T) {
	var l live
	for i, n := range []int{100, 50, 1} {
		for range n {
			l.success(int64(1+i*9) * int64(time.Millisecond))
		}
	}
	var all totals
	for b := range l.buckets {
		all.buckets[b] = uint64(l.buckets[b].Load())
	}
	s := &screen{}
	first := s.draw(Progress{Elapsed: time.Second, Done: 151, Rate: 151, Histogram: all.histogram()}, 60, 24)
	lines := strings.Split(strings.TrimPrefix(first, "\r\x1b[J"), "\n")
	if len(lines) != len(s.drawn)+1 || len(s.drawn) < 5 {
		t.Fatalf("%d lines, %d are remembered:\n%s", len(lines), len(s.drawn), first)
	}
	count := map[string]bool{}
	for _, l := range lines {
		if len([]rune(l)) >= 60 {
			t.Errorf("%q is wider than the screen", l)
		}
		words := strings.Fields(l)
		if len(words) > 0 {
			count[words[len(words)-1]] = true
		}
	}
	if !count["100"] || !count["50"] || !count["1"] {
		t.Errorf("not all is drawn:\n%s", first)
	}
	again := s.draw(Progress{Rate: 300, Histogram: all.histogram()}, 60, 24)
	if !strings.HasPrefix(again, "\r\x1b["+string(rune('0'+len(lines)-1))+"A\x1b[J") || !strings.Contains(again, "▄█") {
		t.Errorf("the second draws over the first: %q", again)
	}
	if last := s.draw(Progress{Last: true}, 60, 24); strings.Contains(last, "\n") || len(s.drawn) != 0 {
		t.Errorf("at the end: %q", last)
	}
	if rows := histogramLines(make([]Bin, 40), 80); len(rows) != screenRows {
		t.Errorf("%d rows", len(rows))
	}
}

// A terminal that has become narrower has wrapped what was drawn: all of it is drawn over. One with few rows gets few.
func TestLiveScreenResized(t *testing.T) {
	s := &screen{}
	bins := make([]Bin, 12)
	for i := range bins {
		bins[i] = Bin{FromMS: float64(i), ToMS: float64(i + 1), Count: 100}
	}
	s.draw(Progress{Histogram: bins}, 100, 50)
	rows := 0
	for _, w := range s.drawn {
		rows += (w + 39) / 40
	}
	if got := s.draw(Progress{Histogram: bins}, 40, 50); !strings.HasPrefix(got, fmt.Sprintf("\r\x1b[%dA\x1b[J", rows)) || rows <= 14 {
		t.Errorf("%d rows: %q", rows, got)
	}
	if got := s.draw(Progress{Histogram: bins}, 40, 6); strings.Count(got, "\n") != 5 {
		t.Errorf("more than its rows: %q", got)
	}
	if got := s.draw(Progress{Histogram: bins}, 1, 1); strings.Count(got, "\n") != 1 {
		t.Errorf("on a terminal of one character: %q", got)
	}
}
