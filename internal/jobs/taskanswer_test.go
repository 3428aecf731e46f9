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

// Who waits inside has a small result at once, and asks for any other at its own place.
func TestASmallResultComesWithItsStatus(t *testing.T) {
	n := New(Config{App: "x", Keep: time.Hour, Log: quiet{t}})
	for path, expect := range map[string]struct {
		rec  job.Record
		body string
	}{
		"/?result":        {job.Record{Status: job.Done, Code: 200, Size: 1, Small: []byte("3"), Ended: n.now()}, "3"},
		"/?result&wait=1": {job.Record{Status: job.Failed, Code: 500, Size: 2, Small: []byte("{}"), Ended: n.now()}, "{}"},
		"/":               {job.Record{Status: job.Done, Code: 200, Size: 1, Small: []byte("3"), Ended: n.now()}, ""},
		"/?result&large":  {job.Record{Status: job.Done, Code: 200, Size: 5000, Ended: n.now()}, ""},
		"/?result&old":    {job.Record{Status: job.Done, Code: 200, Size: 1, Small: []byte("3"), Ended: n.now().Add(-2 * time.Hour)}, ""},
		"/?result&lost":   {job.Record{Status: job.Lost, Ended: n.now()}, ""},
		"/?result&runs":   {job.Record{Status: job.Running, Code: 500, Size: 1, Small: []byte("3")}, ""},
	} {
		w := httptest.NewRecorder()
		n.tellStatus(w, httptest.NewRequest("GET", path, nil), &expect.rec)
		var told Status
		if err := json.Unmarshal(w.Body.Bytes(), &told); err != nil || string(told.Body) != expect.body {
			t.Errorf("%s: %q, %v", path, told.Body, err)
		}
	}
}
