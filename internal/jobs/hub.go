package jobs

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"girin/internal/jobs/job"
)

// hub tells those who wait for a job that its record has changed: one watch for all.
type hub struct {
	mu      sync.Mutex
	waiting map[job.ID][]chan stored // guarded by mu
}

// watch returns a channel that gets the record after each change, until stop: the latest, where
// several have come. One without a revision says that it is to be asked for.
func (h *hub) watch(id job.ID) (changed <-chan stored, stop func()) {
	c := make(chan stored, 1)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.waiting[id] = append(h.waiting[id], c)
	return c, func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		left := slices.DeleteFunc(h.waiting[id], func(o chan stored) bool { return o == c })
		if h.waiting[id] = left; len(left) == 0 {
			delete(h.waiting, id)
		}
	}
}

func (h *hub) tell(id job.ID, e jetstream.KeyValueEntry) {
	h.mu.Lock()
	defer h.mu.Unlock()
	list := h.waiting[id]
	if len(list) == 0 {
		return
	}
	var r stored
	if e.Operation() != jetstream.KeyValuePut || r.read(id, e) != nil {
		r = stored{}
	}
	tell(list, r)
}

// all tells everybody to look: changes may have been missed.
func (h *hub) all() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, list := range h.waiting {
		tell(list, stored{})
	}
}

// tell is called with hub.mu: nobody else puts something into a channel meanwhile.
func tell(list []chan stored, r stored) {
	for _, c := range list {
		select {
		case <-c: // what nobody has taken is old
		default:
		}
		c <- r
	}
}

// follow passes on the changes of a store's records until ctx ends. The library gives a
// watch up while a cluster chooses another leader, though the connection stays.
func (h *hub) follow(ctx context.Context, s *store) {
	for {
		err := h.followOnce(ctx, s)
		if err != nil && ctx.Err() == nil && s.n.up.Load() {
			s.n.cfg.Log.Warningf("jobs: changes cannot be followed: %v", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(askLimit):
		}
	}
}

// followOnce does so until ctx ends, or the watch.
func (h *hub) followOnce(ctx context.Context, s *store) error {
	w, err := s.records.WatchAll(ctx, jetstream.UpdatesOnly())
	if err != nil {
		return err
	}
	defer func() { _ = w.Stop() }()
	h.all()
	s.n.fill.stirred.Store(true)
	for {
		select {
		case <-ctx.Done():
			return nil
		case e, ok := <-w.Updates():
			if !ok {
				return errWatch
			}
			if e == nil {
				continue
			}
			s.n.fill.stirred.Store(true)
			if id, ok := job.ParseID(e.Key()); ok {
				h.tell(id, e)
			}
		}
	}
}

var errWatch = errors.New("the engine has ended the watch")

// newest sorts jobs, and leaves out what is too many.
func newest(all []stored, most int) []stored {
	slices.SortFunc(all, func(a, b stored) int {
		return cmp.Or(b.Created.Compare(a.Created), bytes.Compare(a.ID[:], b.ID[:]))
	})
	return all[:min(len(all), most)]
}

func newBytes(b []byte) *bytes.Reader { return bytes.NewReader(b) }
