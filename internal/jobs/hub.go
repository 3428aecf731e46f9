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
			if id, ok := job.ParseID(e.Key()); ok {
				h.tell(id)
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
