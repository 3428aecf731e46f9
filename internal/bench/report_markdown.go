package bench

import (
	"encoding/xml"
	"fmt"
	"io"
	"strings"
)

// WriteMarkdown writes the result as tables for a pull request or a wiki.
func (res *Result) WriteMarkdown(w io.Writer) error {
	var b strings.Builder
	cell := func(s string) string { return strings.NewReplacer("|", `\|`, "\n", " ").Replace(Printable(s)) }
	fmt.Fprintf(&b, "**%s**: %s loop, %d clients, %.1f s\n\n", cell(res.Targets[0].URL), res.Load.Mode, res.Load.Clients, res.DurationS)
	fmt.Fprintf(&b, "| requests/s | p50 | p95 | p99 | slowest | successes | failures |\n|--:|--:|--:|--:|--:|--:|--:|\n")
	fmt.Fprintf(&b, "| %.1f | %s | %s | %s | %s | %d | %d |\n", res.Rate.OK, formatMS(res.Latency.MedianMS), res.Latency.told(95), res.Latency.told(99),
		formatMS(res.Latency.MaxMS), res.Requests.OK, res.Requests.Failed)
	if len(res.Targets) > 1 {
		fmt.Fprintf(&b, "\n| target | successes | failures | p50 | p99 |\n|---|--:|--:|--:|--:|\n")
		for _, t := range res.Targets {
			fmt.Fprintf(&b, "| %s %s | %d | %d | %s | %s |\n", t.Method, cell(t.URL), t.OK, t.Failed, t.told(t.P50MS), t.told(t.P99MS))
		}
	}
	if cases := res.cases(); len(cases) > 0 {
		fmt.Fprintf(&b, "\n| guard | verdict | |\n|---|---|---|\n")
		for _, c := range cases {
			fmt.Fprintf(&b, "| %s | %s | %s |\n", cell(c.name), c.verdict, cell(c.why))
		}
	}
	for _, d := range res.Doubts {
		fmt.Fprintf(&b, "\n> doubt: %s\n", cell(d.Text))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// told is a percentile with its doubt.
func (d Distribution) told(p float64) string {
	for _, q := range d.Percentiles {
		if q.P == p {
			if !q.Reliable {
				return formatMS(q.MS) + " ?"
			}
			return formatMS(q.MS)
		}
	}
	return ""
}

// guardCase is one thing that a guard has judged.
type guardCase struct {
	name    string
	verdict Verdict
	why     string
}

// cases are the clauses of the SLO and the figures compared with a baseline.
func (res *Result) cases() (all []guardCase) {
	if res.SLO != nil {
		for _, c := range res.SLO.Clauses {
			why := c.Reason
			if why == "" && c.Value != beyondAll {
				why = fmt.Sprintf("measured: %.4g", c.Value)
			}
			all = append(all, guardCase{c.Clause, c.Verdict, why})
		}
	}
	if res.Against != nil {
		for _, f := range res.Against.Figures {
			why := f.Reason
			if why == "" {
				why = fmt.Sprintf("%+.1f %% (%+.1f to %+.1f)", 100*f.Change, 100*f.ChangeLow, 100*f.ChangeHigh)
			}
			all = append(all, guardCase{f.Figure + " against " + res.Against.Baseline, f.Verdict, why})
		}
		if len(res.Against.Figures) == 0 {
			all = append(all, guardCase{"against " + res.Against.Baseline, res.Against.Verdict, res.Against.Reason})
		}
	}
	return all
}

// The elements of a JUnit report, as CI systems read it.
type (
	junitSuite struct {
		XMLName  xml.Name    `xml:"testsuite"`
		Name     string      `xml:"name,attr"`
		Tests    int         `xml:"tests,attr"`
		Failures int         `xml:"failures,attr"`
		Skipped  int         `xml:"skipped,attr"`
		Time     string      `xml:"time,attr"`
		Stamp    string      `xml:"timestamp,attr"`
		Cases    []junitCase `xml:"testcase"`
	}
	junitCase struct {
		Class   string     `xml:"classname,attr"`
		Name    string     `xml:"name,attr"`
		Time    string     `xml:"time,attr"`
		Failure *junitNote `xml:"failure,omitempty"`
		Skipped *junitNote `xml:"skipped,omitempty"`
	}
	junitNote struct {
		Message string `xml:"message,attr"`
	}
)

// WriteJUnit writes a test case for each clause of the SLO and each figure that was compared, and one for the run itself. What
// is undecided counts as skipped.
func (res *Result) WriteJUnit(w io.Writer) error {
	took := fmt.Sprintf("%.3f", res.DurationS)
	s := junitSuite{Name: "girin bench " + Printable(res.Targets[0].URL), Time: took, Stamp: res.StartedAt.UTC().Format("2006-01-02T15:04:05")}
	run := guardCase{name: "requests succeed", verdict: Holds}
	switch {
	case res.Requests.OK == 0:
		run.verdict, run.why = Fails, "no request succeeded"
	case res.Partial:
		run.verdict, run.why = Fails, "the run ended early: "+res.PartialReason
	}
	for _, c := range append([]guardCase{run}, res.cases()...) {
		out := junitCase{Class: "girin.bench", Name: c.name, Time: took}
		why := strings.TrimSpace(Printable(string(c.verdict) + ": " + c.why))
		switch c.verdict {
		case Fails, Worse:
			out.Failure = &junitNote{why}
			s.Failures++
		case Undecided:
			out.Skipped = &junitNote{why}
			s.Skipped++
		}
		s.Cases = append(s.Cases, out)
	}
	s.Tests = len(s.Cases)
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	enc := xml.NewEncoder(w)
	enc.Indent("", "  ")
	if err := enc.Encode(s); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n")
	return err
}
