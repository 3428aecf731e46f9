package serve

import (
	"context"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"

	"girin/internal/arbiter"
	"girin/internal/config"
	"girin/internal/front"
	"girin/internal/logs"
	"girin/internal/proc"
	"girin/internal/program"
	"girin/internal/shim"
	"girin/internal/supervisor"
	"girin/internal/worker"
)

// supervisorConfig says how workers are kept.
func (s *server) supervisorConfig() supervisor.Config {
	c := s.cfg
	launch, template := s.launch(c)
	atOnce := 0 // who says how many knows what its imports wait for
	if s.isAuto() {
		atOnce = s.sizes.cores
	}
	return supervisor.Config{
		Queue: s.queue, Receiver: s.receiver(),
		Launch: launch, Template: template, Workers: s.sizes.workers, BootAtOnce: atOnce, Boot: bootLimit(c.Timeout), Grace: c.GracefulTimeout,
		StopGrace: s.left, LastHooks: s.lastHooks, Silence: silenceLimit(c.Timeout),
		Recycle: recycle(c),
		Log:     s.log, Guard: s.guard, Ready: s.announce, Failed: s.appFailed, Serving: s.workerServes, Ended: s.workerEnded, Scaled: s.workersScaled,
		Perished: s.workerPerished,
	}
}

// receiver passes on what workers say, and of jobs to those who keep it.
func (s *server) receiver() *supervisor.Receiver {
	r := &supervisor.Receiver{Queue: s.queue, Out: workerLog{s.log}}
	if s.work != nil {
		r.Said = s.work.node.Said
	}
	return r
}

func recycle(c *config.Config) supervisor.Recycle {
	return supervisor.Recycle{Requests: c.MaxRequests, Jitter: c.MaxRequestsJitter, Memory: c.MaxWorkerMemory}
}

// launch returns how workers of the next generation are started, and what they are
// forked from.
func (s *server) launch(c *config.Config) (supervisor.Launch, supervisor.Template) {
	archive, archiveErr := shim.Archive(s.env.CacheDir())
	settings := s.workerSettings(c)
	lanes := []*worker.Lane{s.lane}
	if s.computeLane != nil {
		lanes = append(lanes, s.computeLane)
	}
	settings.Lanes = len(lanes)
	cfg := worker.Config{
		Starter: s.starter, Spec: s.pythonSpec(c, shim.Args()), Shim: archive, Settings: settings,
		Arena: s.arena, Lanes: lanes, Accelerators: s.accelerators, Rest: s.front.Rest, Log: s.log,
	}
	origin := s.newOrigin(cfg, c.PreloadApp, bootLimit(c.Timeout))
	launch := func(ctx context.Context, name string, r worker.Receiver) (*worker.Worker, error) {
		if archiveErr != nil {
			return nil, archiveErr
		}
		cfg := cfg
		cfg.Spec = s.pythonSpec(c, shim.Args()) // whose environment changes when a server before has ended
		s.age++
		cfg.Name, cfg.Receiver, cfg.Settings.Age = name, r, s.age
		cfg.Settings.Lifetime = recycle(c).Lifetime()
		cfg.Carried = s.preFork(ctx, s.age, c.PreloadApp)
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		cfg.Origin = origin.now()
		w, err := worker.Start(ctx, cfg)
		if err == nil {
			s.metrics.Started()
			s.countWorkers(1)
			s.tell(arbiter.Event{Hook: "started", Age: s.age, PID: w.PID()})
		}
		return w, err
	}
	return launch, origin.supervised()
}

// workerSettings are what all workers of a generation are told.
func (s *server) workerSettings(c *config.Config) worker.Settings {
	p := sizesOf(c)
	settings := worker.Settings{
		App: c.App, PasteGlobal: c.PasteGlobal, Class: c.WorkerClass, Threads: p.threads, Connections: c.WorkerConnections,
		Argv: append([]string{ownPath()}, os.Args[1:]...), Chdir: c.Chdir, PythonPath: c.PythonPath,
		ProcName: c.ProcName, Bases: s.bases(), Unix: s.unixPaths(), Multiprocess: p.most > 1, Capture: c.CaptureOutput, LogLevel: c.LogLevel,
		GCFreeze: c.GCFreeze, Jobs: s.jobsPath(),
		ASGILoop: c.ASGILoop, ASGISpec: c.ASGISpec, Lifespan: c.Lifespan, DisconnectGrace: float64(c.DisconnectGrace), GracefulTimeout: c.GracefulTimeout.Seconds(), WSDrain: min(c.WSDrain, c.GracefulTimeout/2).Seconds(),
	}
	if c.WorkerClass == "auto" {
		settings.Class, settings.SwitchMS, settings.Sessions = "gthread", autoSwitchInterval, true
	}
	settings.LogEnviron, settings.LogChanges = s.logEnviron(c)
	settings.Hooks = ofWorkers(c.Hooks)
	if !forks && needsArbiter(c) {
		settings.ConfigFile, settings.FromFile, settings.Cfg = c.File.Location, c.FromFile, c.Values()
	}
	return settings
}

// pythonSpec says how a process of the application's interpreter is started.
func (s *server) pythonSpec(c *config.Config, args []string) proc.Spec {
	spec := proc.Spec{Path: s.python, Args: args, Dir: c.Chdir, Env: slices.Concat(s.pythonEnviron(s.env.Environ), []string{serverSoftware()}, c.RawEnv)}
	if c.Debugger {
		spec.In = os.Stdin
	}
	if c.CaptureOutput {
		spec.Out, spec.Err = s.captured, s.captured
	}
	return spec
}

// logEnviron names the variables of the environ that the access log wants of a worker:
// those that always go with an answer, if there are any, or else those that go with it
// only if the application has changed them, which costs nearly nothing.
func (s *server) logEnviron(c *config.Config) (always, changed []string) {
	if c.AccessLog == "" && syslogOf(c, "access") == nil && !c.LogsInPython() {
		return nil, nil
	}
	for _, name := range logs.EnvironNames(c.AccessLogFormat) {
		if !front.KnowsEnviron(name) {
			always = append(always, name)
		}
	}
	changed = logs.ChangeableNames(c.AccessLogFormat)
	if always == nil {
		return nil, changed
	}
	for _, name := range changed {
		always = append(always, strings.ToLower(name))
	}
	return always, nil
}

// serverSoftware tells applications that look for gunicorn in their process's
// environment, as its documentation advises, that they find what it has: its loggers
// above all.
func serverSoftware() string { return "SERVER_SOFTWARE=gunicorn (girin " + program.Version() + ")" }

// ownPath is what sys.argv[0] is for the application.
func ownPath() string {
	path, err := os.Executable()
	if err != nil {
		return "girin"
	}
	return path
}

// unixPaths are the paths of those listeners that are unix sockets.
func (s *server) unixPaths() (paths []string) {
	for _, l := range s.sockets.list() {
		path := ""
		if a, ok := l.Addr().(*net.UnixAddr); ok {
			path = a.Name
		}
		paths = append(paths, path)
	}
	return paths
}

// bases are the parts of the environ that all requests of a listener share.
func (s *server) bases() (bases []map[string]string) {
	scheme := "http"
	if s.cfg.TLS() {
		scheme = "https"
	}
	listeners := s.sockets.list()
	if s.cfg.NoBind {
		listeners = []socket{{Listener: nowhere{}}}
	}
	for _, l := range listeners {
		base := map[string]string{
			"SERVER_SOFTWARE": "girin/" + program.Version(), "SERVER_PROTOCOL": "HTTP/1.1",
			"SCRIPT_NAME": "", "wsgi.url_scheme": scheme,
		}
		if a, ok := l.Addr().(*net.TCPAddr); ok {
			base["SERVER_NAME"], base["SERVER_PORT"] = a.IP.String(), strconv.Itoa(a.Port)
		} else {
			base["SERVER_NAME"], base["SERVER_PORT"] = "localhost", ""
		}
		bases = append(bases, base)
	}
	return bases
}

// nowhere stands for the listener of a server that has none: what its jobs' environs say
// comes with them.
type nowhere struct{ net.Listener }

func (nowhere) Addr() net.Addr { return &net.UnixAddr{Net: "unix"} }
