package sched

import (
	"testing"

	"girin/internal/wire"
)

// BenchmarkSubmitToFrame is what the scheduler costs a request of a fixed class,
// from Submit to the end of the call: without the system calls.
func BenchmarkSubmitToFrame(b *testing.B) {
	var now int64
	q := New(Config{
		Lane: sinkLane{}, Arena: newFakeArena(), Cells: 64, Waits: 100, Window: 1 << 16,
		Clock: func() int64 { now += 1000; return now },
	})
	w := newFakeWorker(1, 4)
	q.Attach(w)
	c := &Call{Answer: noAnswer{}, Form: wire.Joined, Request: make([]byte, wire.RequestHead+400, wire.MaxPacket)}
	q.Register(c)
	c.Route = q.Route([]byte("GET"), []byte("/"))
	head := []byte("200 OK")
	b.ReportAllocs()
	for b.Loop() {
		if err := q.Submit(c); err != nil {
			b.Fatal(err)
		}
		r, _ := wire.ParseRequest(c.packet)
		f := wire.Frame{ID: r.ID, Kind: wire.Response, Flags: wire.Final | wire.Whole, Service: 100, CPU: wire.NotMeasured}
		f.Began = uint64(now)
		if err := q.Frame(w, &f, head, nil); err != nil {
			b.Fatal(err)
		}
	}
}
