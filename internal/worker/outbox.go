package worker

import (
	"encoding/binary"
	"os"
	"sync"

	"girin/internal/wire"
)

// outbox is what a worker is still to be told. What concerns the worker is a level,
// told once however often it was asked for meanwhile; what concerns a request is one
// entry, whose credit adds up. So it is bounded by the requests that the worker runs,
// even if it reads nothing for long.
type outbox struct {
	wake chan struct{}

	mu       sync.Mutex
	due      level            // guarded by mu
	lanes    uint32           // guarded by mu: which ones to read
	within   uint32           // guarded by mu: ms that it has to end in
	dump     uint64           // guarded by mu: whose stack comes first
	requests map[uint64]entry // guarded by mu
	order    []uint64         // guarded by mu: their ids
}

// level is what concerns a worker, as bits.
type level uint8

// The order of the bits is that in which they are told: a leader gives leadership up
// when it knows what to read.
const (
	tellLanes level = 1 << iota
	tellPromote
	tellPing
	tellDump
	tellTerm
	tellDrain
)

// entry is what concerns a request.
type entry struct {
	credit    uint32
	cancelled bool // look at the flag table; nothing else matters then
	body      *os.File
	length    int64
}

// message is one control message, with a file or without.
type message struct {
	bytes []byte
	file  *os.File
	id    uint64 // of the request that the file is for
}

// outboxMost is about how many requests something may wait. More than a worker runs
// can only be one that answers what it was never given.
const outboxMost = wire.FlagTable

func newOutbox() *outbox {
	return &outbox{wake: make(chan struct{}, 1), requests: map[uint64]entry{}}
}

func (o *outbox) ring() {
	select {
	case o.wake <- struct{}{}:
	default:
	}
}

// raise asks for what concerns the worker. Set notes what goes with it.
func (o *outbox) raise(what level, set func()) {
	o.mu.Lock()
	o.due |= what
	if set != nil {
		set()
	}
	o.mu.Unlock()
	o.ring()
}

// about changes what a request is to be told, and reports whether there was room.
func (o *outbox) about(id uint64, change func(e *entry)) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	e, known := o.requests[id]
	if !known {
		if len(o.order) >= outboxMost {
			return false
		}
		o.order = append(o.order, id)
	}
	change(&e)
	o.requests[id] = e
	o.ring()
	return true
}

// next takes the next message; false: there is none.
func (o *outbox) next() (message, bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.due != 0 {
		what := o.due & -o.due
		o.due &^= what
		return message{bytes: o.levelLocked(what).Append(nil, nil)}, true
	}
	if len(o.order) == 0 {
		return message{}, false
	}
	id := o.order[0]
	e := o.requests[id]
	m, more := e.take(id)
	if more {
		o.requests[id] = e
		return m, true
	}
	delete(o.requests, id)
	if o.order = o.order[1:]; len(o.order) == 0 {
		o.order = nil
	}
	return m, true
}

func (o *outbox) levelLocked(what level) wire.Control {
	switch what {
	case tellLanes:
		return wire.Control{Op: wire.Lanes, N: o.lanes}
	case tellPromote:
		return wire.Control{Op: wire.Promote}
	case tellPing:
		return wire.Control{Op: wire.Ping}
	case tellDump:
		return wire.Control{Op: wire.Dump, ID: o.dump}
	case tellTerm:
		return wire.Control{Op: wire.Term}
	}
	return wire.Control{Op: wire.Drain, N: o.within}
}

// take takes the first message of an entry, and reports whether another follows.
func (e *entry) take(id uint64) (m message, more bool) {
	switch {
	case e.cancelled:
		return message{bytes: cancelled(id)}, false
	case e.body != nil:
		payload := binary.LittleEndian.AppendUint64(nil, uint64(e.length))
		m = message{bytes: wire.Control{Op: wire.Body, ID: id}.Append(nil, payload), file: e.body, id: id}
		e.body = nil
		return m, e.credit > 0
	}
	return message{bytes: wire.Control{Op: wire.Credit, ID: id, N: e.credit}.Append(nil, nil)}, false
}

func cancelled(id uint64) []byte {
	return wire.Control{Op: wire.Credit, ID: id, N: wire.Cancelled}.Append(nil, nil)
}

// grant adds credit, as far as a message can tell it.
func (e *entry) grant(n uint32) {
	if n == wire.Cancelled {
		e.cancelled = true
		return
	}
	e.credit = uint32(min(uint64(e.credit)+uint64(n), wire.Cancelled-1))
}
