package jobs

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"girin/internal/jobs/job"
)

// gappy is a stream whose list of subjects has gaps, as one of several pages may have.
type gappy struct{ jetstream.Stream }

func (g gappy) Info(ctx context.Context, o ...jetstream.StreamInfoOpt) (*jetstream.StreamInfo, error) {
	info, err := g.Stream.Info(ctx, o...)
	if err == nil {
		clear(info.State.Subjects)
	}
	return info, err
}

// lags is a bucket of a server that has just come back, which knows nothing yet.
type lags struct{ jetstream.KeyValue }

func (lags) Get(context.Context, string) (jetstream.KeyValueEntry, error) {
	return nil, jetstream.ErrKeyNotFound
}

func (l lags) WatchAll(ctx context.Context, o ...jetstream.WatchOpt) (jetstream.KeyWatcher, error) {
	return l.KeyValue.Watch(ctx, "nobody", o...)
}

// unread are objects of a server that does not answer.
type unread struct{ jetstream.ObjectStore }

func (unread) GetBytes(context.Context, string, ...jetstream.GetObjectOpt) ([]byte, error) {
	return nil, context.DeadlineExceeded
}

// waits makes a job that waits, of which nothing is missing.
func waits(t *testing.T, s *store) *job.Record {
	t.Helper()
	r := &job.Record{ID: job.NewID(), Status: job.Queued, Version: "1", Format: job.Format, Created: time.Now(), Body: 100}
	if err := putObject(t.Context(), s.objects, bodyName(r.ID), bytes.NewReader(make([]byte, 100))); err != nil {
		t.Fatal(err)
	}
	if err := s.accept(t.Context(), r, []byte{job.Format, 1}); err != nil {
		t.Fatal(err)
	}
	return r
}

// goThrough lets events happen to a job.
func goThrough(t *testing.T, s *store, r *job.Record, events ...job.Event) {
	t.Helper()
	for _, e := range events {
		if _, changed, err := s.change(t.Context(), change{id: r.ID, event: e}); !changed || err != nil {
			t.Fatal(changed, err)
		}
	}
}

// A job that waits, or runs, is not swept by who is told less than there is.
func TestWhatALaggingServerDoesNotKnowIsNotSwept(t *testing.T) {
	n, s := storeOf(t)
	ctx := t.Context()
	waiting, running := waits(t, s), waits(t, s)
	goThrough(t, s, running, job.Begin)
	known, stream := s.records, s.stream
	for name, tell := range map[string]func(){
		"a gap in the list of messages":  func() { s.stream = gappy{stream} },
		"a server that knows no records": func() { s.records = lags{known} },
	} {
		tell()
		if err := n.sweep(ctx, -time.Minute); err != nil {
			t.Error(name, err)
		}
		s.records, s.stream = known, stream
		for _, r := range []*job.Record{waiting, running} {
			if is, err := s.get(ctx, r.ID); err != nil || is.Status.Ended() || !s.hasMessage(ctx, r) {
				t.Errorf("%s: %v, %v, message %v", name, is.Status, err, s.hasMessage(ctx, r))
			}
		}
		if _, objects, _ := s.left(t); len(objects) != 2 {
			t.Errorf("%s: %v are left", name, objects)
		}
	}
}

// Nor is a message given up whose record one server does not know.
func TestAMessageIsNotGivenUpWhoseRecordAServerDoesNotKnow(t *testing.T) {
	n, s := storeOf(t)
	rec := waits(t, s)
	s.young.take(t.Context(), rec.ID) // of another server
	s.records = lags{s.records}
	jobs := puller{r: n.runner, stream: n.names.jobs}
	n.behind.Store(int64(time.Hour)) // it has been looked for long
	for range orphanMost + 2 {
		m, _ := jobs.next(n.runner.workQueues(), make(chan struct{}))
		if m == nil {
			t.Fatal("it does not come")
		}
		_ = m.Nak()
	}
	m, _ := jobs.next(n.runner.workQueues(), make(chan struct{}))
	n.runner.claim(s, m, rec.ID)
	if err := n.nc.Flush(); err != nil || !s.hasMessage(t.Context(), rec) {
		t.Error("the job is lost", err)
	}
}

// What is to run again is not taken for what was never whole because its request cannot be read now.
func TestAJobIsNotSweptWhoseRequestCannotBeRead(t *testing.T) {
	n, s := storeOf(t)
	ctx := t.Context()
	rec := waits(t, s)
	s.keepMessage(ctx, rec, []byte{job.Format, 1})
	if err := s.stream.Purge(ctx); err != nil {
		t.Fatal(err)
	}
	objects := s.objects
	s.objects = unread{objects}
	if err := n.sweep(ctx, -time.Minute); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
	if _, err := s.get(ctx, rec.ID); err != nil {
		t.Fatal(err)
	}
	s.objects = objects
	if err := n.sweep(ctx, -time.Minute); err != nil || !s.hasMessage(ctx, rec) {
		t.Error("it waits for ever", err)
	}
}

// All messages go that nobody is given any more: also those without a record, and several of one
// job. What cannot be swept does not keep the others.
func TestAllThatLiesIsSwept(t *testing.T) {
	n, s := storeOf(t)
	ctx := t.Context()
	waiting, ended, none, stuck := waits(t, s), waits(t, s), waits(t, s), waits(t, s)
	goThrough(t, s, ended, job.Begin, job.Answered)
	for _, version := range []string{"1", "0"} {
		again := *ended
		if again.Version = version; s.publish(ctx, &again, []byte{job.Format, 1}) != nil {
			t.Fatal("it is not stored")
		}
	}
	if err := s.records.Purge(ctx, none.ID.String()); err != nil {
		t.Fatal(err)
	}
	if _, err := s.records.PutString(ctx, stuck.ID.String(), "nobody can read this"); err != nil {
		t.Fatal(err)
	}
	if err := n.sweep(ctx, time.Hour); err == nil || !s.hasMessage(ctx, none) || !s.hasMessage(ctx, ended) {
		t.Error("what is young is swept", err)
	}
	if err := n.sweep(ctx, -time.Minute); err == nil {
		t.Error("nobody is told of what cannot be read")
	}
	if !s.hasMessage(ctx, waiting) || !s.hasMessage(ctx, stuck) || s.hasMessage(ctx, ended) || s.hasMessage(ctx, none) {
		t.Errorf("waiting %v, unread %v, ended %v, without a record %v", s.hasMessage(ctx, waiting), s.hasMessage(ctx, stuck), s.hasMessage(ctx, ended), s.hasMessage(ctx, none))
	}
}

// Several servers sweep at once, and each may be killed in the middle: what is left is one message
// of each job that is to run.
func TestSeveralSweepAtOnce(t *testing.T) {
	n, s := storeOf(t)
	ctx := t.Context()
	again, ghost, ended := waits(t, s), waits(t, s), waits(t, s)
	s.keepMessage(ctx, again, []byte{job.Format, 1})
	goThrough(t, s, ended, job.Begin, job.Answered)
	for _, r := range []*job.Record{again, ghost} {
		if err := s.stream.Purge(ctx, jetstream.WithPurgeSubject(n.names.jobSubject(r))); err != nil {
			t.Fatal(err)
		}
	}
	killed, kill := context.WithCancel(ctx)
	defer kill()
	var all sync.WaitGroup
	for i := range 6 {
		all.Go(func() {
			if i == 0 {
				time.AfterFunc(2*time.Millisecond, kill)
				_ = n.sweep(killed, -time.Minute)
				return
			}
			if err := n.sweep(ctx, -time.Minute); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if info, err := s.stream.Info(ctx); err != nil || info.State.Msgs != 1 || !s.hasMessage(ctx, again) {
		t.Errorf("%d messages, %v", info.State.Msgs, err)
	}
	if err := n.sweep(ctx, -time.Minute); err != nil {
		t.Error(err)
	}
	if _, objects, parts := s.left(t); len(objects) != 2 || parts != 2 { // the body of the one, and what it was made of
		t.Errorf("%v and %d parts are left", objects, parts)
	}
}

// What an engine has kept of a job that has ended does not pass for the message of its next run.
func TestWhatLiesIsNoNextRun(t *testing.T) {
	n, s := storeOf(t)
	n.up.Store(true)
	ctx := t.Context()
	rec := waits(t, s)
	goThrough(t, s, rec, job.Begin, job.Died)
	s.keepMessage(ctx, rec, []byte{job.Format, 1})
	before, err := s.stream.GetLastMsgForSubject(ctx, n.names.anySubject(rec.ID))
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	n.Inside().ServeHTTP(w, httptest.NewRequest("POST", "/jobs/"+rec.ID.String()+"/retry", nil))
	after, err := s.stream.GetLastMsgForSubject(ctx, n.names.anySubject(rec.ID))
	if err != nil || w.Code != http.StatusAccepted || after.Sequence == before.Sequence {
		t.Fatal(w.Code, w.Body, err)
	}
	if info, err := s.stream.Info(ctx); err != nil || info.State.Msgs != 1 {
		t.Errorf("%d messages, %v", info.State.Msgs, err)
	}
}

// How old something is the engine's clock says, also where this server's was set a moment ago.
func TestTheSweepGoesByTheEnginesClock(t *testing.T) {
	n, s := storeOf(t)
	ctx := t.Context()
	stored, comes := waits(t, s), waits(t, s) // the message of the one is not there yet, and the record of the other
	if err := s.stream.Purge(ctx, jetstream.WithPurgeSubject(n.names.jobSubject(stored))); err != nil {
		t.Fatal(err)
	}
	if err := s.records.Purge(ctx, comes.ID.String()); err != nil {
		t.Fatal(err)
	}
	n.behind.Store(int64(2 * time.Hour))
	if err := n.sweep(ctx, time.Hour); err != nil {
		t.Fatal(err)
	}
	if _, err := s.get(ctx, stored.ID); err != nil || !s.hasMessage(ctx, comes) {
		t.Errorf("record %v, message %v", err, s.hasMessage(ctx, comes))
	}
	if _, objects, _ := s.left(t); len(objects) != 2 {
		t.Errorf("%v are left", objects)
	}
}

// Two want a job to be run again: what the one has begun the other does not take the message of.
func TestARetryLeavesTheMessageOfAnothers(t *testing.T) {
	_, s := storeOf(t)
	rec := waits(t, s)
	goThrough(t, s, rec, job.Begin)
	if err := s.dropOld(t.Context(), rec.ID); err != nil || !s.hasMessage(t.Context(), rec) {
		t.Error("nobody will run it if its runner dies", err)
	}
}

// behindObjects are those of a server that has not caught up.
type behindObjects struct{ jetstream.ObjectStore }

func (behindObjects) Get(context.Context, string, ...jetstream.GetObjectOpt) (jetstream.ObjectResult, error) {
	return nil, jetstream.ErrObjectNotFound
}

// A job is not lost whose body one server does not know yet; it is where there is none.
func TestABodyThatOneServerDoesNotKnowYet(t *testing.T) {
	n, s := storeOf(t)
	n.cfg.File = func() (*os.File, error) { return os.CreateTemp(t.TempDir(), "") }
	rec := waits(t, s)
	s.objects = behindObjects{s.objects}
	w := &workload{r: n.runner, s: s, rec: *rec}
	_, err := w.fetchBody()
	if e, reason := w.outcome(err); e != job.Refused {
		t.Error(e, reason)
	}
	s.dropObject(t.Context(), bodyName(rec.ID))
	_, err = w.fetchBody()
	if e, reason := w.outcome(err); e != job.Died {
		t.Error(e, reason)
	}
}

// older is a bucket of a server that knows an older record.
type older struct {
	jetstream.KeyValue
	record jetstream.KeyValueEntry
}

func (o older) Get(context.Context, string) (jetstream.KeyValueEntry, error) { return o.record, nil }

// Nor is the message of a job that is run again taken for that of the run before.
func TestAMessageIsNotGivenUpWhoseJobRunsAgain(t *testing.T) {
	n, s := storeOf(t)
	ctx := t.Context()
	rec := waits(t, s)
	s.young.take(ctx, rec.ID) // of another server
	goThrough(t, s, rec, job.Begin, job.Died)
	old, err := s.records.Get(ctx, rec.ID.String())
	if err != nil {
		t.Fatal(err)
	}
	goThrough(t, s, rec, job.Retried)
	s.records = older{s.records, old}
	jobs := puller{r: n.runner, stream: n.names.jobs}
	m, _ := jobs.next(n.runner.workQueues(), make(chan struct{}))
	if m == nil {
		t.Fatal("it does not come")
	}
	n.runner.claim(s, m, rec.ID)
	if err := n.nc.Flush(); err != nil || !s.hasMessage(ctx, rec) {
		t.Error("the job is lost", err)
	}
}
