package jobs

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"girin/internal/jobs/job"
)

// died is a unique task that was tried as often as it may be.
func died(t *testing.T, n *Node, s *store, task *Task) *job.Record {
	t.Helper()
	n.up.Store(true)
	n.cfg.Bases = func() []map[string]string { return nil }
	rec := kept(t, n, task)
	s.keepMessage(t.Context(), rec, []byte{job.Format, 1})
	goThrough(t, s, rec, job.Begin, job.Died)
	return rec
}

func kept(t *testing.T, n *Node, task *Task) *job.Record {
	t.Helper()
	rec, err := n.storeTask(t.Context(), task, job.NewID(), true)
	if err != nil {
		t.Fatal(err)
	}
	return rec
}

// What is run again at somebody's wish is not run beside another task of the same key.
func TestNoUniqueTaskIsRunAgainBesideAnother(t *testing.T) {
	n, s := storeOf(t)
	task := &Task{Task: "app:once", Unique: "1"}
	first := died(t, n, s, task)
	second := kept(t, n, task)
	if second.ID == first.ID {
		t.Fatal("what has ended keeps its key")
	}
	again := func() int { return inside(n, "POST", "/jobs/"+first.ID.String()+"/retry").Code }
	if status := again(); status != http.StatusConflict {
		t.Errorf("%d while another waits", status)
	}
	if one := kept(t, n, task); one.ID != second.ID {
		t.Error("the key was taken from who waits")
	}
	goThrough(t, s, second, job.Begin, job.Answered)
	if status := again(); status != http.StatusAccepted {
		t.Errorf("%d though the other has ended", status)
	}
	if one := kept(t, n, task); one.ID != first.ID {
		t.Error("a second one beside what is run again")
	}
}

// A key that was removed since, as its job had ended, is made anew.
func TestAUniqueTaskIsRunAgainWithoutItsOldKey(t *testing.T) {
	n, s := storeOf(t)
	task := &Task{Task: "app:once", Unique: "1"}
	first := died(t, n, s, task)
	if err := s.uniques.Purge(t.Context(), first.Unique); err != nil {
		t.Fatal(err)
	}
	if w := inside(n, "POST", "/jobs/"+first.ID.String()+"/retry"); w.Code != http.StatusAccepted {
		t.Fatal(w.Code, w.Body)
	}
	if one := kept(t, n, task); one.ID != first.ID {
		t.Error("a second one beside what is run again")
	}
}

// A task that comes before what is run again is queued has the key.
func TestANewUniqueTaskTakesTheKeyOfWhatIsNotQueuedYet(t *testing.T) {
	n, s := storeOf(t)
	task := &Task{Task: "app:once", Unique: "1"}
	first := died(t, n, s, task)
	mine, err := s.uniqueAgain(t.Context(), first)
	if err != nil {
		t.Fatal(err)
	}
	if second := kept(t, n, task); second.ID == first.ID {
		t.Fatal("it has not been queued yet")
	}
	if err := mine.hold(t.Context(), first.ID); !errors.Is(err, errKeyTaken) {
		t.Errorf("%v: both have the key", err)
	}
}

// Then the other is as it was.
func TestWhatLosesItsKeyIsAsItWas(t *testing.T) {
	n, s := storeOf(t)
	task := &Task{Task: "app:once", Unique: "1"}
	first := died(t, n, s, task)
	s.uniques = &overtaken{s.uniques, func() { kept(t, n, task) }}
	if w := inside(n, "POST", "/jobs/"+first.ID.String()+"/retry"); w.Code != http.StatusConflict {
		t.Error(w.Code, w.Body)
	}
	if r, err := s.get(t.Context(), first.ID); err != nil || r.Status != job.Dead || r.Ended.IsZero() || s.hasMessage(t.Context(), first) {
		t.Errorf("%v: %+v", err, r.Record)
	}
}

// overtaken is a bucket of keys in which somebody comes right after the first update.
type overtaken struct {
	jetstream.KeyValue
	next func()
}

func (o *overtaken) Update(ctx context.Context, key string, value []byte, revision uint64) (uint64, error) {
	revision, err := o.KeyValue.Update(ctx, key, value, revision)
	if next := o.next; next != nil {
		o.next = nil
		next()
	}
	return revision, err
}

// Nor is what the sweep finds, as whoever wanted it to run again has died.
func TestTheSweepRunsNoUniqueTaskBesideAnother(t *testing.T) {
	n, s := storeOf(t)
	task := &Task{Task: "app:once", Unique: "1"}
	first := died(t, n, s, task)
	second := kept(t, n, task)
	if err := s.dropOld(t.Context(), first.ID); err != nil {
		t.Fatal(err)
	}
	goThrough(t, s, first, job.Retried)
	sweep := func() bool {
		if _, err := s.sweepRecord(t.Context(), first.ID, time.Now().Add(time.Hour)); err != nil {
			t.Fatal(err)
		}
		return s.hasMessage(t.Context(), first)
	}
	if sweep() {
		t.Error("two of one key wait")
	}
	goThrough(t, s, second, job.Begin, job.Answered)
	if !sweep() {
		t.Error("it waits for ever")
	}
}

// Two who want the same job to be run again at once run it once.
func TestTwoRetriesOfAUniqueTaskRunItOnce(t *testing.T) {
	n, s := storeOf(t)
	first := died(t, n, s, &Task{Task: "app:once", Unique: "1"})
	mine, err := s.uniqueAgain(t.Context(), first)
	if err != nil {
		t.Fatal(err)
	}
	if w := inside(n, "POST", "/jobs/"+first.ID.String()+"/retry"); w.Code != http.StatusAccepted {
		t.Fatal(w.Code, w.Body)
	}
	if err := mine.hold(t.Context(), first.ID); err != nil {
		t.Error(err)
	}
}

// Engines of which one is a replica of another say with a code of their own that somebody was quicker.
func TestWhoWasQuickerIsKnownByEitherCode(t *testing.T) {
	for _, code := range []jetstream.ErrorCode{10071, 10164} {
		if err := fmt.Errorf("update: %w", &jetstream.APIError{Code: 400, ErrorCode: code}); !wasQuicker(err) {
			t.Errorf("%v is a failure", err)
		}
	}
	if wasQuicker(&jetstream.APIError{Code: 503, ErrorCode: 10008}) {
		t.Error("an engine that cannot answer is no other client")
	}
}
