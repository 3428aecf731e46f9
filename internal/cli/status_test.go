//go:build !windows

package cli

import (
	"bytes"
	"os"
	"strings"
	"testing"
	"time"

	"girin/internal/sched"
)

// lineOf returns the fields of the status line that begins with a name, by the
// header's columns.
func lineOf(t *testing.T, text, header, name string) map[string]string {
	t.Helper()
	var columns []string
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n ")
		if strings.HasPrefix(line, header+" ") {
			columns = fields(line)
		}
		if strings.HasPrefix(line, name+" ") {
			values := map[string]string{}
			for i, v := range fields(line) {
				values[columns[i]] += v + " "
			}
			return values
		}
	}
	t.Fatalf("no line begins with %q:\n%s", name, text)
	return nil
}

// fields splits at the two blanks and more that stand between columns.
func fields(line string) (list []string) {
	for f := range strings.SplitSeq(line, "  ") {
		if f = strings.TrimSpace(f); f != "" {
			list = append(list, f)
		}
	}
	return list
}

func TestRoutesAreShownWithWhatHoldsThemUp(t *testing.T) {
	s := aStatus()
	s.Sched.Routes = []sched.RouteStatus{{
		Name: "GET /slow", Count: 12, Failed: 3, Total: 90 * time.Second, Kind: "waiting", Limit: 64, Active: 2, Pending: 4,
		ServiceP50: 80 * time.Millisecond, ServiceP95: 90 * time.Millisecond,
		QueueP50: 77 * time.Millisecond, QueueP95: 78 * time.Millisecond, CPUP50: time.Millisecond, CPUP95: 2 * time.Millisecond,
	}}
	text := formatStatus(s, time.Now())
	got := lineOf(t, text, "route", "GET /slow")
	for column, want := range map[string]string{
		"count": "12", "failed": "3", "total": "90.0 s", "service p50": "80.0 ms", "queue p50": "77.0 ms",
		"p95": "90.0 ms 78.0 ms 2.0 ms", "cpu p50": "1.0 ms", "kind": "waiting", "at once": "2 of 64", "kept back": "4",
	} {
		if strings.TrimSpace(got[column]) != want {
			t.Errorf("%s: %q, want %q\n%s", column, got[column], want, text)
		}
	}
	// Each column has its line in the help.
	var help bytes.Buffer
	Run([]string{"ctl", "--help"}, strings.NewReader(""), &help, &help)
	for column := range got {
		name := strings.TrimSuffix(column, " p50")
		if name != "p95" && name != "route" && !strings.Contains(help.String(), " "+name+" ") {
			t.Errorf("girin ctl --help does not say what %q is", name)
		}
	}
}

// someOf reports whether columns begins as all does, and has four or more of them in the same order.
func someOf(columns, all []string) bool {
	if len(columns) < 4 || columns[0] != all[0] {
		return false
	}
	for _, c := range all {
		if len(columns) > 0 && columns[0] == c {
			columns = columns[1:]
		}
	}
	return len(columns) == 0
}

// The picture of the documentation has no column that a table does not have, nor in another order.
func TestThePictureHasTheColumns(t *testing.T) {
	picture, err := os.ReadFile("../../docs/pictures/status.svg")
	if err != nil {
		t.Fatal(err)
	}
	headers := 0
	for line := range strings.Lines(formatStatus(aStatus(), time.Now())) {
		if !strings.HasPrefix(line, "worker ") && !strings.HasPrefix(line, "route ") {
			continue
		}
		headers++
		found := false
		for drawn := range strings.Lines(string(picture)) {
			_, text, _ := strings.Cut(drawn, ">")
			text, _, _ = strings.Cut(text, "<")
			found = found || someOf(fields(text), fields(line))
		}
		if !found {
			t.Errorf("docs/pictures/status.svg has not some of these columns alone (scripts/pictures draws it): %s", line)
		}
	}
	if headers != 2 {
		t.Errorf("%d tables were compared", headers)
	}
}

// What is not measured, as the CPU time of a request among greenlets, is not 0.
func TestWhatIsNotMeasuredIsShownAsSuch(t *testing.T) {
	s := aStatus()
	s.Class, s.Sched.Routes[0].CPUP50 = "gevent", 0
	got := lineOf(t, formatStatus(s, time.Now()), "route", "GET /sleep/*")
	if got["cpu p50"] != "- " || got["at once"] != "- " || got["kind"] != "- " {
		t.Errorf("%q", got)
	}
}

// The places of requests add up to those in flight.
func TestThePlacesOfRequestsAddUp(t *testing.T) {
	s := aStatus()
	s.Sched.InFlight, s.Sched.Queued, s.Sched.Held = 12, 5, 1
	if text := formatStatus(s, time.Now()); !strings.Contains(text, "12 requests: 6 kept back, 3 in the queue, 3 run of at most 384") {
		t.Error(text)
	}
}

// That threads compute at once is not what anybody expects of Python.
func TestAFreeThreadedPythonIsTold(t *testing.T) {
	s := aStatus()
	for without, want := range map[int]string{
		0: "", 1: "free-threaded Python: in 1 of 2 workers threads compute at once; in the others a module has turned the GIL on\n",
		2: "free-threaded Python: the threads of a worker compute at once\n",
	} {
		s.Sched.Workers = make([]sched.WorkerStatus, 2)
		for i := range without {
			s.Sched.Workers[i].Parallel = true
		}
		text := formatStatus(s, time.Now())
		if want != "" && !strings.Contains(text, want) || want == "" && strings.Contains(text, "free-threaded") {
			t.Errorf("%d without a GIL:\n%s", without, text)
		}
	}
}

func TestDecisionsThatRepeatAreOne(t *testing.T) {
	s := aStatus()
	s.Decisions[1].Count, s.Decisions[1].First = 7, s.Decisions[1].Time.Add(-40*time.Second)
	if text := formatStatus(s, time.Now()); !strings.Contains(text, "the latest (one of 7 like it in 40s)\n") {
		t.Error(text)
	}
}

func TestCtlKnowsWhatItIsAskedFor(t *testing.T) {
	for verb, want := range map[string]string{
		"reload": "kill -HUP PID", "stop": "kill -TERM PID", "stats": `no "stats", only: girin ctl status`, "status it": `unexpected argument "it"`,
	} {
		var out, fault bytes.Buffer
		if code := Run(append([]string{"ctl"}, strings.Fields(verb)...), strings.NewReader(""), &out, &fault); code != 2 || !strings.Contains(fault.String(), want) {
			t.Errorf("%s: exit %d, %s", verb, code, &fault)
		}
	}
}
