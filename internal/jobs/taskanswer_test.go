package jobs

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
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

// Whoever holds a task's URL does not see what its maker wants to have back, which with Django
// are its arguments; the application itself does.
func TestOnlyTheApplicationSeesTheMetaOfATask(t *testing.T) {
	n := New(Config{App: "x", Log: quiet{t}})
	rec := &job.Record{ID: job.NewID(), Task: true, Open: true, Status: job.Running, Meta: json.RawMessage(`{"args":["secret"]}`)}
	see := func(serve func(http.ResponseWriter, *http.Request, *job.Record), accept string) string {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if accept != "" {
			cancel() // the stream of events ends after the first
		}
		r := httptest.NewRequestWithContext(ctx, "GET", "/", nil)
		r.Header.Set("Accept", accept)
		w := httptest.NewRecorder()
		serve(w, r, rec)
		return w.Body.String()
	}
	for _, accept := range []string{"", "text/event-stream"} {
		if told := see(n.show, accept); !strings.Contains(told, rec.ID.String()) || strings.Contains(told, "secret") {
			t.Errorf("outside (%s): %s", accept, told)
		}
	}
	if told := see(n.tellStatus, ""); !strings.Contains(told, "secret") {
		t.Errorf("inside: %s", told)
	}
}
