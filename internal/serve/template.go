package serve

import (
	"sync"
	"time"

	"girin/internal/arbiter"
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

// origin is what a generation's workers are forked from.
type origin struct {
	arbiter  *arbiter.Origin // nil: there is no configuration file
	template *template       // nil: the application is not imported before
}

// newOrigin returns what workers of cfg come from.
func (s *server) newOrigin(cfg worker.Config, preload bool, boot time.Duration) origin {
	var o origin
	if forks && s.configured.Load() {
		o.arbiter = s.arbiter.Workers(s.serial)
		cfg.Origin = s.arbiter.Templates(s.serial)
	}
	if preload {
		cfg.Spec.Args = shim.TemplateArgs()
		o.template = &template{cfg: cfg, boot: boot, log: s.log}
	}
	return o
}

// now is the process to fork from; nil: a worker is started from nothing.
func (o origin) now() worker.Origin {
	if o.template != nil {
		if t := o.template.current(); t != nil {
			return t
		}
	}
	if o.arbiter != nil {
		return o.arbiter
	}
	return nil
}

// supervised is the template as the supervisor sees it.
func (o origin) supervised() supervisor.Template {
	if o.template == nil {
		return nil
	}
	return o.template
}

// current is the process there is; nil: none.
func (t *template) current() *worker.Template {
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
