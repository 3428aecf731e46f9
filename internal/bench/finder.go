package bench

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"
)

// idleTooSlow ends a search: no rate can be low enough.
type idleTooSlow struct{ why string }

func (e idleTooSlow) Error() string {
	return "even a single request takes longer than the SLO allows, or fails: " + e.why
}

// finder is a search under way.
type finder struct {
	RateSearch
	found *RateFinding
	falls int // from rate to rate, none of which has held
}

// enoughFalls is how many are a reason to ask for each target alone.
const enoughFalls = 3

// first is the rate to begin with.
func (f *finder) first(ctx context.Context) (float64, error) {
	if f.Start > 0 {
		return f.Start, nil
	}
	o := f.Options
	o.Rate, o.Poisson = RateCurve{}, false
	o.Duration = max(o.Duration/5, 300*time.Millisecond)
	if o.Clients = min(o.Clients, 16); o.Clients == 0 {
		o.Clients = 16
	}
	res, err := f.run(ctx, o)
	f.Options.Warmup = 0
	switch {
	case err != nil:
		return 0, err
	case res.Requests.OK == 0:
		return 0, noSuccess(ctx, res)
	}
	return max(res.Rate.OK, leastRate), nil
}

// noSuccess is the error of a load none of whose requests succeeded.
func noSuccess(ctx context.Context, res *Result) error {
	if cause := context.Cause(ctx); cause != nil {
		return errors.New(reasonOf(cause))
	}
	for _, kind := range slices.Sorted(maps.Keys(res.ErrorExamples)) {
		return fmt.Errorf("no request succeeded: %s", res.ErrorExamples[kind])
	}
	return errors.New("no request succeeded")
}

// bracket closes in on the border between rates that hold and rates that do not, and returns the highest that held.
func (f *finder) bracket(ctx context.Context, rate float64) (low float64, err error) {
	step := f.Step
	for len(f.found.Probes) < maxProbes {
		p, err := f.probe(ctx, rate, 1, false)
		if err == nil && !p.Held {
			p, err = f.again(ctx, p)
		}
		if err != nil {
			return low, err
		}
		if p.Held {
			low = rate
		} else {
			f.found.FailsAt = rate
		}
		high := f.found.FailsAt
		switch {
		case high == 0 && low >= f.Max:
			return low, nil
		case high == 0:
			rate = min(step*rate, f.Max)
			step = min(step*step, max(f.Step, longestStep)) // one hold after the other: it is far away
		case low == 0 && rate <= f.Floor:
			return 0, nil
		case low == 0:
			if f.falls++; f.falls == enoughFalls && len(f.Options.Targets) > 1 {
				if why := f.hopeless(ctx); why != "" {
					return 0, idleTooSlow{why}
				}
			}
			rate = f.below(p)
		case high <= low*(1+f.Precision):
			return low, nil
		default:
			rate = f.between(p, low, high)
		}
	}
	return low, nil
}

// longestStep is how far steps grow that begin small.
const longestStep = 2

// between is the next rate to try between one that held and one that failed: the middle, or what the server did in fact when it
// was asked for too much.
func (f *finder) between(p RateProbe, low, high float64) float64 {
	did := p.Result.Rate.OK
	if f.overloaded(p) && did > low*(1+f.Precision) && did*(1+f.Precision) < high {
		return did
	}
	return math.Sqrt(low * high)
}

// overloaded reports whether a probe failed so clearly that it need not be tried again: even its median is beyond all limits,
// or the queue grew too quickly for chance.
func (f *finder) overloaded(p RateProbe) bool {
	return !p.Held && (p.P50MS > ms(int64(f.SLO.HighestLimit())) || p.Result.growing(clearGrowth))
}

// isLast reports whether nothing will be asked after a probe: it failed where the search ends.
func (f *finder) isLast(p RateProbe) bool {
	return f.Floor > leastRate && p.Rate <= f.Floor && f.overloaded(p)
}

// below is the next rate to try after one has failed and none has held: a step less, or what the server did in fact when it
// was asked for too much, if that is less still.
func (f *finder) below(p RateProbe) float64 {
	rate := p.Rate / f.Step
	if f.overloaded(p) {
		rate = max(min(rate, p.Result.Rate.OK), p.Rate/deepestFall)
	}
	return max(rate, f.Floor)
}

// deepestFall bounds a fall: some servers answer hardly anything when they are asked for too much.
const deepestFall = 8

// take makes a rate that has held the answer.
func (f *finder) take(rate float64) {
	for _, p := range f.found.Probes {
		if p.Rate == rate && p.Held {
			f.found.Rate, f.found.Verdict = rate, p.Verdict
		}
	}
	if f.found.Verdict != Holds {
		f.found.Reason = "held as far as the sample can tell"
	}
}

// confirm tries the rate again, for twice as long and with other arrivals; where it fails, a lower one.
func (f *finder) confirm(ctx context.Context, rate float64) error {
	for i := range confirmations {
		p, err := f.probe(ctx, rate, 2, true)
		if err != nil {
			return err
		}
		if p.Held {
			f.found.Rate, f.found.Verdict = rate, p.Verdict
			if p.Verdict != Holds {
				f.found.Reason = "held as far as the sample can tell; a longer -d tells more"
			}
			return nil
		}
		f.found.FailsAt = rate
		rate /= 1 + float64(i+1)*f.Precision
	}
	f.found.Reason = "no rate held twice: the server is not steady"
	return nil
}

// probe tries one rate, for so many times the usual length.
func (f *finder) probe(ctx context.Context, rate float64, times int, confirms bool) (RateProbe, error) {
	o := f.Options
	o.Rate = RateCurve{rate, rate}
	o.Seed += uint64(len(f.found.Probes))
	o.Duration = f.length(rate) * time.Duration(times)
	res, err := f.run(ctx, o)
	if kindOf(err) == ErrTimeout && ctx.Err() == nil && len(f.found.Probes) > 0 && f.settle(ctx) {
		res, err = f.run(ctx, o) // what was asked before had filled the queue of those who connect
	}
	f.Options.Warmup = 0
	if err != nil {
		return RateProbe{}, err
	}
	if ctx.Err() != nil {
		return RateProbe{}, errors.New(reasonOf(context.Cause(ctx)))
	}
	p := RateProbe{Rate: rate, DurationS: res.DurationS, Confirms: confirms, Done: res.Requests.Done, Failed: res.Requests.Failed,
		P50MS: res.quantileOfAll(0.5), P99MS: res.quantileOfAll(0.99), Result: res}
	p.Verdict, p.Held, p.Reason = f.SLO.leaning(res)
	switch {
	case res.Partial:
		p.Verdict, p.Held, p.Reason = Fails, false, res.PartialReason
	case res.Rate.Achieved < 0.95*res.Rate.Offered && res.Requests.Done >= 20:
		p.Verdict, p.Held = Fails, false
		p.Reason = fmt.Sprintf("only %.1f requests per second could be sent in time", res.Rate.Achieved)
	case p.Held && res.growing(min(f.Precision, defaultPrecision)):
		p.Verdict, p.Held, p.Reason = Fails, false, res.notKeptUp()
	}
	if res.Client.Bottleneck {
		p.Reason = strings.TrimSpace(p.Reason + " (the client was the bottleneck)")
	}
	f.found.Probes = append(f.found.Probes, p)
	if f.Progress != nil {
		f.Progress(p)
	}
	if !p.Held && !f.isLast(p) && !f.settle(ctx) {
		if why := f.hopeless(ctx); why != "" {
			return p, idleTooSlow{why}
		}
	}
	return p, nil
}

// length is how long a probe lasts: as long as it takes to have the requests that the SLO's rarest percentile needs.
func (f *finder) length(rate float64) time.Duration {
	usual := f.Options.Duration
	var needs int64
	for _, c := range f.SLO {
		switch {
		case c.metric == "p":
			needs = max(needs, Needs(c.p))
		case c.metric == "errors" && !f.Once && 0 < c.limit && c.limit < 1:
			needs = max(needs, Needs(100*(1-c.limit)))
		}
	}
	return min(max(usual, seconds(1.2*float64(needs)/rate)), time.Duration(f.Longest)*usual)
}

// settle waits until a server that had too much to do answers a single request within the SLO's limits again. It reports false
// if single requests take longer than that, or fail, though nothing else is asked: behind a backlog they get quicker from one
// to the next, on a server that is always so slow they do not.
func (f *finder) settle(ctx context.Context) bool {
	o := f.Options
	o.Rate, o.Clients, o.Requests, o.Duration, o.Timeout = RateCurve{}, 1, 1, 0, max(o.Timeout, time.Second)
	limit := ms(int64(f.SLO.HighestLimit()))
	last, alike, began, succeeded := math.Inf(1), 0, time.Now(), time.Now()
	for time.Since(began) < longestSettling && ctx.Err() == nil {
		res, err := f.run(ctx, o)
		if err != nil || res.Requests.OK == 0 {
			if time.Since(succeeded) > longestFailing {
				return false
			}
			f.pause(ctx, 200*time.Millisecond)
			continue
		}
		succeeded = time.Now()
		took := res.Latency.MaxMS
		if limit == 0 || took <= limit {
			return true
		}
		if alike++; took < 0.8*last {
			alike = 0
		}
		if last = took; alike == 5 {
			return false
		}
	}
	return true
}

func (f *finder) pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// leaning judges res and says what its figures lean to where the sample is too small for a verdict.
func (spec SLOSpec) leaning(res *Result) (Verdict, bool, string) {
	judged, held, reason := spec.judge(res), true, ""
	for i, c := range judged.Clauses {
		if c.Verdict == Fails || c.Verdict == Undecided && !spec[i].holds(c.Value) {
			held = false
			reason = fmt.Sprintf("%s: %s", c.Clause, spec[i].format(c.Value))
		}
	}
	return judged.Verdict, held && res.Requests.Done > 0, reason
}

// format writes a value of the clause's metric.
func (c sloClause) format(v float64) string {
	switch {
	case v == beyondAll:
		return "failures are above every limit"
	case c.metric == "errors":
		return fmt.Sprintf("%.3g %%", 100*v)
	case c.metric == "rps":
		return fmt.Sprintf("%.1f", v)
	}
	return formatMS(v)
}
