package tune

import (
	"context"
	"fmt"
	"maps"
	"time"

	"girin/internal/bench"
	"girin/internal/lab"
	"girin/internal/tune/workload"
)

// Route is what one request is like, alone.
type Route struct {
	Name      string  `json:"name"`
	Share     float64 `json:"share"`
	ServiceMS float64 `json:"service_ms"` // median from sending to the answer, one client
	P99MS     float64 `json:"p99_ms"`     // of the same requests; their longest if there are fewer than a hundred
	CPUMS     float64 `json:"cpu_ms"`     // of the whole server, per request
	Kind      string  `json:"kind"`       // light, waiting, computing: as girin ctl says; unknown: there was no time
	GrownMiB  float64 `json:"grown_mib"`  // by which the server's memory grew
	Requests  int64   `json:"requests"`
	Failed    int64   `json:"failed,omitempty"` // of them
	Fault     string  `json:"fault,omitempty"`  // of the first that failed
	// Threads is why it cannot run in threads; empty if nothing speaks against it. Unsure is what looks
	// odd and need not be a fault.
	Threads string `json:"threads,omitempty"`
	Unsure  string `json:"unsure,omitempty"`
}

// leaks says by how much the server's memory grows with each request; empty if it hardly does.
func (r *Route) leaks() string {
	if r.Requests < leastForLeak || r.GrownMiB < leastLeak || r.GrownMiB*1024/float64(r.Requests) < leakEach {
		return ""
	}
	return fmt.Sprintf("the server's memory grew by %.0f MiB in %d requests: a load of many takes more than there is", r.GrownMiB, r.Requests)
}

const (
	leastForLeak = 20
	leastLeak    = 10.0 // MiB
	leakEach     = 10.0 // KiB
)

// Kinds of routes, by the words of girin ctl.
const (
	light     = "light"
	waiting   = "waiting"
	computing = "computing"
	unknown   = "unknown"

	computingFrom = 5.0 // ms of CPU
	waitingFrom   = 5.0 // ms that are no CPU
	mostProfiled  = 16
)

func kindOf(serviceMS, cpuMS float64) string {
	switch {
	case cpuMS >= computingFrom:
		return computing
	case serviceMS-cpuMS >= waitingFrom:
		return waiting
	}
	return light
}

// profile says what each route is, alone on a server of one worker. each is how long one is asked. The reason is why
// no setting can hold the SLO, if that is seen here already.
func (s *servers) profile(ctx context.Context, alone *lab.Server, each time.Duration) (routes []Route, hopeless string, err error) {
	requests := s.profiled()
	var parts []bench.Part
	differ := map[string]bool{}
	limited, cancel := context.WithDeadline(ctx, s.lookEnds)
	defer cancel()
	for _, r := range requests {
		route, res := s.profileRoute(limited, alone, r, each)
		if cause := context.Cause(ctx); cause != nil {
			return routes, "", cause
		}
		differ[route.Name] = res != nil && res.Content.BodiesDiffer
		routes, parts = append(routes, route), append(parts, bench.Part{Name: route.Name, Share: route.Share, Alone: conclusive(res)})
	}
	if why := s.slo.Hopeless(parts); why != "" || s.opts.asgi {
		return routes, why, nil
	}
	return routes, "", s.inThreads(ctx, requests, routes, differ, each)
}

// startAlone starts a server of one worker that runs one request at a time, and gives up what hangs.
func (s *servers) startAlone(ctx context.Context) (*lab.Server, error) {
	setting := Setting{Class: "sync", Workers: 1, Threads: 1}
	if s.opts.asgi {
		setting.Class = "asgi"
	}
	server, err := s.start(ctx, append(setting.Args(), s.givesUp()...), false)
	if cause := context.Cause(ctx); cause != nil {
		return nil, cause
	}
	if err != nil {
		return nil, fmt.Errorf("%s cannot be served: %w", s.opts.App, err)
	}
	return server, nil
}

// profiled are the requests of the largest shares, one for each route.
func (s *servers) profiled() (list []workload.Request) {
	at := map[string]int{}
	for _, r := range s.work.Requests {
		if i, known := at[r.Route()]; known {
			list[i].Share += r.Share
			continue
		}
		if len(list) < mostProfiled {
			at[r.Route()] = len(list)
			list = append(list, r)
		}
	}
	return list
}

// profileRoute asks for one request over and over, by one client.
func (s *servers) profileRoute(ctx context.Context, server *lab.Server, r workload.Request, each time.Duration) (Route, *bench.Result) {
	route := Route{Name: r.Route(), Share: r.Share}
	if r.Route() != r.Name() {
		route.Name = r.Name()
	}
	memory, _ := server.Memory()
	cpu := server.CPU()
	o := bench.Options{Targets: s.targetsOf(server, r), Clients: 1, Duration: each, Timeout: s.checkTimeout() + timeoutSlack}
	res, err := bench.Run(ctx, o)
	if err == nil && res.Requests.Done < leastAlone && res.Latency.MaxMS > s.limitMS() {
		cpu = server.CPU()
		o.Duration, o.Requests = 0, leastAlone // one slow request may be chance
		res, err = bench.Run(ctx, o)
	}
	if err != nil || res.Requests.Done == 0 {
		if ctx.Err() == nil {
			return route, nil
		}
		return route.askedOnce(s.asked[r.Name()])
	}
	route.describe(res)
	route.CPUMS = min((server.CPU()-cpu).Seconds()*1000/float64(res.Requests.Done), max(route.ServiceMS, res.Latency.MeanMS))
	route.Kind = kindOf(route.ServiceMS, route.CPUMS)
	if now, _ := server.Memory(); now > memory {
		route.GrownMiB = now - memory
	}
	return route, res
}

// askedOnce describes a route that there was no time to look at by the one request that it has answered.
func (r Route) askedOnce(res *bench.Result) (Route, *bench.Result) {
	if res != nil {
		r.describe(res)
	}
	r.Kind, r.Unsure = unknown, "no time was left to look at it alone: a larger --budget has more"
	return r, res
}

// leastAlone is how many slow requests show that most of a route's are slow.
const leastAlone = 3

// conclusive is a result that can show that a route is slow: of one that the time's end has cut short, the only request may be
// the one that paid for what every application does once.
func conclusive(res *bench.Result) *bench.Result {
	if res == nil || res.Requests.Done < leastAlone {
		return nil
	}
	return res
}

// describe takes what a result says of a route.
func (r *Route) describe(res *bench.Result) {
	r.Requests, r.Failed = res.Requests.Done, res.Requests.Failed
	r.ServiceMS, r.P99MS = res.Latency.MedianMS, res.Latency.At(99)
	if r.Failed > 0 {
		r.Fault = fault(&bench.Result{Statuses: failing(res), ErrorExamples: res.ErrorExamples}, nil)
	}
}

func (s *servers) limitMS() float64 { return ms(s.slo.HighestLimit()) }

func (s *servers) targetsOf(server *lab.Server, r workload.Request) []bench.Target {
	one := workload.Workload{Requests: []workload.Request{r}}
	return one.Targets(server.URL())
}

// failing are the statuses that are no success.
func failing(res *bench.Result) map[int]int64 {
	statuses := maps.Clone(res.Statuses)
	maps.DeleteFunc(statuses, func(status int, _ int64) bool { return status < 400 })
	return statuses
}
