package bench

import (
	"fmt"
	"math"
	"slices"
)

// An open loop that offers r times what a server can do leaves a queue behind, in which each second's requests wait r-1
// seconds longer than those of the second before. A short run may end before they wait longer than an SLO allows: in half a
// second, 1.4 times what the server can do is within 200 ms. So a rate at which the wait grows holds nothing, whatever the
// latencies are by then.

// leastForGrowth is how many successes each quarter of a run needs, to tell how the wait has grown.
const leastForGrowth = 10

// growth is by how many seconds the wait of requests grew in each second of an open loop, from its first quarter to its last.
// A queue delays all requests alike, so of the growths of the three quartiles of latency the smallest counts: a run
// whose last quarter merely has more of the slow requests, or one stall, is not taken for one.
func (res *Result) growth() float64 {
	var last int64
	for i := range res.samples {
		last = max(last, res.samples[i].scheduled)
	}
	var early, late []int64
	for i := range res.samples {
		s := &res.samples[i]
		switch {
		case s.kind != Succeeded:
		case s.scheduled < last/4:
			early = append(early, s.done-s.scheduled)
		case s.scheduled >= last-last/4:
			late = append(late, s.done-s.scheduled)
		}
	}
	if min(len(early), len(late)) < leastForGrowth {
		return 0
	}
	slices.Sort(early)
	slices.Sort(late)
	least := math.Inf(1)
	for _, q := range []float64{0.25, 0.5, 0.75} {
		least = min(least, float64(late[rank(q, int64(len(late)))]-early[rank(q, int64(len(early)))]))
	}
	return max(least/(0.75*float64(last)), 0)
}

// chanceOfGrowth is how much growth random arrivals alone make in one of twenty runs, where a server has just as much to do as
// it can: of n requests, 3/4 n come between the middles of the two quarters, give or take the root of that.
func chanceOfGrowth(n int64) float64 { return 1.645 / math.Sqrt(0.75*float64(max(n, 1))) }

// clearGrowth is what no disturbance of the machine looks like: half as much again as the server can do.
const clearGrowth = 0.5

// growing reports whether the wait grew by more than a share of the time, and by more than chance makes it in one run.
func (res *Result) growing(share float64) bool {
	n := res.Requests.Done / int64(max(len(res.Runs), 1))
	return res.Schedule != nil && res.Schedule.Growth > max(share, chanceOfGrowth(n))
}

// notKeptUp says so for people.
func (res *Result) notKeptUp() string {
	or := ""
	if s := res.Schedule; s.Backlog.Count > 0 && s.Connections >= res.Load.MaxClients {
		or = fmt.Sprintf(", or not over the %s that -c allows", Plural(res.Load.MaxClients, "connection"))
	}
	return fmt.Sprintf("the server does not keep up%s: with each second requests wait %.0f ms longer", or, 1000*res.Schedule.Growth)
}

// mostGrowth is the most of several runs: laid end to end they would show the differences between them.
func mostGrowth(all []*Result) (most float64) {
	for _, r := range all {
		if r.Schedule != nil {
			most = max(most, r.Schedule.Growth)
		}
	}
	return most
}
