package report

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"girin/internal/lab/plan"
	"girin/internal/lab/result"
)

// A watched browser notes what a page must not do: log anything, or ask the network.
type watched struct {
	mu     sync.Mutex
	faults []string // guarded by mu
}

func (w *watched) note(event any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch e := event.(type) {
	case *runtime.EventExceptionThrown:
		w.faults = append(w.faults, "exception: "+e.ExceptionDetails.Error())
	case *runtime.EventConsoleAPICalled:
		w.faults = append(w.faults, "console: "+string(e.Type))
	case *log.EventEntryAdded:
		w.faults = append(w.faults, "log: "+e.Entry.Text+" "+e.Entry.URL)
	case *network.EventRequestWillBeSent:
		if !strings.HasPrefix(e.Request.URL, "file://") && !strings.HasPrefix(e.Request.URL, "data:") {
			w.faults = append(w.faults, "request: "+e.Request.URL)
		}
	}
}

// browser opens the report of f in a headless Chromium.
func browser(t *testing.T, f *result.Folder) (context.Context, *watched) {
	t.Helper()
	html, _ := render(t, f)
	if err := os.WriteFile(f.Path(result.ReportName), []byte(html), 0o666); err != nil {
		t.Fatal(err)
	}
	flags := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.WindowSize(1200, 900))
	allocator, end := chromedp.NewExecAllocator(t.Context(), flags...)
	t.Cleanup(end)
	ctx, end := chromedp.NewContext(allocator)
	t.Cleanup(func() { _ = chromedp.Cancel(ctx); end() })
	ctx, end = context.WithTimeout(ctx, time.Minute)
	t.Cleanup(end)
	w := &watched{}
	chromedp.ListenTarget(ctx, w.note)
	err := chromedp.Run(ctx, network.Enable(), log.Enable(), chromedp.Navigate("file://"+f.Path(result.ReportName)))
	if err != nil {
		t.Fatalf("Chromium: %v", err)
	}
	return ctx, w
}

// evaluate runs JavaScript in the page.
func evaluate[T any](t *testing.T, ctx context.Context, script string) T {
	t.Helper()
	var value T
	if err := chromedp.Run(ctx, chromedp.Evaluate(script, &value)); err != nil {
		t.Fatalf("%s: %v", script, err)
	}
	return value
}

func TestReportInBrowser(t *testing.T) {
	ctx, w := browser(t, invent(t, fmt.Sprintf(matrixPlan, 6), waits))

	if n := evaluate[int](t, ctx, `document.querySelectorAll('.chart svg').length`); n != 11 {
		t.Errorf("%d charts, want 11", n)
	}
	// A bar opens its timeline.
	if err := chromedp.Run(ctx, chromedp.Click(`#panel-1 .chart g[data-cell^="sleep"] rect`, chromedp.NodeVisible)); err != nil {
		t.Fatal(err)
	}
	if n := evaluate[int](t, ctx, `document.querySelectorAll('dialog[open] svg g').length`); n != 32 {
		t.Errorf("the timeline shows %d requests, want 32", n)
	}
	evaluate[any](t, ctx, `document.querySelector('dialog .close').click()`)
	if evaluate[bool](t, ctx, `document.getElementById('timeline').open`) {
		t.Error("the timeline does not close")
	}
	// Pointing at a bar tells its numbers.
	evaluate[any](t, ctx, `document.querySelector('g[data-tip^="girin"] rect').dispatchEvent(new PointerEvent('pointermove', {bubbles: true, clientX: 5, clientY: 5}))`)
	if tip := evaluate[string](t, ctx, `document.getElementById('tip').textContent`); !strings.Contains(tip, "requests/s") {
		t.Errorf("tip: %q", tip)
	}
	// Unchecking a server hides it.
	evaluate[any](t, ctx, `document.querySelector('[data-filter=gunicorn]').click()`)
	if n := evaluate[int](t, ctx, `[...document.querySelectorAll('[data-subject=gunicorn]')].filter(e => e.style.display !== 'none').length`); n != 0 {
		t.Errorf("%d marks of a server that was unchecked", n)
	}
	// A heading sorts: first the largest on top, then the smallest.
	column := `[...document.querySelectorAll('tbody')[0].rows].map(r => +r.cells[2].dataset.v).filter(v => v)`
	for _, order := range []string{"v >= a[i+1]", "v <= a[i+1]"} {
		evaluate[any](t, ctx, `document.querySelectorAll('thead')[0].querySelectorAll('button')[2].click()`)
		if !evaluate[bool](t, ctx, column+`.every((v, i, a) => i + 1 === a.length || `+order+`)`) {
			t.Errorf("not sorted by %s", order)
		}
	}
	// Both themes differ.
	paper := `getComputedStyle(document.body).backgroundColor`
	before := evaluate[string](t, ctx, paper)
	evaluate[any](t, ctx, `document.getElementById('theme').click()`)
	if after := evaluate[string](t, ctx, paper); after == before {
		t.Errorf("the theme's button leaves %s", before)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.faults) > 0 {
		t.Errorf("the page did what it must not: %q", w.faults)
	}
}

// On a phone nothing but charts and tables may be wider than the screen, and those scroll
// by themselves.
func TestReportOnPhone(t *testing.T) {
	ctx, _ := browser(t, invent(t, mixedPlan, func(plan.Setting, plan.Stream) float64 { return 40 }))
	if err := chromedp.Run(ctx, chromedp.EmulateViewport(375, 800)); err != nil {
		t.Fatal(err)
	}
	if width := evaluate[int](t, ctx, `document.documentElement.scrollWidth`); width > 375 {
		t.Errorf("the page is %d wide on a screen of 375", width)
	}
}
