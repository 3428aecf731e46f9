package offload

import (
	"strings"
	"testing"
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
	for _, text := range []string{"", "pdf", "/pdf,often", "/pdf,retry=", "/pdf,retry=-1"} {
		if _, err := Parse([]string{text}); err == nil {
			t.Errorf("%q is accepted", text)
		}
	}
}
