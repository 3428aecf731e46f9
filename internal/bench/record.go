package bench

import (
	"math/bits"
	"sync/atomic"
)

// sample is one request. Stamps are nanoseconds since the start barrier; 64 bytes, one cache line.
type sample struct {
	scheduled int64 // when it was due; in the closed loop, when its turn began
	connect   int64 // how long connecting took; 0 on a connection that was there
	sent      int64
	first     int64 // first byte of the response
	done      int64
	bytes     uint32 // of the response, with its head
	queueMS   float32
	appMS     float32
	target    uint16
	status    uint16
	kind      ErrorKind
	flags     sampleFlags
}

type sampleFlags uint8

const (
	backlogged sampleFlags = 1 << iota // it was due before its connection was free
	timed                              // the server sent queueMS and appMS
)

// metric is something that can be measured about a success.
type metric int

const (
	mLatency metric = iota
	mConnect
	mProcessing
	mWaiting
	mQueue
	mApp
	mNetwork
	mLag
	mBacklog
	metrics
)

// of returns the metric's value for s, in nanoseconds; false if it has none.
func (m metric) of(s *sample, open bool) (int64, bool) {
	switch m {
	case mLatency:
		if open {
			return s.done - s.scheduled, true
		}
		return s.connect + s.done - s.sent, true
	case mConnect:
		return s.connect, true
	case mProcessing:
		return s.done - s.sent, true
	case mWaiting:
		return s.first - s.sent, true
	case mQueue:
		return int64(s.queueMS * 1e6), s.flags&timed != 0
	case mApp:
		return int64(s.appMS * 1e6), s.flags&timed != 0
	case mNetwork:
		return s.first - s.sent - int64((s.queueMS+s.appMS)*1e6), s.flags&timed != 0
	case mLag:
		return max(0, s.sent-s.connect-s.scheduled), open && s.flags&backlogged == 0
	case mBacklog:
		return max(0, s.sent-s.connect-s.scheduled), open && s.flags&backlogged != 0
	}
	return 0, false
}

// chunkLen is how many samples a recorder takes from the common budget at once.
const chunkLen = 256

// recorder is one client's record. Its client alone writes it; only live is read by others while the client runs.
type recorder struct {
	open   bool
	budget *atomic.Int64 // samples that may still be kept, shared by all recorders

	chunks   [][]sample
	captured [][]string // parallel to the samples of all chunks; nil unless headers are captured
	tallies  *tallies   // what was beyond the budget; nil if nothing was

	targets  []targetTally
	statuses [600]int64
	kinds    [errorKinds]int64
	examples [errorKinds]string
	sent     int64 // bytes
	received int64
	body     int64
	inTime   int64 // requests sent within the schedule
	retries  int64
	unasked  int64 // messages that were sent to a server which had said something already
	// keptAlive counts whole responses after which the connection could go on.
	keptAlive int64
	aborted   int64
	last      int64 // done of the last request
	server    string

	live live
}

// targetTally is what a recorder knows of one target.
type targetTally struct {
	ok, failed int64
	content    content
}

// content remembers the first success and whether the others were like it.
type content struct {
	seen           bool
	status         uint16
	sum            uint64
	length         int64
	minLen, maxLen int64
	bodies, states bool // they differ
}

func (c *content) note(status uint16, length int64, sum uint64) {
	if !c.seen {
		*c = content{seen: true, status: status, sum: sum, length: length, minLen: length, maxLen: length}
		return
	}
	c.minLen, c.maxLen = min(c.minLen, length), max(c.maxLen, length)
	c.bodies = c.bodies || sum != c.sum || length != c.length
	c.states = c.states || status != c.status
}

func (c *content) merge(o content) {
	if !o.seen {
		return
	}
	bodies, states := c.bodies || o.bodies, c.states || o.states
	c.note(o.status, o.length, o.sum)
	c.minLen, c.maxLen = min(c.minLen, o.minLen), max(c.maxLen, o.maxLen)
	c.bodies, c.states = c.bodies || bodies, c.states || states
}

// add records a request that has ended.
func (r *recorder) add(s *sample, captured []string) {
	r.kinds[s.kind]++
	r.statuses[s.status]++
	r.last = max(r.last, s.done)
	t := &r.targets[s.target]
	if s.kind == Succeeded {
		t.ok++
		latency, _ := mLatency.of(s, r.open)
		r.live.success(latency)
	} else {
		t.failed++
		r.live.failed.Store(r.live.failed.Load() + 1)
	}
	if r.keep(s) {
		if captured != nil || r.captured != nil {
			r.capture(captured)
		}
		return
	}
	if r.tallies == nil {
		r.tallies = new(tallies)
	}
	r.tallies.add(s, r.open)
}

// keep stores s if the budget allows.
func (r *recorder) keep(s *sample) bool {
	n := len(r.chunks)
	if n == 0 || len(r.chunks[n-1]) == chunkLen {
		if r.budget.Add(-chunkLen) < 0 {
			r.budget.Add(chunkLen)
			return false
		}
		r.chunks = append(r.chunks, make([]sample, 0, chunkLen))
		n++
	}
	r.chunks[n-1] = append(r.chunks[n-1], *s)
	return true
}

// capture stores the captured headers of the sample just kept; samples before the first that had some get none.
func (r *recorder) capture(values []string) {
	kept := (len(r.chunks)-1)*chunkLen + len(r.chunks[len(r.chunks)-1])
	for len(r.captured) < kept-1 {
		r.captured = append(r.captured, nil)
	}
	r.captured = append(r.captured, values)
}

// example keeps the first message of a kind.
func (r *recorder) example(kind ErrorKind, text string) {
	if r.examples[kind] == "" {
		r.examples[kind] = Printable(text)
	}
}

// live is the part of a recorder that the monitor reads during the run. There is one writer, so loading and storing is
// enough; the atomics only make the reads whole.
type live struct {
	ok, failed, connectFailed atomic.Int64
	max                       atomic.Int64 // since the monitor last took it
	buckets                   [liveBuckets]atomic.Uint32
}

func (l *live) success(latency int64) {
	l.ok.Store(l.ok.Load() + 1)
	b := &l.buckets[liveBucket(latency)]
	b.Store(b.Load() + 1)
	if latency > l.max.Load() {
		l.max.Store(latency)
	}
}

// Live histograms have eight buckets for each doubling, from about 1 us to 18 minutes: a value is known within 6 %.
const (
	liveShift   = 10
	liveOctaves = 30
	liveBuckets = liveOctaves * 8
)

func liveBucket(ns int64) int {
	if ns < 1<<liveShift {
		return 0
	}
	octave := bits.Len64(uint64(ns)) - 1
	b := (octave-liveShift)*8 + int(ns>>(octave-3)&7)
	return min(b, liveBuckets-1)
}

// liveValue is the middle of bucket b.
func liveValue(b int) int64 {
	octave, eighth := b/8+liveShift, int64(b%8)
	return (8+eighth)<<(octave-3) + 1<<(octave-4)
}
