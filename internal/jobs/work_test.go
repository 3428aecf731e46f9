package jobs

import (
	"testing"
	"time"

	"girin/internal/jobs/job"
)

// A message may come sooner than its record: it waits for moments, and is given up only
// when nobody can be storing the record any more.
func TestARecordIsLookedForSoonAndForLong(t *testing.T) {
	var whole time.Duration
	for looked := uint64(1); looked <= orphanMost; looked++ {
		whole += orphanWait(looked)
	}
	if first := orphanWait(1); first > 20*time.Millisecond || whole <= aboutToBe {
		t.Errorf("the first after %v, the last after %v", first, whole)
	}
}

// How often a message has come says little of how long its record was looked for: slots that had
// asked beside it have passed it on.
func TestARecordIsLookedForThoughItsMessageWasPassedOn(t *testing.T) {
	n, s := storeOf(t)
	rec := &job.Record{ID: job.NewID(), Status: job.Queued, Version: "1", Format: job.Format, Created: time.Now()}
	if err := s.publish(t.Context(), rec, []byte{job.Format, 1}); err != nil {
		t.Fatal(err)
	}
	jobs, late := puller{r: n.runner, stream: n.names.jobs}, make(chan struct{})
	defer time.AfterFunc(10*time.Second, func() { close(late) }).Stop()
	for looked := range orphanMost + 3 {
		m, _ := jobs.next(n.runner.workQueues(), late)
		switch {
		case m == nil:
			t.Fatalf("it was given up: %d", looked)
		case looked <= orphanMost:
			_ = m.Nak()
		case n.runner.claim(s, m, rec.ID) != nil:
			t.Fatal("it is begun without a record")
		}
	}
}
