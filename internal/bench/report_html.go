package bench

import (
	_ "embed"
	"encoding/json"
	"html/template"
	"io"
	"math"
	"strings"
)

//go:embed report.html.tmpl
var pageSource string

// uPlot draws the page's charts (github.com/leeoniya/uPlot, MIT; the files of its npm package's dist).
var (
	//go:embed uplot/uPlot.iife.min.js
	plotJS string
	//go:embed uplot/uPlot.min.css
	plotCSS string
)

// page is what the HTML template is filled with.
type page struct {
	Title string
	Text  string // the text report
	*Result
	Charts template.JS // pageCharts as JSON

	PlotJS  template.JS
	PlotCSS template.CSS
}

// pageCharts is what the page's script draws.
type pageCharts struct {
	Timeline  []Slice      `json:"timeline"`
	Histogram []Bin        `json:"histogram"`
	Curve     [][2]float64 `json:"curve"` // percentile, ms
	Dots      [][2]float64 `json:"dots"`  // end in s, latency in ms, of some successes
	Failures  []float64    `json:"failures"`
	Needs     float64      `json:"needs"` // the percentile from which on the sample is too small
}

const maxDots = 4000

// WriteHTML writes one page that needs nothing else: styles, script and data are in it.
func (res *Result) WriteHTML(w io.Writer) error {
	t, err := template.New("page").Funcs(template.FuncMap{"ms": formatMS}).Parse(pageSource)
	if err != nil {
		return err
	}
	data, err := json.Marshal(res.charts())
	if err != nil {
		return err
	}
	text, err := res.text()
	if err != nil {
		return err
	}
	return t.Execute(w, page{Title: res.Targets[0].URL, Text: text, Result: res, Charts: template.JS(data),
		PlotJS: template.JS(plotJS), PlotCSS: template.CSS(plotCSS)})
}

func (res *Result) text() (string, error) {
	var b strings.Builder
	err := res.WriteText(&b)
	return b.String(), err
}

func (res *Result) charts() pageCharts {
	c := pageCharts{Timeline: res.Timeline, Histogram: res.Histogram, Dots: [][2]float64{}, Failures: []float64{}}
	n := float64(res.latency.count())
	for nines := 0.0; nines <= 5 && math.Pow(10, nines) <= 2*n; nines += 0.05 {
		q := 1 - math.Pow(10, -nines)
		c.Curve = append(c.Curve, [2]float64{100 * q, ms(res.latency.quantile(q))})
	}
	if n > 0 {
		c.Needs = 100 * math.Exp(math.Log(0.05)/n)
	}
	step := max(1, len(res.samples)/maxDots)
	for i := range res.samples {
		s := &res.samples[i]
		switch latency, _ := mLatency.of(s, res.Load.Mode == "open"); {
		case s.kind == Succeeded && (i%step == 0 || ms(latency) > res.Latency.At(99.9)):
			c.Dots = append(c.Dots, [2]float64{float64(s.done) / 1e9, ms(latency)})
		case s.kind != Succeeded && len(c.Failures) < maxDots:
			c.Failures = append(c.Failures, float64(s.done)/1e9)
		}
	}
	return c
}
