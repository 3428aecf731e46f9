package bench

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Times of the monitor's work.
const (
	maxTick   = 50 * time.Millisecond
	minTick   = 2 * time.Millisecond
	pokeAfter = 250 * time.Millisecond
	sliceTime = 250 * time.Millisecond // also how often Progress is called
	goneAfter = 3 * time.Second
	maxSlices = 480 // beyond it neighbours are joined
)

// monitor looks at the clients from outside while they run: it wakes those whose request has timed out, keeps the timeline,
// reports progress, and ends the run when the server is gone. Clients pay for it with a few plain stores per request.
type monitor struct {
	run      *run
	cpuStart time.Duration
	cpu      time.Duration
	waited   time.Duration // for a core: at the start, and then during the run
	slices   []Slice
	width    time.Duration // of a slice
	last     totals
	lastAt   time.Duration
	alive    time.Duration // when something else than a failure to connect was last seen
	poked    map[*client]int64
	reason   string // why the run ended early
}

// totals are the sums of all clients' live counters.
type totals struct {
	ok, failed, connectFailed int64
	max                       int64
	inFlight                  int
	buckets                   [liveBuckets]uint64
}

func newMonitor(r *run) *monitor {
	return &monitor{run: r, width: sliceTime, poked: map[*client]int64{}}
}

func (m *monitor) begin() { m.cpuStart, m.waited = cpuTime(), waitedTime() }

// watch returns when all clients have ended.
func (m *monitor) watch(ctx context.Context, done <-chan struct{}) {
	t := time.NewTicker(min(max(m.run.opts.Timeout/4, minTick), maxTick)) // so that a short timeout is kept too
	defer t.Stop()
	stop := ctx.Done()
	for {
		select {
		case <-done:
			m.cpu, m.waited = cpuTime()-m.cpuStart, max(waitedTime()-m.waited, 0)
			m.slice(true)
			return
		case <-stop:
			stop = nil
			m.reason = reasonOf(context.Cause(ctx))
			m.run.stopped.Store(true)
			m.stopAll()
		case <-t.C:
			m.tick()
		}
	}
}

// reasonOf words the cause of an early end.
func reasonOf(cause error) string {
	if errors.Is(cause, context.Canceled) { // by a signal, too
		return "interrupted"
	}
	return cause.Error()
}

func (m *monitor) tick() {
	if m.run.stopped.Load() {
		m.stopAll() // again: a client may have been between two waits
		return
	}
	now := m.run.now()
	for _, c := range m.run.snapshot() {
		m.look(c, now)
	}
	if time.Duration(now)-m.lastAt >= sliceTime {
		m.slice(false)
	}
}

// look wakes a client whose request has timed out. It also wakes, once per request, a client that has waited for a while: a
// connection that the server ended together with its last response makes no further event, and looking finds that.
func (m *monitor) look(c *client, now int64) {
	deadline := c.deadline.Load()
	if deadline == 0 {
		return
	}
	waited := now - deadline + int64(m.run.opts.Timeout)
	switch {
	case now >= deadline:
		c.interrupt()
	case waited > int64(pokeAfter) && m.poked[c] != deadline && m.run.tls == nil && !m.run.opts.HTTP2 && !m.run.webSocket:
		m.poked[c] = deadline
		c.interrupt()
	}
}

func (m *monitor) stopAll() {
	for _, c := range m.run.snapshot() {
		c.interrupt()
		if c.alarm != nil {
			c.alarm.close()
		}
	}
}

// sum adds the clients' live counters up.
func (m *monitor) sum() totals {
	var t totals
	for _, c := range m.run.snapshot() {
		l := &c.rec.live
		t.ok += l.ok.Load()
		t.failed += l.failed.Load()
		t.connectFailed += l.connectFailed.Load()
		t.max = max(t.max, l.max.Swap(0))
		if c.deadline.Load() != 0 {
			t.inFlight++
		}
		for b := range l.buckets {
			t.buckets[b] += uint64(l.buckets[b].Load())
		}
	}
	return t
}

// slice closes a slice of the timeline.
func (m *monitor) slice(last bool) {
	now := time.Duration(m.run.now())
	t := m.sum()
	delta := t
	for b := range delta.buckets {
		delta.buckets[b] -= m.last.buckets[b]
	}
	s := Slice{FromS: m.lastAt.Seconds(), ToS: now.Seconds(), OK: t.ok - m.last.ok, Failed: t.failed - m.last.failed}
	s.P50MS, s.P99MS, s.MaxMS = delta.quantile(0.5), delta.quantile(0.99), ms(t.max)
	m.addSlice(s)
	m.checkAlive(t, now)
	m.last, m.lastAt = t, now
	if p := m.run.opts.Progress; p != nil {
		p(m.progress(s, t, now, last))
	}
}

// addSlice appends s, joining it with the one before while that is shorter than a slice's width.
func (m *monitor) addSlice(s Slice) {
	if n := len(m.slices); n > 0 && s.ToS-m.slices[n-1].FromS <= m.width.Seconds()*1.01 {
		m.slices[n-1] = joinSlices(m.slices[n-1], s)
		return
	}
	m.slices = append(m.slices, s)
	if len(m.slices) < maxSlices {
		return
	}
	m.width *= 2
	for i := range maxSlices / 2 {
		m.slices[i] = joinSlices(m.slices[2*i], m.slices[2*i+1])
	}
	m.slices = m.slices[:maxSlices/2]
}

// joinSlices makes one slice of two neighbours; percentiles are weighted, which is as near as a chart needs.
func joinSlices(a, b Slice) Slice {
	mean := func(x, y float64) float64 {
		if a.OK+b.OK == 0 {
			return 0
		}
		return (x*float64(a.OK) + y*float64(b.OK)) / float64(a.OK+b.OK)
	}
	return Slice{FromS: a.FromS, ToS: b.ToS, OK: a.OK + b.OK, Failed: a.Failed + b.Failed,
		P50MS: mean(a.P50MS, b.P50MS), P99MS: max(a.P99MS, b.P99MS), MaxMS: max(a.MaxMS, b.MaxMS)}
}

// checkAlive ends the run when for a while nothing has happened but failures to connect.
func (m *monitor) checkAlive(t totals, now time.Duration) {
	others := t.ok + t.failed - t.connectFailed
	if others > m.last.ok+m.last.failed-m.last.connectFailed || t.inFlight > 0 || t.connectFailed == m.last.connectFailed {
		m.alive = now
	}
	if now-m.alive >= goneAfter && !m.run.opts.KeepGoing {
		m.run.giveUp(fmt.Errorf("the server is gone: no connection for %v", goneAfter))
	}
}

// quantile is in milliseconds.
func (t *totals) quantile(q float64) float64 {
	var n, seen uint64
	for _, k := range t.buckets {
		n += k
	}
	if n == 0 {
		return 0
	}
	want := uint64(rank(q, int64(n)))
	for b, k := range t.buckets {
		if seen += k; seen > want {
			return ms(liveValue(b))
		}
	}
	return 0
}

// Progress is how far a run has come.
type Progress struct {
	Elapsed  time.Duration
	Left     time.Duration // an estimate; 0 if unknown
	Done     int64
	Requests int64   // as asked; 0 is no limit
	Rate     float64 // successes per second of late
	P50MS    float64 // of late
	P99MS    float64
	Errors   int64
	Last     bool // the run has ended
	// Histogram is the latency of all successes so far, one bin for each doubling.
	Histogram []Bin
}

func (m *monitor) progress(s Slice, t totals, now time.Duration, last bool) Progress {
	o := m.run.opts
	p := Progress{Elapsed: now, Done: t.ok + t.failed, Requests: o.Requests, P50MS: s.P50MS, P99MS: s.P99MS,
		Errors: t.failed, Last: last, Histogram: t.histogram()}
	if d := s.ToS - s.FromS; d > 0 {
		p.Rate = float64(s.OK) / d
	}
	if o.Duration > 0 {
		p.Left = max(0, o.Duration-now)
	}
	if o.Requests > 0 && p.Done > 0 {
		byCount := time.Duration(float64(now) / float64(p.Done) * float64(o.Requests-p.Done))
		if o.Duration == 0 || byCount < p.Left {
			p.Left = byCount
		}
	}
	return p
}
