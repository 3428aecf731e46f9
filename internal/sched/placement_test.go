package sched

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"girin/internal/wire"
)

// sinkLane takes any packet and forgets it.
type sinkLane struct{}

func (sinkLane) TrySend([]byte) bool { return true }
func (sinkLane) Send([]byte) error   { return nil }
func (sinkLane) Stop()               {}
func (sinkLane) Unread() int         { return 0 }

// idleWorker is a worker that the benchmark answers for.
type idleWorker struct{ *fakeWorker }

func (idleWorker) CPU() time.Duration { return 0 }
func (idleWorker) Runnable() bool     { return true }
func (idleWorker) Select(uint32)      {}
func (idleWorker) Background(bool)    {}
func (idleWorker) Memory() int64      { return 0 }

type noAnswer struct{}

func (noAnswer) Frame(*wire.Frame, []byte, []byte)  {}
func (noAnswer) File(*wire.Frame, []byte, FileBody) {}
func (noAnswer) Fail(error)                         {}

// BenchmarkPlacement is a decision from Submit to the end of the call on a
// machine of 64 cores with 128 workers: what kind it is, where it goes, what it
// gives back, and what is learned from its answer. 512 requests are in flight;
// of ten, seven are light, two wait and one computes.
//
// Measured on a shared machine of 2 cores: 0.3 to 0.4 us and two allocations of
// 64 bytes together; the target is 2 us.
func BenchmarkPlacement(b *testing.B) {
	const cores, inFlight = 64, 512
	q := New(Config{
		Lane: sinkLane{}, Arena: newFakeArena(), Cells: 4096, Waits: 10_000, Window: 1 << 16, Clock: clock,
		Auto: &Auto{
			Compute: sinkLane{}, Cores: cores, Workers: 2 * cores, Most: 2*cores + 1, Threads: 256,
			Resize: func(int, string) {}, Decided: func(string) {},
		},
	})
	q.Start()
	defer q.Close()
	var workers []Worker
	for i := range 2 * cores {
		w := idleWorker{newFakeWorker(i+1, 128)}
		workers = append(workers, w)
		q.Attach(w)
	}
	mix := newMix(q)
	var calls []*Call
	for range inFlight {
		c := &Call{Answer: noAnswer{}, Form: wire.Joined, Request: make([]byte, wire.RequestHead+400, wire.MaxPacket)}
		q.Register(c)
		calls = append(calls, c)
	}
	head := []byte("200 OK")
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		c := calls[i%inFlight]
		for c.in(c.id(), kept) { // it is kept back
			i++
			c = calls[i%inFlight]
		}
		if id := c.id(); id != 0 {
			f := wire.Frame{ID: id, Kind: wire.Response, Flags: wire.Final | wire.Whole}
			f.Service, f.CPU = mix.needs(c.Route)
			f.Began = uint64(clock()) - uint64(f.Service)*1000
			if err := q.Frame(workers[i%len(workers)], &f, head, nil); err != nil {
				b.Fatal(err)
			}
		}
		c.Route = mix.routes[i%len(mix.routes)]
		if err := q.Submit(c); err != nil {
			b.Fatal(err)
		}
		i++
	}
}

// mix is ten routes and what they need.
type mix struct {
	routes []*Route
	heavy  *Route
	slow   map[*Route]bool
}

func newMix(q *Queue) *mix {
	m := &mix{slow: map[*Route]bool{}}
	for i := range 10 {
		r := q.Route([]byte("GET"), fmt.Appendf(nil, "/route-%c", 'a'+i))
		m.routes = append(m.routes, r)
		switch {
		case i == 0:
			m.heavy = r
		case i < 3:
			m.slow[r] = true
		}
	}
	return m
}

func (m *mix) needs(r *Route) (service, cpu uint32) {
	switch {
	case r == m.heavy:
		return 20_000, 20_000
	case m.slow[r]:
		return 200_000, 300
	}
	return 200, 150
}

// TestTenThousandASecond: a machine of 64 cores serves 10,000 requests a second
// in virtual time: light ones at once, computing ones on all cores but without
// harm to them.
func TestTenThousandASecond(t *testing.T) {
	size := clusterSize{Cores: 64, Workers: 64, Most: 129, Threads: 32, Waiting: 256, Boot: 300 * time.Millisecond}
	onCluster(t, size, func(t *testing.T, s *cluster) {
		began := time.Now()
		const lasts = time.Second
		var all sync.WaitGroup
		all.Go(s.every(100*time.Millisecond/900, lasts, "/light", phase{Compute: 200 * time.Microsecond}))
		all.Go(s.every(time.Second/900, lasts, "/sleep", phase{Sleep: 100 * time.Millisecond}))
		all.Go(s.every(time.Second/100, lasts, "/compute", phase{Compute: 100 * time.Millisecond}))
		all.Wait()
		settled := began.Add(lasts / 2)
		if p99, n := latency(s.jobs, "/light", settled); p99 > 3*time.Millisecond || n < 4000 {
			t.Errorf("light: p99 %v of %d", p99, n)
		}
		if p99, n := latency(s.jobs, "/sleep", settled); p99 > 120*time.Millisecond {
			t.Errorf("sleeping: p99 %v of %d", p99, n)
		}
		if p99, n := latency(s.jobs, "/compute", settled); p99 > 200*time.Millisecond {
			t.Errorf("computing: p99 %v of %d", p99, n)
		}
	})
}
