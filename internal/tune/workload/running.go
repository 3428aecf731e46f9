package workload

import (
	"fmt"
	"strings"

	"girin/internal/control"
)

// FromStatus takes the routes that a running girin has served. Of a route with values in its path,
// such as GET /posts/*, nobody knows one that could be asked for.
func FromStatus(s control.Status, allMethods bool) (*Workload, error) {
	w := &Workload{Source: fmt.Sprintf("the routes of the girin with pid %d", s.PID)}
	var all int64
	for _, r := range s.Sched.Routes {
		all += r.Count
	}
	for _, r := range s.Sched.Routes {
		method, path, ok := strings.Cut(r.Name, " ")
		switch {
		case !ok || r.Count == 0 || r.Failed == r.Count: // 404, and what is in no route
		case strings.Contains(path, "*"):
			w.Left = append(w.Left, Left{fmt.Sprintf("%s (%.0f %% of the requests)", r.Name, 100*float64(r.Count)/float64(max(all, 1))),
				"which values it was asked with is not known; --access-log or --urls tell"})
		default:
			w.Requests = append(w.Requests, Request{Method: method, Path: path, Share: float64(r.Count), Redirects: true})
		}
	}
	if !allMethods {
		w.leaveRisky()
	}
	return w, w.complete(allMethods)
}
