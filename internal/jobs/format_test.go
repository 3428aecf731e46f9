package jobs

import (
	"context"
	"strings"
	"testing"
	"time"

	"girin/internal/jobs/job"
)

// What a newer girin has packed comes to no node that cannot read it, is not moved, and says
// why it waits.
func TestMessagesOfAnotherFormatAreLeft(t *testing.T) {
	n, s := storeOf(t)
	n.cfg.Log = quietButFor{t, "can read it"}
	n.up.Store(true)
	ctx := context.Background()
	rec := &job.Record{ID: job.NewID(), Status: job.Queued, Version: "1", Format: job.Format + 1, Created: time.Now()}
	if err := s.accept(ctx, rec, []byte{job.Format + 1, 'x'}); err != nil {
		t.Fatal(err)
	}
	own := &job.Record{ID: job.NewID(), Status: job.Queued, Version: "1", Format: job.Format, Created: time.Now()}
	if err := s.accept(ctx, own, []byte{job.Format, 'x'}); err != nil {
		t.Fatal(err)
	}
	jobs := puller{r: n.runner, stream: n.names.jobs}
	m, _ := jobs.next(n.runner.workQueues(), make(chan struct{}))
	if m == nil || !strings.HasSuffix(m.Subject, own.ID.String()) {
		t.Fatalf("what is its own does not come: %+v", m)
	}
	_ = m.Ack()
	if all := n.beats.versions(); all[lineOf("1", job.Format+1)] || !all[line("1")] {
		t.Errorf("it serves %v", all)
	}
	for range 2 {
		_ = n.move(ctx, s.stream, n.names.jobSubject(rec))
	}
	now, err := s.get(ctx, rec.ID)
	if err != nil || now.Status != job.Queued || !strings.Contains(now.Reason, "another version of girin") || now.Version != "1" {
		t.Errorf("%v: %+v", err, now.Record)
	}
	if !s.hasMessage(ctx, rec) {
		t.Error("its message is gone")
	}
	// A server that reads it is there: then it waits for that one.
	n.beats.last["newer"] = heard{beat: beat{Node: "newer", Format: job.Format + 1, Version: "1"}, at: n.cfg.Clock()}
	if all := n.beats.versions(); !all[lineOf("1", job.Format+1)] {
		t.Errorf("nobody serves it: %v", all)
	}
}

// What was packed before the format was in the subject is moved to where it is read.
func TestMessagesFromBeforeFormatsAreMoved(t *testing.T) {
	n, s := storeOf(t)
	n.up.Store(true)
	ctx := context.Background()
	rec := &job.Record{ID: job.NewID(), Status: job.Queued, Version: "1", Created: time.Now()}
	if err := s.accept(ctx, rec, []byte{job.Format, 'x'}); err != nil {
		t.Fatal(err)
	}
	if err := n.move(ctx, s.stream, n.names.jobSubject(rec)); err != nil {
		t.Fatal(err)
	}
	if rec.Format = job.Format; !s.hasMessage(ctx, rec) {
		t.Error("it waits for nobody")
	}
}

// quietButFor is a Logger that passes on errors to the test, but for one that is said once.
type quietButFor struct {
	t    *testing.T
	line string
}

func (quietButFor) Debugf(string, ...any)   {}
func (quietButFor) Infof(string, ...any)    {}
func (quietButFor) Warningf(string, ...any) {}
func (q quietButFor) Errorf(format string, args ...any) {
	if !strings.Contains(format, q.line) {
		q.t.Errorf(format, args...)
	}
}

func TestLinesAreToldAsVersions(t *testing.T) {
	for line, want := range map[string]string{line("one"): "one", lineOf("one", job.Format+1): "one (in format 3)", lineOf("one", 0): "one", "f-x": "f-x", line("f3-x"): "f3-x"} {
		if got := versionOf(line); got != want {
			t.Errorf("%s: %s", line, got)
		}
	}
}
