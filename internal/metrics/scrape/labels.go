package scrape

import (
	"cmp"
	"slices"
	"strings"
	"sync"

	"girin/internal/metrics"
)

const (
	topRoutes  = 20  // get a label of their own at each scrape, if
	mostLabels = 100 // were not given yet
	longestTag = 120 // bytes of a label
	otherTag   = "other"
)

// labels choose which routes have a label of their own: at each scrape those that took
// most time, up to a number. A route keeps its label, and its counters never go back,
// also if it leaves the server's table and comes again; what it did before it had one
// stays with the others, so that theirs do not go back either.
type labels struct {
	mu    sync.Mutex
	of    map[string]*labelled // guarded by mu; nil before the first scrape
	other metrics.Sums         // guarded by mu: as last shown
}

type labelled struct {
	shown, last metrics.Sums // what was shown, and what the server then said of the route
}

// scrape takes what the server says of its routes, and returns what to show.
func (l *labels) scrape(known []metrics.Route, others metrics.Sums) []metrics.Route {
	l.mu.Lock()
	defer l.mu.Unlock()
	first := l.of == nil
	if first {
		l.of = map[string]*labelled{}
	}
	rest := others
	now := map[string]metrics.Sums{}
	for _, r := range known {
		name, sums := tag(r.Name), r.Sums
		rest.Add(sums)
		sums.Add(now[name])
		now[name] = sums
	}
	l.chooseLocked(now, first)
	shown := make([]metrics.Route, 0, len(l.of)+1)
	for name, of := range l.of {
		if sums, here := now[name]; here {
			more := sums.Less(of.last)
			// It was forgotten, and met again. Where that does not show, as it has had more
			// since than before, the others get the difference.
			if more.Requests < 0 || more.Failed < 0 || more.Service < 0 || more.Queue < 0 {
				more = sums
			}
			of.shown.Add(more)
			of.last = sums
		}
		rest = rest.Less(of.shown)
		shown = append(shown, metrics.Route{Name: name, Sums: of.shown})
	}
	l.other = atLeast(rest, l.other)
	shown = append(shown, metrics.Route{Name: otherTag, Sums: l.other})
	slices.SortFunc(shown, func(x, y metrics.Route) int { return cmp.Compare(x.Name, y.Name) })
	return shown
}

// chooseLocked gives labels to the routes that took most time.
func (l *labels) chooseLocked(now map[string]metrics.Sums, first bool) {
	names := make([]string, 0, len(now))
	for name := range now {
		names = append(names, name)
	}
	slices.SortFunc(names, func(x, y string) int {
		return cmp.Or(cmp.Compare(now[y].Service, now[x].Service), cmp.Compare(now[y].Requests, now[x].Requests), cmp.Compare(x, y))
	})
	for _, name := range names[:min(len(names), topRoutes)] {
		if l.of[name] != nil || len(l.of) >= mostLabels {
			continue
		}
		l.of[name] = new(labelled)
		if !first {
			l.of[name].last = now[name] // that was the others' so far
		}
	}
}

// atLeast is s where it is not less than before: counters are read one by one, while
// requests end.
func atLeast(s, before metrics.Sums) metrics.Sums {
	return metrics.Sums{
		Requests: max(s.Requests, before.Requests), Failed: max(s.Failed, before.Failed),
		Service: max(s.Service, before.Service), Queue: max(s.Queue, before.Queue),
	}
}

// tag makes a label of a route's name, which clients have a say in.
func tag(name string) string {
	if len(name) > longestTag {
		name = name[:longestTag]
	}
	return strings.ToValidUTF8(name, "?")
}
