package bench

import (
	"fmt"
	"hash/fnv"
	"runtime"
	"slices"
)

// result merges what the clients have recorded.
func (r *run) result(m *monitor) *Result {
	res := &Result{
		Version:            ResultVersion,
		StartedAt:          r.start.Round(0),
		StartedUnixNS:      r.start.UnixNano(),
		StartedMonotonicNS: monotonicOf(r.start),
		Partial:            m.reason != "",
		PartialReason:      m.reason,
		Load:               r.load(),
		Errors:             map[string]int64{},
		ErrorExamples:      map[string]string{},
		Statuses:           map[int]int64{},
		Timeline:           m.slices,
		headers:            r.opts.CaptureHeaders,
	}
	all := r.mergeRecorders(res)
	res.beyond = all.tallies
	res.describeSamples(res.samples, all.tallies)
	r.countTargets(res, all)
	r.describeServer(res, all)
	end := all.last
	if res.Partial {
		end = int64(m.lastAt)
	}
	res.DurationS = float64(max(end, 1)) / 1e9
	res.Rate.OK = float64(res.Requests.OK) / res.DurationS
	if r.open {
		r.describeSchedule(res, all, end)
	}
	res.Events = r.events(res.DurationS)
	res.Client = Client{CPUS: m.cpu.Seconds(), WaitedS: m.waited.Seconds(), Cores: runtime.GOMAXPROCS(0), Machine: machineName(), MachineCores: runtime.NumCPU()}
	res.Client.CPUShare = res.Client.CPUS / m.lastAt.Seconds() / float64(res.Client.Cores)
	res.Runs = []RunFigures{figuresOf(res)}
	res.doubt()
	return res
}

func (r *run) load() Load {
	o := r.opts
	l := Load{Mode: "closed", Clients: o.Clients, MaxClients: o.Clients, Requests: o.Requests, DurationS: o.Duration.Seconds(),
		KeepAlive: !o.NoKeepAlive, HTTP: "1.1", Seed: o.Seed, TimeoutS: o.Timeout.Seconds(), Follow: o.Follow}
	if o.HTTP2 {
		l.HTTP = "2"
	}
	if r.webSocket {
		l.HTTP = "websocket"
	}
	if len(o.Stages) > 0 {
		l.Stages, l.DurationS = o.Stages.String(), 0
	}
	l.Scenario, l.Streams = o.Scenario, o.Streams
	if r.open {
		l.Mode, l.Clients, l.Arrivals = "open", len(r.clients), "constant"
		l.RateFrom, l.RateTo = o.Rate.From, o.Rate.To
		if o.Poisson {
			l.Arrivals = "poisson"
		}
	}
	return l
}

// mergeRecorders adds the counters up and gathers the samples.
func (r *run) mergeRecorders(res *Result) *recorder {
	all := &recorder{targets: make([]targetTally, len(r.reqs))}
	captured := map[*sample][]string{}
	for _, c := range r.clients {
		all.merge(&c.rec)
		k := 0
		for _, chunk := range c.rec.chunks {
			for i := range chunk {
				if k < len(c.rec.captured) && c.rec.captured[k] != nil {
					captured[&chunk[i]] = c.rec.captured[k]
				}
				k++
			}
		}
	}
	for k, n := range all.kinds {
		if n > 0 && ErrorKind(k) != Succeeded {
			res.Errors[ErrorKind(k).String()] = n
			res.ErrorExamples[ErrorKind(k).String()] = all.examples[k]
		}
	}
	for status, n := range all.statuses {
		if n > 0 && status > 0 {
			res.Statuses[status] = n
			if status < 200 || status > 299 {
				res.Requests.Non2xx += n
			}
		}
	}
	res.gatherSamples(r.clients, captured)
	res.Bytes = Bytes{Sent: all.sent, Received: all.received, Body: all.body}
	res.Requests.Retried, res.Requests.Aborted, res.Requests.KeptAlive = all.retries, all.aborted, all.keptAlive
	res.Requests.Unasked = all.unasked
	return all
}

func (r *recorder) merge(o *recorder) {
	for i := range o.targets {
		r.targets[i].ok += o.targets[i].ok
		r.targets[i].failed += o.targets[i].failed
		r.targets[i].content.merge(o.targets[i].content)
	}
	for i, n := range o.statuses {
		r.statuses[i] += n
	}
	for i, n := range o.kinds {
		r.kinds[i] += n
		if r.examples[i] == "" {
			r.examples[i] = o.examples[i]
		}
	}
	r.sent += o.sent
	r.received += o.received
	r.body += o.body
	r.inTime += o.inTime
	r.retries += o.retries
	r.unasked += o.unasked
	r.keptAlive += o.keptAlive
	r.aborted += o.aborted
	r.last = max(r.last, o.last)
	if r.server == "" {
		r.server = o.server
	}
	if o.tallies != nil {
		if r.tallies == nil {
			r.tallies = new(tallies)
		}
		for m := range metrics {
			r.tallies[m].merge(&o.tallies[m])
		}
	}
}

func (res *Result) open() bool { return res.Load.Mode == "open" }

// targets lists what is asked, without what became of it.
func (r *run) targets() (list []TargetCount) {
	for _, q := range r.reqs {
		t := TargetCount{Method: q.Method, URL: q.url.Redacted(), Weight: q.Weight, BodyBytes: len(q.Body)}
		if len(q.Body) > 0 {
			t.BodySum = fmt.Sprintf("%016x", fnvOf(q.Body))
		}
		list = append(list, t)
	}
	return list
}

func fnvOf(b []byte) uint64 {
	h := fnv.New64a()
	h.Write(b)
	return h.Sum64()
}

// countTargets fills in what became of each target, and whether its responses were all alike.
func (r *run) countTargets(res *Result, all *recorder) {
	res.Targets = r.targets()
	for i, t := range all.targets {
		res.Targets[i].OK, res.Targets[i].Failed = t.ok, t.failed
		res.Requests.OK += t.ok
		res.Requests.Failed += t.failed
		res.Content.add(t.content, i == 0)
	}
	res.Requests.Done = res.Requests.OK + res.Requests.Failed
	res.describeTargets()
}

// describeTargets fills in the latency of each target.
func (res *Result) describeTargets() {
	perTarget := make([]series, len(res.Targets))
	if len(res.Targets) == 1 {
		perTarget[0] = res.latency
	} else {
		for i := range res.samples {
			if s := &res.samples[i]; s.kind == Succeeded {
				v, _ := mLatency.of(s, res.open())
				perTarget[s.target].values = append(perTarget[s.target].values, v)
			}
		}
	}
	for i, s := range perTarget {
		slices.Sort(s.values)
		d, t := s.distribution(), &res.Targets[i]
		t.MeanMS, t.P50MS, t.P99MS = d.MeanMS, d.MedianMS, ms(s.quantile(0.99))
	}
}

func (c *Content) add(t content, first bool) {
	c.BodiesDiffer = c.BodiesDiffer || t.bodies
	c.LengthsDiffer = c.LengthsDiffer || t.minLen != t.maxLen
	c.StatusesDiffer = c.StatusesDiffer || t.states
	if first || t.minLen < c.MinBody {
		c.MinBody = t.minLen
	}
	c.MaxBody = max(c.MaxBody, t.maxLen)
}

func (r *run) describeServer(res *Result, all *recorder) {
	res.Server = Server{Software: Printable(all.server), Hostname: r.site.host, Port: r.site.port, Path: r.reqs[0].url.RequestURI(),
		DocumentLength: all.targets[0].content.length}
	if r.opts.UnixSocket != "" {
		res.Server.Hostname = r.opts.UnixSocket
	}
	if name := r.tlsName.Load(); name != nil {
		res.Server.TLS = *name
	}
}

// describeSchedule says what was offered and what was sent of it, and counts what was due when the run was stopped.
func (r *run) describeSchedule(res *Result, all *recorder, end int64) {
	window := r.window
	if res.Partial {
		window = min(window, end)
		later := cursor{r.schedule, r.schedule.first}
		for i := r.next.Load(); ; i++ {
			if at, ok := later.at(i); !ok || int64(at) > end {
				break
			}
			res.Requests.Aborted++
		}
	}
	length := float64(max(window, 1)) / 1e9
	res.Rate.Offered = float64(res.Requests.Done+res.Requests.Aborted) / length
	res.Rate.Achieved = float64(all.inTime) / length
}
