package bench

import (
	"context"
	"time"
)

// Some servers get better at a load while they have it: they start workers and threads as these are needed (girin's class auto,
// Apache's event MPM, an autoscaler), they compile (PyPy, a JVM), they fill caches. A short probe of a rate that they could
// hold ends before they do. So a rate that has failed is tried again for as long as they do clearly better each time.

const (
	mostLessons = 4
	// lesson is how long a server is loaded before it is tried again: to have started a process, say.
	lesson = time.Second
	// better is by what factor a server must do more for another lesson.
	better = 1.05
)

// again tries a rate that has failed once more: where it may have been by chance, since a machine has other things to do; where
// the end of the probe would have held; and where the server learns, while that shows.
func (f *finder) again(ctx context.Context, p RateProbe) (RateProbe, error) {
	var err error
	if !f.overloaded(p) || f.endHeld(p) {
		if p, err = f.probe(ctx, p.Rate, 1, false); err != nil || p.Held {
			return p, err
		}
	}
	for range mostLessons {
		if !f.Learns && !f.endHeld(p) {
			return p, nil
		}
		did := p.Result.Rate.OK
		f.Options.Warmup = lesson
		if p, err = f.probe(ctx, p.Rate, 1, false); err != nil || p.Held || p.Result.Rate.OK < better*did {
			return p, err
		}
	}
	return p, nil
}

// endHeld reports whether the second half of what a probe sent is within the SLO.
func (f *finder) endHeld(p RateProbe) bool {
	half := p.Result.secondHalf()
	if half.Requests.Done < leastForGrowth {
		return false
	}
	_, held, _ := f.SLO.leaning(half)
	return held
}

// secondHalf is what became of the requests that were due in the second half of a run, as far as an SLO of latency and errors
// asks. It has nothing of a run too long for all samples to be kept.
func (res *Result) secondHalf() *Result {
	half := &Result{Load: res.Load, Rate: res.Rate}
	if res.beyond != nil {
		return half
	}
	var last int64
	for i := range res.samples {
		last = max(last, res.samples[i].scheduled)
	}
	var late []sample
	for i := range res.samples {
		if s := res.samples[i]; s.scheduled > last/2 {
			late = append(late, s)
			half.Requests.Done++
			if s.kind != Succeeded {
				half.Requests.Failed++
			}
		}
	}
	half.Requests.OK = half.Requests.Done - half.Requests.Failed
	half.latency = newSeries(mLatency, late, nil, true)
	half.Latency = half.latency.distribution()
	return half
}
