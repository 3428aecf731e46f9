package jobs

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"girin/internal/jobs/job"
)

// countedGets is a bucket that counts how often it is asked.
type countedGets struct {
	jetstream.KeyValue
	gets int
}

func (c *countedGets) Get(ctx context.Context, key string) (jetstream.KeyValueEntry, error) {
	c.gets++
	return c.KeyValue.Get(ctx, key)
}

// What a node has stored itself it does not ask for when it begins and ends the job; where
// another has changed it meanwhile it does, and changes nothing that it has not seen.
func TestANodeKnowsWhatItHasStored(t *testing.T) {
	n, s := storeOf(t)
	ctx, stop := context.WithTimeout(t.Context(), 30*time.Second)
	defer stop()
	asked := &countedGets{KeyValue: s.records}
	s.records = asked
	claim := func() *stored {
		t.Helper()
		rec := &job.Record{ID: job.NewID(), Status: job.Queued, Version: "1", Format: job.Format, Created: time.Now()}
		if err := s.accept(ctx, rec, []byte{job.Format, 1}); err != nil {
			t.Fatal(err)
		}
		jobs := puller{r: n.runner, stream: n.names.jobs}
		m, _ := jobs.next(n.runner.workQueues(), make(chan struct{}))
		if m == nil {
			t.Fatal("the job does not come")
		}
		asked.gets = 0
		begun := n.runner.claim(s, m, rec.ID)
		if begun == nil || begun.ID != rec.ID || begun.Status != job.Running || begun.Attempt != 1 || begun.Node != n.name {
			t.Fatalf("it is not begun: %+v", begun)
		}
		_ = m.Ack()
		return begun
	}
	end := func(begun *stored) stored {
		t.Helper()
		r, changed, err := s.change(ctx, change{id: begun.ID, event: job.Answered, known: begun})
		if err != nil || !changed || r.Status != job.Done {
			t.Fatalf("it does not end: %+v, %v", r, err)
		}
		return r
	}
	if end(claim()); asked.gets != 0 {
		t.Errorf("the engine was asked %d times", asked.gets)
	}
	begun := claim()
	if err := s.note(ctx, begun.ID, func(r *job.Record) { r.Text = "half" }); err != nil {
		t.Fatal(err)
	}
	if r := end(begun); r.Text != "half" {
		t.Errorf("what another has noted is lost: %+v", r.Record)
	}
}

// A record that could not be stored is nobody's, and each is given away once.
func TestWhatWasNotStoredIsNotKnown(t *testing.T) {
	var y young
	id := job.NewID()
	y.expect(id).is(job.Record{ID: id}, 0)
	if r := y.take(t.Context(), id); r != nil {
		t.Errorf("%+v", r)
	}
	y.expect(id).is(job.Record{ID: id}, 7)
	if r := y.take(t.Context(), id); r == nil || r.revision != 7 {
		t.Errorf("%+v", r)
	}
	if r := y.take(t.Context(), id); r != nil {
		t.Errorf("twice: %+v", r)
	}
	y.expect(id)
	ended, stop := context.WithCancel(t.Context())
	stop()
	if r := y.take(ended, id); r != nil {
		t.Errorf("nobody has said so: %+v", r)
	}
}

// A slot asks line by line as long as something has waited for it: then the urgent comes first.
func TestUrgentJobsComeFirst(t *testing.T) {
	n, s := storeOf(t)
	ctx, stop := context.WithTimeout(t.Context(), 30*time.Second)
	defer stop()
	for _, priority := range []string{"low", "mid", "high", "low", "high"} {
		rec := &job.Record{ID: job.NewID(), Status: job.Queued, Version: anyVersion, Format: job.Format, Task: true, Priority: priority, Created: time.Now()}
		if err := s.accept(ctx, rec, []byte{job.Format, 1}); err != nil {
			t.Fatal(err)
		}
	}
	jobs := puller{r: n.runner, stream: n.names.jobs}
	for i, want := range []string{"high", "high", "mid", "low", "low"} {
		m, _ := jobs.next(n.runner.workQueues(), make(chan struct{}))
		if m == nil || classOf(m.Subject) != want {
			t.Fatalf("number %d: %+v", i, m)
		}
		_ = m.Ack()
	}
	jobs.came(n.cfg.Clock() - 2*waitedFor)
	if jobs.idle == 0 {
		t.Error("it was waited for, and nothing waited")
	}
	if jobs.came(n.cfg.Clock()); jobs.idle != 0 {
		t.Error("it came at once")
	}
}

// What waits in one line is not passed on by slots that have had something of another.
func TestAJobComesToASlotAtOnce(t *testing.T) {
	n, s := storeOf(t)
	ctx, stop := context.WithTimeout(t.Context(), 30*time.Second)
	defer stop()
	accept := func(rec job.Record) {
		rec.ID, rec.Status, rec.Format, rec.Created = job.NewID(), job.Queued, job.Format, time.Now()
		if err := s.accept(ctx, &rec, []byte{job.Format, 1}); err != nil {
			t.Error(err)
		}
	}
	jobs, asks := puller{r: n.runner, stream: n.names.jobs}, make(chan struct{}, 1)
	last := 12
	var made sync.WaitGroup
	defer made.Wait() // before stop
	made.Go(func() {
		for i := range last {
			select {
			case <-ctx.Done():
				return
			case <-asks:
			}
			time.Sleep(2 * time.Duration(waitedFor)) // it waits for this one
			accept(job.Record{Version: anyVersion, Task: true, Priority: []string{"high", "low"}[i/(last-1)]})
		}
	})
	for i := range last {
		asks <- struct{}{}
		m, _ := jobs.next(n.runner.workQueues(), make(chan struct{}))
		if m == nil {
			t.Fatalf("number %d does not come", i)
		}
		_ = m.Ack()
		if meta, err := m.Metadata(); err != nil || meta.NumDelivered > 3 {
			t.Errorf("number %d came %d times: %v", i, meta.NumDelivered, err)
		}
	}
}
