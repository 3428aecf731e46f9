package sched

import (
	"os"
	"sync/atomic"

	"girin/internal/wire"
)

// Call is one request on its way. A connection keeps one and uses it for one
// request after the other; the fields in capitals are set before each Submit.
type Call struct {
	Answer Answer
	Route  *Route // from Queue.Route
	Base   uint8  // index of the base environ

	// Request is wire.RequestHead bytes of room, then the environ block in
	// the given form. Body is the inline body; Spool the body in a file.
	Request []byte
	Form    wire.Form
	Body    []byte
	Spool   *os.File
	Length  int64 // of Spool
	// Since is when its client began to wait, if a proxy told so, in ns of
	// CLOCK_MONOTONIC; 0: not known. It may shorten the call's life, which
	// otherwise begins with its thread, and changes nothing else.
	Since int64
	// Window is how many bytes of the answer's body may come before the
	// client takes any; 0: as the Config says.
	Window uint32

	cell     uint16
	serial   uint64                 // counts the requests of this cell
	live     atomic.Uint64          // the id in flight, or 0; with givenUp, if that was
	owner    atomic.Pointer[Worker] // who answers it, once the first frame is there
	line     atomic.Pointer[line]   // where it was placed
	released atomic.Bool
	freed    atomic.Bool

	flags     wire.RequestFlags
	kind      kind // what auto placed it as
	computes  bool // guarded by auto.mu: it counts among the computing ones, also if it was placed as waiting
	slot      bool // guarded by auto.mu: it counts among those that wait or compute
	packet    []byte
	at, size  int          // its block in the arena, if flags has InArena or there is one reserved
	reserved  int64        // bytes of the block that Reserve took for the next submit; 0: none
	counted   int64        // what they were, of the call in flight
	submitted int64        // ns
	since     atomic.Int64 // Since, for the deadline keeper
	sent      atomic.Int64 // ns, when the lane had it; 0: it waits in the master
	window    uint32
	moved     atomic.Int64 // ns, when its answer last went on; 0: its head is not sent
	// unacknowledged is how many body bytes came for which no credit was
	// given back: with a whole window of them the worker waits for the client.
	unacknowledged atomic.Int64
	trusted        atomic.Bool // to be quick; the watcher checks once
}

// givenUp marks the id of a call whose answer was told that it took too long.
// It is in flight until its thread returns, but what comes of it is nobody's.
const givenUp = 1 << 63

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
func (c *Call) InFlight() bool { return c.live.Load() != 0 }

// Worker answers the call; nil before its first frame.
func (c *Call) Worker() Worker {
	if w := c.owner.Load(); w != nil {
		return *w
	}
	return nil
}

// classify decides what auto places the call as.
func (c *Call) classify() {
	c.kind = c.Route.kind()
	c.computes = c.kind == computing
	if c.Route.wantsCPU() {
		c.flags |= wire.MeasureCPU
	}
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
	if c.Spool != nil {
		head.Flags |= wire.Spooled
	}
	switch size := len(environ) + len(c.Body); {
	case c.reserved != 0:
		c.reserved, c.counted = 0, c.reserved
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
		c.at, c.size = at, size
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
		q.reserved.Add(-c.counted)
		c.counted = 0
		c.flags &^= wire.InArena
	}
}

// reservedMost is how much of the arena's 256 MiB bodies may take before they
// have come: their clients may be slow, and other requests need it too.
const reservedMost = 128 << 20

// Reserve takes room in the arena for a call's environ block, which is complete,
// and a body of n bytes, and returns the body's place: read there, it need not
// be copied. Nil: there is no room for it. Unreserve gives it back if the call
// is not submitted.
func (q *Queue) Reserve(c *Call, n int) []byte {
	environ := c.Request[wire.RequestHead:]
	size := len(environ) + n
	block, at, ok := q.cfg.Arena.Alloc(size)
	if !ok {
		return nil
	}
	c.at, c.size, c.reserved = at, size, int64(len(block))
	if q.reserved.Add(c.reserved) > reservedMost {
		q.Unreserve(c)
		return nil
	}
	return block[copy(block, environ):size]
}

// Unreserve gives back what Reserve took for a call that was not submitted.
func (q *Queue) Unreserve(c *Call) {
	if c.reserved != 0 {
		q.cfg.Arena.Free(c.at, c.size)
		q.reserved.Add(-c.reserved)
		c.reserved = 0
	}
}
