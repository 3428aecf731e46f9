package serve

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"girin/internal/config"
	"girin/internal/hooks"
	"girin/internal/shim"
	"girin/internal/worker"
)

// hookLimit is how long the server waits for a hook that it has no need of.
const hookLimit = 10 * time.Second

// splitHooks tells the hooks that run in workers from those of the master.
func splitHooks(names []string) (ofWorkers, ofMaster []string) {
	for _, name := range names {
		if slices.Contains(config.WorkerHooks(), name) {
			ofWorkers = append(ofWorkers, name)
		} else {
			ofMaster = append(ofMaster, name)
		}
	}
	return ofWorkers, ofMaster
}

// startHooks starts the process of the master's hooks, if there are any. The
// start waits for on_starting as long as it takes, and ends if it raises.
func (s *server) startHooks() (stop func(), err error) {
	p, err := s.openHooks(s.ending.begun, s.cfg)
	if err != nil {
		return nil, fmt.Errorf("the server hooks cannot be loaded: %w", err)
	}
	if p == nil {
		return s.endHooks, nil // a reload may bring some
	}
	s.hooks.Store(p)
	p.Tell(hooks.Event{Hook: "nworkers_changed", Now: s.sizes.workers})
	if err := p.Run(s.ending.begun, hooks.Event{Hook: "on_starting"}); err != nil {
		return s.endHooks, fmt.Errorf("the server does not start, since on_starting failed: %w", err)
	}
	return s.endHooks, nil
}

// openHooks returns nil if the configuration has no hooks of the master.
func (s *server) openHooks(ctx context.Context, c *config.Config) (*hooks.Process, error) {
	_, names := splitHooks(c.Hooks)
	if len(names) == 0 {
		return nil, nil
	}
	archive, err := shim.Archive()
	if err != nil {
		return nil, err
	}
	settings := s.workerSettings(c)
	settings.ConfigFile, settings.Hooks, settings.Cfg = c.ConfigFile, names, c.Values()
	return hooks.Start(ctx, hooks.Config{
		Starter: s.starter, Spec: s.pythonSpec(c, shim.HooksArgs()), Shim: archive, Settings: settings,
		Log:    func(level int, text string) { workerLog{s.log}.Line(level, os.Getpid(), text) },
		Failed: func(hook string, err error) { s.log.Errorf("Error in the hook %s: %v", hook, err) },
	})
}

// tell runs a hook of the master, if there are any, and does not wait.
func (s *server) tell(e hooks.Event) {
	if p := s.hooks.Load(); p != nil {
		p.Tell(e)
	}
}

// ask runs a hook of the master and waits, but not for ever.
func (s *server) ask(ctx context.Context, e hooks.Event) {
	p := s.hooks.Load()
	if p == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, hookLimit)
	defer cancel()
	if err := p.Run(ctx, e); errors.Is(err, context.DeadlineExceeded) {
		s.log.Warningf("The hook %s has run for %v; it is not waited for", e.Hook, hookLimit)
	}
}

// reloadHooks brings in the hooks of a configuration that was read anew.
func (s *server) reloadHooks(ctx context.Context, c *config.Config) {
	p, err := s.openHooks(ctx, c)
	if err != nil {
		s.log.Errorf("Reload: the server hooks stay as they are: %v", err)
		return
	}
	if old := s.hooks.Swap(p); old != nil {
		old.Close(ctx)
	}
	s.ask(ctx, hooks.Event{Hook: "on_reload"})
}

// endHooks runs the last hook.
func (s *server) endHooks() {
	s.ask(s.ending.now, hooks.Event{Hook: "on_exit"})
	if p := s.hooks.Swap(nil); p != nil {
		p.Close(s.ending.now)
	}
}

// nextAge counts a worker that is about to be started.
func (s *server) nextAge(ctx context.Context) int {
	s.age++
	s.ask(ctx, hooks.Event{Hook: "pre_fork", Age: s.age})
	return s.age
}

// workerServes hears of each worker before it gets requests.
func (s *server) workerServes(w *worker.Worker) {
	s.front.Mount(w.Facts().ScriptName)
}

// workerEnded hears of each worker's end.
func (s *server) workerEnded(w *worker.Worker) {
	s.countEnd(w)
	s.tell(hooks.Event{Hook: "child_exit", Age: w.Age(), PID: w.PID()})
}

func (s *server) workersScaled(now, before int) {
	s.tell(hooks.Event{Hook: "nworkers_changed", Now: now, Before: &before})
}
