package tune

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"girin/internal/bench"
	"girin/internal/tune/workload"
)

// finalist has three runs around a rate.
func finalist(s Setting, rate, spread, mib float64) *Candidate {
	c := &Candidate{Setting: s, Stage: Final}
	for _, f := range []float64{1 - spread, 1, 1 + spread} {
		c.Rates = append(c.Rates, f*rate)
		c.Runs = append(c.Runs, Measurement{Rate: f * rate, FailsAt: 1.04 * f * rate, MemoryMiB: mib, Points: []Point{
			{Rate: f * rate, P50MS: 20, P99MS: 150, Held: true, Sure: true}, {Rate: 1.04 * f * rate, P50MS: 90, P99MS: math.MaxFloat64}}})
	}
	return c
}

var (
	autoSetting = Setting{Class: auto}
	threads     = Setting{Class: gthread, Workers: 3, Threads: 8}
	processes   = Setting{Class: "sync", Workers: 5, Threads: 1}
)

func resultOf(list ...*Candidate) *Result {
	r := &Result{
		Version: 1, App: "app:app", SLO: "p99<200ms,errors<0.1%", LimitMS: 200, Budget: 10 * time.Minute, Took: 9 * time.Minute, Cores: 2, CPU: "a CPU",
		Started: time.Unix(1_800_000_000, 0), Possible: 41, Candidates: list,
		Workload: &workload.Workload{Source: "access.log", Requests: []workload.Request{{Method: "GET", Path: "/", Share: 0.8}, {Method: "GET", Path: "/a", Share: 0.2}}},
		Routes:   []Route{{Name: "GET /", Share: 0.8, ServiceMS: 2, CPUMS: 1.5, Kind: light, Requests: 100}, {Name: "GET /a", Share: 0.2, ServiceMS: 60, CPUMS: 1, Kind: waiting, Requests: 10}},
		Load:     &Load{Rate: 400, ServerCPU: 1.6, ClientCPU: 0.2, P50MS: 20, P99MS: 150, Requests: 8000, Routes: []RouteLoad{{"GET /", 140}, {"GET /a", 190}}},
	}
	if r.Answer = choose(list, r.Alone); r.Answer != nil {
		r.Answer.Verdict = bench.Holds
		r.Answer.finish(r, 1000)
	} else {
		r.Nothing = r.nothing()
	}
	return r
}

// The sentences, each with the facts that it must be true to.
func TestSentence(t *testing.T) {
	for name, tt := range map[string]struct {
		list []*Candidate
		want []string
		not  []string
	}{
		"auto is the best": {[]*Candidate{finalist(autoSetting, 412, 0.01, 90), finalist(threads, 380, 0.01, 80)},
			[]string{"auto holds 412 requests/s within p99<200ms,errors<0.1%, the most of 2 settings", "confirmed by a longer run, certain to 95 %"}, []string{"auto holds 412 requests/s within p99<200ms,errors<0.1%, the most of 2 settings; auto"}},
		"auto within the noise, and lighter": {[]*Candidate{finalist(threads, 425, 0.06, 171), finalist(autoSetting, 412, 0.06, 100), finalist(processes, 200, 0.01, 90)},
			[]string{"auto holds 412 requests/s", "3 % below the best of 3 settings, `-w 3 --threads 8`", "the difference is within the noise (95 %: ", "71 MiB less"}, nil},
		"another is better": {[]*Candidate{finalist(threads, 500, 0.01, 171), finalist(autoSetting, 412, 0.01, 100)},
			[]string{"`-w 3 --threads 8` holds 500 requests/s", "the most of 2 settings", "auto is 18 % below the best (412); the difference is real"}, nil},
		"another is as good, and lighter": {[]*Candidate{finalist(autoSetting, 412, 0.03, 200), finalist(processes, 405, 0.03, 90)},
			[]string{"`-w 5` holds 405 requests/s", "2 % below the best of 2 settings, auto", "110 MiB less"}, []string{"; auto holds"}},
		"auto holds nothing": {[]*Candidate{finalist(processes, 405, 0.03, 90), {Setting: autoSetting, Stage: Final, Rates: []float64{0, 0, 0}, Runs: []Measurement{{}}}},
			[]string{"`-w 5` holds", "auto holds no rate"}, nil},
		"one alone": {[]*Candidate{finalist(autoSetting, 412, 0.03, 200)}, []string{"no other setting was tried"}, nil},
	} {
		r := resultOf(tt.list...)
		for _, want := range tt.want {
			if !strings.Contains(r.Answer.Sentence, want) {
				t.Errorf("%s: %q is not in %q", name, want, r.Answer.Sentence)
			}
		}
		for _, not := range tt.not {
			if strings.Contains(r.Answer.Sentence, not) {
				t.Errorf("%s: %q is in %q", name, not, r.Answer.Sentence)
			}
		}
		if _, err := json.Marshal(r); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestUndecidedWithFewRuns(t *testing.T) {
	a, b := finalist(threads, 425, 0.06, 171), finalist(autoSetting, 412, 0.06, 100)
	a.Rates, b.Rates = a.Rates[:2], b.Rates[:2]
	if r := resultOf(a, b); !strings.Contains(r.Answer.Sentence, "too few runs to tell") {
		t.Errorf("%s", r.Answer.Sentence)
	}
}

func TestUnconfirmed(t *testing.T) {
	r := resultOf(finalist(autoSetting, 412, 0.01, 90))
	r.Answer.Verdict, r.Answer.Unconfirmed = bench.Fails, "the server\nended"
	r.Answer.finish(r, 0)
	if want := "; a longer run did not hold it: the server ended."; !strings.HasSuffix(r.Answer.Sentence, want) {
		t.Errorf("%s", r.Answer.Sentence)
	}
}

// What a look before held, and nothing holds in the end, is told.
func TestOutdone(t *testing.T) {
	for rate, want := range map[float64]bool{500: false, 800: true} {
		brief := &Candidate{Setting: processes, Stage: Screened, Rates: []float64{rate}, Runs: []Measurement{{Rate: rate}}}
		r := resultOf(finalist(autoSetting, 412, 0.01, 90), brief)
		said := strings.Join(r.Warnings(), " ")
		if got := strings.Contains(said, "held 800 requests/s when it was looked at before") && strings.Contains(said, "or what holds shortly"); got != want {
			t.Errorf("%v: %q", rate, r.Warnings())
		}
	}
}

// Threads that hurt are never recommended, whatever rate they hold.
func TestThreadsThatHurt(t *testing.T) {
	list := []*Candidate{finalist(autoSetting, 412, 0.01, 90), finalist(threads, 400, 0.01, 80), finalist(processes, 100, 0.01, 90)}
	if a := choose(list, "GET /: it fails"); a.Best.Setting != processes {
		t.Errorf("%v", a.Best.Setting)
	}
	if a := choose(list[:2], "GET /: it fails"); a != nil {
		t.Errorf("%v", a.Best.Setting)
	}
	whole := resultOf(list...)
	whole.Alone = "GET /: it fails"
	whole.Answer = choose(list, whole.Alone)
	whole.Answer.finish(whole, 0)
	if want := "`-w 5` holds 100 requests/s within p99<200ms,errors<0.1%, the most of the settings without threads; auto held 412"; !strings.HasPrefix(whole.Answer.Sentence, want) {
		t.Errorf("%s", whole.Answer.Sentence)
	}
	ok := &bench.Result{Requests: bench.Requests{Done: 100, OK: 100}, Statuses: map[int]int64{200: 100}}
	failing := &bench.Result{Requests: bench.Requests{Done: 100, OK: 90, Failed: 10}, Statuses: map[int]int64{200: 90, 500: 10}}
	differing := &bench.Result{Requests: ok.Requests, Statuses: ok.Statuses, Content: bench.Content{BodiesDiffer: true}}
	for _, tt := range []struct {
		threads, processes *bench.Result
		alone              bool
		unsafe, unsure     bool
	}{{ok, ok, false, false, false}, {failing, ok, false, true, false}, {failing, failing, false, false, true}, {differing, ok, false, true, false},
		{differing, ok, true, false, false}, {differing, differing, false, false, false}, {nil, ok, false, false, false}} {
		r := Route{Name: "GET /"}
		r.judgeThreads(tt.threads, tt.processes, tt.alone)
		if (r.Threads != "") != tt.unsafe || (r.Unsure != "") != tt.unsure {
			t.Errorf("%+v: %+v", tt, r)
		}
	}
	r := Route{Name: "GET /"}
	if r.judgeThreads(failing, ok, false); !strings.Contains(r.Threads, "10 of 100 requests failed in 8 threads, none in 8 processes: it answers 500") {
		t.Errorf("%q", r.Threads)
	}
}

func TestNothingHolds(t *testing.T) {
	slow := &Candidate{Setting: autoSetting, Stage: Screened, Rates: []float64{0}, Runs: []Measurement{{TooSlow: true, Reason: "even a single request takes longer: GET /a alone takes 260 ms"}}}
	if r := resultOf(slow); r.Answer != nil || r.Sentence() != "No setting can hold p99<200ms,errors<0.1%: even a single request takes longer: GET /a alone takes 260 ms." {
		t.Errorf("%q", r.Sentence())
	}
	fails := &Candidate{Setting: autoSetting, Stage: Screened, Rates: []float64{0}, Runs: []Measurement{{FailsAt: 1, Reason: "p99<200ms: 260 ms", Points: []Point{
		point(bench.RateProbe{Rate: 1, Done: 100, Result: &bench.Result{Targets: []bench.TargetCount{
			{Method: "GET", URL: "http://h/", OK: 90, P99MS: 3}, {Method: "GET", URL: "http://h/a?b=c", OK: 10, P99MS: 260}}}})}}}}
	if r := resultOf(fails); !strings.HasSuffix(r.Sentence(), "the last one: p99<200ms: 260 ms; the slowest was GET /a?b=c, with a p99 of its own of 260 ms.") {
		t.Errorf("%q", r.Sentence())
	}
	broken := &Candidate{Setting: autoSetting, Stage: Screened, Rates: []float64{0}, Runs: []Measurement{{Broken: true, Reason: "it did not start: no"}}}
	if r := resultOf(broken); !strings.Contains(r.Sentence(), "it did not start: no") || !strings.Contains(r.Text(), "auto: it did not start") {
		t.Errorf("%q\n%s", r.Sentence(), r.Text())
	}
}

func TestKindOf(t *testing.T) {
	for _, tt := range []struct {
		service, cpu float64
		want         string
	}{{0.3, 0.3, light}, {4.9, 0.1, light}, {20, 1, waiting}, {20, 4.9, waiting}, {20, 5, computing}, {6, 6, computing}, {6, 2, light}} {
		if got := kindOf(tt.service, tt.cpu); got != tt.want {
			t.Errorf("%g ms, %g of CPU: %s, want %s", tt.service, tt.cpu, got, tt.want)
		}
	}
}

func TestMachines(t *testing.T) {
	for rate, want := range map[float64]string{1000: "1,000 requests/s need 4 machines", 329: "329 requests/s need 1 machine of", 330: "330 requests/s need 2 machines"} {
		a := &Answer{Rate: 412}
		if a.machines(rate, 2); !strings.HasPrefix(a.Machines, want) {
			t.Errorf("%q, want %q", a.Machines, want)
		}
	}
}

func TestLimit(t *testing.T) {
	for name, tt := range map[string]struct {
		setting Setting
		change  func(*Result)
		want    string
	}{
		"cores":    {processes, func(*Result) {}, "The cores limit it: the server uses 1.6 of 2, the load generator 0.2"},
		"client":   {processes, func(r *Result) { r.Load.ServerCPU, r.Load.ClientCPU = 0.8, 1 }, "The load generator limits it"},
		"full":     {processes, func(r *Result) { r.Load.ServerCPU, r.Load.ClientFull = 0.8, true }, "The load generator limits it"},
		"untold":   {processes, func(r *Result) { r.Load.ServerCPU = 0 }, ""},
		"threads":  {Setting{Class: gthread, Workers: 1, Threads: 6}, func(r *Result) { r.Load.ServerCPU = 0.4 }, "That it runs 6 requests at once limits it: 6 are under way"},
		"GIL":      {Setting{Class: gthread, Workers: 1, Threads: 64}, func(r *Result) { r.Load.ServerCPU = 1.02 }, "Python's lock (GIL) limits it"},
		"route":    {autoSetting, func(r *Result) { r.Load.ServerCPU, r.Routes[1].ServiceMS = 0.7, 150 }, "GET /a limits it: alone it takes 150 ms of the 200 ms"},
		"database": {autoSetting, func(r *Result) { r.Load.ServerCPU = 0.4 }, "What the application waits for limits it"},
		"others": {autoSetting, func(r *Result) {
			r.Load.ServerCPU, r.Load.OthersCPU, r.Cores = 0.4, float64(runtime.NumCPU()), runtime.NumCPU()
		},
			"Other programs limit it"},
		"no single": {autoSetting, func(r *Result) { r.Load.ServerCPU = 1.3 }, "No single thing limits it"},
	} {
		r := resultOf(finalist(tt.setting, 412, 0.01, 90))
		tt.change(r)
		if got := limit(r, r.Answer); !strings.HasPrefix(got, tt.want) {
			t.Errorf("%s: %q, want %q", name, got, tt.want)
		}
	}
}

// Together, runs say no more than each does.
func TestCheckTogether(t *testing.T) {
	h, f, u := bench.Holds, bench.Fails, bench.Undecided
	for _, tt := range []struct {
		runs []bench.Verdict
		want bench.Verdict
	}{{[]bench.Verdict{h, h, h}, h}, {[]bench.Verdict{h, h, u}, u}, {[]bench.Verdict{h, h, f}, u}, {[]bench.Verdict{f, f, h}, f}, {[]bench.Verdict{f, u, u}, u}, {nil, u}} {
		if got := together(tt.runs); got != tt.want {
			t.Errorf("%v: %v, want %v", tt.runs, got, tt.want)
		}
	}
}

// Under gunicorn the file has numbers in each case; under girin auto has none.
func TestFileUnderEachServer(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Fatal(err)
	}
	run := func(text, before string) string {
		t.Helper()
		out, err := exec.Command(python, "-c", before+text+"\nprint(globals().get('workers'), globals().get('threads'), globals().get('worker_class'))").CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %s\n%s", err, out, text)
		}
		return strings.TrimSpace(string(out))
	}
	const gunicorn = "import sys; sys.modules['gunicorn.arbiter'] = sys\n"
	fixed := resultOf(finalist(threads, 500, 0.01, 171), finalist(autoSetting, 412, 0.01, 100))
	free := resultOf(finalist(autoSetting, 500, 0.01, 171), finalist(threads, 412, 0.01, 100))
	for _, tt := range []struct {
		r            *Result
		before, want string
	}{{fixed, "", "3 8 gthread"}, {fixed, gunicorn, "3 8 gthread"}, {free, "", "None None None"}, {free, gunicorn, "3 8 gthread"}} {
		tt.r.App = "a\"\nworkers = 99 #\u2028\\"
		if got := run(tt.r.Answer.File(tt.r), tt.before); got != tt.want {
			t.Errorf("%v: %q, want %q", tt.r.Answer.Best.Setting, got, tt.want)
		}
	}
}

// A server under test has the user's settings but those that the search decides, and that would do harm.
func TestWrapped(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "a \"b\".py")
	source := "import os\nhere = os.path.basename(__file__)\nworkers = 7\nthreads = 3\nbind = ':80'\ndaemon = True\ntimeout = 9\naccesslog = 'x.log'\nproxy_protocol = True\nsidecar = ['beat: celery beat']\noffload_connect = 'nats://queue'\ndef on_starting(server): pass\n"
	if err := os.WriteFile(file, []byte(source), 0o600); err != nil {
		t.Fatal(err)
	}
	const tell = "\nprint(*[globals().get(n) for n in ('here', 'workers', 'threads', 'bind', 'daemon', 'proxy_protocol', 'sidecar', 'offload_connect', 'timeout', 'accesslog')], callable(on_starting))"
	for judged, want := range map[bool]string{false: "None None None None None None None 9 /dev/null True", true: "7 3 None None None None None 9 /dev/null True"} {
		out, err := exec.Command(python, "-c", wrapped(file, judged)+tell).CombinedOutput()
		if got := strings.TrimSpace(string(out)); err != nil || got != "a \"b\".py "+want {
			t.Errorf("judged %v: %v: %q, want %q", judged, err, got, want)
		}
	}
}

func TestFileIsPython(t *testing.T) {
	for name, r := range map[string]*Result{
		"fixed": resultOf(finalist(threads, 500, 0.01, 171), finalist(autoSetting, 412, 0.01, 100)),
		"auto":  resultOf(finalist(autoSetting, 500, 0.01, 171), finalist(threads, 412, 0.01, 100), finalist(processes, 300, 0.01, 100)),
		"alone": resultOf(finalist(autoSetting, 500, 0.01, 171)),
	} {
		r.App = "app:make('a\n\"b')"
		text := r.Answer.File(r)
		for line := range strings.Lines(text) {
			if !strings.HasPrefix(line, "#") && strings.Contains(line, "app:make") {
				t.Errorf("%s: a name has left its comment: %q", name, line)
			}
		}
		if name == "fixed" && (!strings.Contains(text, "\nworkers = 3  # measured: 24 requests at once, held 500 requests/s (3 runs: 495 to 505)\n") || !strings.Contains(text, "\nthreads = 8 ")) {
			t.Errorf("%s:\n%s", name, text)
		}
		if name == "auto" && (!strings.Contains(text, "\n    workers = 3 ") || strings.Contains(text, "\nworkers")) {
			t.Errorf("%s:\n%s", name, text)
		}
		if name == "alone" && strings.Contains(text, "workers =") {
			t.Errorf("%s:\n%s", name, text)
		}
	}
	if got := fmt.Sprint(pythonString("a\"\\\n\x7fä")); got != `"a\"\\\x0a\x7fä"` {
		t.Errorf("%s", got)
	}
}

// Memory that grows with the requests is told; what a server takes once is no leak.
func TestLeaks(t *testing.T) {
	for _, tt := range []struct {
		route Route
		want  bool
	}{{Route{Requests: 500, GrownMiB: 100}, true}, {Route{Requests: 5, GrownMiB: 100}, false}, {Route{Requests: 5000, GrownMiB: 12}, false}, {Route{Requests: 100, GrownMiB: 3}, false}} {
		r := resultOf(finalist(autoSetting, 412, 0.01, 90))
		tt.route.Name = "GET /leak"
		r.Routes = append(r.Routes, tt.route)
		const text = "GET /leak: the server's memory grew by "
		if strings.Contains(sayRoutes(r), text) != tt.want || strings.Contains(r.Text(), text) != tt.want {
			t.Errorf("%+v: %s\n%s", tt.route, sayRoutes(r), r.Text())
		}
	}
}
