package report

import (
	"bytes"
	"cmp"
	_ "embed"
	"fmt"
	"html/template"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"girin/internal/lab/chart"
	"girin/internal/lab/plan"
	"girin/internal/lab/result"
)

//go:embed page.html.tmpl
var pageTemplate string

//go:embed page.css
var pageCSS string

//go:embed page.js
var pageJS string

// A view is what the page's template shows.
type view struct {
	Title, About, Date string
	CSS                template.CSS
	JS                 template.JS
	Sentence           string
	Picture            template.HTML
	Summary            []finding
	Partial            bool
	Subjects           []string
	Glance             glance
	Panels             []panelView
	OpenTables         bool
	Reading            []string
	Machine, Commands  []pair
	Skipped, Invalid   []result.Skip
	Plan               string
	Packages           []string
	Data               map[string]cellData
}

type pair struct{ Name, Value string }

type panelView struct {
	ID, Name, About string
	Charts          []chartView
	Columns         []string
	Rows            []rowView
}

type chartView struct {
	File, Details string
	SVG           template.HTML
}

type rowView struct {
	Subject string
	Fields  []field
}

// A field is a cell of a table. Sort is what the column is sorted by.
type field struct {
	Text, Sort, Cell string
	Bad              bool
}

// cellData is what a timeline is drawn from.
type cellData struct {
	Title    string       `json:"title"`
	About    string       `json:"about"`
	Command  string       `json:"command"`
	Requests [][5]float64 `json:"requests"`
}

// page renders the report. file names the files of a panel's drawings.
func page(f *result.Folder, all []*panel, findings []finding) ([]byte, error) {
	m := &f.Machine
	head := headlineOf(f, all)
	v := view{
		Title: f.Plan.Name, About: f.Plan.About, Date: m.Started.Format("2 January 2006 15:04"),
		CSS: template.CSS(chart.PageCSS() + pageCSS), JS: template.JS(chart.PageJS() + pageJS),
		Summary: findings, Partial: len(f.Done()) < m.Planned,
		Sentence: head.Sentence,
		Glance:   atAGlance(all), Reading: reading(f, all), Machine: machineView(m), Skipped: m.Skipped,
		Plan: string(f.Source), Packages: m.Packages, Data: map[string]cellData{},
	}
	if head.Picture != nil {
		v.Picture = template.HTML(head.Picture.SVG())
	}
	for _, s := range f.Plan.Subjects {
		v.Subjects = append(v.Subjects, s.Name)
	}
	for _, id := range slices.Sorted(maps.Keys(m.Commands)) {
		v.Commands = append(v.Commands, pair{id, m.Commands[id]})
	}
	for i := range f.Runs {
		if r := &f.Runs[i]; r.Invalid != "" {
			v.Invalid = append(v.Invalid, result.Skip{What: r.Visit + " " + r.Stream, Why: r.Invalid})
		}
	}
	names := chartNames(all)
	for i, p := range all {
		v.Panels = append(v.Panels, p.view(i, names[i]))
		p.addData(v.Data, m)
	}
	v.OpenTables = len(all) <= 3 && len(v.Commands) <= 12
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

func (p *panel) view(i int, chartName string) panelView {
	v := panelView{ID: fmt.Sprintf("panel-%d", i+1), Name: p.Name(), About: p.about()}
	for _, d := range p.drawings() {
		v.Charts = append(v.Charts, chartView{File: chartName + "-" + d.Name, Details: d.Details, SVG: template.HTML(d.Scene.SVG())})
	}
	v.Columns, v.Rows = p.table()
	return v
}

// longestChartName bounds the file names of charts, in bytes.
const longestChartName = 60

// chartNames are what the files of each panel's charts begin with: the panel's name with the
// letters of all languages, and a number where two are then alike.
func chartNames(all []*panel) []string {
	seen := map[string]int{}
	out := make([]string, len(all))
	for i, p := range all {
		name := strings.Join(strings.FieldsFunc(strings.ToLower(p.Name()), func(r rune) bool {
			return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !unicode.IsMark(r)
		}), "-")
		for len(name) > longestChartName {
			_, size := utf8.DecodeLastRuneInString(name)
			name = name[:len(name)-size]
		}
		name = cmp.Or(strings.Trim(name, "-"), "chart")
		if seen[name]++; seen[name] > 1 {
			name = fmt.Sprintf("%s-%d", name, seen[name])
			seen[name]++
		}
		out[i] = name
	}
	return out
}

func (p *panel) about() string {
	load := fmt.Sprintf("%d clients, each of which asks again as soon as it has the answer", p.Clients)
	if p.open() {
		load = fmt.Sprintf("%g requests per second, whatever becomes of the answers; latency counts from the moment a request was due", p.Offered)
		if p.Poisson {
			load = "at random moments, on average " + load
		}
	}
	what := p.Method + " " + p.Path
	if p.URLs != "" {
		what = "The requests of " + p.URLs
	}
	s := fmt.Sprintf("%s (%s): %s.", what, p.Kind, load)
	if !p.Alone {
		s += " Other streams load the server at the same time."
	}
	return s
}

// table holds every number of the panel.
func (p *panel) table() (columns []string, rows []rowView) {
	columns = []string{"setting", "place", "req/s", "95 % interval", "of ideal", "time/req ms", "p50", "p90", "p95", "p99", "max ms",
		"CPU ms/req", "MiB", "processes", "runs", "remarks"}
	for _, c := range p.Cells {
		rows = append(rows, rowView{Subject: c.Setting.Subject, Fields: p.fields(c)})
	}
	return columns, rows
}

func (p *panel) fields(c *cell) []field {
	number := func(v float64) field {
		if v == 0 {
			return field{}
		}
		return field{Text: chart.Format(v), Sort: strconv.FormatFloat(v, 'g', 6, 64)}
	}
	interval := field{}
	if s := c.Rate; s.HasInterval {
		interval = field{Text: chart.Format(s.Lo) + " to " + chart.Format(s.Hi), Sort: strconv.FormatFloat((s.Hi-s.Lo)/max(s.Median, 1e-9), 'g', 6, 64)}
	}
	share := field{}
	if c.Ideal > 0 && c.OK() {
		share = field{Text: fmt.Sprintf("%.0f %%", 100*c.Rate.Median/c.Ideal), Sort: fmt.Sprintf("%.5f", c.Rate.Median/c.Ideal)}
	}
	return []field{
		{Text: c.Key(), Sort: c.Key(), Cell: p.cellKey(c)},
		number(float64(c.Place)), number(c.Rate.Median), interval, share, number(c.Time.Median),
		number(c.P50.Median), p.tail(c, 90, c.P90.Median), p.tail(c, 95, c.P95.Median), p.tail(c, 99, c.P99.Median), number(c.Max.Median),
		number(c.CPU.Median), number(c.Memory.Median), number(float64(c.Processes)), number(float64(len(c.Runs))), p.remarks(c),
	}
}

// tail marks a percentile that the sample is too small for.
func (p *panel) tail(c *cell, percentile, value float64) field {
	if value == 0 {
		return field{}
	}
	text := chart.Format(value)
	for _, r := range c.Runs {
		if slices.Contains(r.Latency.Unsure, percentile) {
			text = "≈" + text
			break
		}
	}
	return field{Text: text, Sort: strconv.FormatFloat(value, 'g', 6, 64)}
}

func (p *panel) remarks(c *cell) field {
	var words []string
	if c.Setting.Recommended {
		words = append(words, "documented recommendation")
	}
	if p.starved(c) {
		words = append(words, "starved")
	}
	if len(c.Invalid) > 0 {
		words = append(words, fmt.Sprintf("%d invalid: %s", len(c.Invalid), firstInvalid(c)))
	}
	text := strings.Join(words, "; ")
	return field{Text: text, Sort: text, Bad: len(c.Invalid) > 0 || p.starved(c)}
}

// addData adds the timelines: of each cell the run in the middle.
func (p *panel) addData(data map[string]cellData, m *result.Machine) {
	for _, c := range p.Cells {
		d := cellData{Title: p.Name() + ": " + c.Key(), Command: m.Commands[c.Key()], Requests: [][5]float64{}}
		if !c.OK() {
			d.About = firstInvalid(c)
			data[p.cellKey(c)] = d
			continue
		}
		run := middle(c.Runs)
		d.About = fmt.Sprintf("Block %d: %s requests/s, server CPU %s s, %s MiB.", run.Block,
			chart.Format(run.Rate), chart.Format(run.ServerCPUS), chart.Format(run.MemoryMiB))
		if n := run.OK + run.Failed; n > int64(len(run.Stamps)) {
			d.About += fmt.Sprintf(" The first %d of %d requests are shown.", len(run.Stamps), n)
		}
		for _, doubt := range run.Doubts {
			d.About += " " + doubt
		}
		d.Requests = timeline(run.Stamps)
		data[p.cellKey(c)] = d
	}
}

// timeline orders requests by when they were sent.
func timeline(stamps []result.Stamp) [][5]float64 {
	sorted := slices.Clone(stamps)
	slices.SortStableFunc(sorted, func(a, b result.Stamp) int {
		switch {
		case a.Sent < b.Sent:
			return -1
		case a.Sent > b.Sent:
			return 1
		}
		return 0
	})
	rows := make([][5]float64, len(sorted))
	for i, s := range sorted {
		ok := 0.0
		if s.OK {
			ok = 1
		}
		rows[i] = [5]float64{s.Sent, s.Begin, s.End, s.Done, ok}
	}
	return rows
}

// middle is the run with the median rate.
func middle(runs []*result.Run) *result.Run {
	sorted := slices.Clone(runs)
	slices.SortStableFunc(sorted, func(a, b *result.Run) int {
		if a.Rate < b.Rate {
			return -1
		}
		return 1
	})
	return sorted[len(sorted)/2]
}

func machineView(m *result.Machine) []pair {
	unlimited := func(v, unit string) string {
		if v == "0" {
			return "none"
		}
		return v + unit
	}
	all := []pair{
		{"system", m.System},
		{"CPU", fmt.Sprintf("%s; %d logical cores, %s physical, %d usable", m.CPU, m.LogicalCores, orUnknown(m.PhysicalCores), m.UsableCores)},
		{"cgroup limits", "CPU " + unlimited(fmt.Sprint(m.CgroupCPU), " cores") + ", memory " + unlimited(fmt.Sprint(m.CgroupMemory>>20), " MiB")},
		{"memory", fmt.Sprintf("%d MiB", m.MemoryBytes>>20)},
		{"load at the start", fmt.Sprintf("%.2f", m.LoadAverage)},
		{"privileges", privileges(m)},
		{"girin", m.Lab},
		{"Python", m.Python},
		{"command", strings.Join(m.Command, " ")},
		{"started", m.Started.Format("2006-01-02 15:04:05 MST")},
	}
	for _, name := range slices.Sorted(maps.Keys(m.Versions)) {
		all = append(all, pair{name, m.Versions[name]})
	}
	return all
}

// privileges says as whom and at which priorities processes ran, and what of it failed.
func privileges(m *result.Machine) string {
	if m.User == "" {
		return "not recorded"
	}
	s := fmt.Sprintf("user %s; servers at nice %d, load generators at nice %d", m.User, m.Nice, m.LoadNice)
	if m.LoadNiceFailed != "" {
		s += fmt.Sprintf(" (they could not be put before the servers: %s; on busy cores their lag looks like the servers')", m.LoadNiceFailed)
	}
	return s
}

func orUnknown(n int) string {
	if n == 0 {
		return "an unknown number of"
	}
	return strconv.Itoa(n)
}

// reading explains the charts, as far as this run has what is explained.
func reading(f *result.Folder, all []*panel) []string {
	lines := []string{
		"The run, not the request, is the sample: a setting's requests share one server and one moment of the machine. Medians are over runs; intervals hold the true median with 95 % certainty (order statistics; at least 6 runs). A place is 1 plus the number of settings that are certainly better. All places of an endpoint hold at once with 95 % confidence: Student's t of logarithms, with variances moderated by those of all settings (Smyth 2004), corrected for all pairs (Holm 1979); differences below 1 % are none.",
		"Requests per second and time per request are those of ab. One thing differs: ab's clients do not all send at once in its first round, so that it needs an extra one. For -n 32 -c 16 on a 1 s sleep ab takes 3 s where 16 at once need 2; girin bench takes 2.",
		"A run does not count if requests failed, if answers differ in status or body, or if the load generator was itself the bottleneck. ≈ marks a percentile that the sample is too small for.",
		"Every server imports the app through the same small wrapper, which adds the times when a request reached the app and when the app answered. The timelines (click a bar or a setting's name) are drawn from them.",
	}
	for _, p := range all {
		if p.Kind == plan.Computing && p.Alone && p.ComputeS > 0 {
			lines = append(lines, fmt.Sprintf("The ideal of %s takes the fastest single computation seen, %s ms, times the processes that can have a core.", p.Name(), chart.Format(1000*p.ComputeS)))
		}
	}
	for _, s := range f.Plan.Expand(max(1, f.Machine.UsableCores)) {
		if s.Class == "gaiohttp" && f.Plan.SubjectOf(s).Server == "gunicorn" {
			lines = append(lines, "gunicorn dropped its class gaiohttp with version 20. What is shown under that name is aiohttp's own gunicorn worker with the app behind aiohttp-wsgi, which runs it in T threads beside the event loop; the old class ran it on the loop.")
			break
		}
	}
	return lines
}
