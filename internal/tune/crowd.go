package tune

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"girin/internal/bench"
	"girin/internal/tune/workload"
	"girin/internal/verdict"
)

const (
	crowd      = 8    // requests at once, to see whether threads hurt
	crowdTurns = 3    // of asking where few have failed
	crowdMore  = 4    // times as long each turn
	blame      = 0.01 // how improbable it must be that threads fail more often by chance, each turn
)

// crowds is what became of one request when many asked for it at once.
type crowds struct {
	threads, processes *bench.Result // nil: nobody has asked
	differAlone        bool          // bodies differ when one asks
}

// suspicious reports whether something speaks against threads.
func (c *crowds) suspicious() bool {
	return c.threads != nil && (c.threads.Requests.Failed > 0 || c.threads.Content.BodiesDiffer && !c.differAlone)
}

// chance is how probable it is that as many or more fail in threads by chance.
func (c *crowds) chance() float64 {
	t, p := c.threads.Requests, c.processes.Requests
	return verdict.FisherMore(t.Failed, t.Done, p.Failed, p.Done)
}

// undecided reports whether more requests may tell what these do not.
func (c *crowds) undecided() bool {
	return c.processes != nil && c.threads.Requests.Failed > 0 && c.chance() >= blame && c.chance() < 0.5
}

// inThreads asks for each route by many at once, of one process with threads. What fails there more often than in as many
// processes, threads are to blame for; where so few fail that it may be chance, more are asked.
func (s *servers) inThreads(ctx context.Context, requests []workload.Request, routes []Route, differ map[string]bool, each time.Duration) error {
	all, list := make([]crowds, len(routes)), make([]int, len(routes))
	for i := range routes {
		all[i].differAlone, list[i] = differ[routes[i].Name], i
	}
	for turn := 0; turn < crowdTurns && len(list) > 0 && time.Until(s.lookEnds) > 0; turn++ {
		if err := s.crowded(ctx, requests, all, list, each); err != nil {
			return err
		}
		list = list[:0]
		for i := range all {
			if all[i].undecided() {
				list = append(list, i)
			}
		}
		each *= crowdMore
	}
	for i := range routes {
		if all[i].threads == nil && time.Until(s.lookEnds) <= 0 {
			routes[i].untried()
		}
		routes[i].judgeThreads(all[i].threads, all[i].processes, all[i].differAlone)
	}
	return nil
}

// crowded asks for some of the requests in threads, and for what is suspicious then in processes.
func (s *servers) crowded(ctx context.Context, requests []workload.Request, all []crowds, list []int, each time.Duration) error {
	threads, err := s.askCrowd(ctx, requests, list, Setting{Class: gthread, Workers: 1, Threads: crowd}, each)
	if err != nil {
		return err
	}
	var suspects []int
	for _, i := range list {
		all[i].threads = joined(all[i].threads, threads[i])
		if all[i].suspicious() {
			suspects = append(suspects, i)
		}
	}
	if len(suspects) == 0 || time.Until(s.lookEnds) <= 0 {
		return nil
	}
	processes, err := s.askCrowd(ctx, requests, suspects, Setting{Class: "sync", Workers: crowd, Threads: 1}, each)
	if err != nil {
		return err
	}
	for _, i := range suspects {
		all[i].processes = joined(all[i].processes, processes[i])
	}
	return nil
}

// askCrowd asks for some of the requests by many at once, on one server.
func (s *servers) askCrowd(ctx context.Context, requests []workload.Request, list []int, setting Setting, each time.Duration) (map[int]*bench.Result, error) {
	server, err := s.start(ctx, append(setting.Args(), s.givesUp()...), false)
	if err != nil {
		return nil, fmt.Errorf("%s cannot be served: %w", s.opts.App, cmp.Or(context.Cause(ctx), err))
	}
	defer server.Stop()
	limited, cancel := context.WithDeadline(ctx, s.lookEnds)
	defer cancel()
	all := map[int]*bench.Result{}
	for _, i := range list {
		res, err := bench.Run(limited, bench.Options{Targets: s.targetsOf(server, requests[i]), Clients: crowd, Duration: each, Timeout: s.checkTimeout() + timeoutSlack})
		if cause := context.Cause(ctx); cause != nil {
			return nil, cause
		}
		if err == nil && res.Requests.Done > 0 {
			all[i] = res
		}
	}
	return all, nil
}

// joined adds what a crowd has found to what those before have.
func joined(before, now *bench.Result) *bench.Result {
	if before == nil || now == nil {
		return cmp.Or(now, before)
	}
	before.Requests.Done += now.Requests.Done
	before.Requests.Failed += now.Requests.Failed
	before.Content.BodiesDiffer = before.Content.BodiesDiffer || now.Content.BodiesDiffer
	for status, n := range now.Statuses {
		before.Statuses[status] += n
	}
	for kind, text := range now.ErrorExamples {
		before.ErrorExamples[kind] = text
	}
	return before
}

// untried notes that nobody has seen the route in threads.
func (r *Route) untried() {
	r.Unsure = cmp.Or(r.Unsure, "no time was left to see whether threads are safe for it: a larger --budget has more")
}

// judgeThreads compares what threads did with what processes did, by an exact test: counts may be small.
func (r *Route) judgeThreads(threads, processes *bench.Result, differAlone bool) {
	if threads == nil {
		return
	}
	c := crowds{threads, processes, differAlone}
	t := threads.Requests
	switch {
	case !c.suspicious():
	case processes == nil && t.Failed > 0:
		r.Unsure = fmt.Sprintf("%d of %d requests failed in %d threads, and no time was left to see whether they do in processes: a larger --budget has more",
			t.Failed, t.Done, crowd)
	case processes == nil:
		r.untried()
	case t.Failed > 0 && c.chance() < blame:
		r.Threads = fmt.Sprintf("%d of %d requests failed in %d threads, %s in %d processes: %s", t.Failed, t.Done, crowd,
			ofProcesses(processes.Requests), crowd, fault(&bench.Result{Statuses: failing(threads), ErrorExamples: threads.ErrorExamples}, nil))
	case threads.Content.BodiesDiffer && !differAlone && !processes.Content.BodiesDiffer: // whatever else fails
		r.Threads = fmt.Sprintf("its answers differ in %d threads, and neither alone nor in %d processes", crowd, crowd)
	case t.Failed > 0 && processes.Requests.Failed > 0:
		r.Unsure = fmt.Sprintf("%.2g %% of its requests fail when %d come at once, in processes too", 100*float64(t.Failed)/float64(t.Done), crowd)
	case t.Failed > 0:
		r.Unsure = fmt.Sprintf("%d of %d requests failed in %d threads, and none of %d in %d processes, which may be chance: a larger --budget tells more",
			t.Failed, t.Done, crowd, processes.Requests.Done, crowd)
	}
}

// ofProcesses counts what failed in processes.
func ofProcesses(p bench.Requests) string {
	if p.Failed == 0 {
		return "none"
	}
	return fmt.Sprintf("%d of %d", p.Failed, p.Done)
}
