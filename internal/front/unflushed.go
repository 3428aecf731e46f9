package front

import (
	"sync"
	"sync/atomic"
)

// unflushed are the connections with answers that were brought and not sent yet,
// because more of them may come in the same moment.
type unflushed struct {
	some atomic.Bool

	mu   sync.Mutex
	list []*streams // guarded by mu
	room []*streams // of Rest alone: what list was
}

func (u *unflushed) add(h *streams) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.list = append(u.list, h)
	u.some.Store(true)
}

// take returns the list, and leaves an empty one.
func (u *unflushed) take() []*streams {
	u.mu.Lock()
	defer u.mu.Unlock()
	list := u.list
	u.list, u.room = u.room[:0], nil
	u.some.Store(false)
	return list
}

// giveBack returns the room of what take gave.
func (u *unflushed) giveBack(list []*streams) {
	clear(list)
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.room == nil {
		u.room = list[:0]
	}
}

// Rest says that whoever brings answers has no more at present: what streams of
// HTTP/2 have got of them is sent.
func (s *Server) Rest() {
	if !s.unflushed.some.Load() {
		return
	}
	list := s.unflushed.take()
	for _, h := range list {
		h.c.mu.Lock()
		h.listed = false
		h.conn.Flush()
		h.c.mu.Unlock()
	}
	s.unflushed.giveBack(list)
}
