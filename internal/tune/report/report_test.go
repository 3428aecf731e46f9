package report

import (
	"context"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"girin/internal/lab/chart"
	"girin/internal/tune"
	"girin/internal/tune/workload"
)

// sample is a result with everything that a page can show.
func sample() *tune.Result {
	candidate := func(s tune.Setting, stage tune.Stage, rate float64) *tune.Candidate {
		c := &tune.Candidate{Setting: s, Stage: stage}
		for _, f := range []float64{0.98, 1, 1.02} {
			c.Rates = append(c.Rates, f*rate)
			c.Runs = append(c.Runs, tune.Measurement{Rate: f * rate, FailsAt: 1.04 * f * rate, MemoryMiB: 90, Points: []tune.Point{
				{Rate: f * rate / 2, P50MS: 5, P99MS: 30, Held: true}, {Rate: f * rate, P50MS: 20, P99MS: 150, Held: true},
				{Rate: 1.04 * f * rate, P50MS: 90, P99MS: math.MaxFloat64}}})
		}
		return c
	}
	best := candidate(tune.Setting{Class: "gthread", Workers: 3, Threads: 8}, tune.Final, 425)
	auto := candidate(tune.Setting{Class: "auto"}, tune.Final, 412)
	r := &tune.Result{
		App: "app:app<script>alert(1)</script>", Framework: "Flask", SLO: "p99<200ms,errors<0.1%", LimitMS: 200, Budget: 10 * time.Minute, Cores: 2,
		Started: time.Unix(1_800_000_000, 0), Possible: 41, Stopped: "it was stopped", Alone: "",
		Candidates: []*tune.Candidate{best, auto, candidate(tune.Setting{Class: "sync", Workers: 5, Threads: 1}, tune.Second, 100),
			{Setting: tune.Setting{Class: "gevent", Workers: 1}, Stage: tune.Screened, Rates: []float64{0}, Runs: []tune.Measurement{{Broken: true, Reason: "it did not start"}}}},
		Workload: &workload.Workload{Source: "access.log", Requests: []workload.Request{{Method: "GET", Path: "/", Share: 1}}, Left: []workload.Left{{What: "POST /<b>", Why: "it may change data"}},
			Log: &workload.Log{Lines: 1000, Peak: 3}},
		Routes: []tune.Route{{Name: "GET /", Share: 1, ServiceMS: 2, CPUMS: 1.5, Kind: "light"}},
		Load:   &tune.Load{Rate: 400, ServerCPU: 1.6, Requests: 8000, P99MS: 150, Routes: []tune.RouteLoad{{Name: "GET /", P99MS: 140}}},
		Answer: &tune.Answer{Best: best, Auto: auto, Rate: 420, Sentence: "`-w 3 --threads 8` holds 420 requests/s.", Limit: "The cores limit it.", Machines: "1,000 requests/s need 3 machines.",
			Others: []tune.Against{{Setting: auto.Setting, Change: -0.03, Low: -0.06, High: 0.01}}},
	}
	r.Workload.Log.Rates[12] = 0.5
	return r
}

func TestWrite(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b")
	files, err := Write(dir, sample())
	if err != nil || len(files) != 3 {
		t.Fatalf("%v, %v", files, err)
	}
	text, err := os.ReadFile(filepath.Join(dir, "result.json"))
	if err != nil {
		t.Fatal(err)
	}
	var r tune.Result
	if err := json.Unmarshal(text, &r); err != nil || r.Answer.Rate != 420 || len(r.Candidates) != 4 {
		t.Errorf("%v: %+v", err, r)
	}
	page, err := os.ReadFile(filepath.Join(dir, "report.html"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"holds 420 requests/s", "workers = 3", "-6 % to", "&#43;1 %", "it did not start", "Stopped after", "POST /&lt;b&gt;", "12:00"} {
		if !strings.Contains(string(page), want) {
			t.Errorf("the page has no %q", want)
		}
	}
	if strings.Contains(string(page), "<script>alert") || strings.Contains(string(page), "NaN") {
		t.Error("the page has what it must not have")
	}
	none := sample()
	none.Answer, none.Load, none.Nothing = nil, nil, "No setting holds it."
	if files, err := Write(dir, none); err != nil || len(files) != 2 {
		t.Errorf("without an answer: %v, %v", files, err)
	}
}

// A small budget ends with the first stage: its curves are told apart all the same. The line of the limit has its own clause.
func TestCurvesOfASmallBudget(t *testing.T) {
	r := sample()
	r.SLO = "errors<0.1%,p50<20ms,p99<200ms"
	for _, c := range r.Candidates {
		c.Stage = tune.Screened
	}
	svg := string(curves(r))
	for _, want := range []string{">auto</text>", ">-w 3 --threads 8</text>", ">p99&lt;200ms</text>"} {
		if !strings.Contains(svg, want) {
			t.Errorf("no %q in %s", want, svg)
		}
	}
}

// What cannot be written costs no other file, least of all the one to deploy.
func TestWriteWhereOneFileHasNoRoom(t *testing.T) {
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "result.json", "in the way"), 0o777); err != nil {
		t.Fatal(err)
	}
	files, err := Write(dir, sample())
	if err == nil || len(files) != 2 || filepath.Base(files[1]) != "gunicorn.conf.py" {
		t.Errorf("%v, %v", files, err)
	}
}

// The line through the dots never falls, and keeps their mean.
func TestRising(t *testing.T) {
	line := rising([]chart.XY{{X: 1, Y: 10}, {X: 2, Y: 40}, {X: 3, Y: 10}, {X: 4, Y: 100}, {X: 5, Y: math.MaxFloat64}})
	for i, want := range []float64{10, 20, 20, 100, 1e9} {
		if math.Abs(line[i].Y-want) > 1e-6*want || line[i].X != float64(i+1) {
			t.Errorf("%d: %v, want %g", i, line[i], want)
		}
	}
}

// In a browser the page logs nothing and asks nobody, in both themes and on a phone.
func TestPageInBrowser(t *testing.T) {
	dir := t.TempDir()
	if _, err := Write(dir, sample()); err != nil {
		t.Fatal(err)
	}
	flags := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.NoSandbox, chromedp.DisableGPU, chromedp.WindowSize(1200, 900))
	allocator, end := chromedp.NewExecAllocator(t.Context(), flags...)
	t.Cleanup(end)
	ctx, end := chromedp.NewContext(allocator)
	t.Cleanup(func() { _ = chromedp.Cancel(ctx); end() })
	ctx, end = context.WithTimeout(ctx, 2*time.Minute)
	t.Cleanup(end)
	var mu sync.Mutex
	var faults []string // guarded by mu
	chromedp.ListenTarget(ctx, func(event any) {
		mu.Lock()
		defer mu.Unlock()
		switch e := event.(type) {
		case *runtime.EventExceptionThrown:
			faults = append(faults, e.ExceptionDetails.Error())
		case *log.EventEntryAdded:
			faults = append(faults, e.Entry.Text)
		case *network.EventRequestWillBeSent:
			if !strings.HasPrefix(e.Request.URL, "file://") && !strings.HasPrefix(e.Request.URL, "data:") {
				faults = append(faults, e.Request.URL)
			}
		}
	})
	type look struct {
		Paper, Ink string
		Width      int
		Tip        string
	}
	see := `document.querySelector('g[data-tip] circle').dispatchEvent(new PointerEvent('pointermove', {bubbles: true, clientX: 5, clientY: 5}));
		({Paper: getComputedStyle(document.body).backgroundColor, Ink: getComputedStyle(document.querySelector('h1')).color,
		  Width: document.documentElement.scrollWidth, Tip: document.getElementById('tip').textContent})`
	var light, dark, phone look
	err := chromedp.Run(ctx, network.Enable(), log.Enable(), chromedp.Navigate("file://"+filepath.Join(dir, "report.html")),
		chromedp.Evaluate(see, &light), chromedp.Click("#theme"), chromedp.Evaluate(see, &dark),
		emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: "dark"}}),
		chromedp.EmulateViewport(375, 800), chromedp.Reload(), chromedp.Evaluate(see, &phone))
	if err != nil {
		t.Fatal(err)
	}
	if light.Paper == dark.Paper || light.Ink == dark.Ink || phone.Paper != dark.Paper {
		t.Errorf("themes: %+v, %+v, %+v", light, dark, phone)
	}
	if phone.Width > 375 || !strings.Contains(light.Tip, "requests/s") {
		t.Errorf("%+v, %+v", light, phone)
	}
	mu.Lock()
	defer mu.Unlock()
	if len(faults) > 0 {
		t.Errorf("the page did what it must not: %q", faults)
	}
}
