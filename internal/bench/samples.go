package bench

import (
	"cmp"
	"slices"
)

// gatherSamples lays all samples in one slice, in the order in which they ended. A run can have a million of them, and its
// end counts as the client's CPU time: they are dealt into buckets by time first, so that only neighbours need comparing.
func (res *Result) gatherSamples(clients []*client, captured map[*sample][]string) {
	var order []*sample
	var last int64
	for _, c := range clients {
		for _, chunk := range c.rec.chunks {
			for i := range chunk {
				order = append(order, &chunk[i])
				last = max(last, chunk[i].done)
			}
		}
	}
	order = byTime(order, last)
	res.samples = make([]sample, len(order))
	res.captured = map[int][]string{}
	for i, s := range order {
		res.samples[i] = *s
		if len(captured) == 0 {
			continue
		}
		if values, ok := captured[s]; ok {
			res.captured[i] = values
		}
	}
}

// byTime sorts samples by when they ended, which is between 0 and last.
func byTime(samples []*sample, last int64) []*sample {
	const perBucket = 8
	n := len(samples)/perBucket + 1
	width := last/int64(n) + 1
	starts := make([]int, n+1)
	for _, s := range samples {
		starts[s.done/width+1]++
	}
	for b := range n {
		starts[b+1] += starts[b]
	}
	sorted := make([]*sample, len(samples))
	next := slices.Clone(starts)
	for _, s := range samples {
		b := s.done / width
		sorted[next[b]] = s
		next[b]++
	}
	for b := range n {
		slices.SortFunc(sorted[starts[b]:starts[b+1]], func(a, b *sample) int { return cmp.Compare(a.done, b.done) })
	}
	return sorted
}

// exactPhases is up to how many samples percentiles of phases are exact. Beyond it they have three digits, which takes a
// fraction of the time of sorting, and of latency alone every digit is kept.
const exactPhases = 20_000

// describeSamples computes every distribution. beyond is nil if samples are all there were; what it lacks of them is added.
func (res *Result) describeSamples(samples []sample, beyond *tallies) {
	open := res.open()
	of := func(m metric) Distribution {
		phases := beyond
		if phases == nil && len(samples) > exactPhases {
			phases = new(tallies)
		}
		return newSeries(m, samples, phases, open).distribution()
	}
	some := func(m metric) *Distribution {
		if d := of(m); d.Count > 0 {
			return &d
		}
		return nil
	}
	res.latency = newSeries(mLatency, samples, beyond, open)
	res.Latency = res.latency.distribution()
	res.Histogram = res.latency.bins()
	res.Phases = Phases{Connect: of(mConnect), Processing: of(mProcessing), Waiting: of(mWaiting),
		Queue: some(mQueue), App: some(mApp), Network: some(mNetwork)}
	res.Load.ServerTiming = res.Phases.App != nil
	res.Batches = batches(res.samples, open)
	res.Samples = Samples{Kept: int64(len(res.samples)), Complete: beyond == nil}
	if open {
		res.Schedule = &Schedule{Lag: of(mLag), Backlog: of(mBacklog), Connections: res.Load.Clients, Growth: res.growth()}
	}
}
