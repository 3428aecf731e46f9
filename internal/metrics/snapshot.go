package metrics

import "time"

// Snapshot is the counters at one moment. They are read one by one, while
// others are added to.
type Snapshot struct {
	Responses   [classes]int64 // by hundreds of the status; 0: none was sent
	Sent        int64          // bytes of responses' bodies
	Received    int64          // bytes of requests' bodies
	Connections int64
	Wait        Histogram
	Service     Histogram
	Started     int64 // workers
	Ended       [endings]int64
	Decisions   int64 // of the class auto
	Refused     int64 // changes in the life of a request that cannot be
}

// Histogram is a histogram at one moment. Counts are cumulative: Counts[i] is
// how many were at most Bounds()[i].
type Histogram struct {
	Counts []uint64
	Count  uint64
	Sum    time.Duration
}

// Snapshot reads the counters.
func (s *Server) Snapshot() Snapshot {
	n := Snapshot{
		Sent: s.sent.Load(), Received: s.received.Load(), Connections: s.connections.Load(),
		Wait: s.wait.snapshot(), Service: s.service.snapshot(), Started: s.started.Load(), Decisions: s.decisions.Load(), Refused: s.refused.Load(),
	}
	for class := range s.responses {
		n.Responses[class] = s.responses[class].Load()
	}
	for how := range s.ended {
		n.Ended[how] = s.ended[how].Load()
	}
	return n
}

func (h *histogram) snapshot() Histogram {
	n := Histogram{Counts: make([]uint64, len(bounds)), Sum: time.Duration(h.sum.Load())}
	for i := range h.buckets {
		n.Count += uint64(h.buckets[i].Load())
		if i < len(bounds) {
			n.Counts[i] = n.Count
		}
	}
	return n
}
