package jobs

import (
	"testing"
	"time"

	"girin/internal/jobs/job"
)

// placing is a node whose origin has one job that nobody has begun.
func placing(t *testing.T) (*Node, *placed) {
	t.Helper()
	n := New(Config{App: "x", Version: "1", Slots: 1, Bases: func() []map[string]string { return nil }, Clock: func() int64 { return time.Now().UnixNano() }, Log: quiet{t}})
	p := &placed{id: job.NewID(), call: 1, attempt: 1, version: "1", class: "mid"}
	p.subject = n.names.syncSubject(p.version, p.class, p.id)
	n.origin.jobs[p.id], n.origin.calls[p.call] = p, p
	return n, p
}

// What was about to be placed when the end began runs here: no slot of this node will take it,
// and maybe no other node is there.
func TestWhatIsPlacedWhenTheEndBeginsRunsHere(t *testing.T) {
	n, p := placing(t)
	n.draining.Store(true)
	n.origin.queue(p)
	if len(n.origin.jobs) != 0 || n.origin.kept.Len() != 0 || n.origin.sent != 0 || len(n.outbox.list) != 0 {
		t.Error("it waits for a slot")
	}
	if len(n.chores.list) != 1 {
		t.Error("it does not run here")
	}
}

// Who leaves in the moment in which a slot of this node begins the job is heard all the same.
func TestALeavingClientIsHeardThatTheSlotHasMissed(t *testing.T) {
	n, p := placing(t)
	n.origin.kept.PushBack(p)
	p.kept = n.origin.kept.Front()
	_, attempt := n.origin.takeKept()
	n.origin.withdraw(p) // nobody runs it yet
	run := newRun(n.runner, p.id, attempt, n.name)
	n.runner.register(run)
	n.origin.remind()
	if !run.isLeft() {
		t.Error("it runs for nobody")
	}
}

// A node whose engine was just reached, for the first time or anew, does not take itself for
// alone: others may be there that it has not heard.
func TestNobodyIsAloneWhoHasJustReachedTheEngine(t *testing.T) {
	n, _ := placing(t)
	n.beats.lookAtOthers() // before there is an engine
	n.store.Store(&store{oneLine: true})
	n.beats.all()
	n.up.Store(true)
	if n.alone() {
		t.Error("it keeps its jobs from others")
	}
	n.beats.since -= 2 * aloneAfter
	if n.beats.lookAtOthers(); !n.alone() {
		t.Error("it is not alone, though it has heard nobody for long")
	}
	n.beats.all()
	if n.alone() {
		t.Error("it keeps its jobs from those who came while the engine was away")
	}
}
