package bench

import (
	"encoding/xml"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
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
