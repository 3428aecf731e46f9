package jobs

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"girin/internal/jobs/job"
)

// Who was stopped, or whose engine was, has heard nobody for a while: that says nothing of jobs that
// others run, however the first words come that were on their way.
func TestWhoHearsNobodyTakesNoJobForLost(t *testing.T) {
	now := int64(time.Hour)
	n := New(Config{App: "x", Version: "1", Clock: func() int64 { return now }, Log: quiet{t}})
	n.up.Store(true)
	b := n.beats
	b.all()
	r := &job.Record{ID: job.NewID(), Status: job.Running, Node: "other", Began: time.Now().Add(-time.Hour)}
	b.last["other"] = heard{beat: beat{Node: "other", Runs: map[string][]string{ofNobody: {r.ID.String()}}}, at: now}
	now += int64(time.Minute)
	if !b.runs(r) {
		t.Error("it is taken for lost by who was stopped")
	}
	own, _ := json.Marshal(beat{Node: n.name})
	b.hear(&nats.Msg{Data: own}) // from before
	if !b.runs(r) {
		t.Error("it is taken for lost by who has heard himself alone")
	}
	if b.isMute() || !b.runs(r) {
		t.Error("its silence does not count anew")
	}
	now += beatGone + 1
	if b.hear(&nats.Msg{Data: own}); b.isMute() || !b.runs(r) {
		t.Error("its silence does not count anew")
	}
	for range 5 {
		now += beatMute
		b.hear(&nats.Msg{Data: own})
	}
	if b.runs(r) {
		t.Error("nobody hears of its runner, and it is never given up")
	}
}

// The engine may have a job's beginning and be slow to say so: neither another slot nor another node
// takes it for lost meanwhile.
func TestAJobIsNotLostThatIsAboutToBegin(t *testing.T) {
	n, s := storeOf(t)
	n.beats.all()
	rec := waits(t, s)
	s.young.take(t.Context(), rec.ID)
	long := n.now().Add(-time.Minute)
	if _, _, err := s.change(t.Context(), change{id: rec.ID, event: job.Begin, note: func(r *job.Record) { r.Node, r.Once, r.Began = n.name, true, long }}); err != nil {
		t.Fatal(err)
	}
	jobs := puller{r: n.runner, stream: n.names.jobs}
	m, _ := jobs.next(n.runner.workQueues(), make(chan struct{}))
	if m == nil {
		t.Fatal("it does not come")
	}
	n.runner.claiming(rec.ID, 1) // the slot that waits for the engine
	if !slices.Contains(n.runner.forOthers()[ofNobody], rec.ID.String()) || !n.runs(rec) {
		t.Error("nobody is told that it is about to run")
	}
	n.runner.claiming(rec.ID, 1)
	n.runner.claim(s, m, rec.ID)
	if is, err := s.get(t.Context(), rec.ID); err != nil || is.Status != job.Running {
		t.Error(is.Status, err)
	}
	n.runner.claiming(rec.ID, -2)
	n.runner.claiming(rec.ID, 1)
	n.runner.claim(s, m, rec.ID) // alone: who ran it has gone
	if is, err := s.get(t.Context(), rec.ID); err != nil || is.Status != job.Lost {
		t.Error(is.Status, err)
	}
}

// What a runner still does that was given up is not the end of the job that a person has had run
// again, though both are its first attempt, and on the same server.
func TestTheRunBeforeDoesNotCount(t *testing.T) {
	n, s := storeOf(t)
	rec := waits(t, s)
	begin := func() *workload {
		r, _, err := s.change(t.Context(), change{id: rec.ID, event: job.Begin, note: func(r *job.Record) { r.Node, r.Once = n.name, true }})
		if err != nil {
			t.Fatal(err)
		}
		return &workload{r: n.runner, s: s, rec: r.Record}
	}
	before := begin()
	goThrough(t, s, rec, job.Died, job.Retried)
	now := begin()
	if before.rec.Attempt != now.rec.Attempt || before.counts(&now.rec) || !now.counts(&now.rec) {
		t.Errorf("%+v counts, as %+v does", before.rec, now.rec)
	}
	if resultName(&before.rec) == resultName(&now.rec) {
		t.Error("its result overwrites the other's")
	}
}

// Whoever noted a job's bad end may have died before it kept what the job was made of: the sweep does
// so, and a person can run it again.
func TestWhatIsSweptOfABadEndIsKept(t *testing.T) {
	n, s := storeOf(t)
	n.up.Store(true)
	rec := waits(t, s)
	goThrough(t, s, rec, job.Begin, job.Died)
	if err := n.sweep(t.Context(), -time.Minute); err != nil || s.hasMessage(t.Context(), rec) {
		t.Fatal("it is not swept", err)
	}
	if w := inside(n, "POST", "/jobs/"+rec.ID.String()+"/retry"); w.Code != http.StatusAccepted || !s.hasMessage(t.Context(), rec) {
		t.Error(w.Code, w.Body)
	}
}

func inside(n *Node, method, path string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	n.Inside().ServeHTTP(w, httptest.NewRequest(method, path, nil))
	return w
}

// What is to run again is not forgotten by who still sees its end.
func TestAJobIsNotForgottenThatRunsAgain(t *testing.T) {
	n, s := storeOf(t)
	n.up.Store(true)
	rec := waits(t, s)
	goThrough(t, s, rec, job.Begin, job.Died)
	old, err := s.records.Get(t.Context(), rec.ID.String())
	if err != nil {
		t.Fatal(err)
	}
	goThrough(t, s, rec, job.Retried)
	known := s.records
	s.records = older{known, old}
	w := inside(n, "POST", "/jobs/"+rec.ID.String()+"/purge")
	s.records = known
	if _, err := s.get(t.Context(), rec.ID); w.Code != http.StatusConflict || err != nil {
		t.Error(w.Code, err)
	}
	goThrough(t, s, rec, job.Withdrawn)
	if w := inside(n, "POST", "/jobs/"+rec.ID.String()+"/purge"); w.Code != http.StatusNoContent {
		t.Error(w.Code, w.Body)
	}
	if w := inside(n, "POST", "/jobs/"+rec.ID.String()+"/purge"); w.Code != http.StatusNotFound {
		t.Error(w.Code, w.Body)
	}
	if _, objects, parts := s.left(t); len(objects) != 0 || parts != 0 {
		t.Errorf("%v and %d parts are left", objects, parts)
	}
}

// A job that is cancelled before its second run leaves nothing that could be begun in vain.
func TestWhatIsCancelledBeforeItsSecondRunLeavesNothing(t *testing.T) {
	n, s := storeOf(t)
	n.up.Store(true)
	rec := waits(t, s)
	goThrough(t, s, rec, job.Begin, job.Died)
	s.keepMessage(t.Context(), rec, []byte{job.Format, 1})
	goThrough(t, s, rec, job.Retried)
	if w := inside(n, "DELETE", "/jobs/"+rec.ID.String()); w.Code != http.StatusNoContent {
		t.Fatal(w.Code, w.Body)
	}
	if _, objects, parts := s.left(t); len(objects) != 0 || parts != 0 {
		t.Errorf("%v and %d parts are left", objects, parts)
	}
}

// A unique task that one server takes for one that waits in vain, while it runs, keeps its key.
func TestAUniqueTaskThatRunsKeepsItsKey(t *testing.T) {
	n, s := storeOf(t)
	n.cfg.Bases = func() []map[string]string { return nil }
	n.up.Store(true)
	task := &Task{Task: "app:once", Unique: "1"}
	first, err := n.storeTask(t.Context(), task, job.NewID(), true)
	if err != nil {
		t.Fatal(err)
	}
	waiting, err := s.records.Get(t.Context(), first.ID.String())
	if err != nil {
		t.Fatal(err)
	}
	goThrough(t, s, first, job.Begin)
	s.records = older{s.records, waiting}
	if err := s.stream.Purge(t.Context()); err != nil {
		t.Fatal(err)
	}
	n.behind.Store(int64(time.Hour))
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if second, err := n.storeTask(ctx, task, job.NewID(), true); err == nil && second.ID != first.ID {
		t.Error("two run at once")
	}
}

// A place among those that wait counts those of its own line, whatever has passed in others.
func TestAPlaceCountsItsOwnLine(t *testing.T) {
	n, s := storeOf(t)
	n.up.Store(true)
	n.cfg.Bases = func() []map[string]string { return nil }
	for range 20 {
		if _, err := n.storeTask(t.Context(), &Task{Task: "app:other"}, job.NewID(), true); err != nil {
			t.Fatal(err)
		}
	}
	for i := 1; i <= 3; i++ {
		r := waits(t, s)
		if place := n.position(t.Context(), &job.Record{ID: r.ID, Version: r.Version, Format: r.Format}); place != i || r.Position < i-1 || r.Position > i+1 {
			t.Errorf("the %d. has place %d, and was told %d", i, place, r.Position)
		}
	}
}

// Of a schedule that has gone nothing is left, also not what was due last.
func TestNothingIsLeftOfASchedule(t *testing.T) {
	n, _ := storeOf(t)
	ctx := t.Context()
	if err := n.openTimer(ctx); err != nil {
		t.Fatal(err)
	}
	for _, all := range [][]Schedule{{{Task: Task{Task: "app:tick"}, Cron: "* * * * * *"}}, nil} {
		if err := n.keepSchedules(ctx, all); err != nil {
			t.Fatal(err)
		}
		stream, err := n.js.Stream(ctx, n.names.timer)
		for end := time.Now().Add(20 * time.Second); err == nil && all != nil && stream.CachedInfo().State.Msgs < 2; time.Sleep(lookEvery) {
			if time.Now().After(end) {
				t.Fatal("nothing is due")
			}
			_, err = stream.Info(ctx)
		}
		if err != nil {
			t.Fatal(err)
		}
		if left := stream.CachedInfo().State.Msgs; all == nil && left > 0 {
			t.Errorf("%d messages are left", left)
		}
	}
}
