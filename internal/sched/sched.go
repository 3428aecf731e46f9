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
	// Fail ends the answer without the application.
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

	Deadlines Deadlines
	Auto      *Auto           // nil: all requests go to Lane, which all workers read
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

	inFlight atomic.Int64
	reserved atomic.Int64              // bytes of the arena that Reserve took
	known    atomic.Pointer[[]*Worker] // those of alive, for pointer
	capacity atomic.Int64              // threads of the workers that are ready
	dated    atomic.Bool               // there are calls with a Since
	main     *line                     // what fixed classes read
	lines    []*line                   // all of them
	auto     *auto                     // nil for fixed classes

	mu      sync.Mutex
	free    []uint16 // guarded by mu: cells without a call
	serials []uint64 // guarded by mu: where the next call of a cell counts on from
	fresh   int      // guarded by mu: cells from here on were never used
	readers []Worker // guarded by mu: those that read the lane; copied on change
	alive   []Worker // guarded by mu: those and the ones that drain
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
	q.lines = []*line{q.main}
	if cfg.Auto != nil {
		q.auto = newAuto(q, *cfg.Auto)
		q.lines = append(q.lines, q.auto.compute)
	}
	q.routes.init()
	q.watch.init()
	return q
}

// Start launches the queue's goroutines.
func (q *Queue) Start() {
	for _, l := range q.lines {
		q.done.Add(1)
		go l.feeder()
	}
	q.done.Add(1)
	go q.watcher()
	if q.auto != nil {
		q.done.Add(1)
		go q.auto.manager()
	}
	if q.cfg.Deadlines.Timeout > 0 {
		q.done.Add(1)
		go q.deadlines()
	}
}

// Close ends the queue; the calls that are in it fail. It returns when its
// goroutines have ended. No Submit may follow.
func (q *Queue) Close() {
	close(q.watch.stop)
	for _, l := range q.lines {
		l.close()
	}
	q.done.Wait()
	q.each(func(c *Call, id uint64) { q.fail(c, id, ErrStopped) })
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
	c.serial = q.serials[c.cell]
	q.cells[c.cell].Store(c)
	return true
}

// Release says that nobody will submit this call again. Its cell is free when
// what may still run of it has ended.
func (q *Queue) Release(c *Call) {
	c.released.Store(true)
	if c.live.Load() == 0 {
		q.freeCell(c)
	}
}

func (q *Queue) freeCell(c *Call) {
	if !c.freed.CompareAndSwap(false, true) {
		return
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.cells[c.cell].Store(nil)
	q.serials[c.cell] = c.serial // an old id never names a new call
	q.free = append(q.free, c.cell)
}

// Full reports whether a new call would be refused.
func (q *Queue) Full() bool {
	return q.inFlight.Load() >= q.capacity.Load()+int64(q.cfg.Waits)
}

// Capacity is how many requests the workers that are ready run at once.
func (q *Queue) Capacity() int { return int(q.capacity.Load()) }

// InFlight is the number of calls that were submitted and have not ended.
func (q *Queue) InFlight() int { return int(q.inFlight.Load()) }

// Submit places a registered call. Whatever becomes of it is told to its
// Answer; an error means that nothing was placed.
func (q *Queue) Submit(c *Call) error {
	if q.Full() {
		return ErrQueueFull
	}
	if c.Since != 0 && q.tooLate(c) {
		return ErrTimeout
	}
	c.flags = c.Route.flags()
	if q.auto != nil {
		c.classify()
	}
	c.serial++
	id := c.serial<<16 | uint64(c.cell)
	c.window = q.cfg.Window
	if c.Window != 0 {
		c.window = c.Window
	}
	if !c.pack(q.cfg.Arena, id, c.window) {
		return ErrQueueFull
	}
	q.flags[c.cell] = 0
	c.owner.Store(nil)
	c.submitted = q.cfg.Clock()
	c.since.Store(c.Since)
	c.sent.Store(0)
	c.moved.Store(0)
	c.unacknowledged.Store(0)
	c.trusted.Store(c.flags&wire.Quick != 0)
	q.inFlight.Add(1)
	q.cfg.Metrics.Received(c.bodySize())
	c.live.Store(id)
	if q.auto != nil {
		q.auto.place(c, c.submitted)
	} else {
		q.main.place(c, c.submitted)
	}
	q.watch.arm()
	return nil
}

// Cancel says that nobody waits for the call any more. If it has not begun it
// never will.
func (q *Queue) Cancel(c *Call) {
	if id := c.live.Load(); id != 0 {
		q.cancel(c, id)
	}
}

func (q *Queue) cancel(c *Call, id uint64) {
	q.setFlag(c, id)
	if w := c.owner.Load(); w != nil {
		(*w).Grant(id&^givenUp, wire.Cancelled)
	}
}

// setFlag says in the flag table that nobody waits for the call, if it is still
// the one that id names. Under the lock its cell cannot become another's.
func (q *Queue) setFlag(c *Call, id uint64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if c.live.Load() == id {
		q.flags[c.cell] = 1
	}
}

// flagged reports whether nobody waits for the call any more.
func (q *Queue) flagged(c *Call) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.flags[c.cell] != 0
}

// CancelQueued cancels the call if no thread has begun it.
func (q *Queue) CancelQueued(c *Call) {
	id := c.live.Load()
	if running, _ := q.running(); id != 0 && !running[id] && c.owner.Load() == nil {
		q.Cancel(c)
	}
}

// Route is what is known of such requests.
func (q *Queue) Route(method, path []byte) *Route { return q.routes.find(method, path) }

// Grant lets the worker send n more body bytes of the call's answer.
func (q *Queue) Grant(c *Call, n int) {
	if w := c.owner.Load(); w != nil {
		if id := c.live.Load() &^ givenUp; id != 0 {
			c.unacknowledged.Add(-int64(n))
			c.moved.Store(q.cfg.Clock())
			(*w).Grant(id, uint32(n))
		}
	}
}

// find returns the call that id names, if it is in flight.
func (q *Queue) find(id uint64) *Call {
	if cell := id & (wire.FlagTable - 1); id != 0 && cell < uint64(len(q.cells)) {
		if c := q.cells[cell].Load(); c != nil && c.live.Load()&^givenUp == id {
			return c
		}
	}
	return nil
}

// end takes the call out of flight, and reports whether its answer must still
// be told.
func (q *Queue) end(c *Call, id uint64) bool {
	tell := c.live.CompareAndSwap(id, 0)
	if !tell && !c.live.CompareAndSwap(id|givenUp, 0) {
		return false
	}
	q.unpack(c)
	q.inFlight.Add(-1)
	if q.auto != nil {
		q.auto.ended(c)
	}
	if c.released.Load() {
		q.freeCell(c)
	}
	return tell
}

// fail ends a call without the application.
func (q *Queue) fail(c *Call, id uint64, cause error) {
	if q.end(c, id) {
		c.Answer.Fail(cause)
	}
}
