package jobs

import (
	"context"
	"errors"
	"net/http"

	"girin/internal/jobs/job"
)

// knownJob finds the job that a path names, for those who may know all: as long as anything is
// known of it. What has ended badly can be run again for so long, too.
func (n *Node) knownJob(serve func(http.ResponseWriter, *http.Request, *job.Record)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		s := n.store.Load()
		if s == nil || !n.up.Load() {
			n.refuse(w, errNoEngine)
			return
		}
		id, ok := job.ParseID(r.PathValue("id"))
		ctx, cancel := context.WithTimeout(r.Context(), storeLimit)
		defer cancel()
		err := errNoJob
		var rec stored
		if ok {
			rec, err = s.get(ctx, id)
		}
		switch {
		case errors.Is(err, errNoJob):
			plain(w, http.StatusNotFound, errNoJob.Error())
		case err != nil:
			n.refuse(w, err)
		default:
			serve(w, r, &rec.Record)
		}
	}
}

var errNoEngine = &problem{http.StatusServiceUnavailable, "the engine of the jobs does not answer"}

// isOld reports whether a job has ended so long ago that it is not shown any more.
func (n *Node) isOld(r *job.Record) bool {
	switch r.Status {
	case job.Queued, job.Running:
		return false
	}
	return n.now().Sub(r.Ended) > n.knownFor()
}
