package tune

import (
	"fmt"
	"math"
	"strings"
	"text/tabwriter"

	"girin/internal/bench"
	"girin/internal/tune/workload"
)

// sayWorkload tells what is asked, and what is not.
func sayWorkload(w *workload.Workload) string {
	var b strings.Builder
	fmt.Fprintf(&b, "the load: %s, %d requests\n", w.Source, len(w.Requests))
	if w.Log != nil {
		fmt.Fprintf(&b, "the log has %d requests", w.Log.Lines)
		if w.Log.Peak > 0 {
			hour, rate := w.Log.Busiest()
			fmt.Fprintf(&b, ", in the hour from %d:00 %s a second on average, in the busiest minute %s", hour, figure(rate), figure(w.Log.Peak))
		}
		if w.Log.Others > 0 {
			fmt.Fprintf(&b, "; %d lines were not understood", w.Log.Others)
		}
		b.WriteByte('\n')
	}
	for i, l := range w.Left {
		if i == 10 {
			fmt.Fprintf(&b, "left out: %d more\n", len(w.Left)-i)
			break
		}
		fmt.Fprintf(&b, "left out: %s: %s\n", l.What, l.Why)
	}
	return b.String()
}

// sayRoutes tells what each route is, alone.
func sayRoutes(r *Result) string {
	var b strings.Builder
	t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprint(t, "share\ttakes\tCPU\tkind\t  request\n")
	for _, route := range r.Routes {
		fmt.Fprintf(t, "%.0f %%\t%s\t%s\t%s\t  %s\n", 100*route.Share, millis(route.ServiceMS), millis(route.CPUMS), route.Kind, route.Name)
	}
	t.Flush()
	for _, route := range r.Routes {
		switch {
		case route.Threads != "":
			fmt.Fprintf(&b, "not safe in threads: %s: %s\n", route.Name, route.Threads)
		case route.Unsure != "":
			fmt.Fprintf(&b, "%s: %s\n", route.Name, route.Unsure)
		}
	}
	return bench.Printable(b.String())
}

func millis(v float64) string {
	switch {
	case v >= 1e300:
		return "failed"
	case v >= 100:
		return fmt.Sprintf("%.0f ms", v)
	case v >= 10:
		return fmt.Sprintf("%.1f ms", v)
	}
	return fmt.Sprintf("%.2f ms", v)
}

// line is progress for people.
func (p Step) line() string {
	stage := [...]string{"", "screening", "second look", "final"}[p.Stage]
	m := p.Candidate.Runs[len(p.Candidate.Runs)-1]
	what := figure(m.Rate) + " requests/s"
	switch {
	case m.Rate == 0 && m.Reason != "":
		what = oneLine(m.Reason)
	case m.Rate == 0 && m.FailsAt > 0:
		what = "not " + figure(m.FailsAt) + " requests/s"
	case m.Rate == 0:
		what = "holds no rate"
	}
	if len(what) > mostSaid {
		what = what[:mostSaid] + "..."
	}
	return bench.Printable(fmt.Sprintf("%4.0f s  %-11s  %-24s  %s", p.Elapsed.Seconds(), stage, p.Candidate.Setting, what))
}

const mostSaid = 160

// Text is the answer and what it rests on, for a terminal.
func (r *Result) Text() string {
	var b strings.Builder
	r.table(&b)
	b.WriteByte('\n')
	if r.Stopped != "" {
		fmt.Fprintf(&b, "Stopped after %.0f s: this is what is known.\n", r.Took.Seconds())
	}
	if r.Answer == nil {
		b.WriteString(r.Nothing + "\n")
		return bench.Printable(b.String())
	}
	for _, line := range []string{upper(r.Answer.Sentence), r.Answer.Limit, r.Answer.Machines, r.unsafe(), r.untried()} {
		if line != "" {
			b.WriteString(line + "\n")
		}
	}
	return bench.Printable(b.String())
}

func upper(s string) string { return strings.ToUpper(s[:1]) + s[1:] }

// unsafe warns of threads.
func (r *Result) unsafe() string {
	if r.Alone == "" {
		return ""
	}
	return "Threads are not safe for it, and no setting with threads is recommended: " + r.Alone + "."
}

// untried says what the budget left out.
func (r *Result) untried() string {
	if n := r.tried(); n < r.Possible {
		return fmt.Sprintf("The budget of %v allowed %d of %d settings; a larger --budget tries more.", r.Budget, n, r.Possible)
	}
	return ""
}

const mostRows = 12

func (r *Result) table(b *strings.Builder) {
	t := tabwriter.NewWriter(b, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprint(t, "holds\truns\tfails at\tp99\tMiB\t  setting\n")
	for i, c := range r.Candidates {
		if i == mostRows && len(r.Candidates) > mostRows+1 {
			fmt.Fprintf(t, "\t\t\t\t\t  and %d more\n", len(r.Candidates)-i)
			break
		}
		m := c.Runs[len(c.Runs)-1]
		fails, p99, memory := "", "", ""
		if m.FailsAt > 0 && c.Rate() > 0 {
			fails = figure(m.FailsAt)
		}
		if v := m.p99(); v > 0 {
			p99 = millis(v)
		}
		if v := c.MemoryMiB(); v > 0 {
			memory = fmt.Sprintf("%.0f", v)
		}
		note := ""
		if c.Rate() == 0 && m.FailsAt == 0 && m.Reason != "" {
			note = ": " + oneLine(m.Reason)
		}
		if len(note) > mostSaid {
			note = note[:mostSaid] + "..."
		}
		holds := figure(c.Rate())
		if c.Rate() == 0 && m.FailsAt > 0 {
			holds = "< " + figure(m.FailsAt) // it was not looked further for less
		}
		fmt.Fprintf(t, "%s\t%d\t%s\t%s\t%s\t  %s%s\n", holds, len(c.Rates), fails, p99, memory, c.Setting, note)
	}
	t.Flush()
}

// p99 is that of the highest rate that held.
func (m *Measurement) p99() (v float64) {
	rate := 0.0
	for _, p := range m.Points {
		if p.Held && p.Rate >= rate {
			rate, v = p.Rate, p.P99MS
		}
	}
	if v == math.MaxFloat64 {
		return 0
	}
	return v
}
