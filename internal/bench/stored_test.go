package bench

import (
	"encoding/xml"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
)

// A stored result says what it said when it was made, and several are one.
func TestStoredResults(t *testing.T) {
	url := serve(t, always(okResponse))
	dir := t.TempDir()
	var stored []*Result
	var fresh []*Result
	for i := range 3 {
		res, err := Run(t.Context(), Options{Targets: []Target{{URL: url}}, Requests: 500, Clients: 4, Seed: uint64(i)})
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, "r.json")
		var b strings.Builder
		if err := res.WriteJSON(&b); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(b.String()), 0o666); err != nil {
			t.Fatal(err)
		}
		again, err := ReadResult(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, q := range []float64{0.5, 0.99} {
			if a, b := res.quantileOfAll(q), again.quantileOfAll(q); math.Abs(a-b) > 0.002*a+0.001 {
				t.Errorf("p%g: %v when it was made, %v when it was read", 100*q, a, b)
			}
		}
		stored, fresh = append(stored, again), append(fresh, res)
	}
	merged, err := Merge(stored)
	if err != nil {
		t.Fatal(err)
	}
	whole := merge(fresh)
	if merged.Requests != whole.Requests || len(merged.Runs) != 3 || merged.Latency.Count != 1500 ||
		math.Abs(merged.Latency.MedianMS-whole.Latency.MedianMS) > 0.002*whole.Latency.MedianMS+0.001 ||
		math.Abs(merged.Latency.MeanMS-whole.Latency.MeanMS) > 0.001*whole.Latency.MeanMS {
		t.Errorf("merged %+v, want %+v", merged.Latency, whole.Latency)
	}
	for name, write := range map[string]func() (string, error){
		"text": func() (string, error) { return merged.text() },
		"html": func() (string, error) { var b strings.Builder; err := merged.WriteHTML(&b); return b.String(), err },
	} {
		if text, err := write(); err != nil || !strings.Contains(text, "1500") {
			t.Errorf("%s of a merged result: %v\n%.200s", name, err, text)
		}
	}
	g := Guard{SLO: mustSLO(t, "p99<10s,errors<=0")}
	if g.Judge(merged); merged.SLO.Verdict != Holds {
		t.Errorf("%+v", merged.SLO)
	}
	stored[1].Load.MaxClients++
	if _, err := Merge(stored); err == nil || !strings.Contains(err.Error(), "different loads") {
		t.Errorf("different loads: %v", err)
	}
}

// Clients at work together have the sum of their rates; the same clients one after the other have its mean.
func TestMergeOfClientsAtWorkTogether(t *testing.T) {
	url := serve(t, always(okResponse))
	client := func(later time.Duration) *Result {
		res := storeAgain(t, mustRun(t, url, Options{Requests: 400, Clients: 4}))
		res.StartedUnixNS, res.DurationS = int64(1e18)+int64(later), 2
		return res
	}
	for name, tt := range map[string]struct {
		later    time.Duration
		rate     float64
		clients  int
		duration float64
		runs     int
		doubt    bool
		fault    string
	}{
		"at once":                 {later: 20 * time.Millisecond, rate: 800 / 2.02, clients: 8, duration: 2.02, runs: 1},
		"one after the other":     {later: 2100 * time.Millisecond, rate: 200, clients: 4, duration: 4, runs: 2},
		"with clocks that differ": {later: 1900 * time.Millisecond, rate: 200, clients: 4, duration: 4, runs: 2},
		"mostly together":         {later: 600 * time.Millisecond, rate: 800 / 2.6, clients: 8, duration: 2.6, runs: 1, doubt: true},
		"partly":                  {later: 1500 * time.Millisecond, fault: "overlapped in time and some did not"},
	} {
		res, err := Merge([]*Result{client(tt.later), client(0)}) // in whichever order
		if tt.fault != "" {
			if err == nil || !strings.Contains(err.Error(), tt.fault) {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		if err != nil {
			t.Fatal(name, err)
		}
		doubted := slices.ContainsFunc(res.Doubts, func(d Doubt) bool { return d.Code == "overlap" })
		if math.Abs(res.Rate.OK-tt.rate) > 0.01*tt.rate || math.Abs(res.DurationS-tt.duration) > 0.01 || res.Load.Clients != tt.clients ||
			len(res.Runs) != tt.runs || res.Requests.OK != 800 || res.Latency.Count != 800 || doubted != tt.doubt {
			t.Errorf("%s: %+v in %v s by %d, %d runs, %v", name, res.Rate, res.DurationS, res.Load.Clients, len(res.Runs), res.Doubts)
		}
		var done int64
		for _, s := range res.Timeline {
			done += s.OK
		}
		if done != 800 {
			t.Errorf("%s: the timeline has %d requests: %+v", name, done, res.Timeline)
		}
	}
	two := client(0)
	two.Runs = append(two.Runs, two.Runs...)
	if _, err := Merge([]*Result{two, client(0)}); err == nil || !strings.Contains(err.Error(), "one run") {
		t.Errorf("several runs: %v", err)
	}
}

// Reports for machines have a case for each guard, and nothing of a server's text breaks them.
func TestMarkdownAndJUnit(t *testing.T) {
	url := serve(t, always(okResponse))
	res := mustRun(t, "", Options{Targets: []Target{{URL: url}}, Requests: 400, Clients: 2})
	(Guard{SLO: mustSLO(t, "p99<1us,errors<=0,p99.99<10s")}).Judge(res)
	var md, junit strings.Builder
	if err := res.WriteMarkdown(&md); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"| p99<1us | fails |", "| errors<=0 | holds |", "| p99.99<10s | undecided |", "| 400 | 0 |"} {
		if !strings.Contains(md.String(), want) {
			t.Errorf("no %q in\n%s", want, md.String())
		}
	}
	if err := res.WriteJUnit(&junit); err != nil {
		t.Fatal(err)
	}
	var suite junitSuite
	if err := xml.Unmarshal([]byte(junit.String()), &suite); err != nil {
		t.Fatal(err)
	}
	if suite.Tests != 4 || suite.Failures != 1 || suite.Skipped != 1 || suite.Cases[1].Failure == nil || suite.Cases[3].Skipped == nil {
		t.Errorf("%s", junit.String())
	}
}

// storeAgain is a result as it comes back from its file.
func storeAgain(t *testing.T, res *Result) *Result {
	t.Helper()
	path := filepath.Join(t.TempDir(), "r.json")
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if err := res.WriteJSON(file); err != nil {
		t.Fatal(err)
	}
	again, err := ReadResult(path)
	if err != nil {
		t.Fatal(err)
	}
	return again
}

// One of two runs had failures: what they were stays, whichever comes first, and so does each doubt about a run.
func TestMergeOfAFailedRunWithAGoodOne(t *testing.T) {
	load := Options{Requests: 400, Clients: 4}
	busy := "HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n"
	bad, good := mustRun(t, serve(t, always(busy)), load), mustRun(t, serve(t, always(okResponse)), load)
	bad.Doubts = append(bad.Doubts, Doubt{"schedule-lag", "The client was late."})
	bad, good = storeAgain(t, bad), storeAgain(t, good)
	for _, both := range [][]*Result{{bad, good}, {good, bad}} {
		res, err := Merge(both)
		if err != nil {
			t.Fatal(err)
		}
		if res.Requests.OK != 400 || res.Requests.Failed != 400 || res.ErrorExamples["status"] != "status 503" || len(res.Runs) != 2 {
			t.Errorf("%+v %v", res.Requests, res.ErrorExamples)
		}
		if res.Content != good.Content || hasDoubt(res, "lengths-differ") {
			t.Errorf("bodies of a run without a success: %+v %v", res.Content, res.Doubts)
		}
		if !hasDoubt(res, "schedule-lag") || !hasDoubt(res, "errors") || !res.Client.Bottleneck {
			t.Errorf("doubts: %v", res.Doubts)
		}
	}
}

// Of several targets a stored result has no samples: the merged mean is exact, and no percentile is invented.
func TestTargetsOfMergedResults(t *testing.T) {
	url := serve(t, always(okResponse))
	var stored []*Result
	for range 2 {
		stored = append(stored, storeAgain(t, mustRun(t, "", Options{Targets: []Target{{URL: url + "/a"}, {URL: url + "/b", Weight: 3}}, Requests: 400})))
	}
	res, err := Merge(stored)
	if err != nil {
		t.Fatal(err)
	}
	for i, got := range res.Targets {
		a, b := stored[0].Targets[i], stored[1].Targets[i]
		want := (a.MeanMS*float64(a.OK) + b.MeanMS*float64(b.OK)) / float64(a.OK+b.OK)
		if got.OK != a.OK+b.OK || math.Abs(got.MeanMS-want) > 1e-9 || got.P99MS != 0 {
			t.Errorf("%+v, want a mean of %v", got, want)
		}
	}
	if text, err := res.text(); err != nil || !strings.Contains(text, "p99          -  GET") {
		t.Errorf("%v\n%s", err, text)
	}
}

// What a search for a rate has written, or anything else, is no result: it is refused, and nothing breaks.
func TestFilesThatAreNoResult(t *testing.T) {
	for _, text := range []string{`{"version": 1, "rate": 5, "probes": []}`, `{"version": 1}`, `{"version": 1, "targets": [{}], "duration_s": 1}`, `[]`, ``} {
		path := filepath.Join(t.TempDir(), "r.json")
		if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
		if res, err := ReadResult(path); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v, %v", text, res, err)
		}
	}
}

// Several runs together are longer than one was to be, and each is as short as it is.
func TestDoubtsAboutSeveralRuns(t *testing.T) {
	res, err := RunTimes(t.Context(), Options{Targets: []Target{{URL: serve(t, always(okResponse))}}, Duration: 400 * time.Millisecond, Clients: 2}, 3)
	if err != nil {
		t.Fatal(err)
	}
	if hasDoubt(res, "tail") && res.Runs[0].DurationS < 0.44 && res.Runs[1].DurationS < 0.44 && res.Runs[2].DurationS < 0.44 || !hasDoubt(res, "short") {
		t.Errorf("%v", res.Doubts)
	}
}

// Clients at work together on one machine share its cores; those on another, or on one that nobody knows, have their own.
func TestCoresOfClientsTogether(t *testing.T) {
	on := func(machine string, has, uses int) *Result {
		return &Result{Client: Client{Cores: uses, Machine: machine, MachineCores: has}}
	}
	for _, tt := range []struct {
		all  []*Result
		want int
	}{
		{[]*Result{on("a", 2, 1), on("a", 2, 1)}, 2},
		{[]*Result{on("a", 2, 2), on("a", 2, 2), on("a", 2, 1)}, 2},
		{[]*Result{on("a", 2, 2), on("b", 8, 4), on("b", 8, 4)}, 10},
		{[]*Result{on("", 0, 2), on("", 0, 2)}, 4}, // an older girin wrote them
	} {
		if got := coresOf(tt.all); got != tt.want {
			t.Errorf("%d cores, want %d", got, tt.want)
		}
	}
	both := []*Result{storeAgain(t, mustRun(t, serve(t, always(okResponse)), Options{Requests: 40})), storeAgain(t, mustRun(t, serve(t, always(okResponse)), Options{Requests: 40}))}
	if c := both[0].Client; c.Machine == "" || c.MachineCores != runtime.NumCPU() || both[1].Client.Machine != c.Machine {
		t.Errorf("%+v, %+v", c, both[1].Client)
	}
	if c := mergeClients(both).Client; c.Cores > runtime.NumCPU() || c.Machine != both[0].Client.Machine {
		t.Errorf("together %+v", c)
	}
}
