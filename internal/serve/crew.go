package serve

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/signal"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"girin/internal/arbiter"
	"girin/internal/config"
	"girin/internal/proc"
	"girin/internal/program"
	"girin/internal/shim"
	"girin/internal/worker"
)

// Crew is what the server's processes come from. It is there before the settings
// are: a configuration file runs in one of them.
type Crew struct {
	starter *proc.Starter
	arbiter *arbiter.Arbiter
	// predecessor has started this server; nil: none has
	predecessor *predecessor
	came        chan os.Signal // signals since NewCrew that do not end it; watchSignals takes it

	configured atomic.Bool  // the arbiter has settings that take effect in it
	told       atomic.Int64 // how many workers there should be, as hooks know it
	wanted     atomic.Int64 // how many a hook wants
	serial     int          // of these settings: of whoever reloads
	age        int          // of the attempts to start a worker, one at a time: how many there were
	living     atomic.Int32 // workers
	announced  bool         // of the supervisor's goroutine: the server has served
}

// NewCrew returns a crew; Close ends its processes.
func NewCrew(env *program.Env) (*Crew, error) {
	archive, err := shim.Archive(env.CacheDir())
	if err != nil {
		return nil, err
	}
	before, err := meetPredecessor(env)
	if err != nil {
		return nil, err
	}
	c := &Crew{starter: proc.NewStarter(), predecessor: before, came: make(chan os.Signal, waitingSignals)}
	signal.Notify(c.came, notEnding...) // by default they would end a server that listens and does not serve yet
	c.arbiter = arbiter.New(arbiter.Config{
		Starter: c.starter, Args: shim.ArbiterArgs(), Argv: append([]string{ownPath()}, os.Args[1:]...), Env: append(c.pythonEnviron(env.Environ), serverSoftware()), Shim: archive, Patience: hookLimit,
	})
	return c, nil
}

// Close ends the processes, at the end of ctx without further ado.
func (c *Crew) Close(ctx context.Context) {
	c.arbiter.Close(ctx)
	c.starter.Close()
}

// RunFile runs a configuration file in the arbiter.
func (c *Crew) RunFile(ctx context.Context, f config.File) (config.Variables, error) {
	values, others, err := c.arbiter.Load(ctx, arbiter.File(f))
	return config.Variables{Values: values, Others: others}, err
}

// Check imports the application as a worker would, after the configuration file if there is one.
func (c *Crew) Check(cfg *config.Config, python string) error {
	s := &server{cfg: cfg, python: python, Crew: c, sizes: sizesOf(cfg), source: config.Source{Dir: cfg.Chdir}}
	if _, err := s.configure(context.Background(), cfg, usesContext(cfg)); err != nil {
		return err
	}
	return c.arbiter.Check(context.Background())
}

// forks reports whether workers are forked from the arbiter: whether a process can
// become the parent of those that another one forks.
const forks = runtime.GOOS == "linux"

// needsArbiter reports whether something in the settings is Python's.
func needsArbiter(c *config.Config) bool { return c.File.Location != "" || c.LogsInPython() }

// openArbiter makes the settings take effect where the configuration file has run.
func (s *server) openArbiter() error {
	s.attachArbiter()
	if !needsArbiter(s.cfg) {
		return nil
	}
	made, err := s.configure(context.Background(), s.cfg, usesContext(s.cfg))
	if err != nil {
		return fmt.Errorf("the configuration cannot take effect: %w", err)
	}
	if made.TLS == nil {
		return nil
	}
	return s.takeContext(s.cfg, made.TLS)
}

// attachArbiter says who is told what the file and the hooks say: a reload may bring some.
func (s *server) attachArbiter() {
	s.arbiter.Attach(arbiter.Master{
		Log: func(level, _ int, text string) {
			s.log.Here(pythonLevel(level), os.Getpid(), strings.TrimRight(text, "\n"))
		},
		Failed: func(hook string, err error) {
			if hook == "" {
				s.log.Errorf("%v", err)
				return
			}
			s.log.Errorf("Error in the hook %s: %v", hook, err)
		},
		Scale: s.wantWorkers, Wants: s.divert, Access: s.accessLines,
	})
}

// configure makes settings take effect in the arbiter, and returns what the hook
// ssl_context has made, if it was to be run.
func (s *server) configure(ctx context.Context, c *config.Config, withContext bool) (made arbiter.Configured, err error) {
	settings := s.workerSettings(c)
	settings.ConfigFile, settings.Cfg = "", c.Values()
	setup := arbiter.Setup{
		Python: s.python, Dir: s.source.Dir, Settings: settings, FromFile: c.FromFile, Listeners: s.heard(), User: s.becomes(c), TLS: withContext,
	}
	if setup.Out, setup.Err, err = s.outputs(c); err != nil {
		return made, err
	}
	if c.Debugger {
		setup.In = os.Stdin
	}
	if made, err = s.arbiter.Configure(ctx, arbiter.File(c.File), setup); err != nil {
		return made, err
	}
	s.serial = made.Serial
	s.configured.Store(true)
	return made, nil
}

// outputs are where the arbiter and what is forked from it print.
func (s *server) outputs(c *config.Config) (out, err *os.File, _ error) {
	switch {
	case c.CaptureOutput:
		return s.captured, s.captured, nil
	case !c.Daemon || c.StdioInheritance:
		return os.Stdout, os.Stderr, nil
	}
	null, failed := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	return null, null, failed
}

// heard are the listeners as hooks see them.
func (s *server) heard() (all []arbiter.Listener) {
	for _, l := range s.sockets.open() {
		all = append(all, arbiter.Listener{Address: pythonAddress(l.Addr()), URL: urlOf(l, s.cfg.TLS())})
	}
	return all
}

// startHooks runs what comes before anything else. The start waits for on_starting as
// long as it takes, and ends if it raises.
func (s *server) startHooks() (stop func(), err error) {
	context.AfterFunc(s.ending.quick, s.leaveArbiter)
	s.told.Store(int64(s.sizes.workers))
	s.tell(arbiter.Event{Hook: "nworkers_changed", Now: s.sizes.workers})
	if !s.configured.Load() {
		return s.endHooks, nil // a reload may bring some
	}
	s.tellArbiter()
	if err := s.arbiter.Run(s.ending.begun, arbiter.Event{Hook: "on_starting"}); err != nil {
		return s.endHooks, fmt.Errorf("the server does not start, since on_starting failed: %w", err)
	}
	s.mountAsConfigured()
	return s.endHooks, nil
}

// tellArbiter says in which process the configuration file has run.
func (s *server) tellArbiter() {
	pid, memory := s.arbiter.Facts(s.ending.begun)
	what := "Python's logging"
	if s.cfg.File.Location != "" {
		what = s.cfg.File.Location
	}
	s.log.Infof("%s runs in pid: %d, with %.1f MiB of its own; workers are forked from it", what, pid, float64(memory)/(1<<20))
}

// mountAsConfigured mounts the application where the file and the hooks so far say, for
// requests that come before a worker tells.
func (s *server) mountAsConfigured() {
	s.front.Mount(s.arbiter.ScriptName())
}

// tell runs a hook of the master, if there are any, and does not wait.
func (s *server) tell(e arbiter.Event) {
	if s.configured.Load() {
		s.arbiter.Tell(e)
	}
}

// ask runs a hook of the master and waits, but not for ever.
func (s *server) ask(ctx context.Context, e arbiter.Event) {
	if !s.configured.Load() {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, hookLimit)
	defer cancel()
	switch err := s.arbiter.Run(ctx, e); {
	case errors.Is(err, context.DeadlineExceeded):
		s.log.Warningf("The hook %s has run for %v; it is not waited for", e.Hook, hookLimit)
	case errors.Is(err, context.Canceled):
		s.log.Warningf("The hook %s is not waited for any longer, since the server ends", e.Hook)
	}
}

// preFork runs the hook before a worker is forked, and returns what it has done for one that
// comes from a template.
func (s *server) preFork(ctx context.Context, age int, preload bool) []byte {
	if !s.configured.Load() {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, hookLimit)
	defer cancel()
	carried, err := s.arbiter.PreFork(ctx, age, preload)
	if errors.Is(err, context.DeadlineExceeded) {
		s.log.Warningf("The hook pre_fork has run for %v; it is not waited for", hookLimit)
	}
	if age == 1 {
		s.mountAsConfigured()
	}
	return carried
}

// workerEnded hears of each worker's end.
func (s *server) workerEnded(w *worker.Worker) {
	s.countEnd(w)
	s.countWorkers(-1)
	s.tell(arbiter.Event{Hook: "child_exit", Age: w.Age(), PID: w.PID()})
}

// reloadArbiter brings in settings that were read anew, and runs the hooks of a reload.
func (s *server) reloadArbiter(ctx context.Context, c *config.Config) (made arbiter.Configured, err error) {
	if !needsArbiter(c) {
		s.configured.Store(false) // the file is gone
		return made, nil
	}
	if err := s.adoptOrphans(); err != nil {
		return made, err
	}
	if made, err = s.configure(ctx, c, s.tls != nil && usesContext(c)); err != nil {
		return made, err
	}
	before := int(s.told.Load())
	now := before
	if n := s.reloadTo(c); n > 0 {
		now = n
	}
	s.told.Store(int64(now))
	s.tell(arbiter.Event{Hook: "nworkers_changed", Now: now, Before: &before})
	s.ask(ctx, arbiter.Event{Hook: "on_reload"})
	return made, nil
}

// leaveArbiter tells it by when its last hooks must have ended.
func (s *server) leaveArbiter() { s.arbiter.Leave(s.ending.deadline().Add(lastMoment)) }

// endHooks runs the last hook.
func (s *server) endHooks() {
	s.leaveArbiter() // the workers have ended, perhaps by themselves
	s.ask(s.ending.now, arbiter.Event{Hook: "on_exit"})
	if n := s.arbiter.Lost(); n > 0 {
		s.log.Warningf("%d lines of the access log were lost: Python's logging was too slow for them", n)
	}
	s.arbiter.Close(s.ending.now)
}

// workersScaled hears how many workers there should be. Of a reload hooks are told before.
func (s *server) workersScaled(now, before int) {
	if s.told.Swap(int64(now)) == int64(now) {
		return
	}
	s.tell(arbiter.Event{Hook: "nworkers_changed", Now: now, Before: &before})
}

// wantWorkers hears that a hook has set server.num_workers.
func (s *server) wantWorkers(n int) {
	s.wanted.Store(int64(n))
	s.signals.resize.ask()
}

// resize does what a hook wants. Under auto the load decides.
func (s *server) resize(context.Context) {
	if !s.isAuto() {
		s.workers.Resize(int(s.wanted.Load()))
	}
}

// hookLimit is how long a hook may keep others waiting.
const hookLimit = 10 * time.Second

// pythonAddress is an address as Python's sockets have it.
func pythonAddress(a net.Addr) any {
	if tcp, ok := a.(*net.TCPAddr); ok {
		return []any{tcp.IP.String(), tcp.Port}
	}
	return a.String()
}

// ofWorkers are the hooks that run in workers.
func ofWorkers(names []string) (own []string) {
	for _, name := range names {
		if slices.Contains(config.WorkerHooks(), name) {
			own = append(own, name)
		}
	}
	return own
}
