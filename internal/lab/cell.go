package lab

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	"girin/internal/bench"
	"girin/internal/lab/plan"
	"girin/internal/lab/result"
	"girin/internal/verdict"
)

// newRun makes the record of one stream before anything is known of it.
func newRun(v plan.Visit, order int, scenario plan.Scenario, phase plan.Phase, stream plan.Stream) result.Run {
	run := result.Run{
		Visit: v.Key(), Block: v.Block, Order: order, Setting: v.Setting,
		Scenario: scenario.Name, Phase: phase.Name, Stream: stream.Name,
		Kind: stream.Kind, Path: stream.Path,
		Clients: stream.Load.Clients, Offered: stream.Load.Rate, Keepalive: stream.Load.Keepalive,
		TakesS: stream.Takes.Seconds(), Ideal: stream.Ideal,
		Started: time.Now(),
	}
	return run
}

// fill takes over what the load generator found.
func fill(run *result.Run, l load, phase plan.Phase) {
	r := &l.result
	run.Started = r.StartedAt
	run.DurationS = r.DurationS
	run.OK, run.Failed, run.Aborted = r.Requests.OK, r.Requests.Failed, r.Requests.Aborted
	run.Errors = r.Errors
	run.Rate = rateWithin(l, phase)
	run.P99DueMS = dueP99(l)
	run.Latency = latency(l)
	run.TimePerRequestMS = run.Latency.Mean
	if !l.stream.Load.Open() && run.Rate > 0 {
		run.TimePerRequestMS = 1000 * float64(l.stream.Load.Clients) / run.Rate
	}
	run.AppMS, run.AppMinMS = appTimes(l.requests)
	run.ClientCPU = r.Client.CPUShare
	run.Stamps = stamps(l.requests, r.StartedMonotonicNS)
	for _, d := range r.Doubts {
		run.Doubts = append(run.Doubts, d.Text)
	}
	run.Invalid = invalid(l, len(phase.Streams) > 1)
}

// rateWithin is successes per second. Among streams that compete only what was answered
// within the phase counts: what a starved one gets once the others have ended is no
// measure of what it got beside them.
func rateWithin(l load, phase plan.Phase) float64 {
	seconds := phase.Duration.Seconds()
	if len(phase.Streams) == 1 && l.stream.Load.Requests > 0 || seconds <= 0 || !l.result.Samples.Complete {
		return l.result.Rate.OK
	}
	return float64(answeredWithin(l.requests, 1000*seconds)) / seconds
}

// dueP99 is the 99th percentile of all that were due, in milliseconds.
func dueP99(l load) float64 {
	n := l.result.Requests
	due := n.OK + n.Failed + n.Aborted
	if due == 0 {
		return verdict.Worst
	}
	rank := int64(math.Ceil(0.99 * float64(due)))
	if rank > n.OK {
		return verdict.Worst
	}
	latencies := latenciesOf(l.requests, l.stream.Load.Open())
	if int64(len(latencies)) == n.OK {
		return latencies[rank-1]
	}
	return l.result.Runs[0].P99MS // there were more requests than are kept one by one
}

func latency(l load) result.Latency {
	d := l.result.Latency
	out := result.Latency{Mean: d.MeanMS, Min: d.MinMS, P50: d.MedianMS, Max: d.MaxMS}
	for _, p := range d.Percentiles {
		if target := percentile(&out, p.P); target != nil {
			*target = p.MS
			if !p.Reliable {
				out.Unsure = append(out.Unsure, p.P)
			}
		}
	}
	return out
}

func percentile(l *result.Latency, p float64) *float64 {
	switch p {
	case 90:
		return &l.P90
	case 95:
		return &l.P95
	case 99:
		return &l.P99
	}
	return nil
}

// Beyond these the load generator, not the server, is what was measured. girin bench itself
// doubts from a lag of a tenth of the median on; here the p99 is the result, and cores that
// the plan saturates delay the client a little too.
const (
	maxClientCPU = 0.8
	maxLagShare  = 0.2 // of the p99
)

// invalid says why a run does not count, or nothing. Beside other streams a timeout is a
// finding, starvation, and no fault of the measurement.
func invalid(l load, competing bool) string {
	r := &l.result
	failed := r.Requests.Failed
	if competing {
		failed -= r.Errors["timeout"]
	}
	switch {
	case r.Partial:
		return "the load ended early: " + r.PartialReason
	case failed > 0:
		return fmt.Sprintf("%d of %d requests failed: %s", r.Requests.Failed, r.Requests.Done, firstError(r.ErrorExamples))
	case r.Client.CPUShare > maxClientCPU:
		return fmt.Sprintf("the load generator was the bottleneck: it used %.0f %% of its CPU", 100*r.Client.CPUShare)
	case lag(r) > maxLagShare*latency(l).P99:
		return fmt.Sprintf("the load generator was the bottleneck: it sent 1 %% of the requests more than %.3g ms late", lag(r))
	case r.Content.StatusesDiffer:
		return "answers had different statuses"
	case r.Content.BodiesDiffer && l.stream.Body == "same":
		return "answers had different bodies"
	}
	return ""
}

// lag is the 99th percentile of how late an open loop's requests were sent although a
// connection was free.
func lag(r *bench.Result) float64 {
	if r.Schedule == nil {
		return 0
	}
	for _, p := range r.Schedule.Lag.Percentiles {
		if p.P == 99 {
			return p.MS
		}
	}
	return 0
}

func firstError(examples map[string]string) string {
	for _, kind := range slices.Sorted(maps.Keys(examples)) {
		return kind + ": " + examples[kind]
	}
	return "unknown"
}
