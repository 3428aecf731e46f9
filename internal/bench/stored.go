package bench

import (
	"errors"
	"fmt"
	"slices"

	hdr "github.com/HdrHistogram/hdrhistogram-go"
)

// encodeLatency packs the latencies for Result.LatencyHDR, which a stored result is merged and judged by.
func (res *Result) encodeLatency() {
	t := res.latencyTally()
	if t.n == 0 {
		return
	}
	b, err := t.hist.Encode(hdr.V2CompressedEncodingCookieBase)
	if err == nil {
		res.LatencyHDR = string(b)
	}
}

// latencyTally is the latency of successes as a histogram.
func (res *Result) latencyTally() tally {
	if t := res.latency.tally; t != nil {
		return *t
	}
	var t tally
	for _, v := range res.latency.values {
		t.add(v)
	}
	return t
}

// errNoResult is the error of another file.
var errNoResult = errors.New("it is not the result of a run, as girin bench --json writes it")

// restore makes a result that was read from JSON whole enough to be judged, drawn and merged: its latencies are those of the
// histogram, with three significant digits.
func (res *Result) restore() error {
	if len(res.Targets) == 0 || res.DurationS <= 0 || res.Load.Clients <= 0 || res.Client.Cores <= 0 {
		return errNoResult
	}
	d := res.Latency
	if res.LatencyHDR == "" || d.Count == 0 {
		return nil // of an older girin: what its JSON says is all there is
	}
	h, err := hdr.Decode([]byte(res.LatencyHDR))
	if err != nil {
		return fmt.Errorf("latency_hdr: %w", err)
	}
	if h.TotalCount() != d.Count {
		return errors.New("latency_hdr has not as many latencies as the result")
	}
	n := float64(d.Count)
	t := tally{hist: h, n: d.Count, sum: d.MeanMS * n, sq: d.SDMS*d.SDMS*max(n-1, 0) + d.MeanMS*d.MeanMS*n,
		min: int64(d.MinMS * 1e6), max: int64(d.MaxMS * 1e6)}
	res.beyond = &tallies{mLatency: t}
	res.latency = series{tally: &res.beyond[mLatency]}
	return nil
}

// Merge makes one result of stored ones: of the same load, on one server or several. Where they followed each other their
// runs are its runs; where they overlapped in time their rates add up.
func Merge(all []*Result) (*Result, error) {
	if len(all) == 0 {
		return nil, errors.New("no results")
	}
	for _, r := range all[1:] {
		if what := difference(all[0], r); what != "" {
			return nil, fmt.Errorf("the results are of different loads, of which no figure can be made: %s", what)
		}
	}
	if len(all) == 1 {
		return all[0], nil
	}
	for _, r := range all {
		if r.beyond == nil && r.Latency.Count > 0 {
			return nil, errors.New("a result that an older girin wrote has no histogram to merge: it lacks latency_hdr")
		}
	}
	res, err := mergeStored(all)
	if err != nil {
		return nil, err
	}
	res.SLO, res.Against, res.LatencyHDR = nil, nil, ""
	res.encodeLatency()
	res.keepDoubts(all)
	return res, nil
}

// keepDoubts adds the doubts about each of the stored results that nothing in the merged one shows any more: how its requests
// kept their schedule, say.
func (res *Result) keepDoubts(all []*Result) {
	for _, r := range all {
		for _, d := range r.Doubts {
			about := slices.ContainsFunc(res.Doubts, func(o Doubt) bool { return o.Code == d.Code })
			if !about && !slices.Contains(ofOneSample, d.Code) {
				res.Doubts = append(res.Doubts, d)
			}
			res.Client.Bottleneck = res.Client.Bottleneck || d.Code == "client-cpu" || d.Code == "schedule-lag"
		}
	}
}

// ofOneSample are doubts that the latencies of several runs together may lay to rest.
var ofOneSample = []string{"few-samples", "mean-median", "nothing"}
