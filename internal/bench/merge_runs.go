package bench

// merge makes one result of runs that followed each other with the same load: counts are added, latencies pooled, and
// stamps laid end to end.
func merge(all []*Result) *Result {
	if len(all) == 1 {
		return all[0]
	}
	out := *all[0]
	res := &out
	res.DurationS, res.Requests, res.Rate, res.Bytes, res.Client = 0, Requests{}, Rate{}, Bytes{}, res.Client.without()
	res.Errors, res.ErrorExamples, res.Statuses = map[string]int64{}, map[string]string{}, map[int]int64{}
	res.Events = nil
	res.Timeline, res.Runs, res.samples, res.captured = nil, nil, nil, map[int][]string{}
	res.Targets = append([]TargetCount(nil), all[0].Targets...)
	for i := range res.Targets {
		res.Targets[i].OK, res.Targets[i].Failed = 0, 0
	}
	for _, r := range all {
		res.addCounts(r)
		res.appendRun(r)
		res.DurationS += r.DurationS
		res.Runs = append(res.Runs, r.runs()...)
	}
	res.Rate.OK = float64(res.Requests.OK) / res.DurationS
	res.Client.CPUShare = res.Client.CPUS / res.DurationS / float64(res.Client.Cores)
	beyond := mergeTallies(all)
	kept := res.samples
	if beyond != nil {
		kept = nil // they are in the tallies
	}
	res.describeSamples(kept, beyond)
	if res.Schedule != nil {
		res.Schedule.Growth = mostGrowth(all)
	}
	if res.Requests.OK > 0 && len(res.samples) == 0 {
		res.joinTargets(all)
	} else {
		res.describeTargets()
	}
	res.Intervals = intervals(res.Runs)
	res.doubt()
	return res
}

// joinTargets describes targets by what stored results say of them, which have no samples: the mean is exact, and what no
// histogram tells is left out.
func (res *Result) joinTargets(all []*Result) {
	if len(res.Targets) == 1 {
		res.describeTargets()
		return
	}
	for i := range res.Targets {
		t := &res.Targets[i]
		t.MeanMS, t.P50MS, t.P99MS = 0, 0, 0
		for _, r := range all {
			if t.OK > 0 {
				t.MeanMS += r.Targets[i].MeanMS * float64(r.Targets[i].OK) / float64(t.OK)
			}
		}
	}
}

func (res *Result) addCounts(r *Result) {
	n := &res.Requests
	switch { // a run without a success says nothing of bodies
	case r.Requests.OK > 0 && n.OK > 0:
		res.Content.merge(r.Content, len(res.Targets) == 1)
	case r.Requests.OK > 0:
		res.Content = r.Content
	}
	n.Done += r.Requests.Done
	n.OK += r.Requests.OK
	n.Failed += r.Requests.Failed
	n.Non2xx += r.Requests.Non2xx
	n.Retried += r.Requests.Retried
	n.Unasked += r.Requests.Unasked
	n.KeptAlive += r.Requests.KeptAlive
	n.Aborted += r.Requests.Aborted
	for kind, k := range r.Errors {
		res.Errors[kind] += k
	}
	for kind, text := range r.ErrorExamples {
		if res.ErrorExamples[kind] == "" { // the first of each kind
			res.ErrorExamples[kind] = text
		}
	}
	for status, k := range r.Statuses {
		res.Statuses[status] += k
	}
	for i, t := range r.Targets {
		res.Targets[i].OK += t.OK
		res.Targets[i].Failed += t.Failed
	}
	res.Bytes.Sent += r.Bytes.Sent
	res.Bytes.Received += r.Bytes.Received
	res.Bytes.Body += r.Bytes.Body
	res.Client.CPUS += r.Client.CPUS
	res.Client.WaitedS += r.Client.WaitedS
	if r.Client.Machine != res.Client.Machine {
		res.Client.Machine, res.Client.MachineCores = "", 0
	}
	if r.Partial {
		res.Partial, res.PartialReason = true, r.PartialReason
	}
}

// merge joins what two runs say of the same targets; of one target lengths must agree from run to run too.
func (c *Content) merge(o Content, one bool) {
	c.BodiesDiffer = c.BodiesDiffer || o.BodiesDiffer
	c.LengthsDiffer = c.LengthsDiffer || o.LengthsDiffer || one && (c.MinBody != o.MinBody || c.MaxBody != o.MaxBody)
	c.StatusesDiffer = c.StatusesDiffer || o.StatusesDiffer
	c.MinBody, c.MaxBody = min(c.MinBody, o.MinBody), max(c.MaxBody, o.MaxBody)
}

// appendRun lays the run's stamps behind those of the runs before, whose time is res.DurationS so far.
func (res *Result) appendRun(r *Result) {
	for _, s := range r.Timeline {
		s.FromS, s.ToS = s.FromS+res.DurationS, s.ToS+res.DurationS
		res.Timeline = append(res.Timeline, s)
	}
	offset, first := int64(res.DurationS*1e9), len(res.samples)
	for _, s := range r.samples {
		s.scheduled += offset
		s.done += offset
		if s.sent > 0 || s.first > 0 {
			s.sent += offset
		}
		if s.first > 0 {
			s.first += offset
		}
		res.samples = append(res.samples, s)
	}
	for i, values := range r.captured {
		res.captured[first+i] = values
	}
	run, before := float64(r.DurationS), res.DurationS
	res.Rate.Offered = (res.Rate.Offered*before + r.Rate.Offered*run) / (before + run)
	res.Rate.Achieved = (res.Rate.Achieved*before + r.Rate.Achieved*run) / (before + run)
	if res.Schedule != nil {
		res.Load.Clients = max(res.Load.Clients, r.Load.Clients)
	}
}

// mergeTallies adds up all latencies if some run has not kept all of its samples; nil if each has.
func mergeTallies(all []*Result) *tallies {
	var out *tallies
	for _, r := range all {
		if r.beyond != nil && out == nil {
			out = new(tallies)
		}
	}
	if out == nil {
		return nil
	}
	for _, r := range all {
		if r.beyond == nil {
			for i := range r.samples {
				out.add(&r.samples[i], r.open())
			}
			continue
		}
		for m := range metrics {
			out[m].merge(&r.beyond[m])
		}
	}
	return out
}
