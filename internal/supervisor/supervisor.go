// Package supervisor keeps the workers of one server: it starts them, attaches
// them to the scheduler when they are ready, replaces those that die, brings in
// new generations and drains old ones. It decides when a worker lives; what a
// worker is, package worker knows.
//
// A worker's states, which only the goroutine of Run changes:
//
//	(an attempt) ─process─▶ starting ──ready──▶ serving ──drain──▶ draining ──▶ ended
//	                            │                  └────────died───────────────────▲
//	                            └── broken, died, too slow ────────────────────────┘
//
// One that is ready when enough serve drains at once: those have clients, and it has none.
//
// That goroutine takes events and never waits: the attempt to start a worker runs
// beside it, since hooks and forks take as long as somebody else wants.
package supervisor

import (
	"context"
	"sync/atomic"
	"time"

	"girin/internal/cgroup"
	"girin/internal/guard"
	"girin/internal/sched"
	"girin/internal/worker"
)

// Launch starts a worker process of one generation. It may wait for what belongs to
// that, but not beyond the end of ctx. It runs beside, one at a time.
type Launch func(ctx context.Context, name string, r worker.Receiver) (*worker.Worker, error)

// Logger gets what happens to workers.
type Logger interface {
	Debugf(format string, args ...any)
	Infof(format string, args ...any)
	Warningf(format string, args ...any)
	Errorf(format string, args ...any)
	Criticalf(format string, args ...any)
}

// Config of a Supervisor. Its functions are called from Run's goroutine and must
// not wait for anything.
type Config struct {
	Queue    *sched.Queue
	Receiver worker.Receiver
	Launch   Launch
	Template Template // what Launch forks from; nil: nothing
	Workers  int
	// BootAtOnce is how many workers may be booting at a time: more than there are cores
	// keep the first one from being ready. 0: as many as there are to be.
	BootAtOnce int
	Boot       time.Duration // how long a worker may take to be ready; 0: for ever. SetLimits changes it
	Grace      time.Duration // how long a draining worker may take; likewise
	// StopGrace is the same while the server stops, when part of its time is
	// spent; nil: Grace.
	StopGrace func() time.Duration
	// LastHooks is how long the last hooks of a worker may take that is ended; nil: 5 s.
	LastHooks func() time.Duration
	Silence   time.Duration // how long a worker may not answer; 0: for ever; likewise
	Recycle   Recycle
	Log       Logger
	Guard     *guard.Guard
	Ready     func(*worker.Worker) // called once with one of them, when all first workers are ready
	// Serving is told of each worker before it gets requests: it says how many workers
	// there should be from now on (0: as many as there should be), or why this one must
	// not serve. Ended is told of each whose process has ended, Scaled how many there
	// should be from now on. Perished is told how a worker has ended, before the requests
	// fail that it ran. Nil: nobody asks.
	Serving func(w *worker.Worker) (workers int, err error)
	Ended   func(w *worker.Worker)
	Scaled  func(now, before int)

	Perished func(ran []sched.Running, how string)
	// Failed is told why the application cannot be loaded, and nil when it
	// can again. If it returns true at the start, the server waits for a
	// reload instead of ending.
	Failed func(why *BootError) (wait bool)
}

// BootError says that the first workers cannot serve the application.
type BootError struct {
	Code   int // exit code
	Text   string
	killed bool // by a signal from outside, which the application did not do
}

func (e *BootError) Error() string { return e.Text }

type state int

const (
	starting state = iota
	serving
	draining
	ended
)

func (s state) String() string {
	return [...]string{"starting", "serving", "draining", "ended"}[s]
}

// member is a worker and where it stands.
type member struct {
	w      *worker.Worker
	state  state
	number int // counts all that were ever started
	gen    *generation
	since  time.Time   // when it was ready
	kill   *time.Timer // ends it if it does not drain in time
	why    string      // it must be replaced, if not empty
	stuck  bool        // because a thread of it did not return: what moves beside may go on
	spent  bool        // it has taken its last request, or got INT or QUIT
	known  bool        // why its process will end was logged
	slow   atomic.Bool // it was not ready in time

	refused *BootError // it was ready, and must not serve

	lifetime   int64 // in requests; 0: for ever
	mostMemory int64 // bytes; 0: any

	memory    int64 // bytes, when it was last measured
	measuring bool
}

// replaced is the generation of workers that wait for their replacement.
var replaced = &generation{}

// generation is the workers of one start or reload.
type generation struct {
	number   int
	launch   Launch
	template Template
	recycle  Recycle
	proven   bool // one of its workers was ready
	target   int  // how many workers there were to be, when a reload came

	after   int          // so many workers were started before it
	settled []func(bool) // its own last, and those before it that were not told yet

	preparing, prepared bool // its template
}

// Supervisor keeps the workers. Its methods may be called from any goroutine once
// Run runs; all state belongs to that of Run.
type Supervisor struct {
	cfg      Config
	commands chan func()
	events   chan event
	stopped  chan struct{} // closed when Run returns

	// Of Run's goroutine.
	members   []*member
	launching *attempt // nil: no worker is being started
	gen       *generation
	previous  *generation // while gen is not proven
	target    int
	count     int // of workers ever started
	crashes   int // in a row
	wait      bool
	stopping  bool
	killing   bool
	boot      *BootError
	announce  bool
	kills     *cgroup.Kills
}

type event struct {
	m     *member
	ready bool // else it has ended
}

// New returns a supervisor; Run starts it.
func New(cfg Config) *Supervisor {
	return &Supervisor{
		cfg: cfg, target: cfg.Workers, gen: &generation{number: 1, launch: cfg.Launch, template: cfg.Template, recycle: cfg.Recycle},
		commands: make(chan func()), events: make(chan event), stopped: make(chan struct{}),
		announce: true, kills: cgroup.Own().Kills(),
	}
}

// Run keeps the workers until ctx ends or the application proves impossible to
// serve at the start, which it reports as a BootError. It returns when all
// workers have ended: gracefully, unless Kill was called.
func (s *Supervisor) Run(ctx context.Context) error {
	defer func() {
		s.gen.close()
		s.previous.close()
		close(s.stopped)
	}()
	s.cfg.Guard.Keep(guard.Part{Name: "supervisor", Run: func() { s.loop(ctx) }})
	s.windUp()
	if s.boot != nil {
		return s.boot
	}
	return nil
}

// loop only takes events: what may last, as launches do, runs beside it and
// posts its end.
func (s *Supervisor) loop(ctx context.Context) {
	look := time.NewTicker(lookEvery)
	defer look.Stop()
	for done := ctx.Done(); ; {
		if !s.stopping {
			s.reconcile()
		} else if len(s.members) == 0 && s.launching == nil {
			return
		}
		select {
		case <-done:
			done = nil
			s.stop()
		case f := <-s.commands:
			f()
		case e := <-s.events:
			s.handle(e)
		case <-look.C:
			s.lookForSilent()
			s.recycle()
		}
	}
}

// windUp ends what is left when the loop could not be kept: the workers finish
// what they run, within the grace time.
func (s *Supervisor) windUp() {
	s.stopping = true
	s.launching.giveUp()
	s.gen.close()
	for _, m := range s.members {
		m.w.Drain(s.stopGrace())
	}
	late := time.NewTimer(s.stopGrace())
	defer late.Stop()
	for len(s.members) > 0 {
		m := s.members[0]
		select {
		case <-m.w.Done():
			s.members = s.members[1:]
		case f := <-s.commands:
			f()
		case <-s.events:
		case <-late.C:
			for _, m := range s.members {
				m.w.Process().Kill()
			}
		}
	}
}

// do runs f on Run's goroutine; not at all if Run has returned, which it reports.
func (s *Supervisor) do(f func()) (done bool) {
	select {
	case s.commands <- f:
		return true
	case <-s.stopped:
		return false
	}
}

func (s *Supervisor) handle(e event) {
	if e.ready {
		s.ready(e.m)
		return
	}
	s.ended(e.m)
}
