package bench

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
)

// Stored results that overlapped in time are those of several clients at work together, on several machines perhaps: what
// they sent adds up. Results that followed each other are runs of one client.

// Shares of the shorter result's time, for which two were at work together.
const (
	apart     = 0.1 // clocks differ
	together  = 0.5
	wholeTime = 0.9
)

func (res *Result) endUnixNS() int64 { return res.StartedUnixNS + int64(res.DurationS*1e9) }

// overlap is the share of the shorter one's time for which two results were at work together.
func overlap(a, b *Result) float64 {
	if a.StartedUnixNS == 0 || b.StartedUnixNS == 0 {
		return 0
	}
	both := min(a.endUnixNS(), b.endUnixNS()) - max(a.StartedUnixNS, b.StartedUnixNS)
	return max(float64(both), 0) / (1e9 * min(a.DurationS, b.DurationS))
}

// overlaps are the least and the greatest overlap of any two.
func overlaps(all []*Result) (least, most float64) {
	least = 1
	for i := range all {
		for k := range i {
			share := overlap(all[i], all[k])
			least, most = min(least, share), max(most, share)
		}
	}
	return least, most
}

// mergeStored makes one of what clients at work together have found, or of what followed each other.
func mergeStored(all []*Result) (*Result, error) {
	least, most := overlaps(all)
	switch {
	case most <= apart:
		return merge(all), nil
	case least < together:
		return nil, errors.New("some of the results overlapped in time and some did not, so that rates can neither be added nor averaged: make one of those of each time first (--json), then of these")
	case slices.ContainsFunc(all, func(r *Result) bool { return len(r.runs()) > 1 }):
		return nil, errors.New("the results overlapped in time, and nobody knows which of their several runs did: rates are added where each client makes one run")
	}
	res := mergeClients(all)
	if least < wholeTime {
		res.Doubts = append(res.Doubts, Doubt{"overlap", fmt.Sprintf("The clients were at work together for %.0f %% of the time; the rate is that of the whole.", 100*least)})
	}
	return res, nil
}

// mergeClients adds up what clients did that were at work together.
func mergeClients(all []*Result) *Result {
	all = slices.Clone(all)
	slices.SortFunc(all, func(a, b *Result) int { return cmp.Compare(a.StartedUnixNS, b.StartedUnixNS) })
	res, start, end := merge(all), all[0].StartedUnixNS, int64(0)
	res.Load, res.Rate, res.Client.Cores, res.Timeline = all[0].Load, Rate{}, coresOf(all), nil
	for i, r := range all {
		end = max(end, r.endUnixNS())
		if i > 0 {
			res.Load.add(r.Load)
		}
		res.Rate.Offered += r.Rate.Offered
		res.Rate.Achieved += r.Rate.Achieved
		res.addTimeline(r.Timeline, float64(r.StartedUnixNS-start)/1e9)
	}
	res.DurationS = float64(end-start) / 1e9
	res.Rate.OK = float64(res.Requests.OK) / res.DurationS
	res.Client.CPUShare = res.Client.CPUS / res.DurationS / float64(res.Client.Cores)
	if res.Schedule != nil {
		res.Schedule.Connections = res.Load.Clients
	}
	res.Runs, res.Intervals = []RunFigures{figuresOf(res)}, nil
	res.doubt()
	return res
}

// coresOf is how many cores clients could use together: those on one machine no more than it has.
func coresOf(all []*Result) (sum int) {
	used, has := map[string]int{}, map[string]int{}
	for _, r := range all {
		used[r.Client.Machine] += r.Client.Cores
		has[r.Client.Machine] = max(has[r.Client.Machine], r.Client.MachineCores)
	}
	for machine, n := range used {
		if most := has[machine]; machine != "" && most > 0 {
			n = min(n, most)
		}
		sum += n
	}
	return sum
}

// add makes the load that of one client more.
func (l *Load) add(o Load) {
	l.Clients += o.Clients
	l.MaxClients += o.MaxClients
	l.Requests += o.Requests
	l.RateFrom += o.RateFrom
	l.RateTo += o.RateTo
}

// addTimeline adds slices that begin so many seconds later. Of a slice that several clients have filled, the median is the mean
// of theirs by requests, which no histogram of the slices tells better.
func (res *Result) addTimeline(slicesOfOne []Slice, later float64) {
	for _, s := range slicesOfOne {
		s.FromS, s.ToS = s.FromS+later, s.ToS+later
		middle := (s.FromS + s.ToS) / 2
		at := slices.IndexFunc(res.Timeline, func(t Slice) bool { return t.FromS <= middle && middle < t.ToS })
		if at < 0 {
			res.Timeline = append(res.Timeline, s)
			continue
		}
		t := &res.Timeline[at]
		if n := t.OK + s.OK; n > 0 {
			t.P50MS = (t.P50MS*float64(t.OK) + s.P50MS*float64(s.OK)) / float64(n)
		}
		t.OK, t.Failed = t.OK+s.OK, t.Failed+s.Failed
		t.P99MS, t.MaxMS = max(t.P99MS, s.P99MS), max(t.MaxMS, s.MaxMS)
	}
	slices.SortStableFunc(res.Timeline, func(a, b Slice) int { return cmp.Compare(a.FromS, b.FromS) })
}
