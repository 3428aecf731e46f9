package jobs

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"girin/internal/jobs/job"
	"girin/internal/offload"
)

// Inside is what this server's own processes, and its administrator, may do: everything.
// docs/JOBS.md lists it.
func (n *Node) Inside() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /tasks", n.addTask)
	mux.HandleFunc("GET /jobs", n.listJobs)
	mux.HandleFunc("GET /jobs/events", n.followJobs)
	mux.HandleFunc("GET /board", n.showBoard)
	mux.HandleFunc("GET /doctor", n.examine)
	mux.HandleFunc("GET /jobs/{id}", n.tellJob)
	mux.HandleFunc("GET /jobs/{id}/result", n.found(n.showResult))
	mux.HandleFunc("DELETE /jobs/{id}", n.knownJob(n.remove))
	mux.HandleFunc("POST /jobs/{id}/retry", n.knownJob(n.retry))
	mux.HandleFunc("POST /jobs/{id}/purge", n.knownJob(n.forgetJob))
	mux.HandleFunc("PUT /jobs/{id}/progress", n.knownJob(n.noteProgress))
	mux.HandleFunc("PUT /schedules", n.setSchedules)
	mux.HandleFunc("GET /schedules", n.listSchedules)
	mux.HandleFunc("GET /peers", func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, http.StatusOK, n.Overview()) })
	return mux
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}

// tellJob tells a status, whatever it is; ?wait=N: when the job has ended, or N seconds later;
// ?result: with the body of its result, if that is a small one.
func (n *Node) tellJob(w http.ResponseWriter, r *http.Request) {
	seconds, err := strconv.ParseFloat(r.URL.Query().Get("wait"), 64)
	id, ok := job.ParseID(r.PathValue("id"))
	if err != nil || seconds <= 0 || !ok {
		n.knownJob(n.tellStatus)(w, r)
		return
	}
	changed, stop := n.hub.watch(id) // before the job is looked at, so that it need not be looked at twice
	defer stop()
	n.knownJob(func(w http.ResponseWriter, r *http.Request, rec *job.Record) {
		if rec.Status.Ended() {
			n.tellStatus(w, r, rec)
			return
		}
		known := stored{Record: *rec, revision: 1} // whatever is told of it is later
		if later, ok := n.awaitEndOf(r.Context(), known, changed, min(time.Duration(seconds*float64(time.Second)), longestWait)); ok {
			rec = &later.Record
		} else if s := n.store.Load(); s != nil {
			if later, err := s.get(r.Context(), rec.ID); err == nil {
				rec = &later.Record
			}
		}
		n.tellStatus(w, r, rec)
	})(w, r)
}

func (n *Node) tellStatus(w http.ResponseWriter, r *http.Request, rec *job.Record) {
	told := n.status(r.Context(), rec)
	told.Log = rec.Log
	if r.URL.Query().Has("result") && rec.Status.Ended() && rec.Code != 0 && rec.Size == int64(len(rec.Small)) && n.now().Sub(rec.Ended) <= n.cfg.Keep {
		told.Body = rec.Small
	}
	writeJSON(w, http.StatusOK, told)
}

// listedMost is how many jobs are listed.
const listedMost = 1000

func (n *Node) listJobs(w http.ResponseWriter, r *http.Request) {
	s := n.store.Load()
	if s == nil || !n.up.Load() {
		n.refuse(w, errNoEngine)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), storeLimit)
	defer cancel()
	wanted := strings.FieldsFunc(r.URL.Query().Get("status"), func(c rune) bool { return c == ',' })
	all, err := s.list(ctx, listedMost, func(rec *job.Record) bool {
		return !n.isOld(rec) && (len(wanted) == 0 || slices.Contains(wanted, string(rec.Status)))
	})
	if err != nil {
		n.refuse(w, err)
		return
	}
	jobs := []Status{}
	for i := range all {
		one := statusOf(&all[i].Record)
		if r.URL.Query().Has("log") {
			one.Log = all[i].Log
		}
		jobs = append(jobs, one)
	}
	writeJSON(w, http.StatusOK, map[string]any{"jobs": jobs})
}

// retry puts a job that has ended badly back into the queue.
func (n *Node) retry(w http.ResponseWriter, r *http.Request, rec *job.Record) {
	s := n.store.Load()
	ctx, cancel := context.WithTimeout(r.Context(), storeLimit)
	defer cancel()
	left := rec.Status == job.Queued && !s.hasMessage(ctx, rec) // by who died while it did this
	if rec.Status == job.Done || !rec.Status.Ended() && !left {
		plain(w, http.StatusConflict, "only what has ended badly is run again")
		return
	}
	kept, err := s.keptMessage(ctx, rec.ID)
	switch {
	case errors.Is(err, jetstream.ErrObjectNotFound):
		plain(w, http.StatusGone, "its request is not there any more")
		return
	case err != nil:
		n.refuse(w, err)
		return
	}
	if len(kept) == 0 || kept[0] != job.Format {
		plain(w, http.StatusConflict, otherFormat)
		return
	}
	later, err := s.runAgain(ctx, rec, kept)
	if err != nil {
		n.refuse(w, err)
		return
	}
	n.writeStatus(w, r, http.StatusAccepted, later)
}

// runAgain queues a job once more, with the request that was kept of it.
func (s *store) runAgain(ctx context.Context, rec *job.Record, kept []byte) (*job.Record, error) {
	mine, err := s.uniqueAgain(ctx, rec)
	if err != nil {
		return nil, err
	}
	if err := s.dropOld(ctx, rec.ID); err != nil {
		return nil, err
	}
	var was job.Record
	later, changed, err := s.change(ctx, change{id: rec.ID, event: job.Retried, is: func(r *job.Record) bool {
		was = *r
		return true
	}, note: func(r *job.Record) {
		r.Format = job.Format
		if _, known := s.classes[r.Line()]; !known && !r.Task { // its route is gone, and its line was forgotten
			r.Class = offload.Usual
		}
	}})
	if err != nil || !changed && (later.Status != job.Queued || s.hasMessage(ctx, &later.Record)) {
		return &later.Record, err
	}
	if err := mine.hold(ctx, rec.ID); err != nil {
		if changed && errors.Is(err, errKeyTaken) { // else another retry may have queued it whole, or the sweep will
			s.putBack(&was, later.revision)
		}
		return nil, err
	}
	return &later.Record, s.publish(ctx, &later.Record, kept)
}

// putBack makes a record what it was before its last change, unless it has changed since.
func (s *store) putBack(was *job.Record, revision uint64) {
	ctx, cancel := context.WithTimeout(s.n.ctx, askLimit)
	defer cancel()
	_, _ = s.put(ctx, &stored{Record: *was, revision: revision})
}

// dropOld removes the message of a job that has ended, which an engine that was killed may still
// have: nobody is given it any more, and it would pass for that of the next run.
func (s *store) dropOld(ctx context.Context, id job.ID) error {
	m, err := s.stream.GetLastMsgForSubject(ctx, s.n.names.anySubject(id))
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	if r, err := s.getNow(ctx, id); err != nil || !r.Status.Ended() { // another has run it again: the message is of that
		return err
	}
	return purgeTo(ctx, s.stream, m)
}

// forgetJob removes all that is known of a job that has ended.
func (n *Node) forgetJob(w http.ResponseWriter, r *http.Request, rec *job.Record) {
	s := n.store.Load()
	ctx, cancel := context.WithTimeout(r.Context(), storeLimit)
	defer cancel()
	now, err := s.getNow(ctx, rec.ID)
	if err == nil && now.Status.Ended() {
		err = s.records.Purge(ctx, rec.ID.String(), jetstream.LastRevision(now.revision))
	}
	switch {
	case errors.Is(err, errNoJob):
		plain(w, http.StatusNotFound, err.Error())
		return
	case err != nil && !wasQuicker(err):
		n.refuse(w, err)
		return
	case err != nil || !now.Status.Ended(): // since a moment, if another has it run again
		plain(w, http.StatusConflict, "the job has not ended")
		return
	}
	_ = s.results.Purge(ctx, resultName(rec))
	if rec.Large {
		_ = s.large.Delete(ctx, resultName(rec))
	}
	s.dropObject(ctx, messageName(rec.ID))
	s.dropBody(ctx, rec)
	w.WriteHeader(http.StatusNoContent)
}

func (n *Node) noteProgress(w http.ResponseWriter, r *http.Request, rec *job.Record) {
	var p struct {
		Progress float64 `json:"progress"`
		Text     string  `json:"text"`
	}
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 64<<10)).Decode(&p); err != nil {
		plain(w, http.StatusUnprocessableEntity, err.Error())
		return
	}
	s := n.store.Load()
	err := s.note(r.Context(), rec.ID, func(r *job.Record) { r.Progress, r.Text = p.Progress, p.Text })
	if err != nil && !errors.Is(err, errNoJob) {
		n.refuse(w, err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}
