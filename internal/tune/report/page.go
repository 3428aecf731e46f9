package report

import (
	"bytes"
	_ "embed"
	"fmt"
	"html/template"
	"math"
	"time"

	"girin/internal/bench"
	"girin/internal/lab/chart"
	"girin/internal/tune"
	"girin/internal/tune/workload"
)

//go:embed page.html.tmpl
var pageTemplate string

//go:embed page.css
var pageCSS string

// view is what the template shows.
type view struct {
	App, Date, Sentence string
	Remarks, Warnings   []string
	Curves, Hours       template.HTML
	Settings            []settingView
	File, Load          string
	Routes              []routeView
	Left                []workload.Left
	About               []pair
	Method              []string
	CSS                 template.CSS
	JS                  template.JS
}

type settingView struct {
	Name, Holds, Low, High, Beside, P99, MiB, Remark string
	Runs                                             int
	Best                                             bool
}

type routeView struct{ Name, Share, Takes, CPU, Kind, Grows, Among, Threads string }

type pair struct{ Name, Value string }

// Page is the report: one page that needs nothing else.
func Page(r *tune.Result) ([]byte, error) {
	v := view{
		App: r.App, Date: r.Started.Format("2006-01-02 15:04"), Sentence: r.Sentence(), Remarks: r.Remarks(), Warnings: r.Warnings(),
		Curves: curves(r), Hours: hours(r), Load: fmt.Sprintf("From %s: %s.", r.Workload.Source, bench.Plural(len(r.Workload.Requests), "request")),
		Left: r.Workload.Left, About: about(r), Method: method(r),
		CSS: template.CSS(chart.PageCSS() + pageCSS), JS: template.JS(chart.PageJS()),
	}
	for _, c := range r.Candidates {
		v.Settings = append(v.Settings, settingOf(r, c))
	}
	for _, route := range r.Routes {
		v.Routes = append(v.Routes, routeOf(r, route))
	}
	if r.Answer != nil {
		v.File = r.Answer.File(r)
	}
	t, err := template.New("page").Parse(pageTemplate)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	if err := t.Execute(&out, v); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

func settingOf(r *tune.Result, c *tune.Candidate) settingView {
	v := settingView{Name: c.Setting.String(), Holds: c.Holds(), Runs: len(c.Rates), Remark: c.Remark()}
	if len(c.Rates) > 1 && c.Rate() > 0 {
		low, high := math.Inf(1), 0.0
		for _, rate := range c.Rates {
			low, high = min(low, rate), max(high, rate)
		}
		v.Low, v.High = chart.Format(low), chart.Format(high)
	}
	if ms := c.P99MS(); ms > 0 {
		v.P99 = tune.Millis(ms)
	}
	if mib := c.MemoryMiB(); mib > 0 {
		v.MiB = chart.Format(mib)
	}
	if r.Answer == nil {
		return v
	}
	v.Best = c.Setting == r.Answer.Best.Setting
	if a := r.Answer.Beside(c.Setting); a != nil && (a.Low != 0 || a.High != 0) {
		v.Beside = fmt.Sprintf("%+.0f %% to %+.0f %%", 100*a.Low, 100*a.High)
	}
	return v
}

func routeOf(r *tune.Result, route tune.Route) routeView {
	v := routeView{
		Name: route.Name, Share: fmt.Sprintf("%.1f %%", 100*route.Share), Takes: tune.Millis(route.ServiceMS), CPU: tune.Millis(route.CPUMS), Kind: route.Kind,
		Threads: "nothing speaks against it",
	}
	if route.GrownMiB >= 0.5 {
		v.Grows = chart.Format(route.GrownMiB) + " MiB"
	}
	switch {
	case r.ASGI:
		v.Threads = "one loop for each process"
	case route.Threads != "":
		v.Threads = route.Threads
	case route.Unsure != "":
		v.Threads = route.Unsure
	}
	if r.Load != nil {
		for _, l := range r.Load.Routes {
			if l.Name == route.Name {
				v.Among = tune.Millis(l.P99MS)
			}
		}
	}
	return v
}

func about(r *tune.Result) []pair {
	all := []pair{
		{"application", r.App}, {"SLO", r.SLO}, {"CPU", fmt.Sprintf("%s; %d cores", r.CPU, r.Cores)}, {"system", r.System}, {"girin", r.Girin},
		{"budget", fmt.Sprintf("%v, of which %v were used", r.Budget, r.Took.Round(time.Second))}, {"seed", fmt.Sprint(r.Seed)},
		{"settings", fmt.Sprintf("%d of %d were tried", r.Tried(), r.Possible)},
	}
	if r.Framework != "" {
		all = append(all, pair{"framework", r.Framework})
	}
	if r.Config != "" {
		all = append(all, pair{"all other settings", "those of " + r.Config})
	}
	if l := r.Load; l != nil {
		all = append(all, pair{"the chosen setting at its rate", fmt.Sprintf("%d requests at %s/s: p50 %s, p99 %s, %d failed; the server used %.1f cores, the load generator %.1f",
			l.Requests, chart.Format(l.Rate), tune.Millis(l.P50MS), tune.Millis(l.P99MS), l.Failed, l.ServerCPU, l.ClientCPU)})
	}
	return all
}

func method(*tune.Result) []string {
	return []string{
		"A run is one fresh server and the highest rate at which the SLO held on it: requests arrive at random (Poisson), latency counts from the moment a request was due, and a failure is slower than every limit. The run is the sample, never the request.",
		"All settings are tried shortly; a third of them longer; the best three and auto in blocks, each of which has every one of them once, in an order of its own. The budget decides how many blocks there are, never what they found. Intervals hold the true differences, all together, with 95 % certainty (Welch, of logarithms; Bonferroni).",
		"Of settings that are not shown to be worse than the best, and not more than 5 % below it, the one with the least memory is recommended.",
		"The load generator ran on the same machine and took its share of the cores: alone, the server holds rather more.",
	}
}
