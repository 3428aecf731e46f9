package tune

import (
	"context"
	"fmt"
	"slices"
	"time"

	"girin/internal/bench"
	"girin/internal/lab"
	"girin/internal/neighbours"
)

// Checked is whether the settings of a file hold the SLO at a rate.
type Checked struct {
	File    string        `json:"file"`
	Rate    float64       `json:"rate"`
	SLO     string        `json:"slo"`
	Verdict bench.Verdict `json:"verdict"`
	Reason  string        `json:"reason,omitempty"`
	Runs    []Point       `json:"runs"`

	OthersCPU float64 `json:"others_cpu,omitempty"` // cores that other programs used meanwhile
	cores     int
}

// checkRuns is how many fresh servers are asked: what one of them does may be chance.
const checkRuns = 3

// Check serves the application with a file's own settings and asks at a rate. It holds if every run
// does, and fails if most do; all else is undecided.
func Check(ctx context.Context, o Options) (*Checked, error) {
	slo, err := bench.ParseSLO(o.SLO)
	if err != nil {
		return nil, err
	}
	s, err := newServers(o, slo)
	if err != nil {
		return nil, err
	}
	defer s.close()
	if _, err := s.prepare(ctx); err != nil {
		return nil, err
	}
	c := &Checked{File: o.Config, Rate: o.Rate, SLO: o.SLO, cores: o.Cores}
	watch := neighbours.Watch()
	defer func() { c.OthersCPU = watch.Cores(0) }()
	var verdicts []bench.Verdict
	for i := range checkRuns {
		v, err := s.checkOnce(ctx, c, uint64(i))
		if err != nil {
			return nil, err
		}
		verdicts = append(verdicts, v)
		s.say(c.line())
		if c.Verdict = together(verdicts); len(verdicts) > 1 && c.Verdict == bench.Fails {
			break // what the last one says does not change it
		}
	}
	return c, nil
}

// together is the verdict of several runs.
func together(runs []bench.Verdict) bench.Verdict {
	holds, fails := 0, 0
	for _, v := range runs {
		switch v {
		case bench.Holds:
			holds++
		case bench.Fails:
			fails++
		}
	}
	switch {
	case len(runs) > 0 && holds == len(runs):
		return bench.Holds
	case fails > len(runs)/2:
		return bench.Fails
	}
	return bench.Undecided
}

// enough is how many requests can show that fewer than one in a thousand fails.
const enough = 3600

const longestWarmup = 2 * time.Second

// checkOnce asks one fresh server, for as long as certainty needs and the budget allows.
func (s *servers) checkOnce(ctx context.Context, c *Checked, run uint64) (bench.Verdict, error) {
	server, err := s.startChecked(ctx, c)
	if err != nil {
		return "", err
	}
	if run == 0 {
		server, err = s.sift(ctx, server, func(ctx context.Context) (*lab.Server, error) { return s.startChecked(ctx, c) })
	}
	if server != nil {
		defer server.Stop()
	}
	if err != nil {
		return "", err
	}
	if run == 0 {
		s.say(sayWorkload(s.work))
	}
	o := s.load(server, s.opts.Seed+run)
	o.Rate = bench.RateCurve{From: c.Rate, To: c.Rate}
	o.Duration = min(max(time.Duration(enough/c.Rate*float64(time.Second)), 3*time.Second), s.opts.Budget/(checkRuns+1))
	o.Warmup = min(o.Duration, longestWarmup) // besides, what auto takes to learn
	o.Timeout = max(2*s.slo.HighestLimit(), time.Second)
	res, err := bench.Run(ctx, o)
	if cause := context.Cause(ctx); cause != nil {
		return "", cause
	}
	if err != nil {
		c.Reason = err.Error()
		return bench.Fails, nil
	}
	return c.judge(res, s.slo), nil
}

// startChecked starts a server with the file's own settings.
func (s *servers) startChecked(ctx context.Context, c *Checked) (*lab.Server, error) {
	server, err := s.start(ctx, nil, true)
	if cause := context.Cause(ctx); cause != nil {
		return nil, cause
	}
	if err != nil {
		return nil, fmt.Errorf("with %s: %w", c.File, err)
	}
	return server, nil
}

func (c *Checked) judge(res *bench.Result, slo bench.SLOSpec) bench.Verdict {
	bench.Guard{SLO: slo}.Judge(res)
	p := Point{Rate: c.Rate, P50MS: res.Latency.MedianMS, P99MS: res.Latency.At(99), Held: res.SLO.Verdict == bench.Holds,
		Sure: res.SLO.Verdict != bench.Undecided, Failed: float64(res.Requests.Failed) / float64(max(res.Requests.Done, 1))}
	c.Runs = append(c.Runs, p)
	for _, clause := range res.SLO.Clauses {
		if clause.Verdict != bench.Holds {
			c.Reason = clause.Clause + " " + string(clause.Verdict)
			if clause.Reason != "" {
				c.Reason += ": " + clause.Reason
			}
		}
	}
	if res.Client.Bottleneck {
		c.Reason = "the load generator was the bottleneck"
		return bench.Undecided
	}
	if res.Rate.Achieved < 0.95*res.Rate.Offered {
		c.Reason = fmt.Sprintf("only %.1f requests per second could be sent in time", res.Rate.Achieved)
		return bench.Fails
	}
	if i := slices.IndexFunc(res.Doubts, func(d bench.Doubt) bool { return d.Code == "growing" }); i >= 0 {
		c.Reason = res.Doubts[i].Text // the objective may hold now, and would not for longer
		return bench.Fails
	}
	return res.SLO.Verdict
}

// line tells the last run.
func (c *Checked) line() string {
	if len(c.Runs) == 0 {
		return c.Reason
	}
	p := c.Runs[len(c.Runs)-1]
	return fmt.Sprintf("%s requests/s: p50 %s, p99 %s, %.3g %% failed", figure(p.Rate), Millis(p.P50MS), Millis(p.P99MS), 100*p.Failed)
}

// Sentence is the answer.
func (c *Checked) Sentence() string {
	s := fmt.Sprintf("The settings of %s ", c.File)
	switch c.Verdict {
	case bench.Holds:
		return s + fmt.Sprintf("hold %s at %s requests/s.", c.SLO, figure(c.Rate))
	case bench.Fails:
		s += fmt.Sprintf("do not hold %s at %s requests/s", c.SLO, figure(c.Rate))
	default:
		s = fmt.Sprintf("It is undecided whether the settings of %s hold %s at %s requests/s", c.File, c.SLO, figure(c.Rate))
	}
	if c.Reason != "" {
		s += ": " + c.Reason
	}
	if neighbours.Crowd(c.OthersCPU, c.cores) {
		s += fmt.Sprintf("; other programs used %.1f of %d cores meanwhile", c.OthersCPU, c.cores)
	}
	return s + "."
}
