package report

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
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

func TestPartialReportSaysSo(t *testing.T) {
	f := invent(t, fmt.Sprintf(matrixPlan, 1), waits)
	f.Runs = f.Runs[:10]
	html, said := render(t, f)
	if !strings.Contains(said, "PARTIAL") || !strings.Contains(html, `class="summary partial"`) {
		t.Errorf("nothing says that the report is partial:\n%s", said)
	}
}

func TestStarvation(t *testing.T) {
	f := invent(t, mixedPlan, func(s plan.Setting, st plan.Stream) float64 {
		if s.Subject == "gunicorn" {
			return 0.1 * st.Ideal
		}
		return 0.99 * st.Ideal
	})
	html, said := render(t, f)
	if want := "By gunicorn sync 5x1: light got 5"; !strings.Contains(said, want) && !strings.Contains(said, "light got 4.9") {
		t.Errorf("the summary lacks %q:\n%s", want, said)
	}
	if n := strings.Count(html, `class="l0"`); n != 2 {
		t.Errorf("%d cells of the overview are red, want gunicorn's 2", n)
	}
	if strings.Contains(said, "By girin") || !strings.Contains(html, "starved") {
		t.Errorf("starvation is told wrongly:\n%s", said)
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

func TestChartFiles(t *testing.T) {
	f := invent(t, mixedPlan, waits)
	if _, err := Write(f); err != nil {
		t.Fatal(err)
	}
	html, err := os.ReadFile(f.Path(result.ReportName))
	if err != nil {
		t.Fatal(err)
	}
	links := regexp.MustCompile(`href="(charts/[^"]+)"`).FindAllStringSubmatch(string(html), -1)
	if len(links) != 2*(4+5) { // formats, charts of an open and of a closed stream
		t.Errorf("%d links to charts", len(links))
	}
	for _, l := range links {
		if info, err := os.Stat(f.Path(l[1])); err != nil || info.Size() < 1000 {
			t.Errorf("%s: %v", l[1], err)
		}
	}
}

// The page's data must be readable by its script, and hold every cell that a chart opens.
func TestDataOfTimelines(t *testing.T) {
	html, _ := render(t, invent(t, fmt.Sprintf(matrixPlan, 1), waits))
	text := regexp.MustCompile(`(?s)<script type="application/json" id="data">(.*?)</script>`).FindStringSubmatch(html)
	var data map[string]cellData
	if err := json.Unmarshal([]byte(text[1]), &data); err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile(`data-cell="([^"]+)"`).FindAllStringSubmatch(html, -1) {
		if cell, ok := data[m[1]]; !ok || len(cell.Requests) != 32 {
			t.Fatalf("cell %q has %d requests", m[1], len(cell.Requests))
		}
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

// With the 6 repeats that are recommended, and with 3, a setting 100 times slower than the
// others is not first, and the best says that it is alone if it is twice as good.
func TestTheSlowestIsNotFirst(t *testing.T) {
	for _, repeats := range []int{3, 6} {
		f := invent(t, fmt.Sprintf(matrixPlan, repeats), func(s plan.Setting, _ plan.Stream) float64 {
			switch s.ID() {
			case "gunicorn sync 1x1":
				return 1
			case "girin gevent 4x4":
				return 200
			}
			return 100
		})
		for _, p := range panels(f) {
			slow, best := p.cell("gunicorn sync 1x1"), p.cell("girin gevent 4x4")
			if slow.Place != len(p.Cells)-1 || best.Place != 1 || p.cell("girin sync 1x1").Place != 2 {
				t.Errorf("%d repeats, %s: places %d and %d of %d", repeats, p.Name(), best.Place, slow.Place, len(p.Cells)-1)
			}
		}
		if _, said := render(t, f); !strings.Contains(said, "girin gevent 4x4 won") {
			t.Errorf("%d repeats: %s", repeats, said)
		}
	}
}

// A server that answers few requests, quickly, does not win by their latency.
func TestWhoStarvesDoesNotWin(t *testing.T) {
	source := strings.Replace(mixedPlan, "name: mixed\n", "name: mixed\nrepeats: 4\n", 1)
	f := invent(t, source, func(plan.Setting, plan.Stream) float64 { return 50 })
	for i := range f.Runs {
		if r := &f.Runs[i]; r.Stream == "light" && r.Setting.Subject == "gunicorn" {
			r.OK, r.Failed, r.Rate = 20, 480, 2
			r.Latency.P50, r.Latency.P99, r.P99DueMS = 0.1, 0.2, unanswered
		}
	}
	for _, p := range panels(f) {
		c := p.cell("gunicorn sync 5x1")
		if p.Stream != "light" {
			continue
		}
		if best := p.best(func(*cell) bool { return true }); best == c || c.Place != 3 {
			t.Errorf("%s is the best, place %d", best.Key(), c.Place)
		}
		_, said := render(t, f)
		if strings.Contains(said, "0.2 ms") || !strings.Contains(said, "light got 2 of 50/s") {
			t.Errorf("said: %s", said)
		}
	}
}

// Files of charts have the names of their endpoints, in whatever language, each once.
func TestChartNames(t *testing.T) {
	named := func(scenario, stream string) *panel {
		return &panel{Scenario: scenario, Phase: scenario, Stream: stream}
	}
	got := chartNames([]*panel{
		named("weather", "weather"), named("날씨", "날씨"), named("뉴스", "뉴스"), named("a/b", "a/b"), named("a b", "a b"), named("/", "/"),
		named("아침", "날씨 요청"), named(strings.Repeat("기린", 40), "x"),
	})
	want := []string{"weather", "날씨", "뉴스", "a-b", "a-b-2", "chart", "아침-날씨-요청", strings.Repeat("기린", 10)}
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

// A report begins with one sentence and one picture, which name each server's best.
func TestHeadline(t *testing.T) {
	f := invent(t, fmt.Sprintf(matrixPlan, 3), waits)
	h := headlineOf(f, panels(f))
	for _, want := range []string{"Of sleep (which waits for 0.2 s), girin gevent", "requests a second, gunicorn gevent", "; of compute (which computes), girin"} {
		if !strings.Contains(h.Sentence, want) {
			t.Errorf("%q lacks %q", h.Sentence, want)
		}
	}
	html, _ := render(t, f)
	picture, summary := strings.Index(html, "each server in its best setting"), strings.Index(html, `class="summary`)
	if h.Picture == nil || picture < 0 || picture > summary {
		t.Errorf("the picture is at %d, the summary at %d", picture, summary)
	}
	for i := range f.Runs {
		f.Runs[i].Invalid = "did not start"
	}
	if h := headlineOf(f, panels(f)); h.Picture != nil || h.Sentence != "Nothing valid was measured." {
		t.Errorf("of nothing: %+v", h)
	}
}
