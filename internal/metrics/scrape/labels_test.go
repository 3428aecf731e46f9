package scrape

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"girin/internal/metrics"
)

// Whatever routes come, go and come again: there is a bounded number of labels, no
// counter goes back, and all of them add up to all requests.
func TestLabelsAreBoundedAndNeverGoBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var l labels
		table, gone, all := map[string]metrics.Sums{}, metrics.Sums{}, metrics.Sums{}
		before := map[string]metrics.Sums{}
		for range rapid.IntRange(1, 12).Draw(t, "scrapes") {
			for range rapid.IntRange(0, 60).Draw(t, "events") {
				name := fmt.Sprintf("GET /%d", rapid.IntRange(0, 150).Draw(t, "route"))
				if rapid.IntRange(0, 9).Draw(t, "leaves") == 0 {
					gone.Add(table[name])
					delete(table, name)
					continue
				}
				one := metrics.Sums{Requests: 1, Failed: rapid.Int64Range(0, 1).Draw(t, "failed"), Service: time.Duration(rapid.IntRange(0, 99).Draw(t, "service"))}
				all.Add(one)
				one.Add(table[name])
				table[name] = one
			}
			var known []metrics.Route
			for name, sums := range table {
				known = append(known, metrics.Route{Name: name, Sums: sums})
			}
			sum, shown := metrics.Sums{}, l.scrape(known, gone)
			for _, r := range shown {
				sum.Add(r.Sums)
				if d := r.Sums.Less(before[r.Name]); d.Requests < 0 || d.Failed < 0 || d.Service < 0 {
					t.Fatalf("%s went from %+v to %+v", r.Name, before[r.Name], r.Sums)
				}
				before[r.Name] = r.Sums
			}
			if sum != all || len(shown) > mostLabels+1 {
				t.Fatalf("%d labels, %+v of %+v", len(shown), sum, all)
			}
		}
	})
}

func TestTheRoutesThatTookMostTimeHaveLabels(t *testing.T) {
	var l labels
	var known []metrics.Route
	for i := range 50 {
		known = append(known, metrics.Route{Name: fmt.Sprintf("GET /%02d", i), Sums: metrics.Sums{Requests: 100, Service: time.Duration(i) * time.Second}})
	}
	known = append(known, metrics.Route{Name: "GET /" + strings.Repeat("ö", 500), Sums: metrics.Sums{Requests: 1, Service: time.Hour}})
	shown := l.scrape(known, metrics.Sums{})
	if len(shown) != topRoutes+1 || shown[0].Name != "GET /31" || len(shown[topRoutes-1].Name) > longestTag {
		t.Errorf("%d: %+v", len(shown), shown)
	}
	if other := shown[topRoutes]; other.Name != otherTag || other.Requests != 31*100 {
		t.Errorf("%+v", other)
	}
}
