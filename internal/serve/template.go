package serve

import (
	"fmt"
	"os"
	"sync"
	"time"

	"girin/internal/logs"
	"girin/internal/proc"
	"girin/internal/shim"
	"girin/internal/supervisor"
	"girin/internal/worker"
)

// template keeps the process that has imported the application, for preload_app.
type template struct {
	cfg  worker.Config
	boot time.Duration
	log  *logs.ErrorLog

	mu  sync.Mutex
	now *worker.Template // guarded by mu; nil: none
}

// newTemplate returns what workers of cfg are forked from; nil: nothing.
func (s *server) newTemplate(cfg worker.Config) *template {
	if !s.cfg.PreloadApp {
		return nil
	}
	cfg.Spec.Args = shim.TemplateArgs()
	return &template{cfg: cfg, boot: bootLimit(s.cfg.Timeout), log: s.log}
}

// supervised is t as the supervisor sees it.
func (t *template) supervised() supervisor.Template {
	if t == nil {
		return nil
	}
	return t
}

// current is the process to fork from; nil: none is needed.
func (t *template) current() *worker.Template {
	if t == nil {
		return nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.now
}

// Start starts the process in place of the one before.
func (t *template) Start(done func(error)) {
	t.Close()
	now, err := worker.StartTemplate(t.cfg, t.boot)
	if err != nil {
		go done(err)
		return
	}
	t.mu.Lock()
	t.now = now
	t.mu.Unlock()
	go func() {
		<-now.Ready()
		if now.Err() == nil {
			t.log.Infof("The application is imported; workers are forked from pid: %d", now.PID())
		}
		done(now.Err())
	}()
}

// Close ends the process, if there is one.
func (t *template) Close() {
	if now := t.current(); now != nil {
		now.Close()
	}
}

// adoptOrphans prepares for workers that another process forks.
func (s *server) adoptOrphans() error {
	if !s.cfg.PreloadApp || os.Getpid() == mainPID {
		return nil
	}
	if err := proc.AdoptOrphans(); err != nil {
		return fmt.Errorf("preload_app: %w", err)
	}
	return nil
}
