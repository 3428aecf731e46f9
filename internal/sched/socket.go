package sched

import (
	"slices"

	"girin/internal/wire"
	"girin/internal/ws"
)

// Gone is what the application of a WebSocket is told when nobody is there any more:
// the code of the close frame, or wire's 1005 and 1006, and its reason.
type Gone struct {
	Code   uint16
	Reason string
}

func (g Gone) tell(w Worker, id uint64) {
	if g.Code == 0 {
		g.Code = ws.CodeAbnormal
	}
	w.Say(wire.Inbound{ID: id, Kind: wire.Gone, Code: g.Code}, []byte(g.Reason))
	w.Flush()
}

// Leave is Cancel for a WebSocket: its application is told why.
func (q *Queue) Leave(c *Call, why Gone) {
	q.mu.Lock()
	c.gone = why
	q.mu.Unlock()
	q.Cancel(c)
}

// Opened says that the connection of an accepted WebSocket has no use for its packet
// any more: it may be open for days.
func (q *Queue) Opened(c *Call) { c.packet = nil }

// Tunnelled says that the application has taken the connection of a call with Tunnel.
// Until it is cancelled it may be silent for as long as it likes.
func (q *Queue) Tunnelled(c *Call) { c.tunnelled.Store(true) }

// Leaving reports whether the worker that runs a call takes no other.
func (q *Queue) Leaving(c *Call) bool {
	w := c.owner.Load()
	if w == nil {
		return false
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	return !slices.Contains(q.readers, *w)
}

// Say passes a message on to the application of an accepted WebSocket. It goes out
// with Flush at the latest. It reports false if the application hears nothing any more.
func (q *Queue) Say(c *Call, kind wire.InboundKind, data []byte) bool {
	word := c.life.Load()
	w := c.owner.Load()
	if w == nil || stateOf(word) != answering {
		return false
	}
	(*w).Say(wire.Inbound{ID: word & idMask, Kind: kind}, data)
	return true
}

// Flush sends what was said to the application of c.
func (q *Queue) Flush(c *Call) {
	if w := c.owner.Load(); w != nil {
		(*w).Flush()
	}
}
