// Package serve is the server put together from its parts: this file reads as their
// list, from the sockets to the workers. What a part does, its own package knows;
// here stand what it is told, the signals, reload, and the end.
package serve

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"sync/atomic"
	"time"

	"girin/internal/config"
	"girin/internal/control"
	"girin/internal/front"
	"girin/internal/guard"
	"girin/internal/hooks"
	"girin/internal/logs"
	"girin/internal/metrics"
	"girin/internal/proc"
	"girin/internal/program"
	"girin/internal/sched"
	"girin/internal/supervisor"
	"girin/internal/worker"
)

// server is everything that serves one application.
type server struct {
	env    *program.Env
	cfg    *config.Config
	load   Load
	sizes  sizes
	python string
	began  time.Time

	system
	crew

	queue     *sched.Queue
	front     *front.Server
	workers   *supervisor.Supervisor
	metrics   *metrics.Server // nil: nothing is counted
	decisions decisions
}

// system is what open takes of the system, and close gives back.
type system struct {
	log       *logs.ErrorLog
	access    *logs.AccessLog // nil: none is kept
	captured  *os.File        // workers' output; nil: it is not captured
	tls       *front.TLS      // nil: cleartext
	listeners []net.Listener
	inherited bool            // the listeners are the service manager's
	scrapes   net.Listener    // nil: nobody may ask for metrics
	control   *control.Server // nil: nobody can ask

	lane         *worker.Lane
	computeLane  *worker.Lane // for auto only
	arena        *worker.Arena
	accelerators *worker.Accelerators // nil: none is offered
}

// crew is what worker processes come from, and what of them is remembered.
type crew struct {
	starter *proc.Starter
	hooks   atomic.Pointer[hooks.Process] // nil: the configuration has none of the master

	guard  *guard.Guard
	broken atomic.Pointer[string] // why the server cannot go on

	// Of the supervisor's goroutine.
	age       int            // how many workers were started
	started   *worker.Worker // the last of them
	announced bool           // the server has served
}

// Load resolves the settings anew, for a reload.
type Load func() (*config.Config, []config.Warning, error)

// Run serves until it is told to stop, and returns the exit status.
func Run(env *program.Env, cfg *config.Config, load Load) int {
	s := &server{env: env, cfg: cfg, load: load, sizes: sizesOf(cfg), began: time.Now()}
	if err := s.open(); err != nil {
		fmt.Fprintf(env.Stderr, "girin: %v\n", err)
		s.close()
		return program.Failed
	}
	defer s.close()
	return s.run()
}

// open takes what the server needs of the system, in the order that rights demand:
// whatever is missing is told before anything starts.
func (s *server) open() error {
	for _, take := range []func() error{
		s.enter, s.openLogs, s.findPython, s.capture, s.openTLS, s.listen, s.listenMetrics, s.notePID, s.listenControl,
		s.dropPrivileges, s.openLanes, s.openAccelerators, s.openArena, s.detach,
	} {
		if err := take(); err != nil {
			return err
		}
	}
	return nil
}

func (s *server) enter() error {
	if err := os.Chdir(s.cfg.Chdir); err != nil {
		return fmt.Errorf("chdir: %w", err)
	}
	return nil
}

func (s *server) findPython() (err error) {
	if s.python, err = s.cfg.FindPython(s.env.Getenv); err != nil {
		return err
	}
	if stale := s.cfg.StaleVirtualEnv(s.env.Getenv); stale != "" {
		s.log.Warningf("There is no Python in $VIRTUAL_ENV (%s): the application runs in %s", stale, s.python)
	}
	return nil
}

func (s *server) notePID() error { return writePidFile(s.cfg.PidFile) }

func (s *server) openLanes() (err error) {
	if s.lane, err = worker.NewLane(); err == nil && s.isAuto() {
		s.computeLane, err = worker.NewLane()
	}
	return err
}

func (s *server) openArena() (err error) {
	s.arena, err = worker.NewArena()
	return err
}

// run puts the parts together and keeps them running until the end.
func (s *server) run() int {
	s.starter = proc.NewStarter()
	s.guard = &guard.Guard{Log: s.log, End: s.brokeDown}
	s.queue = sched.New(sched.Config{
		Lane: s.lane, Arena: s.arena, Cells: s.cells(), Waits: s.cfg.QueueSize,
		Window: front.AnswerWindow, Clock: monotonic(), Deadlines: s.deadlines(), Auto: s.auto(), Metrics: s.metrics,
		Refused: s.refused, Guard: s.guard,
	})
	s.front = front.New(s.frontConfig())
	launch, template := s.launch(s.cfg)
	s.workers = supervisor.New(supervisor.Config{
		Queue: s.queue, Receiver: &supervisor.Receiver{Queue: s.queue, Out: workerLog{s.log}},
		Launch: launch, Template: template, Workers: s.sizes.workers, Boot: bootLimit(s.cfg.Timeout), Grace: s.cfg.GracefulTimeout,
		Silence: silenceLimit(s.cfg.Timeout),
		Recycle: supervisor.Recycle{
			Requests: s.cfg.MaxRequests, Jitter: s.cfg.MaxRequestsJitter, Memory: s.cfg.MaxWorkerMemory,
		},
		Log: s.log, Ready: s.announce, Failed: s.appFailed, Ended: s.workerEnded, Scaled: s.workersScaled,
	})

	rename(s.cfg.ProcName)
	s.log.Infof("Starting girin %s", program.Version())
	if s.startHooks() != nil {
		s.starter.Close()
		return program.Failed
	}
	if s.cfg.Reload {
		stop, err := s.watchFiles()
		if err != nil {
			s.log.Errorf("--reload: %v", err)
			return program.Failed
		}
		defer stop()
	}
	defer s.startWatchdog()()
	if err := s.adoptOrphans(); err != nil {
		s.log.Errorf("%v", err)
		return program.Failed
	}
	defer s.reapOrphans()()
	signals := watchSignals(s)
	defer signals.close()
	s.serveControl()
	defer s.serveMetrics()()
	s.queue.Start()
	s.front.Start()
	for i, l := range s.listeners {
		s.front.Serve(l, uint8(i))
	}
	for _, l := range s.listeners {
		s.log.Infof("Listening at: %s (%d)", urlOf(l, s.cfg.TLS()), os.Getpid())
	}
	s.log.Infof("Using worker: %s", s.describe())
	s.tell(hooks.Event{Hook: "when_ready"})

	err := s.workers.Run(signals.quick)
	return s.end(err)
}

// end stops what still runs, and maps how it ended to an exit status.
func (s *server) end(err error) int {
	ctx, cancel := context.WithTimeout(context.Background(), 0)
	defer cancel()
	_ = s.front.Shutdown(ctx)
	s.queue.Close()
	s.endHooks()
	s.starter.Close()
	var boot *supervisor.BootError
	if errors.As(err, &boot) {
		s.log.Infof("Shutting down: Master")
		s.log.Errorf("Reason: App failed to load.")
		return boot.Code
	}
	s.log.Infof("Shutting down: Master")
	if why := s.broken.Load(); why != nil {
		s.log.Errorf("Reason: %s", *why)
		return program.Broken
	}
	return 0
}

// close gives back what open took.
func (s *server) close() {
	for _, l := range s.listeners {
		l.Close()
	}
	if s.control != nil {
		s.control.Close()
	}
	if s.captured != nil {
		s.captured.Close()
	}
	if s.cfg.PidFile != "" {
		removePidFile(s.cfg.PidFile)
	}
	s.accelerators.Close()
	if s.access != nil {
		s.access.Close()
	}
	if s.log != nil {
		s.log.Close()
	}
}
