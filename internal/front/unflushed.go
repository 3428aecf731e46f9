package front

import (
	"sync"
	"sync/atomic"
)

// unflushed are the connections with answers or messages that were brought and not
// sent yet, because more of them may come in the same moment.
type unflushed struct {
	some atomic.Bool

	mu   sync.Mutex
	list []flusher // guarded by mu
	room []flusher // of Rest alone: what list was
}

// flusher is the connection's part that has them.
type flusher interface{ flush() }

func (u *unflushed) add(f flusher) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.list = append(u.list, f)
	u.some.Store(true)
}

// take returns the list, and leaves an empty one.
func (u *unflushed) take() []flusher {
	u.mu.Lock()
	defer u.mu.Unlock()
	list := u.list
	u.list, u.room = u.room[:0], nil
	u.some.Store(false)
	return list
}

// giveBack returns the room of what take gave.
func (u *unflushed) giveBack(list []flusher) {
	clear(list)
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.room == nil {
		u.room = list[:0]
	}
}

// Rest says that whoever brings answers has no more at present: what streams of
// HTTP/2, WebSockets and answers in small parts have got of them is sent.
func (s *Server) Rest() {
	if !s.unflushed.some.Load() {
		return
	}
	list := s.unflushed.take()
	for _, f := range list {
		f.flush()
	}
	s.unflushed.giveBack(list)
}

func (h *streams) flush() {
	h.c.mu.Lock()
	defer h.c.mu.Unlock()
	h.listed = false
	h.conn.Flush()
}
