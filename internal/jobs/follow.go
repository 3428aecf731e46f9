package jobs

import (
	"net/http"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"girin/internal/jobs/job"
)

// followJobs tells each change of any job as it comes: an event "state" with its status. An
// event "engine" says that none can be told, or can again.
func (n *Node) followJobs(w http.ResponseWriter, r *http.Request) {
	e, stop, ok := n.watch(w)
	if !ok {
		return
	}
	defer stop()
	var from uint64 // the last revision that was told
	for said := false; r.Context().Err() == nil && n.ctx.Err() == nil; {
		s := n.store.Load()
		up := s != nil && n.up.Load()
		if up != said {
			said = up
			if e.send("engine", map[string]bool{"connected": up}) != nil {
				return
			}
		}
		if up && n.tellChanges(r, s, e, &from) != nil {
			return
		}
		select {
		case <-r.Context().Done():
		case <-n.ctx.Done():
		case <-time.After(boardEvery):
		}
	}
}

// tellChanges does so until the store is another's or away; an error: nobody takes them.
func (n *Node) tellChanges(r *http.Request, s *store, e *events, from *uint64) error {
	option := jetstream.UpdatesOnly()
	if *from > 0 { // the engine was away: nothing of meanwhile is left out
		option = jetstream.ResumeFromRevision(*from + 1)
	}
	w, err := s.records.WatchAll(r.Context(), option)
	if err != nil {
		return e.quiet()
	}
	defer func() { _ = w.Stop() }()
	look, quiet := time.NewTicker(boardEvery), time.NewTicker(eventQuiet)
	defer look.Stop()
	defer quiet.Stop()
	for {
		select {
		case <-r.Context().Done():
			return nil
		case <-n.ctx.Done():
			return nil
		case <-look.C:
			if n.store.Load() != s || !n.up.Load() {
				return nil
			}
		case <-quiet.C:
			err = e.quiet()
		case u, ok := <-w.Updates():
			if !ok {
				return nil
			}
			err = tellChange(e, u, from)
		}
		if err != nil {
			return err
		}
	}
}

func tellChange(e *events, u jetstream.KeyValueEntry, from *uint64) error {
	if u == nil {
		return nil
	}
	*from = u.Revision()
	id, ok := job.ParseID(u.Key())
	var rec stored
	if !ok || u.Operation() != jetstream.KeyValuePut || rec.read(id, u) != nil {
		return nil
	}
	return e.send("state", statusOf(&rec.Record))
}
