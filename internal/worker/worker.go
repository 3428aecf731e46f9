// Package worker is one Python worker process seen from Go: its start and
// handshake, the frames that it sends, the control messages both ways, and its
// state page; and what all workers share, the lanes and the arena. It owns the
// process and its descriptors. It decides nothing: what a frame means is the
// Receiver's business, when a worker starts and ends the supervisor's.
package worker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"girin/internal/proc"
	"girin/internal/wire"
)

// Receiver gets what a worker sends. Its methods are called from the
// goroutines that serve the worker, never after Done is closed. An error is
// what the worker did that it may not do; the worker is ended for it.
type Receiver interface {
	Frame(w *Worker, f *wire.Frame, head, body []byte) error
	// File gets an answer whose body is a file; nil: there was no descriptor for it.
	File(w *Worker, f *wire.Frame, head []byte, body *os.File, offset, length int64) error
	// Log gets a line of the log. call is the request that it is about, if that is a job; 0:
	// none. With the level wire.Copy it is only what the job wrote to standard error.
	Log(w *Worker, level int, call uint64, text string)
	Stacks(w *Worker, text string)
	// Held is told of a request, "METHOD /path" or "", that held its worker's event loop
	// up, and where it stood.
	Held(w *Worker, held time.Duration, what, stack string)
}

// Logger is told what went wrong with a worker.
type Logger interface {
	Errorf(format string, args ...any)
	Warningf(format string, args ...any)
}

// Config of a worker.
type Config struct {
	Name         string // for the log
	Starter      *proc.Starter
	Spec         proc.Spec // what to start; Files are filled in by Start
	Shim         []byte
	Settings     Settings
	Arena        *Arena
	Lanes        []*Lane
	Accelerators *Accelerators // nil: the shim in Python is to run
	Origin       Origin        // what to fork it from; nil: it is started from nothing
	Carried      []byte        // for Origin
	Receiver     Receiver
	Rest         func() // called when no frame is left of what was read; nil: nobody asks
	Log          Logger
}

// Origin is a process that workers are forked from.
type Origin interface {
	// Fork makes a child of this process that inherits the files, for the worker
	// of an age; carried is what hooks have done for it elsewhere.
	Fork(ctx context.Context, age int, carried []byte, files []*os.File) (pid int, err error)
}

// Worker is one worker process.
type Worker struct {
	cfg      Config
	proc     *proc.Process
	page     *page
	control  *net.UnixConn
	response *net.UnixConn

	dumps   atomic.Int32 // 1: stacks were asked for and have not come
	silent  atomic.Int32 // how often Ping was called since the last Pong
	listens atomic.Bool  // its responses were read to the end and passed on; see Heard
	handles atomic.Bool  // a control message was read and is not passed on yet
	outbox  *outbox
	inbound inbound

	ready chan struct{} // closed when Ready or Broken came, or it died before
	done  chan struct{} // closed when the process has ended and all it sent was passed on

	answered atomic.Int64
	retires  atomic.Bool
	left     atomic.Bool
	spent    chan struct{} // closed when it has taken its last request
	told     bool          // it takes no more because of a signal; written before spent is closed
	spend    sync.Once     // closes spent

	once  sync.Once
	facts Facts // set before ready is closed
	slots int   // settled before ready is closed
	err   error // set before ready is closed: why it is not ready
}

// Start starts a worker process and says Hello to it. What comes of it is
// known when Ready is closed. A fork is not waited for beyond the end of ctx.
func Start(ctx context.Context, cfg Config) (*Worker, error) {
	cfg.Settings.Version = wire.Version
	cfg.Settings.Accelerators = cfg.Accelerators.offer(wire.LaneFD + len(cfg.Lanes))
	w := &Worker{
		cfg: cfg, outbox: newOutbox(), ready: make(chan struct{}), done: make(chan struct{}), spent: make(chan struct{}),
		slots: cfg.Settings.Slots(),
	}
	hello, err := json.Marshal(cfg.Settings)
	if err != nil {
		return nil, fmt.Errorf("settings: %w", err)
	}
	if w.page, err = newPage(cfg.Settings.room()); err != nil {
		return nil, err
	}
	err = w.start(ctx)
	w.page.file.Close() // mapped here, inherited there
	if err != nil {
		return nil, err
	}
	go w.serve(hello)
	return w, nil
}

func (w *Worker) start(ctx context.Context) (err error) {
	var theirs [2]*os.File
	if w.control, theirs[0], err = socketPair(controlSocket); err != nil {
		return err
	}
	defer theirs[0].Close()
	if w.response, theirs[1], err = socketPair(streamSocket); err != nil {
		w.control.Close()
		return err
	}
	defer theirs[1].Close()
	shim, err := SealedFile("girin-shim", w.cfg.Shim)
	if err == nil {
		defer shim.Close()
		w.proc, err = w.cfg.begin(ctx, w.cfg.inherited(theirs[0], theirs[1], w.page.file, w.cfg.Arena.file, shim))
	}
	if err == nil {
		err = w.inbound.open(w.response)
	}
	if err != nil {
		w.control.Close()
		w.response.Close()
	}
	return err
}

// inherited lists what becomes the descriptors from wire.ControlFD on.
func (c *Config) inherited(first ...*os.File) []*os.File {
	for _, l := range c.Lanes {
		first = append(first, l.r)
	}
	return append(first, c.Accelerators.inherit()...)
}

// begin makes the process, with these descriptors.
func (c *Config) begin(ctx context.Context, files []*os.File) (*proc.Process, error) {
	if c.Origin != nil {
		return c.Starter.Adopt(func() (int, error) {
			ctx, cancel := context.WithTimeoutCause(ctx, forkLimit, errors.New("the fork took too long"))
			defer cancel()
			return c.Origin.Fork(ctx, c.Settings.Age, c.Carried, files)
		})
	}
	spec := c.Spec
	spec.Files = files
	return c.Starter.Start(spec)
}

// forkLimit is how long a fork may take. It copies no memory, only page tables, but hooks
// may run before it.
const forkLimit = 30 * time.Second

// serve passes on what the worker sends until its process has ended.
func (w *Worker) serve(hello []byte) {
	var readers sync.WaitGroup
	readers.Add(3)
	go func() { defer readers.Done(); w.writeControl(hello) }()
	go func() { defer readers.Done(); w.guard("responses", w.readResponses); w.mustEnd("responses") }()
	go func() { defer readers.Done(); w.guard("control", w.readControl); w.mustEnd("control") }()

	<-w.proc.Done()
	// What it sent before it died still counts. An app's child may hold the
	// sockets open, so the end of the stream is not waited for.
	soon := time.Now().Add(lastWords)
	_ = w.response.SetReadDeadline(soon)
	_ = w.control.SetDeadline(soon)
	readers.Wait()
	w.settle(Facts{}, fmt.Errorf("it ended before it was ready: %w", exitError(w.proc)))
	w.response.Close() // which ends the writing of what it was to be told
	w.control.Close()
	w.inbound.wait.Wait()
	close(w.done)
}

// mustEnd ends a worker that has closed one of its sockets and lives on: nothing
// that it does could reach anyone.
func (w *Worker) mustEnd(what string) {
	t := time.NewTimer(closedLimit)
	defer t.Stop()
	select {
	case <-w.proc.Done():
	case <-t.C:
		w.fault(what, errors.New("it has closed the socket"))
	}
}

// closedLimit is left to a process that has closed its sockets because it ends.
const closedLimit = 5 * time.Second

// lastWords is how long the sockets of a dead worker are still read if
// something holds them open.
const lastWords = 50 * time.Millisecond

// guard ends the worker, and it alone, if its reader fails.
func (w *Worker) guard(what string, read func() error) {
	defer func() {
		if p := recover(); p != nil {
			w.fault(what, fmt.Errorf("panic: %v", p))
		}
	}()
	if err := read(); err != nil {
		w.fault(what, err)
	}
}

func (w *Worker) fault(what string, err error) {
	w.cfg.Log.Errorf("%s (pid %d) is ended for its %s: %v", w.cfg.Name, w.PID(), what, err)
	w.proc.Kill()
}

// settle says how the handshake ended; only the first call counts.
func (w *Worker) settle(facts Facts, err error) {
	w.once.Do(func() {
		w.facts, w.err = facts, err
		if facts.ASGI() {
			w.slots = w.cfg.Settings.Connections
		}
		close(w.ready)
	})
}

// exitError says how a process ended that should not have.
func exitError(p *proc.Process) error {
	if err := p.Err(); err != nil {
		return err
	}
	return errors.New("exit status 0")
}

// Ready is closed when the worker is ready or is known never to be.
func (w *Worker) Ready() <-chan struct{} { return w.ready }

// ReadyErr is why the worker is not ready; nil if it is. Only after Ready.
func (w *Worker) ReadyErr() error { return w.err }

// Facts are what the worker said of itself. Only after Ready without error.
func (w *Worker) Facts() Facts { return w.facts }

// Done is closed when the process has ended and all that it sent was passed on.
func (w *Worker) Done() <-chan struct{} { return w.done }

// Process is the worker's process.
func (w *Worker) Process() *proc.Process { return w.proc }

// Name is the worker's name in the log.
func (w *Worker) Name() string { return w.cfg.Name }

// PID is the worker's process id.
func (w *Worker) PID() int { return w.proc.PID() }

// Answered is how many requests the worker has answered.
func (w *Worker) Answered() int64 { return w.answered.Load() }

// Retires reports whether the worker wants to be replaced.
func (w *Worker) Retires() bool { return w.retires.Load() }

// Left reports whether the worker has ended with nothing unfinished of what it had taken.
func (w *Worker) Left() bool { return w.left.Load() }

// Spent is closed when the worker reads no more: it has taken the last request that
// Settings.Lifetime allows it, or see Told.
func (w *Worker) Spent() <-chan struct{} { return w.spent }

// Told reports whether it reads no more because it got INT or QUIT. Only after Spent.
func (w *Worker) Told() bool { return w.told }

// Slots is how many requests the worker runs at once. Only after Ready.
func (w *Worker) Slots() int { return w.slots }

// Slot is what the worker's i-th slot runs and since when; id 0: nothing.
func (w *Worker) Slot(i int) (id, began uint64) { return w.page.slot(i) }

// Loop is how long the worker's event loop was held up at most of late, and how many
// tasks it has; zero where it has none.
func (w *Worker) Loop() (lag time.Duration, tasks int) { return w.page.loop() }

// Stepping is since when a request has held the worker's event loop, in ns of
// CLOCK_MONOTONIC; 0: none does.
func (w *Worker) Stepping() int64 { return w.page.stepping() }

// Silent is since when the worker's event loop has owed a sign of life, in ns of
// CLOCK_MONOTONIC; 0: it owes none.
func (w *Worker) Silent() int64 { return w.page.silent() }

// Threads is how many calls want a thread of the worker's, where it has an event loop, and
// how many there may be at most; zero: it has none to share.
func (w *Worker) Threads() (wanted, there int) { return w.page.threads() }

// Opened is how many of the WebSockets that the worker was given it has begun: they begin
// in the order in which they were given.
func (w *Worker) Opened() uint64 { return w.page.opened() }

// Parallel reports whether the worker's threads compute at once: its Python has no GIL. A
// module that is imported late may turn that off.
func (w *Worker) Parallel() bool { return w.page.parallel() }

// Busy is how many of the slots are taken.
func (w *Worker) Busy() int {
	n := 0
	for i := range w.slots {
		if id, _ := w.page.slot(i); id != 0 {
			n++
		}
	}
	return n
}
