package metrics

import (
	"sync"
	"testing"
	"time"
)

func TestSnapshotAddsUp(t *testing.T) {
	s := new(Server)
	var done sync.WaitGroup
	for range 40 {
		done.Go(func() {
			s.Connected()
			s.Received(5)
			s.Began(time.Millisecond)
			s.Served(3 * time.Second)
			s.Answered(204, 7)
		})
	}
	done.Wait()
	s.Answered(0, 0)
	s.Answered(999, 0)
	s.Served(time.Hour)
	s.Began(-time.Second) // clocks of several processes
	s.Started()
	s.Ended(Killed)

	n := s.Snapshot()
	if n.Responses != [classes]int64{0: 1, 2: 40, 5: 1} {
		t.Errorf("responses %v", n.Responses)
	}
	if n.Connections != 40 || n.Received != 200 || n.Sent != 280 || n.Started != 1 || n.Ended != [endings]int64{Killed: 1} {
		t.Errorf("got %+v", n)
	}
	if n.Wait.Count != 41 || n.Wait.Sum != 40*time.Millisecond || n.Wait.Counts[0] != 1 || n.Wait.Counts[1] != 41 {
		t.Errorf("wait %+v", n.Wait)
	}
	if last := len(n.Service.Counts) - 1; n.Service.Count != 41 || n.Service.Counts[last] != 40 {
		t.Errorf("service %+v", n.Service)
	}
}

func TestWithoutMetrics(t *testing.T) {
	var s *Server
	s.Connected()
	s.Received(1)
	s.Began(1)
	s.Served(1)
	s.Answered(200, 1)
	s.Started()
	s.Ended(Failed)
}

// BenchmarkRequest is what a request adds to a server's work.
func BenchmarkRequest(b *testing.B) {
	for name, s := range map[string]*Server{"on": new(Server), "off": nil} {
		b.Run(name, func(b *testing.B) {
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					s.Began(40 * time.Microsecond)
					s.Served(90 * time.Microsecond)
					s.Received(0)
					s.Answered(200, 12)
				}
			})
		})
	}
}
