package jobs

import (
	"context"
	"crypto/hmac"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"path"
	"strings"
	"time"

	"girin/internal/jobs/job"
)

// Prefix is where clients find their jobs.
const Prefix = "/.girin/jobs/"

// jobPath is where clients find a job.
func jobPath(r *job.Record) string { return strings.TrimSuffix(r.Mount, "/") + Prefix + r.ID.String() }

// handlers serve clients, each of whom sees only what is its own.
func (n *Node) handlers() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+Prefix+"{id}", n.own(n.show))
	mux.HandleFunc("GET "+Prefix+"{id}/result", n.own(n.showClient))
	mux.HandleFunc("DELETE "+Prefix+"{id}", n.own(n.remove))
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { plain(w, http.StatusNotFound, errNoJob.Error()) })
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if path.Clean(r.URL.Path) != r.URL.Path { // which the mux would lead elsewhere
			plain(w, http.StatusNotFound, errNoJob.Error())
			return
		}
		mux.ServeHTTP(w, r)
	})
}

// goneFor is how long it is said that a result was there.
const goneFor = 24 * time.Hour

// own finds the job, if it is the client's.
func (n *Node) own(serve func(http.ResponseWriter, *http.Request, *job.Record)) http.HandlerFunc {
	return n.found(func(w http.ResponseWriter, r *http.Request, rec *job.Record) {
		open := rec.Open && (r.Method == http.MethodGet || r.Method == http.MethodHead)
		if !open && (rec.Principal == nil || !hmac.Equal(rec.Principal, n.store.Load().principal(r))) {
			plain(w, http.StatusNotFound, errNoJob.Error())
			return
		}
		serve(w, r, rec)
	})
}

// found finds the job that a path names, as long as its result is kept.
func (n *Node) found(serve func(http.ResponseWriter, *http.Request, *job.Record)) http.HandlerFunc {
	known := n.knownJob(func(w http.ResponseWriter, r *http.Request, rec *job.Record) {
		ended := rec.Status.Ended()
		switch age := n.now().Sub(rec.Ended); {
		case ended && age > n.cfg.Keep+goneFor:
			plain(w, http.StatusNotFound, errNoJob.Error())
		case ended && age > n.cfg.Keep:
			plain(w, http.StatusGone, "the job has ended, and its result is not kept any longer")
		default:
			serve(w, r, rec)
		}
	})
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Referrer-Policy", "no-referrer")
		known(w, r)
	}
}

// show tells where a job stands, or leads to its result.
func (n *Node) show(w http.ResponseWriter, r *http.Request, rec *job.Record) {
	if r.Method == http.MethodGet && strings.Contains(r.Header.Get("Accept"), "text/event-stream") {
		n.stream(w, r, rec)
		return
	}
	if wait := preferenceOf(r.Header.Get("Prefer")).wait; wait > 0 && !rec.Status.Ended() {
		if later, ok := n.awaitEnd(r.Context(), rec.ID, wait); ok {
			rec = &later.Record
		}
	}
	if !rec.Status.Ended() {
		w.Header().Set("Retry-After", "1")
		n.writeStatus(w, r, http.StatusOK, rec)
		return
	}
	w.Header().Set("Location", jobPath(rec)+"/result")
	n.writeStatus(w, r, http.StatusSeeOther, rec)
}

// awaitEnd waits for a job's end; not ok: it did not come in time, too many wait, or this server ends.
func (n *Node) awaitEnd(ctx context.Context, id job.ID, limit time.Duration) (r stored, ok bool) {
	changed, stop := n.hub.watch(id)
	defer stop()
	return n.awaitEndOf(ctx, stored{Record: job.Record{ID: id}}, changed, limit)
}

// awaitEndOf does so for a job of which something may be known, and all changes since then are
// told.
func (n *Node) awaitEndOf(ctx context.Context, r stored, changed <-chan stored, limit time.Duration) (stored, bool) {
	done, ok := n.beside(ctx)
	if !ok {
		return r, false
	}
	defer done()
	id := r.ID
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	for {
		if n.look(ctx, id, &r) && r.Status.Ended() {
			return r, true
		}
		if n.draining.Load() && isClient(ctx) { // who still wants to know asks another server
			return r, false
		}
		select {
		case <-ctx.Done():
			return r, false
		case later := <-changed:
			if later.revision == 0 || later.revision > r.revision { // what came late is older
				r = later
			}
		}
	}
}

// look asks for a record that is not known yet, and reports whether it is now.
func (n *Node) look(ctx context.Context, id job.ID, r *stored) bool {
	s := n.store.Load()
	if r.revision != 0 || s == nil {
		return r.revision != 0
	}
	later, err := s.get(ctx, id)
	if err == nil {
		*r = later
	}
	return err == nil
}

// isClient reports whether a request came by the front, not by a socket of the server's own.
func isClient(ctx context.Context) bool { return ctx.Value(messageKey{}) != nil }

// besideMost is how many clients may wait for the ends of their jobs, or watch them.
const besideMost = 10_000

// beside lets a client wait for a job without a place in the queue of requests, until done. Not
// ok: too many do.
func (n *Node) beside(ctx context.Context) (done func(), ok bool) {
	if !isClient(ctx) {
		return func() {}, true
	}
	if n.besides.Add(1) > besideMost {
		n.besides.Add(-1)
		return func() {}, false
	}
	counts := n.queue.Beside()
	return func() { n.besides.Add(-1); counts() }, true
}

// stream tells each change as a server-sent event.
func (n *Node) stream(w http.ResponseWriter, r *http.Request, rec *job.Record) {
	done, ok := n.beside(r.Context())
	if !ok {
		w.Header().Set("Retry-After", "10")
		plain(w, http.StatusServiceUnavailable, "too many watch their jobs already: ask without Accept: text/event-stream")
		return
	}
	defer done()
	changed, stop := n.hub.watch(rec.ID)
	defer stop()
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	quiet := time.NewTicker(15 * time.Second)
	defer quiet.Stop()
	for last := ""; ; {
		text, _ := json.Marshal(n.told(r.Context(), rec))
		if string(text) != last {
			last = string(text)
			fmt.Fprintf(w, "event: state\ndata: %s\n\n", text)
		}
		w.(http.Flusher).Flush()
		if rec.Status.Ended() || n.draining.Load() { // who still wants to know asks again, and another server
			return
		}
		select {
		case <-r.Context().Done():
			return
		case <-quiet.C:
			_, _ = io.WriteString(w, ": it goes on\n\n")
		case <-changed: // what it brings may be older than what was told
			var later stored
			if n.look(r.Context(), rec.ID, &later) {
				rec = &later.Record
			}
		}
	}
}

// remove cancels a job.
func (n *Node) remove(w http.ResponseWriter, r *http.Request, rec *job.Record) {
	s := n.store.Load()
	ctx, cancel := context.WithTimeout(r.Context(), storeLimit)
	defer cancel()
	later, changed, err := s.change(ctx, change{id: rec.ID, event: job.Withdrawn, note: func(r *job.Record) { r.Reason = "somebody cancelled it" }})
	switch {
	case err != nil:
		n.refuse(w, err)
	case !changed && later.Status.Ended():
		plain(w, http.StatusConflict, "the job has ended")
	case later.Status == job.Cancelled:
		n.counts.ended(later.Status)
		n.purgeJob(&later.Record)
		s.dropBody(ctx, &later.Record)
		w.WriteHeader(http.StatusNoContent)
	default:
		n.writeStatus(w, r, http.StatusAccepted, &later.Record)
	}
}
