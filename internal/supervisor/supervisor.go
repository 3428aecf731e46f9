// Package supervisor keeps the workers of one server: it starts them, attaches
// them to the scheduler when they are ready, replaces those that die, brings in
// new generations and drains old ones. It decides when a worker lives; what a
// worker is, package worker knows.
//
// A worker's states, which only the goroutine of Run changes:
//
//	starting ──ready──▶ serving ──drain──▶ draining ──▶ ended
//	    │                  └────────died───────────────────▲
//	    └── broken, died, too slow ────────────────────────┘
package supervisor

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"syscall"
	"time"

	"girin/internal/cgroup"
	"girin/internal/sched"
	"girin/internal/worker"
)

// Launch starts a worker process of one generation.
type Launch func(name string, r worker.Receiver) (*worker.Worker, error)

// Logger gets what happens to workers.
type Logger interface {
	Debugf(format string, args ...any)
	Infof(format string, args ...any)
	Warningf(format string, args ...any)
	Errorf(format string, args ...any)
	Criticalf(format string, args ...any)
}

// Config of a Supervisor.
type Config struct {
	Queue    *sched.Queue
	Receiver worker.Receiver
	Launch   Launch
	Template Template // what Launch forks from; nil: nothing
	Workers  int
	Boot     time.Duration // how long a worker may take to be ready; 0: for ever
	Grace    time.Duration // how long a draining worker may take
	Silence  time.Duration // how long a worker may not answer; 0: for ever
	Recycle  Recycle
	Log      Logger
	Ready    func() // called once, when all first workers are ready
	// Ended is told of each worker whose process has ended, Scaled how many
	// there should be from now on. Nil: nobody asks.
	Ended  func(w *worker.Worker)
	Scaled func(now, before int)
	// Failed is told why the application cannot be loaded, and nil when it
	// can again. If it returns true at the start, the server waits for a
	// reload instead of ending.
	Failed func(why *BootError) (wait bool)
}

// BootError says that the first workers cannot serve the application.
type BootError struct {
	Code   int // exit code
	Text   string
	killed bool // by SIGKILL, which the application did not do
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
	w     *worker.Worker
	state state
	gen   *generation
	since time.Time   // when it was ready
	kill  *time.Timer // ends it if it does not drain or boot in time
	why   string      // it must be replaced, if not empty
	known bool        // why its process will end was logged
	slow  atomic.Bool // it was not ready in time

	lifetime int64 // in requests; 0: for ever
}

// replaced is the generation of workers that wait for their replacement.
var replaced = &generation{}

// generation is the workers of one start or reload.
type generation struct {
	number   int
	launch   Launch
	template Template
	proven   bool // one of its workers was ready
	target   int  // how many workers there were to be, when a reload came

	preparing, prepared bool // its template
}

// Supervisor keeps the workers. Its methods may be called from any goroutine;
// all state belongs to that of Run.
type Supervisor struct {
	cfg      Config
	commands chan func()
	events   chan event
	stopped  chan struct{}

	// Of Run's goroutine.
	members  []*member
	gen      *generation
	previous *generation // while gen is not proven
	target   int
	count    int // of workers ever started
	crashes  int // in a row
	wait     bool
	stopping bool
	killing  bool
	boot     *BootError
	announce bool
	kills    *cgroup.Kills
}

type event struct {
	m     *member
	ready bool // else it has ended
}

// New returns a supervisor; Run starts it.
func New(cfg Config) *Supervisor {
	return &Supervisor{
		cfg: cfg, target: cfg.Workers, gen: &generation{number: 1, launch: cfg.Launch, template: cfg.Template},
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
	s.reconcile()
	look := time.NewTicker(lookEvery)
	defer look.Stop()
	for done := ctx.Done(); ; {
		if s.stopping && len(s.members) == 0 {
			break
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
		if !s.stopping {
			s.reconcile()
		}
	}
	if s.boot != nil {
		return s.boot
	}
	return nil
}

// do runs f on Run's goroutine; not at all if Run has returned.
func (s *Supervisor) do(f func()) {
	select {
	case s.commands <- f:
	case <-s.stopped:
	}
}

// Kill ends all workers at once; their hooks have a moment, unless it is called
// again.
func (s *Supervisor) Kill() {
	s.do(func() {
		s.stopping = true
		for _, m := range s.members {
			if s.killing {
				m.w.Process().Kill()
			} else {
				m.w.End(syscall.SIGQUIT)
			}
		}
		s.killing = true
	})
}

// aim changes how many workers there should be.
func (s *Supervisor) aim(workers int) {
	before := s.target
	s.target = workers
	if s.cfg.Scaled != nil && workers != before {
		s.cfg.Scaled(workers, before)
	}
}

// Scale changes how many workers there should be by n; at least one stays.
func (s *Supervisor) Scale(n int) {
	s.do(func() {
		s.aim(max(s.target+n, 1))
		s.cfg.Log.Infof("Workers: %d", s.target)
	})
}

// Resize says how many workers there should be.
func (s *Supervisor) Resize(n int) {
	s.do(func() { s.aim(max(n, 1)) })
}

// Reload brings in a new generation of so many workers; 0: as many as there
// are. The old one serves until the new one does; if that fails it stays.
func (s *Supervisor) Reload(launch Launch, template Template, workers int) {
	s.do(func() {
		if s.stopping {
			return
		}
		if s.previous != nil {
			s.abandon("another reload came before it was ready")
		}
		s.previous, s.gen.target = s.gen, s.target
		s.gen = &generation{number: s.gen.number + 1, launch: launch, template: template}
		s.crashes, s.wait = 0, false
		if workers > 0 {
			s.aim(workers)
		}
	})
}

// Replace starts another worker for w, and drains w when that one is ready.
// Workers are replaced one at a time.
func (s *Supervisor) Replace(w *worker.Worker, why string) {
	s.withMember(w, func(m *member) {
		if m.why == "" {
			m.why = why
		}
	})
}

// Restart ends w, which can do nothing any more, and starts another.
func (s *Supervisor) Restart(w *worker.Worker, why string) {
	s.withMember(w, func(m *member) { s.restart(m, why) })
}

func (s *Supervisor) restart(m *member, why string) {
	s.cfg.Log.Warningf("Restarting %s (pid: %d): %s", m.w.Name(), m.w.PID(), why)
	m.known = true
	m.w.End(syscall.SIGABRT)
}

// withMember runs f for a worker that serves.
func (s *Supervisor) withMember(w *worker.Worker, f func(m *member)) {
	s.do(func() {
		for _, m := range s.members {
			if m.w == w && m.state == serving {
				f(m)
			}
		}
	})
}

// replaceNext takes the next worker that must be replaced out of its
// generation, unless another one is still waiting for its replacement.
func (s *Supervisor) replaceNext() {
	var next *member
	for _, m := range s.members {
		switch {
		case m.state != serving:
		case m.gen == replaced:
			return
		case m.why != "" && m.gen == s.gen && next == nil:
			next = m
		}
	}
	if next != nil {
		s.cfg.Log.Infof("Replacing %s (pid: %d): %s", next.w.Name(), next.w.PID(), next.why)
		next.gen = replaced
	}
}

// stop drains everything.
func (s *Supervisor) stop() {
	s.stopping = true
	for _, m := range s.members {
		switch m.state {
		case starting:
			m.w.Process().Kill()
		case serving:
			s.drain(m)
		}
	}
}

// reconcile starts and drains workers until there are as many as there should
// be: of a generation that is not proven, one; of an old one, as many as the
// new one lacks.
func (s *Supervisor) reconcile() {
	s.replaceNext()
	current, ready := 0, 0
	for _, m := range s.members {
		if m.gen == s.gen && m.state <= serving {
			current++
			if m.state == serving {
				ready++
			}
		}
	}
	want := s.target
	if s.previous != nil && !s.gen.proven {
		want = 1
	}
	for ; current < want && !s.wait && !s.stopping && s.prepare(); current++ {
		s.start()
	}
	surplus := current - s.target
	old := max(s.target-ready, 0)
	for i := range s.members {
		m := s.members[i]
		switch {
		case m.state != serving:
		case m.gen == s.gen && surplus > 0:
			surplus--
			s.drain(m)
		case m.gen != s.gen && old > 0:
			old--
		case m.gen != s.gen:
			s.drain(m)
		}
	}
	if s.announce && ready >= s.target {
		s.announce = false
		s.cfg.Ready()
	}
}

// start starts one worker of the current generation.
func (s *Supervisor) start() {
	s.count++
	name := fmt.Sprintf("worker %d", s.count)
	w, err := s.gen.launch(name, s.cfg.Receiver)
	if errors.Is(err, worker.ErrNoTemplate) {
		s.cfg.Log.Warningf("%s cannot be forked yet: %v; the application is imported anew", name, err)
		s.gen.prepared = false
		return
	}
	if err != nil {
		s.cfg.Log.Errorf("%s cannot be started: %v", name, err)
		s.failed(s.gen, &BootError{Code: 1, Text: err.Error()})
		return
	}
	m := &member{w: w, gen: s.gen, lifetime: s.cfg.Recycle.lifetime()}
	if s.cfg.Boot > 0 {
		m.kill = time.AfterFunc(s.cfg.Boot, func() { m.slow.Store(true); w.Process().Kill() })
	}
	s.members = append(s.members, m)
	w.Background(true) // what is served goes before
	s.cfg.Log.Infof("Booting worker with pid: %d", w.PID())
	go s.follow(m)
}

// follow reports what becomes of a worker.
func (s *Supervisor) follow(m *member) {
	<-m.w.Ready()
	if m.w.ReadyErr() == nil {
		s.events <- event{m, true}
	}
	<-m.w.Done()
	s.events <- event{m, false}
}

func (s *Supervisor) handle(e event) {
	if e.ready {
		s.ready(e.m)
		return
	}
	s.ended(e.m)
}

func (s *Supervisor) ready(m *member) {
	if m.kill != nil {
		m.kill.Stop()
	}
	if s.stopping || m.gen != s.gen {
		m.w.Process().Kill()
		return
	}
	m.state, m.since = serving, time.Now()
	m.w.Background(false)
	m.w.Select(firstLane)
	s.cfg.Queue.Attach(m.w)
	if !s.gen.proven {
		s.gen.proven = true
		if s.previous != nil {
			s.cfg.Log.Infof("Reloaded: generation %d serves", s.gen.number)
			s.previous.close()
			s.previous = nil
		}
		s.cfg.Failed(nil)
	}
}

// firstLane is what a worker reads unless the scheduler says otherwise. Before
// it is told so it has taken no request, and may be ended without harm.
const firstLane = 1

// drain lets a worker finish what it runs and end.
func (s *Supervisor) drain(m *member) {
	m.state = draining
	s.cfg.Queue.Detach(m.w)
	m.w.Drain()
	m.kill = time.AfterFunc(s.cfg.Grace, func() {
		s.cfg.Log.Warningf("%s (pid %d) did not finish within %v and is killed", m.w.Name(), m.w.PID(), s.cfg.Grace)
		m.w.End(syscall.SIGABRT)
	})
}

// ended takes a worker out whose process has ended.
func (s *Supervisor) ended(m *member) {
	was := m.state
	m.state = ended
	if m.kill != nil {
		m.kill.Stop()
	}
	for i := range s.members {
		if s.members[i] == m {
			s.members = append(s.members[:i], s.members[i+1:]...)
			break
		}
	}
	s.cfg.Queue.Died(m.w)
	if s.cfg.Ended != nil {
		s.cfg.Ended(m.w)
	}
	switch {
	case was == draining || s.stopping:
		s.cfg.Log.Infof("Worker exiting (pid: %d)", m.w.PID())
	case was == serving && m.known:
	case was == serving:
		s.cfg.Log.Errorf("Worker (pid:%d) %s", m.w.PID(), s.howItEnded(m.w))
		s.crashed(time.Since(m.since))
	default:
		s.failed(m.gen, s.bootErrorOf(m))
	}
}

// howItEnded names what ended a process.
func (s *Supervisor) howItEnded(w *worker.Worker) string {
	p := w.Process()
	sig := p.Signalled()
	switch {
	case sig == 0:
		return fmt.Sprintf("exited with code %d", p.ExitCode())
	case sig != syscall.SIGKILL:
		return fmt.Sprintf("was ended by signal %d (%v)", int(sig), sig)
	}
	switch killed, known := s.kills.Came(); {
	case killed:
		return "was ended by the kernel with signal 9: its memory cgroup is out of memory"
	case known:
		return "was ended by signal 9 (killed)"
	}
	return "was ended by signal 9 (killed). Perhaps out of memory?"
}

func (s *Supervisor) bootErrorOf(m *member) *BootError {
	var broken *worker.Broken
	switch {
	case errors.As(m.w.ReadyErr(), &broken):
		return &BootError{Code: broken.Code, Text: broken.Text}
	case m.slow.Load():
		return &BootError{Code: 3, Text: fmt.Sprintf("the worker failed to boot: it was not ready within %v", s.cfg.Boot)}
	}
	killed := m.w.Process().Signalled() == syscall.SIGKILL
	return &BootError{Code: 3, Text: fmt.Sprintf("the worker failed to boot: its process %s", s.howItEnded(m.w)), killed: killed}
}

// failed handles a worker that never became ready.
func (s *Supervisor) failed(gen *generation, why *BootError) {
	if gen != s.gen || s.stopping {
		return
	}
	s.cfg.Log.Errorf("Worker failed to boot: %s", why.Text)
	patient := !gen.proven && s.cfg.Failed(why)
	switch {
	case s.previous != nil && !gen.proven:
		s.abandon("the application cannot be loaded; the running version stays")
	case why.killed && s.crashes < bootKills:
		s.crashed(0)
	case patient:
		s.wait = true // until the next reload
	case s.announce && !gen.proven:
		s.boot = why
		s.stop()
	default:
		s.crashed(0)
	}
}

// bootKills is how often in a row the first workers may be killed from outside
// before the server gives up: more is want of memory, not an accident.
const bootKills = 3

// abandon goes back to the generation before.
func (s *Supervisor) abandon(why string) {
	s.cfg.Log.Errorf("Reload failed: %s", why)
	failed := s.gen
	s.gen, s.previous = s.previous, nil
	failed.close()
	s.aim(s.gen.target)
	for _, m := range s.members {
		if m.gen == failed {
			m.w.Process().Kill()
		}
	}
}

// A worker that served so long has not crashed at its start.
const steady = time.Second

// backoffs are how long the next start waits after so many crashes in a row.
var backoffs = [...]time.Duration{0, 0, 0, 100 * time.Millisecond, 500 * time.Millisecond, time.Second, 2 * time.Second, 5 * time.Second}

// crashed makes the next start wait if there were many crashes.
func (s *Supervisor) crashed(lived time.Duration) {
	s.crashes++
	if lived > steady {
		s.crashes = 0
	}
	d := backoffs[min(s.crashes, len(backoffs)-1)]
	if d == 0 || s.wait {
		return
	}
	s.wait = true
	s.cfg.Log.Warningf("%d workers crashed in a row; the next starts in %v", s.crashes, d)
	time.AfterFunc(d, func() { s.do(func() { s.wait = false }) })
}
