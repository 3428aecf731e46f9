//go:build !windows

package cli

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"

	"girin/internal/control"
	"girin/internal/sched"
)

// formatStatus shows a status as text.
func formatStatus(s control.Status, now time.Time) string {
	s = visible(s)
	var b strings.Builder
	fmt.Fprintf(&b, "girin %s, pid %d, %s, class %s, up %v, %d cores\n", s.Version, s.PID, s.App, s.Class, s.Uptime.Round(time.Second), s.Cores)
	if j := s.Jobs; j != nil {
		state := ""
		if !j.Connected {
			state = "; the engine does not answer: requests run here"
		}
		fmt.Fprintf(&b, "jobs of version %s of the application: %d wait, %d run here, %d accepted ones have not ended; %d other servers%s\n",
			printable(j.Version), j.Waiting, j.Running, j.Accepted, j.Peers, state)
	}
	q := s.Sched
	runs, kept := inPlace(q)
	fmt.Fprintf(&b, "%s: %d connections, %d requests: %d kept back, %d in the queue, %d run of at most %d\n",
		strings.Join(s.Addresses, " "), s.Conns, max(q.InFlight, runs+kept), kept, max(q.InFlight-runs-kept, 0), runs, q.Capacity)
	if s.Class == "auto" && q.Slots > 0 { // else none has computed yet, or for a while
		fmt.Fprintf(&b, "computing %d of %d at once\n", q.Computing, q.Slots)
	}
	formatGIL(&b, q.Workers)
	if n := len(q.Waits); n > 0 {
		fmt.Fprintf(&b, "time in the queue, last %d: p50 %s, p95 %s, longest %s\n", n, ms(q.Waits[n/2]), ms(q.Waits[n*95/100]), ms(q.Waits[n-1]))
	}
	if h := s.Held; h.Answers > 0 || h.SpoolFiles > 0 {
		fmt.Fprintf(&b, "answers in memory that wait for clients: %s; bodies and answers in files: %s in %d\n", mib(h.Answers), mib(h.SpoolBytes), h.SpoolFiles)
	}
	formatWorkers(&b, s)
	formatSidecars(&b, s, now)
	formatRoutes(&b, s)
	for i, d := range s.Decisions {
		if i == 0 {
			b.WriteString("\nlast decisions\n")
		}
		often := ""
		if d.Count > 1 {
			often = fmt.Sprintf(" (one of %d like it in %v)", d.Count, d.Time.Sub(d.First).Round(time.Second/10))
		}
		fmt.Fprintf(&b, "  %6s ago  %s%s\n", now.Sub(d.Time).Round(time.Second), d.Text, often)
	}
	return b.String()
}

// inPlace counts the requests that threads run, and those that are kept back.
func inPlace(q sched.Status) (runs, kept int) {
	for _, w := range q.Workers {
		runs += len(w.Running)
	}
	return runs, q.Held + q.Queued
}

// formatGIL tells of workers whose Python has no GIL. The others are as everybody expects.
func formatGIL(b *strings.Builder, workers []sched.WorkerStatus) {
	without := 0
	for _, w := range workers {
		if w.Parallel {
			without++
		}
	}
	switch {
	case without == 0:
	case without == len(workers):
		b.WriteString("free-threaded Python: the threads of a worker compute at once\n")
	default:
		fmt.Fprintf(b, "free-threaded Python: in %d of %d workers threads compute at once; in the others a module has turned the GIL on\n", without, len(workers))
	}
}

func formatWorkers(b *strings.Builder, s control.Status) {
	b.WriteByte('\n')
	t := tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "worker\treads\tbusy\tsockets\ttasks\tlag\toldest requests")
	for _, w := range s.Sched.Workers {
		tasks, lag := "-", "-"
		if w.Tasks > 0 {
			tasks, lag = fmt.Sprint(w.Tasks), ms(w.Lag)
		}
		fmt.Fprintf(t, "%d\t%s\t%d of %d\t%d\t%s\t%s\t%s\n", w.PID, w.Lane, len(w.Running), w.Slots, w.Sockets, tasks, lag, oldest(w.Running, 3))
	}
	t.Flush()
}

func formatSidecars(b *strings.Builder, s control.Status, now time.Time) {
	if len(s.Sidecars) == 0 {
		return
	}
	b.WriteByte('\n')
	t := tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "sidecar\tpid\tstate\tfor\tstarts\tthe last time it")
	for _, c := range s.Sidecars {
		pid, last := "-", cmp.Or(c.Last, "-")
		if c.PID != 0 {
			pid = fmt.Sprint(c.PID)
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%v\t%d\t%s\n", c.Name, pid, c.State, now.Sub(c.Since).Round(time.Second), c.Starts, last)
	}
	t.Flush()
}

func formatRoutes(b *strings.Builder, s control.Status) {
	if len(s.Sched.Routes) == 0 {
		return
	}
	b.WriteByte('\n')
	t := tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "route\tcount\tfailed\ttotal\tservice p50\tp95\tqueue p50\tp95\tcpu p50\tp95\tkind\tat once\tkept back")
	for i, r := range s.Sched.Routes {
		if i == shownRoutes {
			fmt.Fprintf(t, "and %d more\n", len(s.Sched.Routes)-i)
			break
		}
		limit, kind := "-", r.Kind
		if kind == "waiting" && r.CPUP50 == 0 { // it may as well compute
			kind = "-"
		}
		if r.Kind == "waiting" && s.Class == "auto" {
			limit = fmt.Sprintf("%d of %d", r.Active, r.Limit)
		}
		fmt.Fprintf(t, "%s\t%d\t%d\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%d\n", r.Name, r.Count, r.Failed, seconds(r.Total),
			measured(r.ServiceP50), measured(r.ServiceP95), ms(r.QueueP50), ms(r.QueueP95), measured(r.CPUP50), measured(r.CPUP95), kind, limit, r.Pending)
	}
	t.Flush()
}

const shownRoutes = 20

// visible returns a status whose names are safe to show: a route's holds what a
// client sent, which could be a terminal's escape sequences, or a whole line.
func visible(s control.Status) control.Status {
	s.App = printable(s.App)
	s.Sched.Routes = slices.Clone(s.Sched.Routes)
	for i := range s.Sched.Routes {
		s.Sched.Routes[i].Name = printable(s.Sched.Routes[i].Name)
	}
	s.Sched.Workers = slices.Clone(s.Sched.Workers)
	for i, w := range s.Sched.Workers {
		s.Sched.Workers[i].Running = slices.Clone(w.Running)
		for j := range w.Running {
			s.Sched.Workers[i].Running[j].Route = printable(w.Running[j].Route)
		}
	}
	s.Sidecars = slices.Clone(s.Sidecars)
	for i := range s.Sidecars {
		s.Sidecars[i].Last = printable(s.Sidecars[i].Last)
	}
	s.Decisions = slices.Clone(s.Decisions)
	for i := range s.Decisions {
		s.Decisions[i].Text = printable(s.Decisions[i].Text)
	}
	return s
}

// shownName is how many characters of a name are shown.
const shownName = 120

// printable is a name as it can be shown: not too long, and nothing to a terminal.
func printable(text string) string {
	n := 0
	return strings.Map(func(r rune) rune {
		n++
		switch {
		case n == shownName:
			return '…'
		case n > shownName:
			return -1
		}
		return r
	}, harmless(text))
}

// harmless is a whole line as it can be shown.
func harmless(text string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, text)
}

// ms shows a duration in milliseconds, as the reports do.
func ms(d time.Duration) string { return fmt.Sprintf("%.1f ms", d.Seconds()*1000) }

func mib(bytes int64) string { return fmt.Sprintf("%.1f MiB", float64(bytes)/(1<<20)) }

// measured is a time that nothing can have taken none of: 0 is not measured.
func measured(d time.Duration) string {
	if d == 0 {
		return "-"
	}
	return ms(d)
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.1f s", d.Seconds()) }

// oldest names the n requests that have run longest.
func oldest(running []sched.Running, n int) string {
	running = slices.SortedFunc(slices.Values(running), func(x, y sched.Running) int { return cmp.Compare(y.Age, x.Age) })
	var names []string
	for i, r := range running {
		if i == n {
			names = append(names, "...")
			break
		}
		names = append(names, fmt.Sprintf("%s %s", r.Route, ms(r.Age)))
	}
	return strings.Join(names, ", ")
}
