package serve

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/fsnotify/fsnotify"

	"girin/internal/config"
	"girin/internal/guard"
	"girin/internal/logs"
	"girin/internal/supervisor"
)

// byReload are the settings that a reload can change: those of the workers, and those of adjust.
var byReload = []string{
	"wsgi_app", "paste", "raw_paste_global_conf", "workers", "worker_class", "threads", "worker_connections", "raw_env", "pythonpath", "chdir",
	"python", "proc_name", "capture_output", "bind", "sidecar", "max_requests", "max_requests_jitter", "max_worker_memory",
	"timeout", "graceful_timeout", "keepalive", "loglevel", "access_log_format", "pidfile", "header_map",
	"limit_request_line", "limit_request_fields", "limit_request_field_size", "limit_request_body",
}

// reload reads the settings anew and brings in workers that load the
// application anew. If the settings are wrong nothing changes.
func (s *server) reload(ctx context.Context) {
	s.log.Infof("Hang up: Master")
	cfg, _, err := s.source.Load(ctx)
	if ctx.Err() != nil {
		return // the server ends
	}
	if err != nil {
		s.log.Errorf("Reload failed: %v; nothing is changed", err)
		return
	}
	if (s.cfg.WorkerClass == "auto") != (cfg.WorkerClass == "auto") {
		s.log.Errorf("Reload failed: to change worker_class to or from auto, start the server again; nothing is changed")
		return
	}
	for _, key := range config.Changed(s.cfg, cfg) {
		if !s.canReload(key, cfg) {
			s.log.Warningf("%s is changed; that takes effect when the server is started again", key)
		}
	}
	sockets, err := s.rebind(cfg)
	if err != nil {
		s.log.Errorf("Reload failed: %v; nothing is changed", err)
		return
	}
	made, err := s.reloadArbiter(ctx, cfg)
	if err != nil {
		s.undo(sockets)
		s.log.Errorf("Reload failed: %v; nothing is changed", err)
		return
	}
	s.reloadTLS(cfg, made)
	s.adjust(cfg)
	s.reloading()
	launch, template := s.launch(cfg)
	jobsToo := s.jobsReloaded(cfg)
	s.workers.Reload(supervisor.Next{
		Launch: launch, Template: template, Workers: s.reloadTo(cfg), Recycle: recycle(cfg),
		Settled: func(well bool) {
			s.settle(sockets, well)
			if well {
				s.keepSidecars(cfg)
				jobsToo()
			}
		},
	})
}

// adjust does from now on as the settings of a reload say of what needs no other workers.
func (s *server) adjust(c *config.Config) {
	if level, err := logs.ParseLevel(c.LogLevel); err == nil { // which the configuration has checked
		s.log.SetLevel(level)
	}
	if format, err := logs.ParseFormat(c.AccessLogFormat); err == nil { // likewise
		s.access.SetFormat(format)
	}
	if err := s.movePID(c.PidFile); err != nil {
		s.log.Errorf("%v; this process stays noted where it was", err)
	}
	s.graceful.Store(int64(c.GracefulTimeout))
	s.queue.SetDeadlines(c.Timeout, c.GracefulTimeout)
	s.workers.SetLimits(bootLimit(c.Timeout), c.GracefulTimeout, silenceLimit(c.Timeout))
	s.front.Adjust(limitsOfHeads(c), c.LimitRequestBody, c.KeepAlive)
}

// canReload reports whether a reload changes a setting. The sizes of the class
// auto are the scheduler's as well, which stays.
func (s *server) canReload(key string, next *config.Config) bool {
	if s.cfg.WorkerClass == "auto" && (key == "workers" || key == "threads") {
		return false
	}
	if key == "bind" && s.inherited {
		return false
	}
	if slices.Contains(ofTLS, key) {
		return s.tls != nil && next.TLS()
	}
	return slices.Contains(byReload, key) || config.IsHook(key)
}

// appFailed hears whether the application can be loaded. With --reload the
// server waits for the next change of a file, and shows the traceback to
// browsers if nobody but the developer can see it.
func (s *server) appFailed(why *supervisor.BootError) (wait bool) {
	s.reloadEnded()
	if !s.cfg.Reload {
		return false
	}
	text := ""
	if why != nil {
		text = why.Text
	}
	if s.onlyLocal() {
		s.front.ShowFault(text)
	}
	return true
}

// onlyLocal reports whether all listeners are on loopback or unix sockets.
func (s *server) onlyLocal() bool {
	for _, l := range s.sockets.open() {
		if !isLocal(l.Addr()) {
			return false
		}
	}
	return true
}

// watchFiles reloads when a Python file below the working directory or the
// python path, or one of --reload-extra-file, changes. Editors write a file in
// several steps, so it waits until things are quiet.
func (s *server) watchFiles() (stop func(), err error) {
	if !s.cfg.Reload {
		return func() {}, nil
	}
	w, err := fsnotify.NewWatcher()
	if err != nil {
		return nil, fmt.Errorf("--reload: %w", err)
	}
	for _, dir := range append([]string{s.cfg.Chdir}, s.cfg.PythonPath...) {
		watchTree(w, dir)
	}
	extra := map[string]bool{}
	for _, pattern := range s.cfg.ReloadExtraFiles {
		files, _ := filepath.Glob(filepath.Join(s.cfg.Chdir, pattern))
		if filepath.IsAbs(pattern) {
			files, _ = filepath.Glob(pattern)
		}
		for _, f := range files {
			extra[f] = true
			_ = w.Add(filepath.Dir(f))
		}
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.guard.Keep(guard.Part{Name: "--reload", Run: func() { s.followFiles(w, extra) }})
	}()
	return func() { w.Close(); <-done }, nil
}

// quietTime is how long no file may change before the reload.
const quietTime = 100 * time.Millisecond

func (s *server) followFiles(w *fsnotify.Watcher, extra map[string]bool) {
	quiet := time.NewTimer(time.Hour)
	quiet.Stop()
	changed := ""
	for {
		select {
		case e, ok := <-w.Events:
			if !ok {
				return
			}
			if info, err := os.Stat(e.Name); err == nil && info.IsDir() && e.Has(fsnotify.Create) {
				watchTree(w, e.Name)
			}
			if !e.Has(fsnotify.Chmod) && (filepath.Ext(e.Name) == ".py" || extra[e.Name]) {
				changed = e.Name
				quiet.Reset(quietTime)
			}
		case <-quiet.C:
			s.log.Infof("%s changed; reloading", changed)
			s.signals.reload.ask()
		case err, ok := <-w.Errors:
			if !ok {
				return
			}
			s.log.Warningf("watching files: %v", err)
		}
	}
}

// watchTree watches a directory and those below it, but for what holds no code
// of the application's own.
func watchTree(w *fsnotify.Watcher, root string) {
	_ = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return nil
		}
		if path != root && (strings.HasPrefix(d.Name(), ".") || slices.Contains(notCode, d.Name())) || isVenv(path) {
			return filepath.SkipDir
		}
		return w.Add(path)
	})
}

var notCode = []string{"__pycache__", "node_modules", "site-packages", "venv"}

func isVenv(path string) bool {
	_, err := os.Stat(filepath.Join(path, "pyvenv.cfg"))
	return err == nil
}
