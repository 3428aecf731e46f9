package report

import (
	"bytes"
	"cmp"
	_ "embed"
	"fmt"
	"html/template"
	"maps"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"girin/internal/lab/chart"
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
