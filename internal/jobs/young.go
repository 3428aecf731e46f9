package jobs

import (
	"context"
	"sync"

	"girin/internal/jobs/job"
)

// young are the records that this node has made last. A slot of the same node mostly is the next
// to want one, often before the engine has said that it is stored: so it waits for that word, and
// asks the engine for nothing. What it gets may be old: whoever changes a record sees that.
type young struct {
	mu  sync.Mutex
	all [1 << 8]*made // guarded by mu: by the first byte of the job; who comes later takes the place
}

type made struct {
	id    job.ID
	ready chan struct{} // closed when known is there
	known stored        // without a revision it was not stored
}

// expect notes that a record is about to be stored.
func (y *young) expect(id job.ID) *made {
	m := &made{id: id, ready: make(chan struct{})}
	y.mu.Lock()
	defer y.mu.Unlock()
	y.all[id[0]] = m
	return m
}

// is says what was stored; revision 0: nothing.
func (m *made) is(r job.Record, revision uint64) {
	m.known = stored{Record: r, revision: revision}
	close(m.ready)
}

// take returns a record, once; nil: it is not known here.
func (y *young) take(ctx context.Context, id job.ID) *stored {
	y.mu.Lock()
	m := y.all[id[0]]
	if m == nil || m.id != id {
		y.mu.Unlock()
		return nil
	}
	y.all[id[0]] = nil
	y.mu.Unlock()
	select {
	case <-ctx.Done():
		return nil
	case <-m.ready:
	}
	if m.known.revision == 0 {
		return nil
	}
	return &m.known
}
