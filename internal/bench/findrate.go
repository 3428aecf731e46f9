package bench

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"
)

// RateSearch looks for the highest rate at which an SLO holds: open-loop probes, each of one rate, close in on it from both
// sides, and a longer one with other arrivals confirms it.
type RateSearch struct {
	// Options are the load. Rate and Requests are the search's own, Duration is that of a probe (zero: 5 s), and a Timeout
	// of zero is twice the SLO's highest limit, at least 1 s: what is slower has failed the SLO anyway, and is not waited for.
	Options Options
	SLO     SLOSpec
	Start   float64 // the first rate; zero: what a short closed loop reaches
	Max     float64 // no rate above it is tried; zero: 1e6 requests per second
	// Precision is how near the highest rate that holds and the lowest that fails must be. Zero means 0.05.
	Precision float64
	// Step is by what factor rates grow or shrink until one has held and one has failed. Zero means 2.
	Step float64
	// Floor is a rate below which no answer is wanted: if it fails, the search ends and Rate is 0. Zero means none.
	Floor float64
	// Once leaves out the confirmation: Rate is then the highest that held, once, and probes are not longer for the sake of
	// certainty about rare errors.
	Once bool
	// Longest is how many times Duration a probe may last where the rate is too low for a verdict. Zero means 6.
	Longest  int
	Progress func(RateProbe) // is told each probe; may be nil

	run func(context.Context, Options) (*Result, error) // Run, unless a test has another
}

// Bounds of a search.
const (
	defaultProbe     = 5 * time.Second
	defaultPrecision = 0.05
	defaultStep      = 2
	leastRate        = 0.1
	maxProbes        = 40
	defaultLongest   = 6
	confirmations    = 5
	longestSettling  = 30 * time.Second
)

// RateProbe is one rate that was tried.
type RateProbe struct {
	Rate      float64 `json:"rate"`
	DurationS float64 `json:"duration_s"`
	Confirms  bool    `json:"confirms,omitempty"` // it was to confirm the rate
	Verdict   Verdict `json:"verdict"`            // of the SLO
	Held      bool    `json:"held"`               // what the search took it for, where it was undecided too
	Reason    string  `json:"reason,omitempty"`
	Done      int64   `json:"done"`
	Failed    int64   `json:"failed"`
	P50MS     float64 `json:"p50_ms"` // of all requests: 1.797e308 if it falls among failures
	P99MS     float64 `json:"p99_ms"`
	Result    *Result `json:"-"`
}

// RateFinding is what a search has found.
type RateFinding struct {
	Version int     `json:"version"`
	Rate    float64 `json:"rate"`     // the highest that held, and held again; 0 if none did
	FailsAt float64 `json:"fails_at"` // the lowest rate above it that failed; 0 if none did
	// Verdict is Holds if Rate is certain (95 %), Undecided if it is not, Fails if the SLO holds at no rate.
	Verdict Verdict     `json:"verdict"`
	Reason  string      `json:"reason,omitempty"`
	Probes  []RateProbe `json:"probes"`
}

// FindRate searches. An error means that there is nothing to tell; if ctx ends, the finding is what is known until then.
func FindRate(ctx context.Context, s RateSearch) (*RateFinding, error) {
	if err := s.complete(); err != nil {
		return nil, &OptionError{err}
	}
	f := &finder{RateSearch: s, found: &RateFinding{Version: ResultVersion, Verdict: Undecided}}
	rate, err := f.first(ctx)
	if err != nil {
		return nil, err
	}
	var low float64
	low, err = f.bracket(ctx, min(rate, s.Max))
	switch {
	case err == nil && low > 0 && f.Once:
		f.take(low)
	case err == nil && low > 0:
		err = f.confirm(ctx, low)
	}
	switch {
	case errors.Is(err, errIdleTooSlow) && low == 0:
		f.found.Verdict, f.found.Reason = Fails, err.Error()
	case err != nil && len(f.found.Probes) == 0:
		return nil, err
	case err != nil:
		f.found.Verdict, f.found.Reason = Undecided, "the search ended early: "+err.Error()
	case f.found.Rate == 0 && f.found.Reason == "":
		f.found.Verdict = Fails
	}
	return f.found, nil
}

// complete checks s and fills in what is zero.
func (s *RateSearch) complete() error {
	switch {
	case len(s.SLO) == 0:
		return errors.New("a rate is found within an SLO, and none is given")
	case s.Precision < 0 || s.Start < 0 || s.Max < 0 || s.Floor < 0 || s.Longest < 0:
		return errors.New("precision and rates must not be negative")
	case s.Step != 0 && s.Step <= 1:
		return errors.New("a step must be above 1")
	}
	if s.Options.Duration == 0 {
		s.Options.Duration = defaultProbe
	}
	if s.Precision == 0 {
		s.Precision = defaultPrecision
	}
	if s.Step == 0 {
		s.Step = defaultStep
	}
	if s.Longest == 0 {
		s.Longest = defaultLongest
	}
	s.Floor = max(s.Floor, leastRate)
	if s.Max == 0 {
		s.Max = 1e6
	}
	if limit := s.SLO.HighestLimit(); s.Options.Timeout == 0 && limit > 0 {
		s.Options.Timeout = max(2*limit, time.Second)
	}
	s.Options.Requests = 0
	if s.run == nil {
		s.run = Run
	}
	return nil
}

// HighestLimit is the largest limit of latency; zero if there is none.
func (spec SLOSpec) HighestLimit() time.Duration {
	var most float64
	for _, c := range spec {
		if c.metric != "errors" && c.metric != "rps" {
			most = max(most, c.limit)
		}
	}
	return time.Duration(most * 1e6)
}

// errIdleTooSlow ends a search: no rate can be low enough.
var errIdleTooSlow = errors.New("even a single request takes longer than the SLO allows")

// finder is a search under way.
type finder struct {
	RateSearch
	found *RateFinding
}

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
		return 0, fmt.Errorf("no request succeeded: %v", res.ErrorExamples)
	}
	return max(res.Rate.OK, leastRate), nil
}

// bracket closes in on the border between rates that hold and rates that do not, and returns the highest that held.
func (f *finder) bracket(ctx context.Context, rate float64) (low float64, err error) {
	for len(f.found.Probes) < maxProbes {
		p, err := f.probe(ctx, rate, 1, false)
		if err == nil && !p.Held && !f.overloaded(p) {
			p, err = f.probe(ctx, rate, 1, false) // by chance, perhaps: a machine has other things to do
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
			rate = min(f.Step*rate, f.Max)
		case low == 0 && rate <= f.Floor:
			return 0, nil
		case low == 0:
			rate = max(rate/f.Step, f.Floor)
		case high <= low*(1+f.Precision):
			return low, nil
		default:
			rate = math.Sqrt(low * high)
		}
	}
	return low, nil
}

// overloaded reports whether a probe failed so clearly that it need not be tried again: even its median is beyond all limits.
func (f *finder) overloaded(p RateProbe) bool { return p.P50MS > ms(int64(f.SLO.HighestLimit())) }

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
	}
	if res.Client.Bottleneck {
		p.Reason += " (the client was the bottleneck)"
	}
	f.found.Probes = append(f.found.Probes, p)
	if f.Progress != nil {
		f.Progress(p)
	}
	if !p.Held && !f.settle(ctx) {
		return p, errIdleTooSlow
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
// if single requests take longer than that though nothing else is asked: behind a backlog they get quicker from one to the
// next, on a server that is always so slow they do not.
func (f *finder) settle(ctx context.Context) bool {
	o := f.Options
	o.Rate, o.Clients, o.Requests, o.Duration, o.Timeout = RateCurve{}, 1, 1, 0, max(o.Timeout, time.Second)
	limit := ms(int64(f.SLO.HighestLimit()))
	last, alike := math.Inf(1), 0
	for end := time.Now().Add(longestSettling); time.Now().Before(end) && ctx.Err() == nil; {
		res, err := f.run(ctx, o)
		if err != nil || res.Requests.OK == 0 {
			f.pause(ctx, 200*time.Millisecond)
			continue
		}
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
