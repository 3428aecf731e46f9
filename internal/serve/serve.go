// Package serve is the server put together from its parts: this file reads as their
// list, from the sockets to the workers. What a part does, its own package knows;
// here stand what it is told, the signals, reload, and the end.
package serve

import (
	"context"
	"fmt"
	"net"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"girin/internal/arbiter"
	"girin/internal/config"
	"girin/internal/control"
	"girin/internal/front"
	"girin/internal/guard"
	"girin/internal/logs"
	"girin/internal/metrics"
	"girin/internal/proc"
	"girin/internal/program"
	"girin/internal/sched"
	"girin/internal/sidecar"
	"girin/internal/statsd"
	"girin/internal/supervisor"
	"girin/internal/worker"
)

// server is everything that serves one application.
type server struct {
	env    *program.Env
	cfg    *config.Config
	source config.Source // of cfg, read anew by a reload
	sizes  sizes
	python string
	began  time.Time

	ending  *ending
	guard   *guard.Guard
	signals *signals
	manager *manager // nil: there is none that wants to be told

	system
	*Crew
	pidFile   atomic.Pointer[string] // where the pid is noted; nil: nowhere yet
	successor atomic.Pointer[proc.Process]
	// toSuccessor is the pipe by which that learns of this server's end, once it ends.
	toSuccessor *os.File
	graceful    atomic.Int64           // see grace
	broken      atomic.Pointer[string] // why the server cannot go on
	ran         atomic.Pointer[int]    // the exit status, once all that serves has ended
	orphans     struct {
		sync.Mutex
		leave func() // nil: they are not waited for
	}

	queue        *sched.Queue
	front        *front.Server
	workers      *supervisor.Supervisor
	work         *work // nil: there are no jobs
	sidecars     *sidecar.Group
	sidecarsKept bool            // of the supervisor's goroutine: some were started
	metrics      *metrics.Server // nil: nothing is counted
	decisions    decisions
	sources      sources
	current      atomic.Pointer[config.Config] // cfg, or what a reload has made of it
	spoken       spoken
	single       bool // of the supervisor's goroutine: the application keeps what clients come back to, so auto runs one process
}

// system is what open takes of the system, and close gives back.
type system struct {
	log       *logs.ErrorLog
	access    *logs.AccessLog
	statsd    *statsd.Client // nil: it is told nothing
	captured  *os.File       // workers' output; nil: it is not captured
	tls       *front.TLS     // nil: cleartext
	sockets   sockets
	inherited bool            // the listeners are the service manager's
	scrapes   net.Listener    // nil: nobody may ask for metrics
	control   *control.Server // nil: nobody can ask

	lane         *worker.Lane
	computeLane  *worker.Lane // for auto only
	arena        *worker.Arena
	accelerators *worker.Accelerators // nil: none is offered
}

// Run serves until it is told to stop, and returns the exit status.
func Run(env *program.Env, cfg *config.Config, source config.Source, crew *Crew) int {
	s := &server{env: env, cfg: cfg, source: source, Crew: crew, sizes: sizesOf(cfg), began: time.Now(), ending: newEnding()}
	s.current.Store(cfg)
	s.graceful.Store(int64(cfg.GracefulTimeout))
	if err := s.open(); err != nil {
		fmt.Fprintf(env.Stderr, "girin: %v\n", err)
		crew.Close(context.Background())
		s.close()
		return program.StatusOf(err)
	}
	ended := make(chan int, 1)
	go func() {
		code := s.run()
		s.ran.Store(&code)
		s.close()
		ended <- code
	}()
	code, hangs := s.ending.outlasts(ended, func() {
		s.log.Warningf("The server has not ended %v after its time was over: nothing is waited for any more", lastMoment)
	})
	if !hangs {
		return code
	}
	s.log.Criticalf("The server still has not ended after %v: what hangs is left", lastResort)
	s.forget()
	if code := s.ran.Load(); code != nil {
		return *code // only what it has written is not taken
	}
	return program.Failed
}

// open takes what the server needs of the system, in the order that rights demand:
// whatever is missing is told before anything starts.
func (s *server) open() error {
	for _, take := range []func() error{
		s.enter, s.openLogs, s.openStatsd, s.checkDescriptors, s.findPython, s.capture, s.openTLS, s.listen, s.listenMetrics, s.notePID, s.listenControl,
		s.openArbiter, s.dropPrivileges, s.openJobs, s.openLanes, s.openAccelerators, s.openArena, s.detach, s.takeThreads,
	} {
		if err := take(); err != nil {
			return proc.Limited(err)
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
	choice := s.cfg.Interpreter(s.env.Getenv)
	if s.python, err = choice.Find(); err != nil {
		return err
	}
	if stale := choice.Stale(); stale != "" {
		s.log.Warningf("There is no Python in $VIRTUAL_ENV (%s): the application runs in %s", stale, s.python)
	} else if link := choice.Dangling(); link != "" {
		s.log.Warningf("The Python that %s led to has gone: the application runs in %s", link, s.python)
	}
	return nil
}

func (s *server) openLanes() (err error) {
	if s.lane, err = worker.NewLane(); err == nil && s.isAuto() {
		s.computeLane, err = worker.NewLane()
	}
	if err == nil {
		s.tellRefusals()
	}
	return err
}

// tellRefusals says what the system does not allow that the server does without.
func (s *server) tellRefusals() {
	if why := s.lane.Refused(); why != nil {
		s.log.Warningf("Requests go to workers through sockets, which costs a little: packet pipes are refused here (%v)", why)
	}
	if why := worker.MemoryRefused(); why != nil {
		s.log.Warningf("Memory that workers share lies in files without a name, which they could cut: memfd is refused here (%v)", why)
	}
}

func (s *server) openArena() (err error) {
	s.arena, err = worker.NewArena()
	return err
}

// run puts the parts together and keeps them running until the end.
func (s *server) run() int {
	s.assemble()
	rename(s.cfg.ProcName)
	s.log.Infof("Starting girin %s", program.Version())
	if s.cfg.Found != "" {
		s.log.Infof("No application was named: serving %s, found in %s", s.cfg.App, s.cfg.Found)
	}
	stop, err := s.begin()
	if err == nil && s.ending.begun.Err() == nil {
		close(s.signals.serving)
		defer context.AfterFunc(s.ending.now, s.hurry)()
		err = s.workers.Run(s.ending.quick)
	}
	code := s.outcome(err)
	s.ending.within(s.grace()) // it may have ended by itself
	stop()
	return code
}

// assemble makes the parts that pass requests on, from the workers to the clients.
func (s *server) assemble() {
	s.queue = sched.New(sched.Config{
		Lane: s.lane, Arena: s.arena, Cells: s.cells(), Waits: s.cfg.QueueSize,
		Window: front.AnswerWindow, Clock: monotonic(), Deadlines: s.deadlines(), Auto: s.auto(), Metrics: s.metrics,
		Refused: s.refused, Sent: front.ReuseRequest, Guard: s.guard, Remote: s.remote(),
		Alone: slices.Contains([]string{"sync", "gthread", "auto"}, s.cfg.WorkerClass),
	})
	s.front = front.New(s.frontConfig())
	if s.cfg.WorkerClass == "asgi" {
		s.front.SpeakASGI()
	}
	s.workers = supervisor.New(s.supervisorConfig())
	s.sidecars = sidecar.New(s.sidecarConfig())
}

// begin starts the parts, each of which says how it is stopped. stop does so in the
// reverse order, also when a part could not be started.
func (s *server) begin() (stop func(), err error) {
	var stops []func()
	stop = func() {
		for _, stop := range slices.Backward(stops) {
			stop()
		}
	}
	for _, start := range []func() (func(), error){
		s.meetManager, s.startStarter, s.watchSignals, s.reapOrphans, s.startHooks, s.watchFiles, s.startWatchdog,
		s.serveControl, s.serveMetrics, s.startSidecars, s.startQueue, s.startJobs, s.startFront, s.succeed,
	} {
		if s.ending.begun.Err() != nil {
			return stop, nil
		}
		one, err := start()
		if one != nil {
			stops = append(stops, one)
		}
		if err != nil && s.ending.begun.Err() == nil {
			s.log.Errorf("%v", err)
			return stop, err
		}
	}
	s.log.Infof("Using worker: %s", s.describe())
	s.tell(arbiter.Event{Hook: "when_ready"})
	return stop, nil
}

func (s *server) startStarter() (stop func(), err error) { return s.starter.Close, nil }

func (s *server) startQueue() (stop func(), err error) {
	s.queue.Start()
	return s.queue.Close, nil
}

func (s *server) startFront() (stop func(), err error) {
	s.front.Start()
	s.front.Share(s.predecessor.here())
	for i, l := range s.sockets.open() {
		s.front.Serve(l.Listener, uint8(i))
	}
	for _, l := range s.sockets.open() {
		s.log.Infof("Listening at: %s (%d)", urlOf(l, s.cfg.TLS()), os.Getpid())
	}
	return func() {
		ctx, cancel := context.WithCancel(context.Background())
		cancel() // the workers have ended: nobody is waited for
		_ = s.front.Shutdown(ctx)
	}, nil
}

// close gives back what open took.
func (s *server) close() {
	for _, l := range s.sockets.list() {
		l.Close()
	}
	if s.control != nil {
		s.control.Close()
	}
	if s.captured != nil {
		s.captured.Close()
	}
	s.forget()
	s.accelerators.Close()
	if s.access != nil {
		s.access.Close()
	}
	s.statsd.Close()
	if s.log != nil {
		s.log.Close()
	}
}

// forget removes what says that the server runs.
func (s *server) forget() {
	if path := s.pidFile.Load(); path != nil {
		removePidFile(*path)
	}
}
