package offload

import (
	"strings"
	"testing"
	"time"
)

func TestTheFirstRouteThatMatchesCounts(t *testing.T) {
	all, err := Parse([]string{"POST /pdf/slow/*,async,retry=5", "/pdf/*", "GET /x, both"})
	if err != nil {
		t.Fatal(err)
	}
	for request, want := range map[string]string{
		"POST /pdf/slow/1": "POST /pdf/slow/*", "GET /pdf/slow/1": "/pdf/*", "GET /x": "GET /x", "POST /x": "",
	} {
		method, path, _ := strings.Cut(request, " ")
		got := ""
		if r := all.Find([]byte(method), []byte(path)); r != nil {
			got = r.Text
		}
		if got != want {
			t.Errorf("%s is %q, not %q", request, got, want)
		}
	}
	if all[0].Mode != Async || all[0].Retry != 5 || all[1].Mode != Sync || all[1].Retry != -1 || all[2].Mode != Both {
		t.Errorf("%+v", all)
	}
	for _, text := range []string{
		"", "pdf", "/pdf,often", "/pdf,retry=", "/pdf,retry=-1", "/pdf,limit=0", "/pdf,limit=x", "/pdf,timeout=0", "/pdf,timeout=-1", "/pdf,timeout=NaN",
		"/pdf,timeout=10m", "/pdf,priority=urgent", "/pdf,priority=",
	} {
		if _, err := Parse([]string{text}); err == nil {
			t.Errorf("%q is accepted", text)
		}
	}
}

func TestRoutesSayHowTheyRun(t *testing.T) {
	all, err := Parse([]string{"/a,limit=3,timeout=1.5,priority=high", "/b,limit=3,priority=high", "/c,priority=low", "/d"})
	if err != nil {
		t.Fatal(err)
	}
	if a := all[0]; a.Limit != 3 || a.Timeout != 1500*time.Millisecond || a.Priority != "high" {
		t.Errorf("%+v", a)
	}
	if all[2].Class() != "low" || all[3].Class() != Usual {
		t.Errorf("%s, %s", all[2].Class(), all[3].Class())
	}
	if a, b := all[0].Class(), all[1].Class(); a == b || !strings.HasPrefix(a, "high-") || !strings.HasPrefix(b, "high-") {
		t.Errorf("routes with limits share a line: %s, %s", a, b)
	}
}
