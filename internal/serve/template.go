package serve

import (
	"sync"
	"time"

	"girin/internal/logs"
	"girin/internal/shim"
	"girin/internal/supervisor"
	"girin/internal/worker"
)

// template keeps the process that has imported the application, for preload_app.
type template struct {
	cfg  worker.Config
	boot time.Duration
	log  *logs.ErrorLog

	mu     sync.Mutex
	now    *worker.Template // guarded by mu; nil: none
	starts int              // guarded by mu: counts what Start and Close have put an end to
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

// Start starts the process in place of the one before, and does not wait.
func (t *template) Start(done func(error)) {
	number := t.end()
	go func() {
		now, err := worker.StartTemplate(t.cfg, t.boot)
		if err == nil {
			t.take(number, now)
			<-now.Ready()
			err = now.Err()
		}
		if err == nil {
			t.log.Infof("The application is imported; workers are forked from pid: %d", now.PID())
		}
		done(err)
	}()
}

// take notes the process of a start, and ends it if that start is no longer wanted.
func (t *template) take(number int, now *worker.Template) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.starts != number {
		now.Close()
		return
	}
	t.now = now
}

// Close ends the process, if there is one, and a start under way.
func (t *template) Close() { t.end() }

func (t *template) end() (number int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.now != nil {
		t.now.Close()
	}
	t.starts++
	return t.starts
}
