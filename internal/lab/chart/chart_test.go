package chart

import (
	"bytes"
	"encoding/xml"
	"errors"
	"image/png"
	"io"
	"strings"
	"testing"
)

func sample() *Groups {
	bar := func(subject, class string, v float64, hatched bool) Bar {
		return Bar{Value: v, Lo: v * 0.9, Hi: v * 1.1, Runs: []float64{v * 0.9, v, v * 1.1}, Class: class, Subject: subject, Hatched: hatched, Cell: "c<1>", Tip: `a "tip" & more`}
	}
	return &Groups{
		Title: "sleep <1>", Unit: "requests/s", Hint: "higher is better", Ceiling: 90, CeilingLabel: "all at once", IdealLabel: "ideal",
		Groups: []Group{
			{Label: "1x1", Bars: []Bar{ideal(5, bar("girin", "sync", 5, false)), bar("gunicorn", "sync", 4.8, true)}},
			{Label: "5x1", Mark: true, Bars: []Bar{bar("girin", "gevent", 80, false), {Missing: true, Subject: "gunicorn"}}},
		},
		Legend: []Bar{{Class: "sync", Tip: "sync, girin"}, {Class: "sync", Hatched: true, Tip: "sync, gunicorn"}},
	}
}

func scenes() map[string]*Scene {
	rows := &Rows{Title: "latency", Unit: "ms", Log: true, Rows: []Row{
		{Label: "girin auto", Points: []Point{{1.5, "p50"}, {9, "p99"}}, Text: "9 ms"},
		{Label: "gunicorn sync", Bar: Bar{Value: 300, Subject: "gunicorn"}, Text: "starved", Alarm: true, Ideal: 320},
		{Label: "broken", Bar: Bar{Missing: true}, Text: "invalid"},
	}}
	curves := &Curves{Title: "latency", XUnit: "requests/s", YUnit: "ms", Limit: 200, LimitLabel: "p99<200ms", Top: 1000, Curves: []Curve{
		{Label: "auto <1>", Class: "auto", Line: []XY{{X: 100, Y: 5}, {X: 400, Y: 1e308, Bad: true}}, Points: []XY{{X: 100, Y: 5}, {X: 400, Y: 1e308, Bad: true}}},
		{Label: "-w 3", Class: "sync", Faint: true, Points: []XY{{X: 50, Y: 180}}},
	}}
	return map[string]*Scene{"curves": curves.Draw(), "empty curves": (&Curves{}).Draw(), "groups": sample().Draw(), "rows": rows.Draw(), "empty rows": (&Rows{}).Draw(), "empty groups": (&Groups{}).Draw()}
}

func ideal(v float64, b Bar) Bar { b.Ideal = v; return b }

func TestSVGIsWellFormed(t *testing.T) {
	for name, scene := range scenes() {
		for _, text := range []string{scene.SVG(), scene.SVGFile()} {
			decoder := xml.NewDecoder(strings.NewReader(text))
			for {
				_, err := decoder.Token()
				if errors.Is(err, io.EOF) {
					break
				} else if err != nil {
					t.Fatalf("%s: %v\n%s", name, err, text)
				}
			}
			if strings.Contains(text, "NaN") || strings.Contains(text, "Inf") {
				t.Errorf("%s: a number is not one:\n%s", name, text)
			}
		}
	}
}

func TestPNG(t *testing.T) {
	for name, scene := range scenes() {
		var out bytes.Buffer
		if err := scene.PNG(&out); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		image, err := png.Decode(&out)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if got, want := image.Bounds().Dx(), int(scene.Width*pngScale); got != want {
			t.Errorf("%s is %d wide, want %d", name, got, want)
		}
	}
}

// Every shape's role must have a colour: a missing one would be black in a browser.
func TestRolesHaveColors(t *testing.T) {
	for name, scene := range scenes() {
		for _, sh := range scene.shapes {
			for _, role := range []Role{sh.fill, sh.stroke} {
				if _, ok := theme()[role]; role != "" && !ok {
					t.Errorf("%s: role %q has no colour", name, role)
				}
			}
		}
	}
}

func TestHatchStaysInside(t *testing.T) {
	s := &Scene{}
	s.hatch(10, 20, 37, 91, "sync", nil)
	for _, l := range s.shapes[0].segments {
		for _, p := range [][2]float64{{l[0], l[1]}, {l[2], l[3]}} {
			if p[0] < 10 || p[0] > 37 || p[1] < 20 || p[1] > 91 {
				t.Errorf("hatching at %v leaves the bar", p)
			}
		}
	}
	if len(s.shapes[0].segments) < 10 {
		t.Errorf("%d lines of hatching", len(s.shapes[0].segments))
	}
}

func TestFormat(t *testing.T) {
	for v, want := range map[float64]string{0: "0", 0.01234: "0.0123", 5: "5", 79.6321: "79.6", 999.4: "999", 1234.5: "1,234", 1234567: "1,234,567"} {
		if got := Format(v); got != want {
			t.Errorf("Format(%v) = %q, want %q", v, got, want)
		}
	}
}

func TestTicks(t *testing.T) {
	for _, tt := range []struct {
		s    scale
		want []float64
	}{
		{linear(80, 0, 1), []float64{0, 20, 40, 60, 80}},
		{logarithmic(2.5, 300, 0, 1), []float64{2, 5, 10, 20, 50, 100, 200, 500}},
		{logarithmic(2.5, 30000, 0, 1), []float64{10, 100, 1000, 10000}},
	} {
		got := tt.s.ticks()
		if len(got) != len(tt.want) {
			t.Fatalf("ticks %v, want %v", got, tt.want)
		}
		for i := range got {
			if got[i]/tt.want[i] > 1.0001 || got[i]/tt.want[i] < 0.9999 {
				t.Errorf("ticks %v, want %v", got, tt.want)
			}
		}
	}
}
