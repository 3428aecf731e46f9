package jobs

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"girin/internal/jobs/job"
)

// left is what a store has of jobs, as names.
func (s *store) left(t *testing.T) (records []job.ID, objects []string, parts int) {
	t.Helper()
	ctx := t.Context()
	all, err := s.list(ctx, 100, func(*job.Record) bool { return true })
	if err != nil {
		t.Fatal(err)
	}
	for i := range all {
		records = append(records, all[i].ID)
	}
	infos, err := s.objects.List(ctx)
	if err != nil && !errors.Is(err, jetstream.ErrNoObjectsFound) {
		t.Fatal(err)
	}
	for _, o := range infos {
		objects = append(objects, o.Name)
	}
	stream, err := s.n.js.Stream(ctx, "OBJ_"+s.n.bucket("bodies"))
	if err != nil {
		t.Fatal(err)
	}
	info, err := stream.Info(ctx, jetstream.WithSubjectFilter("$O."+s.n.bucket("bodies")+".C.>"))
	if err != nil {
		t.Fatal(err)
	}
	return records, objects, len(info.State.Subjects)
}

// Who dies while it stores a job leaves a record without a message, and a body or a part of one.
// When nobody can go on with that any more it is removed; what is a job's stays.
func TestWhatWasNeverStoredWholeIsSwept(t *testing.T) {
	n, s := storeOf(t)
	ctx := t.Context()
	queued := func(body int64) *job.Record {
		return &job.Record{ID: job.NewID(), Status: job.Queued, Version: "1", Format: job.Format, Created: time.Now(), Body: body}
	}
	put := func(name string) {
		if err := putObject(ctx, s.objects, name, bytes.NewReader(make([]byte, 100))); err != nil {
			t.Fatal(err)
		}
	}
	create := func(r *job.Record) {
		t.Helper()
		if err := s.accept(ctx, r, []byte{job.Format, 1}); err != nil {
			t.Fatal(err)
		}
	}
	whole, ghost, again, done := queued(100), queued(100), queued(0), queued(0)
	for _, r := range []*job.Record{whole, ghost, again, done} {
		create(r)
	}
	for _, r := range []*job.Record{ghost, again, done} {
		if err := s.stream.Purge(ctx, jetstream.WithPurgeSubject(n.names.jobSubject(r))); err != nil {
			t.Fatal(err)
		}
	}
	for _, event := range []job.Event{job.Begin, job.Answered} {
		if _, _, err := s.change(ctx, change{id: done.ID, event: event}); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{bodyName(whole.ID), bodyName(ghost.ID), bodyName(job.NewID()), messageName(again.ID), messageName(done.ID)} {
		put(name)
	}
	if _, err := n.js.PublishMsg(ctx, &nats.Msg{Subject: "$O." + n.bucket("bodies") + ".C.half", Data: []byte("half of a body")}); err != nil {
		t.Fatal(err)
	}

	if err := n.sweep(ctx, time.Hour); err != nil {
		t.Fatal(err)
	}
	if records, objects, parts := s.left(t); len(records) != 4 || len(objects) != 5 || parts != 6 {
		t.Errorf("what may still become whole is swept: %v, %v, %d parts", records, objects, parts)
	}
	if err := n.sweep(ctx, -time.Minute); err != nil {
		t.Fatal(err)
	}
	records, objects, parts := s.left(t)
	if len(records) != 3 || slices.Contains(records, ghost.ID) {
		t.Errorf("records: %v are left, of which %v is no job", records, ghost.ID)
	}
	slices.Sort(objects)
	if want := []string{bodyName(whole.ID), messageName(again.ID)}; !slices.Equal(objects, want) || parts != 2 {
		t.Errorf("objects: %v and %d parts are left, not %v", objects, parts, want)
	}
	if !s.hasMessage(ctx, again) || !s.hasMessage(ctx, whole) {
		t.Error("a job that waits is not begun")
	}
}

// A job that waited until its message expired does not vanish: whoever was told that it is accepted
// hears what became of it, also if it was begun, or something was noted of it, a short while ago.
func TestAJobWhoseMessageHasExpiredIsCancelled(t *testing.T) {
	n, s := storeOf(t)
	ctx := t.Context()
	long := time.Now().Add(-waitLongest - time.Hour)
	noted := &job.Record{ID: job.NewID(), Status: job.Queued, Version: "1", Format: job.Format, Created: long, Reason: otherFormat}
	begun := &job.Record{ID: job.NewID(), Status: job.Queued, Version: "1", Format: job.Format, Created: time.Now(), Attempt: 1}
	for _, r := range []*job.Record{noted, begun} {
		if err := s.accept(ctx, r, []byte{job.Format, 1}); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.stream.Purge(ctx); err != nil {
		t.Fatal(err)
	}
	if err := n.sweep(ctx, -time.Minute); err != nil {
		t.Fatal(err)
	}
	for _, r := range []*job.Record{noted, begun} {
		if is, err := s.get(ctx, r.ID); err != nil || is.Status != job.Cancelled {
			t.Errorf("attempt %d: %v, %v", r.Attempt, is.Status, err)
		}
	}
}

// The message of a job that has ended goes, when nobody can be about to take it; of others it stays.
func TestMessagesOfJobsThatHaveEndedAreSwept(t *testing.T) {
	n, s := storeOf(t)
	ctx := t.Context()
	var waits, ended, running job.Record
	for r, events := range map[*job.Record][]job.Event{&waits: nil, &running: {job.Begin}, &ended: {job.Begin, job.Answered}} {
		*r = job.Record{ID: job.NewID(), Status: job.Queued, Version: "1", Format: job.Format, Created: time.Now()}
		if err := s.accept(ctx, r, []byte{job.Format, 1}); err != nil {
			t.Fatal(err)
		}
		for _, event := range events {
			if _, _, err := s.change(ctx, change{id: r.ID, event: event}); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := n.sweep(ctx, time.Hour); err != nil || !s.hasMessage(ctx, &ended) {
		t.Fatalf("one that has just ended is swept, %v", err)
	}
	if err := n.sweep(ctx, -time.Minute); err != nil {
		t.Fatal(err)
	}
	if !s.hasMessage(ctx, &waits) || !s.hasMessage(ctx, &running) || s.hasMessage(ctx, &ended) {
		t.Errorf("waiting %v, running %v, ended %v", s.hasMessage(ctx, &waits), s.hasMessage(ctx, &running), s.hasMessage(ctx, &ended))
	}
}

// goneReader is a body whose client leaves when half of it is stored.
type goneReader struct {
	leave context.CancelFunc
	parts int
}

func (g *goneReader) Read(b []byte) (int, error) {
	if g.parts++; g.parts == 3 {
		g.leave()
	}
	return len(b), nil
}

// A client that leaves while its body is stored leaves nothing of it behind.
func TestABodyWhoseClientLeavesIsTakenBack(t *testing.T) {
	n, s := storeOf(t)
	ctx, leave := context.WithTimeout(t.Context(), 30*time.Second)
	defer leave()
	if err := putObject(ctx, s.objects, bodyName(job.NewID()), &goneReader{leave: leave}); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	if _, objects, parts := s.left(t); len(objects) != 0 || parts != 0 {
		t.Errorf("%v and %d parts are left", objects, parts)
	}
	rec := &job.Record{ID: job.NewID(), Status: job.Queued, Version: "1", Format: job.Format, Created: time.Now()}
	if err := s.accept(ctx, rec, nil); !isNotStored(err) {
		t.Errorf("a job is stored of which nobody knows: %v", err)
	}
	if err := n.sweep(t.Context(), time.Hour); err != nil {
		t.Error(err)
	}
}

// Who notes a job's end and dies before it lets go of the message, lets the next one do that that
// gets it: what has ended badly can be run again, and the body of what was answered is dropped.
func TestAnEndIsMadeWhole(t *testing.T) {
	for event, kept := range map[job.Event]bool{job.Answered: false, job.Died: true} {
		n, s := storeOf(t)
		ctx := t.Context()
		rec := &job.Record{ID: job.NewID(), Status: job.Queued, Version: "1", Format: job.Format, Created: time.Now(), Once: true, Body: 100}
		if err := putObject(ctx, s.objects, bodyName(rec.ID), bytes.NewReader(make([]byte, 100))); err != nil {
			t.Fatal(err)
		}
		if err := s.accept(ctx, rec, []byte{job.Format, 1}); err != nil {
			t.Fatal(err)
		}
		for _, e := range []job.Event{job.Begin, event} {
			if _, changed, err := s.change(ctx, change{id: rec.ID, event: e}); !changed || err != nil {
				t.Fatal(err)
			}
		}
		jobs := puller{r: n.runner, stream: n.names.jobs}
		m, _ := jobs.next(n.runner.workQueues(), make(chan struct{}))
		if m == nil {
			t.Fatal("its message does not come")
		}
		s.young.take(ctx, rec.ID) // of another server
		if begun := n.runner.claim(s, m, rec.ID); begun != nil {
			t.Errorf("it is begun again: %+v", begun)
		}
		_, objects, _ := s.left(t)
		want := []string{bodyName(rec.ID), messageName(rec.ID)}
		if !kept {
			want = nil
		}
		slices.Sort(objects)
		if !slices.Equal(objects, want) {
			t.Errorf("after event %d: %v are left, not %v", event, objects, want)
		}
	}
}

// A line that no route has any more is forgotten, unless a job waits in it or another server has
// such a route: it would cost each slot a question for ever.
func TestALineThatNobodyUsesIsForgotten(t *testing.T) {
	n, s := storeOf(t)
	ctx := t.Context()
	named := classes{"high-waits": 2, "low-used": 1, "low-gone": 1}
	if _, err := s.openClasses(ctx, named); err != nil {
		t.Fatal(err)
	}
	s.classes = named
	rec := &job.Record{ID: job.NewID(), Status: job.Queued, Version: "1", Format: job.Format, Created: time.Now(), Class: "high-waits"}
	if err := s.accept(ctx, rec, []byte{job.Format, 1}); err != nil {
		t.Fatal(err)
	}
	n.beats.last["other"] = heard{beat: beat{Node: "other", Classes: []string{"low-used"}}, at: n.cfg.Clock()}
	unused := map[string]time.Time{}
	if err := n.forgetClasses(ctx, unused); err != nil || len(unused) != 2 || len(n.kick) != 0 {
		t.Fatalf("%v, %v", unused, err)
	}
	for class := range unused {
		unused[class] = time.Now().Add(-2 * classForgottenAfter)
	}
	if err := n.forgetClasses(ctx, unused); err != nil {
		t.Fatal(err)
	}
	all, _, err := s.knownClasses(ctx)
	if _, gone := all["low-gone"]; err != nil || gone || len(all) != 3 { // with mid, this node's own
		t.Errorf("%v, %v", all, err)
	}
	if len(n.kick) != 1 {
		t.Error("slots still ask for it")
	}
	<-n.kick
	s.classes = classes{"high-waits": 2, "low-used": 1, "mid": 0}
	if err := s.forgetClass(ctx, "mid"); err != nil { // by a node that has not heard of this one yet
		t.Fatal(err)
	}
	if n.lookAtClasses(ctx); len(n.kick) != 1 {
		t.Error("a line of this node's own is forgotten")
	}
}

// A job that is to run again waits in a line for which slots ask, also when that of its route was
// forgotten meanwhile.
func TestAJobIsRunAgainWhoseLineWasForgotten(t *testing.T) {
	n, s := storeOf(t)
	n.up.Store(true)
	ctx := t.Context()
	rec := &job.Record{ID: job.NewID(), Status: job.Queued, Version: "1", Format: job.Format, Created: time.Now(), Once: true, Class: "low-gone", Priority: "low"}
	if err := s.accept(ctx, rec, []byte{job.Format, 1}); err != nil {
		t.Fatal(err)
	}
	for _, e := range []job.Event{job.Begin, job.Died} {
		if _, changed, err := s.change(ctx, change{id: rec.ID, event: e}); !changed || err != nil {
			t.Fatal(err)
		}
	}
	s.keepMessage(ctx, rec, []byte{job.Format, 1})
	if err := s.stream.Purge(ctx); err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	n.Inside().ServeHTTP(w, httptest.NewRequest("POST", "/jobs/"+rec.ID.String()+"/retry", nil))
	if w.Code != http.StatusAccepted {
		t.Fatal(w.Code, w.Body)
	}
	jobs := puller{r: n.runner, stream: n.names.jobs}
	if m, _ := jobs.next(n.runner.workQueues(), make(chan struct{})); m == nil || n.runner.claim(s, m, rec.ID) == nil {
		t.Error("nobody asks for it")
	}
}

// What is run again and then cancelled before it begins cannot be run again without its body.
func TestWhatIsCancelledBeforeItBeginsIsDroppedWhole(t *testing.T) {
	_, s := storeOf(t)
	rec := &job.Record{ID: job.NewID(), Status: job.Cancelled, Body: 100}
	for _, name := range []string{bodyName(rec.ID), messageName(rec.ID)} {
		if err := putObject(t.Context(), s.objects, name, bytes.NewReader(make([]byte, 100))); err != nil {
			t.Fatal(err)
		}
	}
	s.letGo(t.Context(), rec, []byte{job.Format, 1})
	if _, objects, parts := s.left(t); len(objects) != 0 || parts != 0 {
		t.Errorf("%v and %d parts are left", objects, parts)
	}
}
