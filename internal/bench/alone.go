package bench

import (
	"context"
	"fmt"
	"maps"
	"slices"
)

// Part is one kind of request of a mix, and what became of it when nothing else was asked.
type Part struct {
	Name  string
	Share float64 // of all requests, 0 to 1
	Alone *Result
}

// Hopeless says why no rate can be low enough for a mix of requests: what some of them do even when nothing else is asked is
// too slow, or fails, in more of all requests than a clause allows. It is empty where the parts' requests do not show that.
func (spec SLOSpec) Hopeless(parts []Part) string {
	for _, c := range spec {
		allowed, limited := c.allowed()
		if !limited {
			continue
		}
		sum, most, worst := 0.0, 0.0, Part{}
		for _, p := range parts {
			bad, done := c.broken(p.Alone)
			if c.metric == "p" && 2*bad < done {
				continue // slow now and then: the machine's doing, perhaps, or this server's
			}
			share := p.Share * atLeast(bad, done)
			if sum += share; share > most {
				most, worst = share, p
			}
		}
		if sum > allowed {
			return c.blames(worst)
		}
	}
	return ""
}

// allowed is which share of the requests may break a clause; false if it is not about shares.
func (c sloClause) allowed() (share float64, limited bool) {
	switch {
	case !c.less:
		return 0, false
	case c.metric == "p":
		return 1 - c.p/100, true
	case c.metric == "errors":
		return c.limit, c.limit < 1
	}
	return 0, false
}

// broken counts the requests of a result that break a clause of latency or of errors.
func (c sloClause) broken(res *Result) (bad, done int64) {
	if res == nil {
		return 0, 0
	}
	bad, done = res.Requests.Failed, res.Requests.Done
	if c.metric == "p" {
		bad += res.latency.above(int64(c.limit*1e6), !c.equal)
	}
	return bad, done
}

// blames says what a part does alone.
func (c sloClause) blames(p Part) string {
	median, p99 := p.Alone.quantileOfAll(0.5), p.Alone.quantileOfAll(0.99)
	if bad, _ := c.broken(p.Alone); 2*p.Alone.Requests.Failed >= bad {
		text := fmt.Sprintf("%d of %d requests of %s failed, though nothing else was asked", p.Alone.Requests.Failed, p.Alone.Requests.Done, p.Name)
		for _, kind := range slices.Sorted(maps.Keys(p.Alone.ErrorExamples)) {
			return text + " (" + p.Alone.ErrorExamples[kind] + ")" + c.beside(p)
		}
		return text + c.beside(p)
	}
	text := fmt.Sprintf("%s alone takes %s", p.Name, formatMS(median))
	if p99 < beyondAll {
		text += ", and its own p99 is " + formatMS(p99)
	}
	return text + c.beside(p)
}

// beside is how often a part is asked, if there are others.
func (c sloClause) beside(p Part) string {
	if p.Share > 0.9999 {
		return ""
	}
	return fmt.Sprintf("; it is %.3g %% of all requests", 100*p.Share)
}

// atLeast is what share of bad requests there is at least, with 95 % confidence, where bad of done were
// (Clopper and Pearson 1934).
func atLeast(bad, done int64) float64 {
	if bad == 0 {
		return 0
	}
	low, high := 0.0, float64(bad)/float64(done)
	for range 50 {
		p := (low + high) / 2
		if 1-binomialCDF(bad-1, done, p) < 0.05 {
			low = p
		} else {
			high = p
		}
	}
	return low
}

// alonePerTarget is how often each target is asked alone: five that are too slow show that most are.
const alonePerTarget = 5

// hopeless asks for each target alone, and says why the mix of them holds at no rate; empty if that is not shown.
func (f *finder) hopeless(ctx context.Context) string {
	if f.Options.Scenario { // a step needs those before it
		return ""
	}
	var parts []Part
	var weights float64
	for _, t := range f.Options.Targets {
		o := f.Options
		o.Targets, o.Rate, o.Clients, o.Requests, o.Duration, o.Warmup = []Target{t}, RateCurve{}, 1, alonePerTarget, 0, 0
		res, err := f.run(ctx, o)
		if err != nil || ctx.Err() != nil {
			return ""
		}
		weight := float64(max(t.Weight, 1))
		weights += weight
		name := t.URL
		if len(res.Targets) == 1 {
			name = res.Targets[0].Method + " " + t.URL
		}
		parts = append(parts, Part{name, weight, res})
	}
	for i := range parts {
		parts[i].Share /= weights
	}
	return f.SLO.Hopeless(parts)
}
