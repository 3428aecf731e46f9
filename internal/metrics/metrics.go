// Package metrics counts what the server does: atomics that the request's path
// adds to. It knows nobody who reads them; package scrape shows them to
// Prometheus. All methods work on nil and then do nothing, so that a server
// without metrics pays a comparison.
package metrics

import (
	"sync/atomic"
	"time"
)

// Server is what one server counts. A request adds to six counters: 13 ns, and
// 50 where two cores do nothing else (BenchmarkRequest).
type Server struct {
	responses     [classes]atomic.Int64
	sent          atomic.Int64
	received      atomic.Int64
	connections   atomic.Int64
	wait, service histogram
	started       atomic.Int64
	ended         [endings]atomic.Int64
	decisions     atomic.Int64
	refused       atomic.Int64
}

// classes are the hundreds of a status; 0 is a response that never began.
const classes = 6

// Ending is how a worker ended.
type Ending int

// How workers end.
const (
	Finished Ending = iota // with exit code 0
	Failed                 // with another one
	Killed                 // by a signal
	endings
)

// Connected counts a connection.
func (s *Server) Connected() {
	if s != nil {
		s.connections.Add(1)
	}
}

// Received counts the bytes of a request's body.
func (s *Server) Received(bytes int64) {
	if s != nil && bytes > 0 {
		s.received.Add(bytes)
	}
}

// Answered counts a response that has ended, with the bytes of its body that
// went to the client.
func (s *Server) Answered(status int, sent int64) {
	if s == nil {
		return
	}
	s.responses[min(uint(status)/100, classes-1)].Add(1)
	s.sent.Add(sent)
}

// Began counts a request that a thread has begun, and how long it waited.
func (s *Server) Began(wait time.Duration) {
	if s != nil {
		s.wait.observe(wait)
	}
}

// Served counts a request that the application has answered, and how long it
// took for that.
func (s *Server) Served(service time.Duration) {
	if s != nil {
		s.service.observe(service)
	}
}

// Started counts a worker's start.
func (s *Server) Started() {
	if s != nil {
		s.started.Add(1)
	}
}

// Ended counts a worker's end.
func (s *Server) Ended(how Ending) {
	if s != nil {
		s.ended[how].Add(1)
	}
}

// Decided counts a decision of the class auto.
func (s *Server) Decided() {
	if s != nil {
		s.decisions.Add(1)
	}
}

// Refused counts a change in a request's life that cannot be: a fault of ours.
func (s *Server) Refused() {
	if s != nil {
		s.refused.Add(1)
	}
}

// Bounds are the upper bounds of the histograms' buckets, in seconds.
func Bounds() []float64 {
	list := make([]float64, len(bounds))
	for i, b := range bounds {
		list[i] = b.Seconds()
	}
	return list
}

var bounds = [...]time.Duration{
	500 * time.Microsecond, time.Millisecond, 2500 * time.Microsecond, 5 * time.Millisecond, 10 * time.Millisecond,
	25 * time.Millisecond, 50 * time.Millisecond, 100 * time.Millisecond, 250 * time.Millisecond, 500 * time.Millisecond,
	time.Second, 2500 * time.Millisecond, 5 * time.Second, 10 * time.Second, 30 * time.Second, time.Minute,
}

// histogram counts durations by bounds. The last bucket has no bound.
type histogram struct {
	buckets [len(bounds) + 1]atomic.Int64
	sum     atomic.Int64 // ns
}

// observe searches from below: most durations are short.
func (h *histogram) observe(d time.Duration) {
	i := 0
	for i < len(bounds) && d > bounds[i] {
		i++
	}
	h.buckets[i].Add(1)
	h.sum.Add(int64(max(d, 0)))
}

// Durations are a histogram of another part's. The zero value is ready.
type Durations struct{ h histogram }

// Observe counts one.
func (d *Durations) Observe(t time.Duration) { d.h.observe(t) }

// Snapshot reads it.
func (d *Durations) Snapshot() Histogram { return d.h.snapshot() }
