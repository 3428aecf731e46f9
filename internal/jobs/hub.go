package jobs

import (
	"bytes"
	"cmp"
	"context"
	"slices"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"girin/internal/jobs/job"
)

// hub tells those who wait for a job that its record has changed: one watch for all.
type hub struct {
	mu      sync.Mutex
	waiting map[job.ID][]chan struct{} // guarded by mu
}

// watch returns a channel that gets a word after each change, until stop.
func (h *hub) watch(id job.ID) (changed <-chan struct{}, stop func()) {
	c := make(chan struct{}, 1)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.waiting[id] = append(h.waiting[id], c)
	return c, func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		left := slices.DeleteFunc(h.waiting[id], func(o chan struct{}) bool { return o == c })
		if h.waiting[id] = left; len(left) == 0 {
			delete(h.waiting, id)
		}
	}
}

func (h *hub) tell(id job.ID) {
	h.mu.Lock()
	defer h.mu.Unlock()
	tell(h.waiting[id])
}

// all tells everybody to look: changes may have been missed.
func (h *hub) all() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, list := range h.waiting {
		tell(list)
	}
}

func tell(list []chan struct{}) {
	for _, c := range list {
		select {
		case c <- struct{}{}:
		default:
		}
	}
}

// follow passes on the changes of a store's records until ctx ends.
func (h *hub) follow(ctx context.Context, s *store) {
	w, err := s.records.WatchAll(ctx, jetstream.UpdatesOnly())
	for ; err != nil; w, err = s.records.WatchAll(ctx, jetstream.UpdatesOnly()) {
		if ctx.Err() == nil {
			s.n.cfg.Log.Warningf("jobs: changes cannot be followed: %v", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(askLimit):
		}
	}
	defer func() { _ = w.Stop() }()
	h.all()
	for {
		select {
		case <-ctx.Done():
			return
		case e, ok := <-w.Updates():
			if !ok {
				return
			}
			if e == nil {
				continue
			}
			if id, ok := job.ParseID(e.Key()); ok {
				h.tell(id)
			}
		}
	}
}

// newest sorts jobs, and leaves out what is too many.
func newest(all []stored, most int) []stored {
	slices.SortFunc(all, func(a, b stored) int {
		return cmp.Or(b.Created.Compare(a.Created), bytes.Compare(a.ID[:], b.ID[:]))
	})
	return all[:min(len(all), most)]
}

func newBytes(b []byte) *bytes.Reader { return bytes.NewReader(b) }
