package cli

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"girin/internal/config"
	"girin/internal/control"
	"girin/internal/front"
	"girin/internal/hooks"
	"girin/internal/logs"
	"girin/internal/metrics"
	"girin/internal/proc"
	"girin/internal/sched"
	"girin/internal/supervisor"
	"girin/internal/worker"
)

// server is everything that serves one application, put together by serve.
type server struct {
	env  *Env
	cfg  *config.Config
	load loadConfig

	log       *logs.ErrorLog
	access    *logs.AccessLog
	listeners []net.Listener
	sizes     sizes
	lane      *worker.Lane

	computeLane *worker.Lane // for auto only
	control     *control.Server
	decisions   decisions

	arena        *worker.Arena
	accelerators *worker.Accelerators // nil: none is offered
	captured     *os.File             // workers' output; nil: it is not captured
	starter      *proc.Starter
	queue        *sched.Queue
	front        *front.Server
	workers      *supervisor.Supervisor
	python       string
	tls          *front.TLS // nil: cleartext
	began        time.Time
	metrics      *metrics.Server               // nil: nothing is counted
	scrapes      net.Listener                  // nil: nobody may ask for metrics
	hooks        atomic.Pointer[hooks.Process] // nil: the configuration has none of the master
	age          int                           // of the supervisor's goroutine: how many workers were started

	started   *worker.Worker // of the supervisor's goroutine: the last that was started
	inherited bool           // the listeners are the service manager's
	announced bool           // of the supervisor's goroutine: the server has served
}

// loadConfig resolves the settings anew, for a reload.
type loadConfig func() (*config.Config, []config.Warning, error)

// serve runs the server until it is told to stop, and returns the exit status.
func serve(env *Env, cfg *config.Config, load loadConfig) int {
	s := &server{env: env, cfg: cfg, load: load, sizes: sizesOf(cfg), began: time.Now()}
	if err := s.open(); err != nil {
		fmt.Fprintf(env.Stderr, "girin: %v\n", err)
		s.close()
		return exitFailed
	}
	defer s.close()
	return s.run()
}

// open takes what the server needs of the system: whatever is missing is told
// before anything starts.
func (s *server) open() (err error) {
	if err := os.Chdir(s.cfg.Chdir); err != nil {
		return fmt.Errorf("chdir: %w", err)
	}
	if err := s.openLogs(); err != nil {
		return err
	}
	if s.python, err = s.cfg.FindPython(s.env.Getenv); err != nil {
		return err
	}
	if stale := s.cfg.StaleVirtualEnv(s.env.Getenv); stale != "" {
		s.log.Warningf("There is no Python in $VIRTUAL_ENV (%s): the application runs in %s", stale, s.python)
	}
	if s.captured, err = s.capture(); err != nil {
		return err
	}
	if err := s.openTLS(); err != nil {
		return err
	}
	if err := s.listen(); err != nil {
		return err
	}
	if err := s.listenMetrics(); err != nil {
		return err
	}
	if err := writePidFile(s.cfg.PidFile); err != nil {
		return err
	}
	s.listenControl()
	if err := s.dropPrivileges(); err != nil {
		return err
	}
	if s.lane, err = worker.NewLane(); err != nil {
		return err
	}
	if s.isAuto() {
		if s.computeLane, err = worker.NewLane(); err != nil {
			return err
		}
	}
	s.openAccelerators()
	if s.arena, err = worker.NewArena(); err != nil {
		return err
	}
	return s.detach()
}

func (s *server) openLogs() (err error) {
	level, err := logs.ParseLevel(s.cfg.LogLevel)
	if err != nil {
		return err
	}
	target := func(path string) logs.Target {
		return logs.Target{Path: path, UID: s.cfg.UID, GID: s.cfg.GID}
	}
	s.log, err = logs.OpenError(logs.ErrorOptions{
		Target: target(s.cfg.ErrorLog), Level: level, Stderr: s.env.Stderr, Syslog: syslogOf(s.cfg, "error"),
	})
	syslog := syslogOf(s.cfg, "access")
	if err != nil || s.cfg.AccessLog == "" && syslog == nil {
		return err
	}
	format, err := logs.ParseFormat(s.cfg.AccessLogFormat)
	if err != nil {
		return err
	}
	s.access, err = logs.OpenAccess(logs.AccessOptions{
		Target: target(s.cfg.AccessLog), Format: format, Stdout: s.env.Stdout, Syslog: syslog,
		Tell: func(err error) { s.log.Errorf("%v", err) },
	})
	return err
}

func (s *server) listen() error {
	if err := s.activated(); err != nil || len(s.listeners) > 0 {
		return err
	}
	addresses, err := s.cfg.Addresses()
	if err != nil {
		return err
	}
	for _, a := range addresses {
		l, err := front.Listen(a.Network, a.Addr, a.FD, front.ListenOptions{
			Backlog: s.cfg.Backlog, ReusePort: s.cfg.ReusePort, Umask: s.cfg.Umask,
		})
		if err != nil {
			return fmt.Errorf("bind %s: %w", a, err)
		}
		s.listeners = append(s.listeners, l)
	}
	return nil
}

// run puts the parts together and keeps them running until the end.
func (s *server) run() int {
	s.starter = proc.NewStarter()
	s.queue = sched.New(sched.Config{
		Lane: s.lane, Arena: s.arena, Cells: s.cells(), Waits: s.cfg.QueueSize,
		Window: front.AnswerWindow, Clock: monotonic(), Deadlines: s.deadlines(), Auto: s.auto(), Metrics: s.metrics,
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
	s.log.Infof("Starting girin %s", Version)
	if s.startHooks() != nil {
		s.starter.Close()
		return exitFailed
	}
	if s.cfg.Reload {
		stop, err := s.watchFiles()
		if err != nil {
			s.log.Errorf("--reload: %v", err)
			return exitFailed
		}
		defer stop()
	}
	defer s.startWatchdog()()
	if err := s.adoptOrphans(); err != nil {
		s.log.Errorf("%v", err)
		return exitFailed
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

// bootLimit is how long a worker may take to import the application: at least
// a minute, however short requests must be.
func bootLimit(timeout time.Duration) time.Duration {
	if timeout == 0 {
		return 0
	}
	return max(timeout, time.Minute)
}

// silenceLimit is how long a worker may give no sign of life: as in gunicorn the
// timeout, but at least what a busy machine may need.
func silenceLimit(timeout time.Duration) time.Duration {
	if timeout == 0 {
		return 0
	}
	return max(timeout, 10*time.Second)
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

// describe says in a line what runs.
func (s *server) describe() string {
	c := s.cfg
	switch c.WorkerClass {
	case "auto":
		return "auto, " + s.sizes.arithmetic()
	case "gthread":
		return fmt.Sprintf("gthread, %s x %s: %s at once", count(c.Workers, "worker"), count(c.Threads, "thread"), count(c.Workers*c.Threads, "request"))
	case "gevent":
		return fmt.Sprintf("gevent, %s x %s", count(c.Workers, "worker"), count(c.WorkerConnections, "connection"))
	}
	return fmt.Sprintf("%s, %s: %s at once", c.WorkerClass, count(c.Workers, "worker"), count(c.Workers, "request"))
}

func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprint(n, " ", noun, "s")
}

// announce says that the server serves.
func (s *server) announce() {
	s.served()
	s.log.Infof("Ready after %d ms: %s", time.Since(s.began).Milliseconds(), strings.Join(s.urls(), " "))
	s.log.Infof("%s", s.describePython())
	if s.isAuto() || s.cfg.WorkerClass == "gthread" && s.cfg.Threads > 1 {
		s.log.Infof("The application may be called from several threads at once; if it must not: -w 1 -k sync")
	}
}

func (s *server) urls() (urls []string) {
	for _, l := range s.listeners {
		urls = append(urls, urlOf(l, s.cfg.TLS()))
	}
	return urls
}

func urlOf(l net.Listener, tls bool) string {
	switch {
	case l.Addr().Network() == "unix":
		return "unix:" + l.Addr().String()
	case tls:
		return "https://" + l.Addr().String()
	}
	return "http://" + l.Addr().String()
}
