package bench

import (
	"context"
	"errors"
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
	// Learns is for a server that comes to know its load while it has it: see finder.again.
	Learns bool
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
	longestFailing   = 5 * time.Second // of single requests, while a server settles
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
	TooSlow bool        `json:"too_slow,omitempty"` // what is asked breaks the SLO even when nothing else is asked
	Stopped bool        `json:"stopped,omitempty"`  // before its end: Rate is what has held until then
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
	case errors.As(err, new(idleTooSlow)) && low == 0:
		f.found.Verdict, f.found.Reason, f.found.TooSlow = Fails, err.Error(), true
	case err != nil && len(f.found.Probes) == 0:
		return nil, err
	case err != nil && f.Once && low > 0:
		f.take(low) // what held is known, only not whether more would
		f.found.Stopped = true
	case err != nil:
		if f.found.Rate == 0 && (f.found.FailsAt == 0 || low < f.found.FailsAt) {
			f.found.Rate = low // has held once: what is known
		}
		f.found.Verdict, f.found.Stopped, f.found.Reason = Undecided, true, "the search ended early: "+err.Error()
	case f.found.Rate == 0 && f.found.Reason == "":
		f.found.Verdict = Fails
	case f.found.Rate > 0 && f.found.Verdict == Holds && f.found.clientFailed():
		f.found.Verdict, f.found.Reason = Undecided, "there the client was the bottleneck, and the server may hold more"
	}
	return f.found, nil
}

// clientFailed reports whether the rate that failed has failed only where the client was the bottleneck.
func (f *RateFinding) clientFailed() (so bool) {
	for _, p := range f.Probes {
		if p.Rate == f.FailsAt && !p.Held {
			if so = p.Result.Client.Bottleneck; !so {
				return false
			}
		}
	}
	return so
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
func (spec SLOSpec) HighestLimit() time.Duration { return time.Duration(spec.highest().limit * 1e6) }

// HighestClause is the clause that has it, as it was written.
func (spec SLOSpec) HighestClause() string { return spec.highest().text }

func (spec SLOSpec) highest() (most sloClause) {
	for _, c := range spec {
		if c.metric != "errors" && c.metric != "rps" && c.limit > most.limit {
			most = c
		}
	}
	return most
}
