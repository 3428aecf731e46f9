package jobs

import (
	"context"
	"net/http/httptest"
	"testing"
	"time"

	"girin/internal/jobs/job"
)

// What an attempt has answered is not the answer of the next one.
func TestATaskThatRunsAgainHasNoResultYet(t *testing.T) {
	n := New(Config{App: "x", Log: quiet{t}})
	rec := &job.Record{ID: job.NewID(), Task: true, Open: true, Status: job.Running, Attempt: 1, Retries: 2, Code: 500}
	rec.Apply(job.Raised, time.Now())
	w := httptest.NewRecorder()
	if n.showClient(w, httptest.NewRequest("GET", "/", nil), rec); rec.Status != job.Queued || w.Code != 409 {
		t.Errorf("%s: %d", rec.Status, w.Code)
	}
	rec.Apply(job.Begin, time.Now())
	if told := n.told(context.Background(), rec); told.Code != 0 || told.Reason != "" {
		t.Errorf("while it runs again: %+v", told)
	}
}
