package bench

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/lucasb-eyer/go-colorful"
)

// Whoever sees fewer colours tells the page's lines apart too: in every kind of colour blindness (as Machado, Oliveira and
// Fernandes simulate it, 2009, at full strength), in both themes, each two colours differ by a deltaE 2000 of 15 at least,
// and each by 15 from the background.
func TestColoursAreToldApart(t *testing.T) {
	views := map[string][3][3]float64{
		"all colours":  {{1, 0, 0}, {0, 1, 0}, {0, 0, 1}},
		"protanopia":   {{0.152286, 1.052583, -0.204868}, {0.114503, 0.786281, 0.099216}, {-0.003882, -0.048116, 1.051998}},
		"deuteranopia": {{0.367322, 0.860646, -0.227968}, {0.280085, 0.672501, 0.047413}, {-0.011820, 0.042940, 0.968881}},
		"tritanopia":   {{1.255528, -0.076749, -0.178779}, {-0.078411, 0.930809, 0.147602}, {0.004733, 0.691367, 0.303900}},
	}
	themes := regexp.MustCompile(`(?s):root \{ .*?\}`).FindAllString(pageSource, -1)
	if len(themes) != 2 {
		t.Fatalf("%d themes", len(themes))
	}
	for i, theme := range themes {
		colours := map[string]colorful.Color{}
		for _, m := range regexp.MustCompile(`--(a|b|c|bad|dot|bg): (#[0-9a-f]+);`).FindAllStringSubmatch(theme, -1) {
			c, err := colorful.Hex(m[2])
			if err != nil {
				t.Fatal(err)
			}
			colours[m[1]] = c
		}
		if len(colours) != 6 {
			t.Fatalf("theme %d has %v", i, colours)
		}
		for view, matrix := range views {
			for x, a := range colours {
				for y, b := range colours {
					if d := 100 * seen(a, matrix).DistanceCIEDE2000(seen(b, matrix)); x < y && d < 15 {
						t.Errorf("theme %d, %s: %s and %s differ by %.1f", i, view, x, y, d)
					}
				}
			}
		}
	}
}

func seen(c colorful.Color, m [3][3]float64) colorful.Color {
	r, g, b := c.LinearRgb()
	of := func(row [3]float64) float64 { return min(1, max(0, row[0]*r+row[1]*g+row[2]*b)) }
	return colorful.LinearRgb(of(m[0]), of(m[1]), of(m[2]))
}

// The page draws its four charts in a browser, asks nobody for anything, zooms, and fits a phone.
func TestPageInBrowser(t *testing.T) {
	var n atomic.Int64
	url := serveHTTP(t, func(w http.ResponseWriter, _ *http.Request) {
		if n.Add(1)%50 == 0 {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	})
	res := mustRun(t, "", Options{Targets: []Target{{URL: url}}, Duration: 1200 * time.Millisecond, Clients: 2})
	file := filepath.Join(t.TempDir(), "page.html")
	var b strings.Builder
	if err := res.WriteHTML(&b); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(b.String()), 0o666); err != nil {
		t.Fatal(err)
	}
	ctx, faults := openPage(t, file)
	evaluate := func(script string, value any) {
		t.Helper()
		if err := chromedp.Run(ctx, chromedp.Evaluate(script, value)); err != nil {
			t.Fatalf("%s: %v", script, err)
		}
	}
	var charts int
	evaluate(`document.querySelectorAll('figure .uplot canvas').length`, &charts)
	if charts != 4 {
		t.Errorf("%d charts, want 4", charts)
	}
	for _, id := range []string{"time", "rate", "curve", "bars"} {
		var painted bool
		evaluate(fmt.Sprintf(`(() => { const c = document.querySelector('#%s canvas'); const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;
			const seen = new Set(); for (let i = 0; i < d.length; i += 4) if (d[i+3] > 200) seen.add(d[i] + ',' + d[i+1] + ',' + d[i+2]); return seen.size > 3 })()`, id), &painted)
		if !painted {
			t.Errorf("the chart %s is empty", id)
		}
	}
	var legend string
	evaluate(`document.querySelector('#time .u-legend').textContent`, &legend)
	if !strings.Contains(legend, "p99") || !strings.Contains(legend, "failures") {
		t.Errorf("legend: %q", legend)
	}
	if err := chromedp.Run(ctx, chromedp.EmulateViewport(375, 800)); err != nil {
		t.Fatal(err)
	}
	evaluate(`dispatchEvent(new Event('resize'))`, nil)
	var width int
	for range 100 { // it is laid out again a moment later
		if evaluate(`document.documentElement.scrollWidth`, &width); width <= 375 {
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	if width > 375 {
		t.Errorf("the page is %d wide on a screen of 375", width)
	}
	if said := faults(); len(said) > 0 {
		t.Errorf("the page did what it must not: %q", said)
	}
}

// openPage opens a file in a headless Chromium and notes exceptions, logging and requests.
func openPage(t *testing.T, file string) (context.Context, func() []string) {
	t.Helper()
	flags := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.WindowSize(1200, 900))
	allocator, end := chromedp.NewExecAllocator(t.Context(), flags...)
	t.Cleanup(end)
	ctx, end := chromedp.NewContext(allocator)
	t.Cleanup(func() { _ = chromedp.Cancel(ctx); end() })
	ctx, end = context.WithTimeout(ctx, time.Minute)
	t.Cleanup(end)
	var mu sync.Mutex
	var faults []string
	chromedp.ListenTarget(ctx, func(event any) {
		mu.Lock()
		defer mu.Unlock()
		switch e := event.(type) {
		case *runtime.EventExceptionThrown:
			faults = append(faults, "exception: "+e.ExceptionDetails.Error())
		case *runtime.EventConsoleAPICalled:
			faults = append(faults, "console: "+string(e.Type))
		case *network.EventRequestWillBeSent:
			if !strings.HasPrefix(e.Request.URL, "file://") {
				faults = append(faults, "request: "+e.Request.URL)
			}
		}
	})
	if err := chromedp.Run(ctx, network.Enable(), chromedp.Navigate("file://"+file)); err != nil {
		t.Fatalf("Chromium: %v", err)
	}
	return ctx, func() []string { mu.Lock(); defer mu.Unlock(); return faults }
}
