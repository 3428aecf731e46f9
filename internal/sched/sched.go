// Package sched is the one queue that every request waits in. It admits a
// call, says what its route is known to need, places it on the lane that all
// free threads read, and follows it to its end. It promotes a follower where a
// busy leader keeps others waiting. It knows no process and no socket: workers,
// lanes and answers are small interfaces here.
//
// In the request's path it stands between front, which reads HTTP, and worker,
// which carries frames:
//
//	front.conn -> Queue.Submit -> Lane ~~~ a worker's thread ~~~ worker.reader -> Queue.Frame -> Answer
package sched

import (
	"errors"
	"os"
	"sync"
	"sync/atomic"

	"girin/internal/guard"
	"girin/internal/metrics"
	"girin/internal/wire"
)

// How a call can end without an answer of the application.
var (
	ErrQueueFull  = errors.New("the queue is full")
	ErrWorkerDied = errors.New("the worker died while it ran this request")
	ErrLost       = errors.New("the worker died when it had taken this request")
	ErrAppFailed  = errors.New("the application failed")
	ErrTimeout    = errors.New("the request ran longer than the timeout")
	ErrCancelled  = errors.New("the client has gone")
	ErrStopped    = errors.New("the server stops")

	ErrNoDescriptor = errors.New("no file descriptor is left to send this file")
)

// Lane carries packets to whichever worker reads first.
type Lane interface {
	TrySend(packet []byte) bool
	Send(packet []byte) error // waits for room
	Stop()                    // makes Send fail, from now on
	Unread() int              // bytes
}

// Arena is memory shared with the workers, for what no packet holds.
type Arena interface {
	Flags() []byte // a byte per cell; not zero: nobody waits for the call
	Alloc(n int) (block []byte, at int, ok bool)
	Free(at, n int)
	Size() int64 // bytes of all blocks that there may be
	Used() int64 // bytes of those that are out
	Blocks() int
}

// Worker is what the scheduler sees of whoever runs requests.
type Worker interface {
	PID() int
	Slots() int
	Slot(i int) (id, began uint64) // id 0: the slot is free
	// Promote makes a busy leader send what it has finished and give
	// leadership up.
	Promote()
	Grant(id uint64, n uint32)
	SendBody(id uint64, f *os.File, length int64)
	Dump(id uint64)
	// Say hands over what came for a WebSocket; Flush sends all that was said.
	// Neither waits.
	Say(f wire.Inbound, data []byte)
	Flush()
	// Heard reports whether the Queue was told of all that the worker has finished.
	Heard() bool
}

// Answer is told what becomes of a call. Its methods must not block: they run
// on the goroutine that serves a whole worker.
type Answer interface {
	// Frame gets the next frame. f.Body is the whole frame's body; body may
	// be its first part only, the rest follows as Blocks. Slices are valid
	// until it returns.
	Frame(f *wire.Frame, head, body []byte)
	// File gets an answer whose body is a part of a file, which it owns.
	File(f *wire.Frame, head []byte, body FileBody)
	// Fail ends the answer without the application. After ErrTimeout and ErrLost
	// the call is not to be submitted again: a thread may still run it.
	Fail(cause error)
}

// FileBody is a part of a regular file.
type FileBody struct {
	File           *os.File
	Offset, Length int64
}

// Config of a Queue.
type Config struct {
	Lane   Lane
	Arena  Arena
	Cells  int    // how many calls can be registered; at most wire.FlagTable
	Waits  int    // how many calls may wait beyond those that run
	Window uint32 // response bytes a worker may send before it needs credit

	// Refused is told of a change in a call's life that cannot be. Nil: it is a panic.
	Refused func(what string)
	// Sent gets the room of a call's Request when its packet lies in the lane at once, as
	// nearly all do: nobody needs it any more. Nil: the call keeps it.
	Sent  func(room []byte)
	Guard *guard.Guard // nil: a panic of a part ends the process

	Deadlines Deadlines
	Alone     bool            // one worker may read alone while it keeps up
	Auto      *Auto           // nil: all requests go to Lane, which all workers read
	Remote    Remote          // nil: no call is for it
	Metrics   *metrics.Server // nil: nothing is counted
	Clock     func() int64    // CLOCK_MONOTONIC in nanoseconds, as the workers read it
}

// Queue is the scheduler. Its zero value is not usable; see New.
type Queue struct {
	cfg    Config
	flags  []byte
	routes routes
	waits  queueTimes
	cells  []atomic.Pointer[Call]
	watch  watcher
	alone  alone

	waited   atomic.Int64 // calls that somebody waits for
	beside   atomic.Int64 // of these, those that do not count: see Beside
	keeper   keeper
	deaths   undertaker
	closed   atomic.Bool
	timeout  atomic.Int64              // of Deadlines, in ns
	grace    atomic.Int64              // likewise
	known    atomic.Pointer[[]*Worker] // those of alive, for pointer
	capacity atomic.Int64              // threads of the workers that are ready
	dated    atomic.Bool               // there are calls with a Since
	main     *line                     // what fixed classes read
	lines    []*line                   // all of them
	pushed   *line                     // stands for what was given to a loop of the master's choice
	remote   *line                     // stands for Config.Remote; nil: there is none
	auto     *auto                     // nil for fixed classes

	mu      sync.Mutex
	free    []uint16          // guarded by mu: cells without a call
	serials []uint64          // guarded by mu: where the next call of a cell counts on from
	fresh   int               // guarded by mu: cells from here on were never used
	readers []Worker          // guarded by mu: those that read the lane; copied on change
	alive   []Worker          // guarded by mu: those and the ones that drain
	sockets map[Worker]int    // guarded by mu: how many WebSockets and long streams each has, or was given
	given   map[Worker]uint64 // guarded by mu: how many were pushed to each
	done    sync.WaitGroup
}

// New returns a queue; Start launches it.
func New(cfg Config) *Queue {
	cells := min(cfg.Cells, wire.FlagTable)
	q := &Queue{
		cfg: cfg, flags: cfg.Arena.Flags(),
		cells: make([]atomic.Pointer[Call], cells), serials: make([]uint64, cells),
	}
	q.known.Store(new([]*Worker))
	q.main = newLine(q, cfg.Lane)
	q.pushed, q.sockets, q.given = newLine(q, nil), map[Worker]int{}, map[Worker]uint64{}
	q.lines = []*line{q.main}
	if cfg.Auto != nil {
		q.auto = newAuto(q, *cfg.Auto)
		q.lines = append(q.lines, q.auto.compute)
	}
	if cfg.Remote != nil {
		q.remote = newLine(q, nil)
	}
	q.SetDeadlines(cfg.Deadlines.Timeout, cfg.Deadlines.Grace)
	q.routes.init()
	q.watch.init()
	q.keeper.init()
	q.deaths.init()
	return q
}

// Register gives the call a cell, and reports whether there was one.
func (q *Queue) Register(c *Call) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	switch {
	case len(q.free) > 0:
		c.cell = q.free[len(q.free)-1]
		q.free = q.free[:len(q.free)-1]
	case q.fresh < len(q.cells):
		c.cell = uint16(q.fresh)
		q.fresh++
	default:
		return false
	}
	c.life.Store(q.serials[c.cell] | uint64(c.cell))
	q.cells[c.cell].Store(c)
	return true
}

// Release says that nobody will submit this call again. Its cell is free when
// what may still run of it has ended.
func (q *Queue) Release(c *Call) {
	for {
		word := c.life.Load()
		if word&released != 0 {
			return
		}
		if !c.life.CompareAndSwap(word, word|released) {
			continue
		}
		if stateOf(word) == idle {
			q.freeCell(c)
		}
		return
	}
}

func (q *Queue) freeCell(c *Call) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.cells[c.cell].Store(nil)
	q.serials[c.cell] = c.life.Load() & idMask &^ (serialOne - 1) // an old id never names a new call
	q.free = append(q.free, c.cell)
}

// Route is what is known of such requests.
func (q *Queue) Route(method, path []byte) *Route { return q.routes.find(method, path) }

// Fed notes that a part of the call's streamed body has come and was read.
func (q *Queue) Fed(c *Call) { c.fed.Store(q.cfg.Clock()) }

// Grant lets the worker send n more body bytes of the call's answer.
func (q *Queue) Grant(c *Call, n int) {
	word := c.life.Load()
	if stateOf(word) != answering {
		return
	}
	if w := c.owner.Load(); w != nil {
		c.unacknowledged.Add(-int64(n))
		c.moved.Store(q.cfg.Clock())
		(*w).Grant(word&idMask, uint32(n))
	}
}

// find returns the call that id names, if it is in flight.
func (q *Queue) find(id uint64) *Call {
	if c := q.inCell(id); c != nil && id != 0 && c.id() == id {
		return c
	}
	return nil
}

// inCell is the call that has the cell of an id.
func (q *Queue) inCell(id uint64) *Call {
	if cell := id & (wire.FlagTable - 1); cell < uint64(len(q.cells)) {
		return q.cells[cell].Load()
	}
	return nil
}
