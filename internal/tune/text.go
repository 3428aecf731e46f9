package tune

import (
	"fmt"
	"math"
	"strings"
	"text/tabwriter"

	"girin/internal/bench"
	"girin/internal/neighbours"
	"girin/internal/tune/workload"
)

// sayWorkload tells what is asked, and what is not.
func sayWorkload(w *workload.Workload) string {
	var b strings.Builder
	fmt.Fprintf(&b, "the load: %s, %s\n", w.Source, bench.Plural(len(w.Requests), "request"))
	if w.Log != nil {
		fmt.Fprintf(&b, "the log has %s", bench.Plural(int(w.Log.Lines), "request"))
		if w.Log.Peak > 0 {
			hour, rate := w.Log.Busiest()
			fmt.Fprintf(&b, ", in the hour from %d:00 %s a second on average, in the busiest minute %s", hour, figure(rate), figure(w.Log.Peak))
		}
		if w.Log.Others > 0 {
			fmt.Fprintf(&b, "; %s not understood", bench.Plural(int(w.Log.Others), "line"))
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
	fmt.Fprint(t, "share\ttakes\tp99\tCPU\tkind\t  request\n")
	for _, route := range r.Routes {
		fmt.Fprintf(t, "%.0f %%\t%s\t%s\t%s\t%s\t  %s\n", 100*route.Share, Millis(route.ServiceMS), Millis(route.P99MS), Millis(route.CPUMS), route.Kind, route.Name)
	}
	t.Flush()
	for _, route := range r.Routes {
		if route.Failed > 0 {
			fmt.Fprintf(&b, "%s: %d of %d requests failed, though nothing else was asked: %s\n", route.Name, route.Failed, route.Requests, route.Fault)
		}
		if leaks := route.leaks(); leaks != "" {
			fmt.Fprintf(&b, "%s: %s\n", route.Name, leaks)
		}
		switch {
		case route.Threads != "":
			fmt.Fprintf(&b, "not safe in threads: %s: %s\n", route.Name, route.Threads)
		case route.Unsure != "":
			fmt.Fprintf(&b, "%s: %s\n", route.Name, route.Unsure)
		}
	}
	return bench.Printable(b.String())
}

// Millis writes a latency.
func Millis(v float64) string {
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
	case m.AtLeast:
		what = "at least " + what
	}
	return bench.Printable(fmt.Sprintf("%4.0f s  %-11s  %-24s  %s", p.Elapsed.Seconds(), stage, p.Candidate.Setting, shortened(what)))
}

const mostSaid = 160

// Text is the answer and what it rests on, for a terminal.
func (r *Result) Text() string {
	var b strings.Builder
	if len(r.Candidates) > 0 {
		r.table(&b)
		b.WriteByte('\n')
	}
	for _, line := range append(append([]string{r.Sentence()}, r.Remarks()...), r.Warnings()...) {
		b.WriteString(line + "\n")
	}
	return bench.Printable(b.String())
}

// Sentence is the answer, or why there is none.
func (r *Result) Sentence() string {
	if r.Answer == nil {
		return r.Nothing
	}
	return upper(r.Answer.Sentence)
}

func upper(s string) string { return strings.ToUpper(s[:1]) + s[1:] }

// Remarks are what else the answer says.
func (r *Result) Remarks() (lines []string) {
	if r.Answer == nil {
		return nil
	}
	for _, line := range []string{r.Answer.Limit, r.Answer.Machines} {
		if line != "" {
			lines = append(lines, line)
		}
	}
	return lines
}

// Warnings are what the answer does not rest on, or leaves out.
func (r *Result) Warnings() (lines []string) {
	if r.Stopped != "" {
		lines = append(lines, fmt.Sprintf("Stopped after %.0f s: this is what is known.", r.Took.Seconds()))
	}
	if r.Answer != nil {
		for _, line := range []string{r.Answer.unsteady(), r.Answer.outdone(r)} {
			if line != "" {
				lines = append(lines, line)
			}
		}
	}
	if neighbours.Crowd(r.OthersCPU, r.Cores) {
		lines = append(lines, fmt.Sprintf("Other programs used %.1f of %d cores meanwhile: the figures are of what they left.", r.OthersCPU, r.Cores))
	}
	if r.Alone != "" {
		lines = append(lines, "Threads are not safe for it, and no setting with threads is recommended: "+r.Alone+".")
	}
	for _, route := range r.Routes {
		if leaks := route.leaks(); leaks != "" {
			lines = append(lines, fmt.Sprintf("%s: %s.", route.Name, leaks))
		}
	}
	if n := r.Tried(); n < r.Possible && n > 0 {
		lines = append(lines, fmt.Sprintf("The budget of %v allowed %d of %d settings; a larger --budget tries more.", r.Budget, n, r.Possible))
	}
	return lines
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
		m := c.last()
		fails, p99, memory, note := "", "", "", ""
		if m.FailsAt > 0 && c.Rate() > 0 {
			fails = figure(m.FailsAt)
		}
		if v := m.p99(); v > 0 {
			p99 = Millis(v)
		}
		if v := c.MemoryMiB(); v > 0 {
			memory = fmt.Sprintf("%.0f", v)
		}
		if remark := c.Remark(); remark != "" {
			note = ": " + remark
		}
		fmt.Fprintf(t, "%s\t%d\t%s\t%s\t%s\t  %s%s\n", c.Holds(), len(c.Rates), fails, p99, memory, c.Setting, note)
	}
	t.Flush()
}

func (c *Candidate) last() *Measurement { return &c.Runs[len(c.Runs)-1] }

// Holds is the rate that it holds, for people.
func (c *Candidate) Holds() string {
	if m := c.last(); c.Rate() == 0 && m.FailsAt > 0 {
		return "< " + figure(m.FailsAt) // what it holds below that was of no interest
	}
	return figure(c.Rate())
}

// Remark is why it holds nothing, if that is known.
func (c *Candidate) Remark() string {
	m := c.last()
	if c.Rate() > 0 || m.Reason == "" || m.FailsAt > 0 && !m.Broken && !m.TooSlow {
		return ""
	}
	return shortened(oneLine(m.Reason))
}

func shortened(s string) string {
	if len(s) > mostSaid {
		return strings.ToValidUTF8(s[:mostSaid], "") + "..."
	}
	return s
}

// P99MS is that of the highest rate that its last run held; 0 if it is not known.
func (c *Candidate) P99MS() float64 { return c.last().p99() }

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
