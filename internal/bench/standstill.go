package bench

import (
	"slices"
	"time"
)

// A closed loop sends nothing while it waits: of a server that stands still it sees one request for each client, however long
// that lasts, and no percentile need show it (coordinated omission). Those who send at times of their own would meet the
// standstill as often as it takes time. Here their p99 is made out from the stretches in which no answer came:
//
//	        answers  |||||||||                  ||||||||
//	                         |<----- gap ----->|
//	who comes at this moment, waits  |<------->|
//
// One that comes at any moment of a run of length T waits longer than x with the probability sum(gap - x) / T.

// standstill is what a closed loop has not met.
type standstill struct {
	total, longest time.Duration // of the gaps that are longer than the p99
	p99            time.Duration // of those who come at times of their own, if they have to wait for the next answer
}

// stoodStill looks for a standstill. There is none in the open loop, which meets it; where clients come and go, gaps say
// nothing; and where nothing succeeds, there is no p99 that could hide one. In a standstill all clients wait, so whoever is
// answered after it has waited as long: what a gap has beyond that is the client's own, which had no core.
func (res *Result) stoodStill() (s standstill) {
	if res.open() || res.Load.Stages != "" || res.Latency.Count == 0 || !res.Samples.Complete && len(res.Runs) > 1 {
		return s
	}
	least := res.latency.quantile(0.99)
	var gaps []int64
	var last int64
	for i := range res.samples { // in the order in which they ended
		waited, _ := mLatency.of(&res.samples[i], false)
		if gap := min(res.samples[i].done-last, waited); gap > least {
			gaps = append(gaps, gap)
			s.total += time.Duration(gap)
		}
		last = res.samples[i].done
	}
	if len(gaps) == 0 {
		return s
	}
	s.longest = time.Duration(slices.Max(gaps))
	s.p99 = time.Duration(waitOf(gaps, int64(0.01*float64(last))))
	return s
}

// waitOf is the x for which sum(gap - x), of gaps longer than x, is the budget; 0 if all gaps together are less.
func waitOf(gaps []int64, budget int64) int64 {
	slices.SortFunc(gaps, func(a, b int64) int { return int(b - a) })
	var sum int64
	for i, gap := range gaps {
		sum += gap
		x := (sum - budget) / int64(i+1) // if the gaps so far are those longer than x
		if i+1 == len(gaps) || x >= gaps[i+1] {
			return max(x, 0)
		}
	}
	return 0
}

// hiding is how many times the p99 that is shown the other must be, to be worth a word.
const hiding = 2

func doubtStandstill(res *Result) []Doubt {
	s, shown := res.stoodStill(), res.latency.quantile(0.99)
	return doubtIf(s.p99 > time.Duration(hiding*shown), "standstill",
		"No answer came for %s in all, up to %s at a time, and a closed loop sends nothing while it waits: requests that come at times of their own may have a p99 of %s. --rate measures that.",
		formatMS(ms(int64(s.total))), formatMS(ms(int64(s.longest))), formatMS(ms(int64(s.p99))))
}
