package sched

import (
	"sync/atomic"
	"time"

	"girin/internal/wire"
)

// Call is one request on its way. A connection keeps one and uses it for one
// request after the other; the fields in capitals are set before each Submit.
type Call struct {
	Answer Answer
	Route  *Route // from Queue.Route

	// What whoever brings the answer touches lies together: that is often another core,
	// to which each line of memory must be brought.

	life      atomic.Uint64          // see life.go
	owner     atomic.Pointer[Worker] // who has begun it, once a frame that is not the last is there
	submitted int64                  // ns
	moved     atomic.Int64           // ns, when its answer last went on; 0: its head is not there
	// unacknowledged is how many body bytes came for which no credit was
	// given back: with a whole window of them the worker waits for the client.
	unacknowledged atomic.Int64
	window         atomic.Uint32
	upgraded       atomic.Bool // Upgrade
	counts         atomic.Bool // counted is set
	by             Worker      // who answered the last request; nil: nobody. Written before its answer is told
	spool          Spool       // Spool, of the request in flight; guarded by Queue.mu once nobody waits
	flags          wire.RequestFlags
	accepted       bool   // of the goroutine that reads the owner: its head was an Accept
	cell           uint16 // while it is registered

	// Request is wire.RequestHead bytes of room, then the environ block in
	// the given form; nil once its packet was sent at once (Config.Sent). Body is
	// the inline body; Spool the body in a file, which is the queue's when Submit
	// has taken the call.
	Request []byte
	Form    wire.Form
	Base    uint8 // index of the base environ
	Body    []byte
	Spool   Spool
	Length  int64 // of Spool
	// Streamed says that Spool is a pipe, by which the body comes while the
	// application runs. Length is then what the client declared, or 0.
	Streamed bool
	// Upgrade says that it asks for a WebSocket.
	Upgrade bool
	// Remote says that Config.Remote is asked first.
	Remote bool
	// Admitted says that it was in a queue already, of this server or another, and that
	// there are only few like it: it is not refused because many wait.
	Admitted bool
	// Tunnel says that Spool is a socket, which the application may take for its
	// client's.
	Tunnel bool
	// Since is when its client began to wait, if a proxy told so, in ns of
	// CLOCK_MONOTONIC; 0: not known. It may shorten the call's life, which
	// otherwise begins with its thread, and changes nothing else.
	Since int64
	// Limit is how long it may run; 0: as long as Deadlines say.
	Limit time.Duration
	// Window is how many bytes of the answer's body may come before the
	// client takes any; 0: as the Config says.
	Window uint32

	// What others read than those that the life names is atomic, and written
	// only where it changes: nearly always it does not.
	route     atomic.Pointer[Route]
	line      atomic.Pointer[line] // where it was placed
	since     atomic.Int64         // Since, for the deadline keeper
	limit     atomic.Int64         // Limit, for it too
	sent      atomic.Int64         // ns, when it last went to the lane
	fed       atomic.Int64         // ns, when a part of its streamed body last came; 0: none has
	trusted   atomic.Bool          // to be quick; the watcher checks once
	tasked    atomic.Bool          // see Task; for the watcher
	tunnelled atomic.Bool          // see Tunnelled

	kind     kind // what auto placed it as
	yields   bool // it is known to wait, and was placed as light
	computes bool // guarded by auto.mu: it counts among the computing ones, also if it was placed as waiting
	slot     bool // guarded by auto.mu: it counts among those that wait or compute
	blocks   bool // guarded by auto.mu: of the latter, among those that need no core
	fetched  bool // its file was sent to its worker
	packet   []byte
	block    []byte // with InArena, where it is here
	at, size int    // its block in the arena, if flags has InArena or there is one reserved
	reserved bool   // there is one, for the next submit
	cause    error  // guarded by Queue.mu: why nobody waits for it
	gone     Gone   // guarded by Queue.mu: what the application of a WebSocket is told then
	counted  Worker // guarded by Queue.mu: among whose sockets and long streams it counts; nil: nobody's
	pushed   uint64 // guarded by Queue.mu: how many its owner had been given with it, if it was pushed
	parts    int64  // of the goroutine that reads the owner: bytes that are still to come of a WebSocket's message
}

// Task reports whether the call is for an event loop, which can end what it has begun.
func (c *Call) Task() bool { return c.Form == wire.ASGIJoined || c.Form == wire.ASGILengths }

// Submitted is when the call was submitted, ns of CLOCK_MONOTONIC.
func (c *Call) Submitted() int64 { return c.submitted }

// bodySize is the length of the request's body.
func (c *Call) bodySize() int64 {
	if c.Spool != nil {
		return c.Length
	}
	return int64(len(c.Body))
}

// InFlight reports whether the call was submitted and has not ended.
func (c *Call) InFlight() bool { return c.id() != 0 }

// Worker answers the call, or answered it; nil: nobody has begun it.
func (c *Call) Worker() Worker {
	if !stateOf(c.life.Load()).begun() {
		return c.by
	}
	if w := c.owner.Load(); w != nil {
		return *w
	}
	return nil
}

// classify decides what auto places the call as.
func (c *Call) classify(loops bool) {
	c.yields = false
	if loops && !c.Tunnel {
		c.classifyForLoops()
	} else if c.kind = c.Route.kind(); c.Tunnel {
		c.kind = waiting
	}
}

// mayTunnel reports whether the call in flight was submitted as a Tunnel.
func (c *Call) mayTunnel() bool {
	return c.flags&(wire.Upgrade|wire.Streamed) == wire.Upgrade|wire.Streamed
}

// keepsLeadership says whether the thread that runs the call goes on leading, so
// that its process begins no other.
func (c *Call) keepsLeadership(keeps bool) {
	flags := c.flags &^ (wire.Slow | wire.Quick)
	if !keeps {
		flags |= wire.Slow
	}
	wire.SetFlags(c.packet, flags)
}

// pack makes the packet, in the arena what it cannot hold.
func (c *Call) pack(arena Arena, id uint64, window uint32) bool {
	environ := c.Request[wire.RequestHead:]
	head := wire.Request{
		Form: c.Form, Flags: c.flags, Base: c.Base, Window: window,
		ID: id, Environ: uint32(len(environ)), Body: uint32(len(c.Body)),
	}
	switch {
	case c.Tunnel:
		head.Flags |= wire.Upgrade | wire.Streamed
	case c.Upgrade:
		head.Flags |= wire.Upgrade
	case c.Streamed:
		head.Flags |= wire.Streamed
	case c.Spool != nil:
		head.Flags |= wire.Spooled
	}
	switch size := len(environ) + len(c.Body); {
	case c.reserved:
		c.reserved = false
		head.Flags |= wire.InArena
	case len(c.Request)+len(c.Body) <= wire.MaxPacket:
		c.packet = append(c.Request, c.Body...)
		c.Request = c.packet[:len(c.Request)]
	default:
		block, at, ok := arena.Alloc(size)
		if !ok {
			return false
		}
		copy(block[copy(block, environ):], c.Body)
		c.block, c.at, c.size = block, at, size
		head.Flags |= wire.InArena
	}
	if head.Flags&wire.InArena != 0 {
		head.At = uint64(c.at)
		c.packet = c.Request[:wire.RequestHead]
	}
	c.flags = head.Flags
	head.Put(c.packet)
	return true
}

// unpack gives back what pack took.
func (q *Queue) unpack(c *Call) {
	if c.flags&wire.InArena != 0 {
		q.cfg.Arena.Free(c.at, c.size)
		c.flags &^= wire.InArena
	}
}

// reservedMost is how much of the arena may be taken when room is reserved for a
// body that has not come: its client may be slow, and requests that are there need
// room too.
func (q *Queue) reservedMost() int64 { return q.cfg.Arena.Size() / 2 }

// Reserve takes room in the arena for a call's environ block, which is complete,
// and a body of n bytes, and returns the body's place: read there, it need not
// be copied. Nil: there is no room for it. Unreserve gives it back if the call
// is not submitted.
func (q *Queue) Reserve(c *Call, n int) []byte {
	environ := c.Request[wire.RequestHead:]
	size := len(environ) + n
	if q.cfg.Arena.Used()+int64(size) > q.reservedMost() {
		return nil
	}
	block, at, ok := q.cfg.Arena.Alloc(size)
	if !ok {
		return nil
	}
	c.block, c.at, c.size, c.reserved = block, at, size, true
	return block[copy(block, environ):size]
}

// Unreserve gives back what Reserve took for a call that was not submitted.
func (q *Queue) Unreserve(c *Call) {
	if c.reserved {
		q.cfg.Arena.Free(c.at, c.size)
		c.reserved = false
	}
}
