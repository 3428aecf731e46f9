package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"

	"github.com/spf13/pflag"

	"girin/internal/control"
	"girin/internal/program"
	"girin/internal/sched"
)

const ctlUsage = `Asks a running server what it does.

usage: girin ctl status [OPTIONS]

The server is found by its socket in /run/girin (root's servers), $XDG_RUNTIME_DIR/girin or
~/.cache/girin, or by one without a path; $GIRIN_RUNTIME_DIR names another directory.

`

// ctlFlags say which server is asked.
type ctlFlags struct {
	set    *pflag.FlagSet
	pid    *int
	socket *string
}

func newCtlFlags(name string) ctlFlags {
	set := pflag.NewFlagSet(name, pflag.ContinueOnError)
	set.SetOutput(io.Discard)
	return ctlFlags{
		set:    set,
		pid:    set.Int("pid", 0, "process id of the server; needed if several run"),
		socket: set.String("socket", "", "path of its control socket"),
	}
}

// path finds the socket.
func (f ctlFlags) path(env *program.Env) (string, error) {
	if *f.socket != "" {
		return *f.socket, nil
	}
	dir, err := control.Dir(env.Getenv)
	if path, fault := control.Find(dir, *f.pid); fault == nil || err == nil {
		return path, fault
	}
	return "", err
}

// runCtl is the ctl command.
func runCtl(env *program.Env, args []string) int {
	f := newCtlFlags("girin ctl")
	asJSON := f.set.Bool("json", false, "print it as JSON")
	err := f.set.Parse(args)
	if errors.Is(err, pflag.ErrHelp) {
		io.WriteString(env.Stdout, ctlUsage+f.set.FlagUsages())
		return 0
	}
	if err == nil && (f.set.NArg() != 1 || f.set.Arg(0) != "status") {
		err = errors.New("say what to ask for: girin ctl status")
	}
	if err != nil {
		fmt.Fprintf(env.Stderr, "girin ctl: %v\n", err)
		return program.Usage
	}
	s, err := askStatus(env, f)
	if err != nil {
		fmt.Fprintf(env.Stderr, "girin ctl: %v\n", err)
		return program.Failed
	}
	if *asJSON {
		e := json.NewEncoder(env.Stdout)
		e.SetIndent("", "  ")
		_ = e.Encode(s)
		return 0
	}
	io.WriteString(env.Stdout, formatStatus(s, time.Now()))
	return 0
}

func askStatus(env *program.Env, f ctlFlags) (control.Status, error) {
	path, err := f.path(env)
	if err != nil {
		return control.Status{}, err
	}
	return control.Get(context.Background(), path)
}

// formatStatus shows a status as text.
func formatStatus(s control.Status, now time.Time) string {
	s = visible(s)
	var b strings.Builder
	fmt.Fprintf(&b, "girin %s, pid %d, %s, class %s, up %v, %d cores\n", s.Version, s.PID, s.App, s.Class, s.Uptime.Round(time.Second), s.Cores)
	q := s.Sched
	fmt.Fprintf(&b, "%s: %d connections, %d requests in flight, %d kept back, %d threads ready\n",
		strings.Join(s.Addresses, " "), s.Conns, q.InFlight, q.Held+q.Queued, q.Capacity)
	if s.Class == "auto" {
		fmt.Fprintf(&b, "computing %d of %d at once\n", q.Computing, q.Slots)
	}
	if n := len(q.Waits); n > 0 {
		fmt.Fprintf(&b, "time in the queue, last %d: p50 %s, p95 %s, longest %s\n", n, ms(q.Waits[n/2]), ms(q.Waits[n*95/100]), ms(q.Waits[n-1]))
	}
	formatWorkers(&b, s)
	formatRoutes(&b, s)
	for i, d := range s.Decisions {
		if i == 0 {
			b.WriteString("\nlast decisions\n")
		}
		fmt.Fprintf(&b, "  %6s ago  %s\n", now.Sub(d.Time).Round(time.Second), d.Text)
	}
	return b.String()
}

func formatWorkers(b *strings.Builder, s control.Status) {
	b.WriteByte('\n')
	t := tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "worker\treads\tbusy\toldest requests")
	for _, w := range s.Sched.Workers {
		fmt.Fprintf(t, "%d\t%s\t%d of %d\t%s\n", w.PID, w.Lane, len(w.Running), w.Slots, oldest(w.Running, 3))
	}
	t.Flush()
}

func formatRoutes(b *strings.Builder, s control.Status) {
	if len(s.Sched.Routes) == 0 {
		return
	}
	b.WriteByte('\n')
	t := tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "route\tcount\tkind\tservice p50\tp95\tcpu p50\tp95\tat once\tkept back")
	for i, r := range s.Sched.Routes {
		if i == shownRoutes {
			fmt.Fprintf(t, "and %d more\n", len(s.Sched.Routes)-i)
			break
		}
		limit := ""
		if r.Kind == "waiting" && s.Class == "auto" {
			limit = fmt.Sprintf("%d of %d", r.Active, r.Limit)
		}
		fmt.Fprintf(t, "%s\t%d\t%s\t%s\t%s\t%s\t%s\t%s\t%d\n", r.Name, r.Count, r.Kind,
			ms(r.ServiceP50), ms(r.ServiceP95), ms(r.CPUP50), ms(r.CPUP95), limit, r.Pending)
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
	s.Decisions = slices.Clone(s.Decisions)
	for i := range s.Decisions {
		s.Decisions[i].Text = printable(s.Decisions[i].Text)
	}
	return s
}

// shownName is how many characters of a name are shown.
const shownName = 120

func printable(text string) string {
	n := 0
	return strings.Map(func(r rune) rune {
		n++
		switch {
		case n == shownName:
			return '…'
		case n > shownName:
			return -1
		case !unicode.IsPrint(r):
			return '?'
		}
		return r
	}, text)
}

// ms shows a duration in milliseconds, as the reports do.
func ms(d time.Duration) string { return fmt.Sprintf("%.1f ms", d.Seconds()*1000) }

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
