package report

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"girin/internal/lab/plan"
	"girin/internal/lab/result"
)

const matrixPlan = `name: <matrix> & more
app: app:app
subjects: [girin, gunicorn]
matrix:
  workers: [1, 2, 4]
  threads: [1, 4]
  class: [sync, gevent]
settings:
  - {subject: gunicorn, class: sync, workers: 2*cores+1, threads: 1, recommended: true}
control: {subject: girin, class: sync, workers: 1, threads: 1}
endpoints:
  - {name: sleep, path: /sleep/0.2, kind: waiting, takes: 0.2s}
  - {name: compute, path: /compute/1, kind: computing}
loads:
  - {requests: 32, clients: 16}
repeats: %d
`

const mixedPlan = `name: mixed
app: app:app
subjects: [girin, gunicorn, granian]
settings:
  - {subject: girin, class: auto}
  - {subject: gunicorn, class: sync, workers: 5, threads: 1}
  - {subject: granian, workers: 5, threads: 16}
scenarios:
  - name: mixed
    phases:
      - name: mixed
        duration: 5s
        streams:
          - {name: light, path: /, load: {rate: 50}, ideal: 50}
          - {name: sleeping, path: /sleep/0.2, kind: waiting, load: {clients: 64}, ideal: 320}
`

// invent makes a folder as a run would have left it. rate says how fast a setting is; each
// run scatters around it by 1 %.
func invent(t testing.TB, source string, rate func(s plan.Setting, stream plan.Stream) float64) *result.Folder {
	t.Helper()
	machine := result.Machine{Started: time.Unix(1_800_000_000, 0), UsableCores: 2, LogicalCores: 2, Commands: map[string]string{}, Versions: map[string]string{}}
	f, err := result.Create(filepath.Join(t.TempDir(), "results"), []byte(source), machine)
	if err != nil {
		t.Fatal(err)
	}
	random := rand.New(rand.NewPCG(1, 1))
	visits := f.Plan.Schedule(f.Plan.Expand(2))
	f.Machine.Planned = len(visits)
	for i, v := range visits {
		var runs []result.Run
		for _, sc := range v.Scenarios {
			for _, ph := range sc.Phases {
				for _, st := range ph.Streams {
					r := rate(v.Setting, st) * (1 + 0.01*random.NormFloat64())
					runs = append(runs, inventRun(v, i, sc, ph, st, r))
				}
			}
		}
		if err := f.Append(runs); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.SaveMachine(); err != nil {
		t.Fatal(err)
	}
	return f
}

func inventRun(v plan.Visit, order int, sc plan.Scenario, ph plan.Phase, st plan.Stream, rate float64) result.Run {
	ms := 1000 / rate
	run := result.Run{
		Visit: v.Key(), Block: v.Block, Order: order + 1, Setting: v.Setting, Scenario: sc.Name, Phase: ph.Name, Stream: st.Name,
		Kind: st.Kind, Path: st.Path, Clients: st.Load.Clients, Offered: st.Load.Rate, TakesS: st.Takes.Seconds(), Ideal: st.Ideal,
		OK: 32, Rate: rate, TimePerRequestMS: 16 * ms, AppMinMS: 8, AppMS: 9,
		Latency:    result.Latency{Mean: ms, Min: ms / 2, P50: ms, P90: 2 * ms, P95: 3 * ms, P99: 4 * ms, Max: 5 * ms, Unsure: []float64{99}},
		ServerCPUS: 0.5, MemoryMiB: 30 * float64(1+v.Setting.Workers), Processes: 1 + v.Setting.Workers,
	}
	for i := range 32 {
		sent := float64(i) * ms
		run.Stamps = append(run.Stamps, result.Stamp{Sent: sent, Begin: sent + ms, End: sent + 2*ms, Done: sent + 2.1*ms, OK: i != 3})
	}
	return run
}

// waits is a server that reaches the ideal of its slots, or four fifths on gunicorn.
func waits(s plan.Setting, st plan.Stream) float64 {
	at := 16
	if n := s.Slots(); n > 0 {
		at = min(n, 16)
	}
	rate := float64(at) / 0.2
	if s.Subject == "gunicorn" {
		rate *= 0.8
	}
	return rate
}

// render makes the page and the summary without the files of charts, which take longest.
func render(t testing.TB, f *result.Folder) (html string, summarized string) {
	t.Helper()
	all := panels(f)
	findings := summary(f, all)
	text, err := page(f, all, findings)
	if err != nil {
		t.Fatal(err)
	}
	return string(text), fmt.Sprint(findings)
}

func TestRankedReport(t *testing.T) {
	html, said := render(t, invent(t, fmt.Sprintf(matrixPlan, 6), waits))
	for _, want := range []string{
		"312 of 312", "two runs of one setting differ by up to", "are told apart 8 times in 10",
		"sleep:\n    girin", "shares the first place with", "The best of gunicorn is ", "0.8", "more of them cannot help",
		"girin came to 100 % of that or more", "gunicorn to between 79 % (sync 1x1) and 81 %",
		"4 workers instead of 1 gave 3.9", "4 threads instead of 1",
	} {
		if !strings.Contains(said, want) {
			t.Errorf("the summary lacks %q:\n%s", want, said)
		}
	}
	if strings.Contains(said, "GIL") || strings.Contains(said, "this machine has") {
		t.Errorf("the summary explains why more did not help, but it did:\n%s", said)
	}
	if strings.Contains(html, "<matrix>") {
		t.Error("the plan's name is not escaped")
	}
	if links := regexp.MustCompile(`(src|href)="(https?:)?//`).FindAllString(html, -1); links != nil {
		t.Errorf("the page loads from elsewhere: %q", links)
	}
}

// A machine of two cores, under the GIL: neither threads nor a third worker help.
func TestComputingLimits(t *testing.T) {
	f := invent(t, fmt.Sprintf(matrixPlan, 6), func(s plan.Setting, _ plan.Stream) float64 { return 100 * float64(min(s.Workers, 2)) })
	_, said := render(t, f)
	for _, want := range []string{"this machine has 2 cores to compute with", "the GIL lets one thread of a process compute at a time"} {
		if !strings.Contains(said, want) {
			t.Errorf("the summary lacks %q:\n%s", want, said)
		}
	}
}

func TestSketchRanksNothing(t *testing.T) {
	_, said := render(t, invent(t, fmt.Sprintf(matrixPlan, 1), waits))
	if !strings.Contains(said, "nothing is ranked") || strings.Contains(said, "won") || strings.Contains(said, "first place") {
		t.Errorf("a sketch ranks:\n%s", said)
	}
}

func TestABusyMachineIsNamed(t *testing.T) {
	f := invent(t, fmt.Sprintf(matrixPlan, 1), func(plan.Setting, plan.Stream) float64 { return 100 })
	for load, named := range map[float64]bool{0.5: false, 44: true} {
		f.Machine.UsableCores, f.Machine.LoadAverage = 2, load
		if _, said := render(t, f); strings.Contains(said, "The machine was busy when it began (load 44.0, cores 2)") != named {
			t.Errorf("at a load of %v:\n%s", load, said)
		}
	}
}

func TestPartialReportSaysSo(t *testing.T) {
	f := invent(t, fmt.Sprintf(matrixPlan, 1), waits)
	f.Runs = f.Runs[:10]
	html, said := render(t, f)
	if !strings.Contains(said, "PARTIAL") || !strings.Contains(html, `class="summary partial"`) {
		t.Errorf("nothing says that the report is partial:\n%s", said)
	}
}

func TestNothingValid(t *testing.T) {
	f := invent(t, fmt.Sprintf(matrixPlan, 1), waits)
	for i := range f.Runs {
		f.Runs[i] = result.Run{Visit: f.Runs[i].Visit, Setting: f.Runs[i].Setting, Scenario: f.Runs[i].Scenario, Phase: f.Runs[i].Phase,
			Stream: f.Runs[i].Stream, Invalid: "did not start"}
	}
	if _, said := render(t, f); !strings.Contains(said, "Nothing valid was measured") {
		t.Errorf("summary:\n%s", said)
	}
}

func TestDiff(t *testing.T) {
	source := fmt.Sprintf(matrixPlan, 6)
	before := invent(t, source, waits)
	after := invent(t, source, func(s plan.Setting, st plan.Stream) float64 {
		if s.ID() == "girin sync 2x4" {
			return 0.7 * waits(s, st)
		}
		return waits(s, st)
	})
	var out strings.Builder
	if err := Diff(&out, before, after); err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(out.String()) {
		switch {
		case strings.Contains(line, "girin sync 2x4") && !strings.Contains(line, "worse"):
			t.Errorf("a change went unseen: %s", line)
		case strings.Contains(line, "gevent") && (strings.Contains(line, "worse") || strings.Contains(line, "better")):
			t.Errorf("a change that is none: %s", line)
		}
	}
}
