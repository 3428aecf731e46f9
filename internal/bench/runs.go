package bench

import (
	"context"
	"slices"
	"time"

	"girin/internal/neighbours"
	"girin/internal/verdict"
)

// RunFigures is what one run has found. Requests of a run are not independent, runs are: intervals and --against take a
// run for one sample.
type RunFigures struct {
	DurationS float64 `json:"duration_s"`
	Done      int64   `json:"done"`
	Failed    int64   `json:"failed"`
	Rate      float64 `json:"rate"` // successes per second
	MeanMS    float64 `json:"mean_ms"`
	// Percentiles are of all requests, and a failure takes longer than any success: 1.797e308 where one falls among failures.
	P50MS float64 `json:"p50_ms"`
	P90MS float64 `json:"p90_ms"`
	P99MS float64 `json:"p99_ms"`
	// OthersCPU is how many cores other programs used just before the run, where they leave too few.
	OthersCPU float64 `json:"others_cpu,omitempty"`
}

// Interval is the mean of a figure over runs, where the true mean lies with 95 % confidence (Student's t), and the extremes.
type Interval struct {
	Figure string  `json:"figure"`
	Mean   float64 `json:"mean"`
	Low    float64 `json:"low"`
	High   float64 `json:"high"`
	Min    float64 `json:"min"`
	Max    float64 `json:"max"`
}

// figure is one of the numbers of a run, by its name in the JSON.
type figure string

const (
	rateFigure   figure = "rate"
	meanFigure   figure = "mean_ms"
	p50Figure    figure = "p50_ms"
	p90Figure    figure = "p90_ms"
	p99Figure    figure = "p99_ms"
	errorsFigure figure = "errors"
)

func (f figure) of(r RunFigures) float64 {
	switch f {
	case rateFigure:
		return r.Rate
	case meanFigure:
		return r.MeanMS
	case p50Figure:
		return r.P50MS
	case p90Figure:
		return r.P90MS
	case p99Figure:
		return r.P99MS
	}
	return r.errorShare()
}

func (f RunFigures) errorShare() float64 { return float64(f.Failed) / float64(max(f.Done, 1)) }

// figuresOf sums a single run up.
func figuresOf(res *Result) RunFigures {
	return RunFigures{DurationS: res.DurationS, Done: res.Requests.Done, Failed: res.Requests.Failed, Rate: res.Rate.OK,
		MeanMS: res.Latency.MeanMS, P50MS: res.quantileOfAll(0.5), P90MS: res.quantileOfAll(0.9), P99MS: res.quantileOfAll(0.99)}
}

// runs are the runs of a result. One that an older girin wrote has none: it was one run, and only its successes are known.
func (res *Result) runs() []RunFigures {
	if len(res.Runs) > 0 {
		return res.Runs
	}
	d := res.Latency
	return []RunFigures{{DurationS: res.DurationS, Done: res.Requests.Done, Failed: res.Requests.Failed, Rate: res.Rate.OK,
		MeanMS: d.MeanMS, P50MS: d.At(50), P90MS: d.At(90), P99MS: d.At(99)}}
}

// RunTimes makes the same run n times, one after the other, each with a seed of its own, and merges what they found. What ends
// a run early ends the rest.
func RunTimes(ctx context.Context, o Options, n int) (*Result, error) {
	if n <= 1 {
		return runAmongOthers(ctx, o)
	}
	if o.MaxSamples == 0 {
		o.MaxSamples = DefaultMaxSamples
	}
	o.MaxSamples = max(o.MaxSamples/n, chunkLen)
	var all []*Result
	for i := range n {
		res, err := runAmongOthers(ctx, o)
		switch {
		case err != nil && i == 0:
			return nil, err
		case err != nil:
			merged := merge(all)
			merged.Partial, merged.PartialReason = true, err.Error()
			merged.doubt()
			return merged, nil
		}
		all = append(all, res)
		if res.Partial {
			break
		}
		o.Seed++
		o.Warmup = 0 // the server is warm
	}
	return merge(all), nil
}

// look is how long is looked at what other programs do, before a run: while nothing is asked, the server is not among them.
const look = 100 * time.Millisecond

// runAmongOthers makes a run, and notes what other programs used of the cores just before it.
func runAmongOthers(ctx context.Context, o Options) (*Result, error) {
	watch := neighbours.Watch()
	select {
	case <-ctx.Done():
	case <-time.After(look):
	}
	others := watch.Cores(0)
	res, err := Run(ctx, o)
	if err == nil && len(res.Runs) == 1 && neighbours.Crowd(others, neighbours.Usable) {
		res.Runs[0].OthersCPU = others
	}
	return res, err
}

// intervals sums runs up; nil for a single one, of which nobody can say how much the next would differ.
func intervals(runs []RunFigures) []Interval {
	if len(runs) < 2 {
		return nil
	}
	var out []Interval
	for _, f := range []figure{rateFigure, meanFigure, p50Figure, p90Figure, p99Figure, errorsFigure} {
		values := valuesOf(f, runs)
		v := Interval{Figure: string(f), Min: slices.Min(values), Max: slices.Max(values)}
		if v.Max == beyondAll { // no mean can be told where a run has no value
			v.Mean, v.Low, v.High = beyondAll, v.Min, beyondAll
		} else {
			v.Mean, v.Low, v.High = verdict.Mean(values)
			v.Low = max(0, v.Low)
		}
		out = append(out, v)
	}
	return out
}
