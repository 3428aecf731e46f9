package report

import (
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"girin/internal/lab/result"
)

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
