package e2e_test

import (
	"context"
	"fmt"
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
)

// browser is a page in a headless Chromium.
type browser struct {
	ctx context.Context

	mu     sync.Mutex
	faults []string // guarded by mu: exceptions, lines of the console, requests to others
}

func browse(t *testing.T, url string) *browser {
	t.Helper()
	flags := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.NoSandbox, chromedp.DisableGPU, chromedp.WindowSize(1200, 900))
	allocator, end := chromedp.NewExecAllocator(t.Context(), flags...)
	t.Cleanup(end)
	b := new(browser)
	ctx, end := chromedp.NewContext(allocator)
	t.Cleanup(func() { _ = chromedp.Cancel(ctx); end() })
	b.ctx, end = context.WithTimeout(ctx, 2*time.Minute)
	t.Cleanup(end)
	chromedp.ListenTarget(b.ctx, func(event any) {
		b.mu.Lock()
		defer b.mu.Unlock()
		switch e := event.(type) {
		case *runtime.EventExceptionThrown:
			b.faults = append(b.faults, "exception: "+e.ExceptionDetails.Error())
		case *log.EventEntryAdded:
			b.faults = append(b.faults, "log: "+e.Entry.Text+" "+e.Entry.URL)
		case *network.EventRequestWillBeSent:
			if !strings.HasPrefix(e.Request.URL, url) && !strings.HasPrefix(e.Request.URL, "data:") {
				b.faults = append(b.faults, "request: "+e.Request.URL)
			}
		}
	})
	if err := chromedp.Run(b.ctx, network.Enable(), log.Enable(), chromedp.Navigate(url)); err != nil {
		t.Fatalf("Chromium: %v", err)
	}
	return b
}

func (b *browser) run(t *testing.T, actions ...chromedp.Action) {
	t.Helper()
	if err := chromedp.Run(b.ctx, actions...); err != nil {
		t.Fatal(err)
	}
}

// until waits until an expression is true on the page.
func (b *browser) until(t *testing.T, what string) {
	t.Helper()
	eventually(t, what, func() bool {
		var is bool
		b.run(t, chromedp.Evaluate("Boolean("+what+")", &is))
		return is
	})
}

// The page shows what waits, runs and has failed, as it happens; it cancels and runs again.
func TestJobsPageInBrowser(t *testing.T) {
	metrics := freePort(t)
	j := startJobs(t, 1, "--offload", "/both/*,both,retry=0", "--metrics", metrics, "--jobs-page", "--tasks")
	j.offload(t, "both")
	url := "http://" + metrics + "/.girin/jobs/"
	b := browse(t, url)
	row := func(section, id string) string { return fmt.Sprintf(`#%s .job[data-id="%s"]`, section, id) }
	there := func(section, id string) string { return fmt.Sprintf("document.querySelector('%s')", row(section, id)) }
	b.until(t, "document.querySelector('#state.up')")

	gate := filepath.Join(j.dir, "gate")
	runs := j.accept(t, "GET", "/both/until?runs&"+gate, nil)
	b.until(t, there("running", runs.ID))
	waits := j.accept(t, "GET", "/both/x?waits", nil)
	b.until(t, there("waiting", waits.ID))
	if status, text := j.inside(t, "PUT", "/jobs/"+runs.ID+"/progress", `{"progress":0.4,"text":"page 4 <b>of</b> 10"}`); status != 204 {
		t.Fatal(status, text)
	}
	b.until(t, there("running", runs.ID)+"?.textContent.includes('40 %, page 4 <b>of</b> 10')")
	host, _ := os.Hostname()
	b.until(t, there("running", runs.ID)+"?.textContent.includes('on "+host+"')")
	b.shot(t, "light", 1200, false)

	cancel := row("waiting", waits.ID) + " .do button"
	b.run(t, chromedp.Click(cancel, chromedp.ByQuery))
	b.until(t, there("waiting", waits.ID)+"?.querySelector('.do button.sure')")
	b.run(t, chromedp.Click(cancel, chromedp.ByQuery))
	b.until(t, there("ended", waits.ID)+"?.textContent.includes('cancelled')")
	open(t, gate)
	b.until(t, there("ended", runs.ID)+"?.textContent.includes('done')")

	dead := j.accept(t, "GET", "/both/slain?dead", nil)
	b.until(t, there("bad", dead.ID)+"?.textContent.includes('signal 9')")
	b.run(t, chromedp.Click(row("bad", dead.ID)+" .open", chromedp.ByQuery))
	b.until(t, there("bad", dead.ID)+"?.querySelector('pre')?.textContent === 'last words of dead'")
	b.shot(t, "dark", 1200, true)
	b.run(t, chromedp.Click(row("bad", dead.ID)+" .do button", chromedp.ByQuery))
	eventually(t, "it was run again", func() bool { return j.begun("dead") == 2 })
	b.until(t, there("bad", dead.ID)+"?.querySelector('.do button:enabled')") // for another time

	for _, dark := range []bool{false, true} {
		b.shot(t, fmt.Sprintf("phone-%v", dark), 375, dark)
		var width int
		b.run(t, chromedp.Evaluate("document.documentElement.scrollWidth", &width))
		if width > 375 {
			t.Errorf("the page is %d wide on a screen of 375", width)
		}
		var low string
		b.run(t, chromedp.Evaluate(lowContrast, &low))
		if low != "" {
			t.Errorf("hard to read (dark: %v): %s", dark, low)
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.faults) > 0 {
		t.Errorf("the page did what it must not: %q", b.faults)
	}
}

// shot sets the size and the theme, and leaves a picture where $JOBS_PAGE_SHOTS says.
func (b *browser) shot(t *testing.T, name string, width int64, dark bool) {
	t.Helper()
	scheme := "light"
	if dark {
		scheme = "dark"
	}
	var picture []byte
	b.run(t, chromedp.EmulateViewport(width, 900), emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}))
	dir := os.Getenv("JOBS_PAGE_SHOTS")
	if dir == "" {
		return
	}
	b.run(t, chromedp.Sleep(300*time.Millisecond), chromedp.FullScreenshot(&picture, 100))
	if err := os.WriteFile(filepath.Join(dir, name+".png"), picture, 0o666); err != nil {
		t.Fatal(err)
	}
}

// lowContrast names the first text whose colour differs from its background by less than
// 4.5 to 1 (WCAG 2.2, 1.4.3).
const lowContrast = `(() => {
	const light = ([r, g, b]) => { const f = v => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; return 0.2126 * f(r) + 0.7152 * f(g) + 0.0722 * f(b); };
	const parse = text => text.match(/[\d.]+/g).map(Number);
	for (const e of document.querySelectorAll('body *')) {
		const own = [...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim());
		if (!own || !e.getClientRects().length || ['SCRIPT', 'STYLE'].includes(e.tagName)) continue;
		let at = e, back;
		do { back = parse(getComputedStyle(at).backgroundColor); at = at.parentElement; } while (at && back[3] === 0);
		const [a, b] = [light(parse(getComputedStyle(e).color)), light(back)].sort((x, y) => y - x);
		if ((a + 0.05) / (b + 0.05) < 4.5) return e.outerHTML.slice(0, 200) + ' ' + ((a + 0.05) / (b + 0.05)).toFixed(2);
	}
	return '';
})()`
