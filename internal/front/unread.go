package front

import (
	"sync"
	"sync/atomic"
	"time"
)

// unread is what the streams of one connection of HTTP/2 hold of answers that
// the client has not taken. A client of HTTP/1.1 holds one window at most, one
// of HTTP/2 a window for each of its streams.
type unread struct {
	bytes atomic.Int64
	moved atomic.Int64 // ns: when the client last took some, or there began to be some

	mu     sync.Mutex
	narrow map[*stream]struct{} // guarded by mu: those that have a small window
}

// add counts n bytes, for the connection and for the server.
func (u *unread) add(s *Server, n int) {
	s.queued.Add(int64(n))
	if u.bytes.Load() == 0 {
		u.moved.Store(s.cfg.Clock())
	}
	u.bytes.Add(int64(n))
}

// stallLimit is how long a client may take nothing where all clients together
// leave more unread than they may.
const stallLimit = 2 * time.Second

// relieveLocked ends connections of HTTP/2 that have stalled, the largest first,
// until what waits for clients is within its limit. Streams whose window was
// small because of them then get a whole one, or each would keep a thread of
// the application until its client reads.
func (s *Server) relieveLocked(now int64) {
	for over := s.queued.Load() - queuedMost; over > 0; {
		c := s.largestStalledLocked(now)
		if c == nil {
			return
		}
		n := c.unread.bytes.Load()
		s.cfg.Log.Warningf("a connection from %s is ended: it leaves %d KiB of answers unread, and all clients together over %d MiB",
			c.peer.addr, n>>10, int64(queuedMost)>>20)
		c.shed = true
		c.closeSoon()
		over -= n
	}
	for c := range s.conns {
		c.unread.widen()
	}
}

func (s *Server) largestStalledLocked(now int64) (largest *conn) {
	most := int64(0)
	for c := range s.conns {
		if n := c.unread.bytes.Load(); n > most && !c.shed && now-c.unread.moved.Load() > int64(stallLimit) {
			largest, most = c, n
		}
	}
	return largest
}

// widen gives whole windows to the streams that have begun to answer with a
// small one, if not too much waits for clients.
func (u *unread) widen() {
	u.mu.Lock()
	defer u.mu.Unlock()
	for st := range u.narrow {
		if st.srv.window() == 0 && st.begun.Load() {
			st.srv.cfg.Queue.Grant(&st.call, AnswerWindow-smallWindow)
			delete(u.narrow, st)
		}
	}
}

// enter notes a stream that got a small window; leave forgets it.
func (u *unread) enter(st *stream) {
	if st.call.Window == 0 {
		return
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.narrow == nil {
		u.narrow = map[*stream]struct{}{}
	}
	u.narrow[st] = struct{}{}
}

func (u *unread) leave(st *stream) {
	u.mu.Lock()
	defer u.mu.Unlock()
	delete(u.narrow, st)
}
