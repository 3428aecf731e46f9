package jobs

import (
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"girin/internal/jobs/job"
	"girin/internal/offload"
)

// A node that dies after it has made the record of what is due, and before the message, has
// made no job: the next one that is told makes it whole.
func TestWhatIsDueIsMadeWhole(t *testing.T) {
	n, s := storeOf(t)
	n.cfg.Bases = func() []map[string]string { return nil }
	n.up.Store(true)
	ctx := context.Background()
	if err := n.openTimer(ctx); err != nil {
		t.Fatal(err)
	}
	text, _ := json.Marshal(Schedule{Task: Task{Task: "app:nightly"}, Cron: "0 0 5 * * *"})
	if _, err := n.js.PublishMsg(ctx, &nats.Msg{Subject: n.names.dueSubject("x"), Data: text}); err != nil {
		t.Fatal(err)
	}
	due := puller{r: n.runner, stream: n.names.timer}
	m, _ := due.next([]string{"due"}, make(chan struct{}))
	if m == nil {
		t.Fatal("nothing is due")
	}
	n.due(m)
	all, err := s.list(ctx, 10, func(*job.Record) bool { return true })
	if err != nil || len(all) != 1 || !s.hasMessage(ctx, &all[0].Record) {
		t.Fatalf("%v: %d jobs", err, len(all))
	}
	if err := s.stream.Purge(ctx); err != nil {
		t.Fatal(err)
	}
	n.due(m)
	if !s.hasMessage(ctx, &all[0].Record) {
		t.Error("the job waits for ever")
	}
	if info, err := s.stream.Info(ctx); err != nil || info.State.Msgs != 1 {
		t.Errorf("%v: not one message", err)
	}
}

// The same is true of what is to run once more.
func TestWhatIsToRunAgainIsMadeWhole(t *testing.T) {
	n, s := storeOf(t)
	n.up.Store(true)
	ctx := context.Background()
	rec := &job.Record{ID: job.NewID(), Status: job.Dead, Version: "1", Format: job.Format, Created: time.Now(), Ended: time.Now()}
	if err := s.accept(ctx, rec, []byte{job.Format, 1}); err != nil {
		t.Fatal(err)
	}
	s.keepMessage(ctx, rec, []byte{job.Format, 1})
	retry := func() int {
		w := httptest.NewRecorder()
		n.Inside().ServeHTTP(w, httptest.NewRequest("POST", "/jobs/"+rec.ID.String()+"/retry", nil))
		return w.Code
	}
	if status := retry(); status != http.StatusAccepted {
		t.Fatal(status)
	}
	if status := retry(); status != http.StatusConflict {
		t.Errorf("it waits already: %d", status)
	}
	if err := s.stream.Purge(ctx); err != nil {
		t.Fatal(err)
	}
	if status := retry(); status != http.StatusAccepted || !s.hasMessage(ctx, rec) {
		t.Errorf("%d: the job waits for ever", status)
	}
}

// A version that is brought in, taken back and brought in again within minutes takes its jobs
// along each time.
func TestJobsThatComeBackAreMovedAgain(t *testing.T) {
	n, s := storeOf(t)
	ctx := context.Background()
	rec := &job.Record{ID: job.NewID(), Status: job.Queued, Version: "1", Format: job.Format, Created: time.Now()}
	if err := s.accept(ctx, rec, []byte{job.Format, 1}); err != nil {
		t.Fatal(err)
	}
	for _, version := range []string{"2", "1", "2"} {
		n.version.Store(&version)
		if err := n.move(ctx, s.stream, n.names.jobSubject(rec)); err != nil {
			t.Fatal(err)
		}
		if rec.Version = version; !s.hasMessage(ctx, rec) {
			t.Fatalf("it is lost on its way to version %s", version)
		}
	}
}

// A server whose clock is wrong neither begins early or late, nor takes what is due for old.
func TestAWrongClockIsMadeUpFor(t *testing.T) {
	n, s := storeOf(t)
	n.cfg.Bases = func() []map[string]string { return nil }
	n.up.Store(true)
	ctx := context.Background()
	if n.measure(ctx); n.behind.Load() != 0 {
		t.Errorf("it is off by %v", time.Duration(n.behind.Load()))
	}
	for _, behind := range []time.Duration{time.Hour, -time.Hour} { // as if it were another server's
		n.behind.Store(int64(behind))
		rec, err := n.storeTask(ctx, &Task{Task: "app:later", Delay: 60}, job.NewID(), true)
		if err != nil {
			t.Fatal(err)
		}
		if in := time.Until(rec.After) - behind; in < 55*time.Second || in > 61*time.Second {
			t.Errorf("it begins in %v", in)
		}
	}
	if info := s.stream.CachedInfo(); info.TimeStamp.IsZero() {
		t.Error("the engine does not say how late it is")
	}
}

// While a limit is changed there are nodes that know the one and nodes that know the other.
func TestNodesWithOtherLimitsLeaveEachOtherAlone(t *testing.T) {
	n, s := storeOf(t)
	ctx := context.Background()
	other := maps.Clone(s.classes)
	other[offload.Usual] = 3
	if _, err := s.openClasses(ctx, other); err != nil {
		t.Fatal(err)
	}
	if n.lookAtClasses(ctx); len(n.kick) != 0 {
		t.Error("the other's limit is undone")
	}
	other["high-x"] = 1
	if _, err := s.openClasses(ctx, other); err != nil {
		t.Fatal(err)
	}
	if n.lookAtClasses(ctx); len(n.kick) != 1 {
		t.Error("jobs of another's route are not asked for")
	}
}

// A watch that the library gives up, as in a cluster that chooses a leader, is begun again.
func TestChangesAreFollowedAgain(t *testing.T) {
	n, s := storeOf(t)
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	id := job.NewID()
	changed, unwatch := n.hub.watch(id)
	defer unwatch()
	records := &watched{KeyValue: s.records, watches: make(chan jetstream.KeyWatcher, 4)}
	s.records = records
	ended := make(chan struct{})
	go func() { defer close(ended); n.hub.follow(ctx, s) }()
	for range 2 {
		w := <-records.watches
		await(t, changed) // look: something may have been missed
		if _, err := s.records.Put(ctx, id.String(), []byte("{}")); err != nil {
			t.Fatal(err)
		}
		await(t, changed)
		_ = w.Stop()
	}
	stop()
	<-ended
}

func await[T any](t *testing.T, c <-chan T) {
	t.Helper()
	select {
	case <-c:
	case <-time.After(20 * time.Second):
		t.Fatal("nobody is told")
	}
}

type watched struct {
	jetstream.KeyValue
	watches chan jetstream.KeyWatcher
}

func (w *watched) WatchAll(ctx context.Context, o ...jetstream.WatchOpt) (jetstream.KeyWatcher, error) {
	k, err := w.KeyValue.WatchAll(ctx, o...)
	if err == nil {
		w.watches <- k
	}
	return k, err
}
