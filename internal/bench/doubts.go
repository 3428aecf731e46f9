package bench

import (
	"fmt"
	"math"
	"strings"
)

// Thresholds of doubt.
const (
	busyShare    = 0.8  // of the client's cores
	waitedShare  = 0.2  // of the time, without a core
	lagShare     = 0.1  // of the median latency
	lagFloorMS   = 1.0  // schedule lag below it is never blamed
	farApart     = 1.5  // mean over median, or median over mean
	shortRunS    = 1.0  // below it start-up effects dominate
	fewRounds    = 10   // a last round that is not full shows in the rate
	backlogShare = 0.01 // of requests that waited for a connection
	unaskedShare = 0.01 // of messages: pings come now and then
	tailShare    = 0.1  // of the run that was after the last request began
)

// doubt fills in Doubts, and whether the client was the bottleneck.
func (res *Result) doubt() {
	res.Doubts = []Doubt{}
	for _, look := range []func(*Result) []Doubt{doubtEnd, doubtClient, doubtSchedule, doubtContent, doubtLoad, doubtStandstill, doubtStatistics} {
		res.Doubts = append(res.Doubts, look(res)...)
	}
}

func doubtIf(cond bool, code, format string, args ...any) []Doubt {
	if !cond {
		return nil
	}
	return []Doubt{{code, fmt.Sprintf(format, args...)}}
}

// doubtEnd is about runs that did not do what they were asked, and failures.
func doubtEnd(res *Result) []Doubt {
	n := res.Requests
	out := doubtIf(res.Partial, "partial", "The run ended early (%s): %d requests were done, %d were dropped.",
		res.PartialReason, n.Done, n.Aborted)
	if n.Failed > 0 {
		var kinds []string
		for k := ErrorKind(1); k < errorKinds; k++ {
			if c := res.Errors[k.String()]; c > 0 {
				kinds = append(kinds, fmt.Sprintf("%d %s (%s)", c, k, res.ErrorExamples[k.String()]))
			}
		}
		out = append(out, Doubt{"errors", fmt.Sprintf("%d of %d requests failed; they are in no rate and no latency: %s.",
			n.Failed, n.Done, strings.Join(kinds, ", "))})
	}
	out = append(out, doubtIf(float64(n.Unasked) > unaskedShare*float64(n.Done), "unasked",
		"Before %d of %d messages were sent, the server had sent something that nobody had read: what was taken for the answer may be something else.",
		n.Unasked, n.Done)...)
	return append(out, doubtIf(n.Retried > 0, "retried",
		"%d requests were sent again: the server closed kept-alive connections at the moment they were sent, or refused streams.", n.Retried)...)
}

// doubtClient is about the load generator itself.
func doubtClient(res *Result) []Doubt {
	res.Client.Bottleneck = res.Client.CPUShare > busyShare
	out := doubtIf(res.Client.Bottleneck, "client-cpu",
		"This client used %.0f %% of the %s it may use: it may be the bottleneck, not the server.",
		100*res.Client.CPUShare, Plural(res.Client.Cores, "core"))
	waited := res.Client.WaitedS > waitedShare*res.DurationS && res.DurationS >= shortRunS // in less time one wait is chance
	return append(out, doubtIf(waited, "client-waited",
		"This client's threads waited %.2f s for a core in a run of %.2f s, since the server or others had them: that wait is in the latencies, and the server may do better.",
		res.Client.WaitedS, res.DurationS)...)
}

func doubtSchedule(res *Result) []Doubt {
	s := res.Schedule
	if s == nil {
		return nil
	}
	lag := Distribution.At(s.Lag, 99)
	late := lag > lagFloorMS && lag > lagShare*res.Latency.MedianMS
	res.Client.Bottleneck = res.Client.Bottleneck || late
	out := doubtIf(late, "schedule-lag",
		"The client sent 1 %% of the requests more than %s after their time: the latencies contain its own lag.", formatMS(lag))
	behind := float64(s.Backlog.Count) > backlogShare*float64(res.Requests.Done)
	limit := ""
	if s.Connections >= res.Load.MaxClients {
		limit = fmt.Sprintf(" (-c allows %d)", res.Load.MaxClients)
	}
	out = append(out, doubtIf(behind, "backlog",
		"%d of %d requests waited for a free connection%s, %s in the median; their latency contains that wait.",
		s.Backlog.Count, res.Requests.Done, limit, formatMS(s.Backlog.MedianMS))...)
	short := res.Rate.Achieved < 0.95*res.Rate.Offered
	out = append(out, doubtIf(short, "rate-missed", "Only %.1f of %.1f requests per second could be sent in time.",
		res.Rate.Achieved, res.Rate.Offered)...)
	if res.growing(defaultPrecision) {
		out = append(out, Doubt{"growing", "T" + res.notKeptUp()[1:] + ". A longer run would show longer latencies."})
	}
	return out
}

func doubtContent(res *Result) []Doubt {
	c := res.Content
	out := doubtIf(c.StatusesDiffer, "statuses-differ", "Successful responses had different statuses: %s.", listStatuses(res.Statuses))
	if c.LengthsDiffer {
		return append(out, Doubt{"lengths-differ", fmt.Sprintf("Bodies of the same URL differ in length (%d to %d bytes).", c.MinBody, c.MaxBody)})
	}
	return append(out, doubtIf(c.BodiesDiffer, "bodies-differ", "Bodies of the same URL differ, though not in length.")...)
}

// doubtLoad is about loads that cannot show what they seem to show.
func doubtLoad(res *Result) []Doubt {
	shortest, longest := res.durations()
	out := doubtIf(shortest < shortRunS && !res.Partial, "short",
		"The run took %.2f s; start-up effects may dominate it.", shortest)
	l := res.Load
	rounds := math.Ceil(float64(l.Requests) / float64(l.Clients))
	uneven := l.Mode == "closed" && l.DurationS == 0 && !res.Partial && l.Requests%int64(l.Clients) != 0 && rounds < fewRounds
	out = append(out, doubtIf(uneven, "uneven-rounds",
		"%d requests do not fill the rounds of %d clients: in the last one only %d were at work, which lowers the rate.",
		l.Requests, l.Clients, l.Requests%int64(l.Clients))...)
	tail := l.Mode == "closed" && l.DurationS > 0 && longest-l.DurationS > tailShare*longest
	return append(out, doubtIf(tail, "tail",
		"The last requests ended %.2f s after the time was up; in that stretch fewer than %d clients were at work, which lowers the rate.",
		longest-l.DurationS, l.Clients)...)
}

// durations are those of the shortest and of the longest run, in seconds.
func (res *Result) durations() (shortest, longest float64) {
	shortest = math.Inf(1)
	for _, r := range res.runs() {
		shortest, longest = min(shortest, r.DurationS), max(longest, r.DurationS)
	}
	return shortest, longest
}

func doubtStatistics(res *Result) []Doubt {
	d := res.Latency
	if d.Count == 0 {
		return []Doubt{{"nothing", "No request succeeded: there is no latency to report."}}
	}
	apart := d.Count >= 20 && (d.MeanMS > farApart*d.MedianMS || d.MedianMS > farApart*d.MeanMS)
	out := doubtIf(apart, "mean-median",
		"Mean (%s) and median (%s) are far apart: the latencies are not of one kind, and the mean describes none of them.",
		formatMS(d.MeanMS), formatMS(d.MedianMS))
	var weak []string
	for _, p := range d.Percentiles {
		if !p.Reliable && p.Needs > 0 && p.P <= 99.9 && p.P >= 90 {
			weak = append(weak, fmt.Sprintf("%g%% (needs %d)", p.P, p.Needs))
		}
	}
	return append(out, doubtIf(len(weak) > 0, "few-samples", "%d successes are too few for these percentiles: %s.",
		d.Count, strings.Join(weak, ", "))...)
}

// At returns percentile p in milliseconds; 0 if it was not reported.
func (d Distribution) At(p float64) float64 {
	for _, q := range d.Percentiles {
		if q.P == p {
			return q.MS
		}
	}
	return 0
}

// Plural is a number of things: "1 core", "2 cores".
func Plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
