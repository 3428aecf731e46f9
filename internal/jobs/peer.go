package jobs

import (
	"os"
	"time"

	"girin/internal/jobs/job"
	"girin/internal/sched"
	"girin/internal/wire"
)

// peer is what the queue sees of whoever runs this node's calls elsewhere.
type peer struct{ o *origin }

var _ sched.Worker = (*peer)(nil)

// PID is this process: the runner's says nothing here.
func (p *peer) PID() int { return os.Getpid() }

// Slots and Slot: who runs what, the beats know; the runner keeps the deadlines.
func (p *peer) Slots() int                       { return 0 }
func (p *peer) Slot(int) (id, at uint64)         { return 0, 0 }
func (p *peer) Promote()                         {}
func (p *peer) Dump(uint64)                      {}
func (p *peer) Say(wire.Inbound, []byte)         {}
func (p *peer) Flush()                           {}
func (p *peer) Heard() bool                      { return true }
func (p *peer) SendBody(uint64, *os.File, int64) {}

// Grant passes credit on, or that nobody waits any more.
func (p *peer) Grant(call uint64, n uint32) {
	p.o.mu.Lock()
	placed, here := p.o.calls[call], p.o.here[call]
	var to string
	w := job.Word{Kind: job.Credit}
	if placed != nil && n != wire.Cancelled {
		placed.granted += n
		to, w.ID, w.Attempt, w.N = placed.runner, placed.id, placed.attempt, placed.granted
	}
	p.o.mu.Unlock()
	if here != nil {
		here.grant(n)
		return
	}
	if n == wire.Cancelled {
		if placed != nil {
			p.o.n.chores.add(func() { p.o.withdraw(placed) })
		}
		return
	}
	if to != "" {
		p.o.n.tell(to, &w)
	}
}

// hear takes a word of a runner.
func (o *origin) hear(w *job.Word) {
	o.mu.Lock()
	p := o.jobs[w.ID]
	if p == nil || p.attempt != w.Attempt || p.runner == "" {
		o.mu.Unlock()
		return // of an attempt that does not count any more
	}
	if w.Kind == job.Fail {
		o.mu.Unlock()
		o.failed(p, w.Attempt, cause(w.N))
		return
	}
	missed, counted := w.Seq != p.seq, w.Kind == job.Count
	if !counted {
		p.seq++
	}
	f := w.Frame
	f.ID, f.Began, f.CPU = p.call, uint64(p.began), wire.NotMeasured
	final, runner := f.Flags&wire.Final != 0, p.runner
	if !missed && !counted {
		p.headed = p.headed || f.Kind == wire.Response
		if final {
			o.n.counts.trips.Observe(time.Duration(o.n.cfg.Clock() - p.came))
			o.forgetLocked(p)
		}
	}
	o.mu.Unlock()
	if missed {
		o.n.cfg.Log.Warningf("jobs: a part of an answer was lost on its way")
		o.failed(p, w.Attempt, causeDied)
		return
	}
	if counted {
		return
	}
	if err := o.n.queue.Frame(o.peer, &f, w.Head, w.Body); err != nil {
		o.n.cfg.Log.Errorf("jobs: an answer is refused: %v", err)
		o.forget(p)
		o.n.tell(runner, &job.Word{Kind: job.Cancel, ID: p.id, Attempt: w.Attempt}) // or it waits for credit for ever
		o.n.queue.Lost(p.call, sched.ErrWorkerDied)
	}
	o.n.cfg.Rest()
}
