package serve

import (
	"context"
	"slices"

	"girin/internal/config"
	"girin/internal/supervisor"
)

// byReload are the settings that a reload can change: those of the workers, and those of adjust.
var byReload = []string{
	"wsgi_app", "paste", "raw_paste_global_conf", "workers", "worker_class", "threads", "worker_connections", "raw_env", "pythonpath", "chdir",
	"python", "proc_name", "capture_output", "bind", "sidecar", "max_requests", "max_requests_jitter", "max_worker_memory",
	"timeout", "graceful_timeout", "keepalive", "loglevel", "access_log_format", "pidfile", "header_map",
	"limit_request_line", "limit_request_fields", "limit_request_field_size", "limit_request_body",
	"accesslog", "errorlog", "syslog", "syslog_addr", "syslog_prefix", "syslog_facility", "disable_redirect_access_to_syslog",
	"forwarded_allow_ips", "secure_scheme_headers", "forwarder_headers", "proxy_allow_ips", "proxy_protocol",
	"logconfig", "logconfig_dict", "logconfig_json", "preload_app", "reload", "reload_extra_files",
	"root_path", "asgi_loop", "asgi_lifespan", "asgi_spec", "asgi_disconnect_grace_period", "gc_freeze",
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
	cfg = s.sameKind(cfg)
	for _, key := range config.Changed(s.cfg, cfg) {
		if !s.canReload(key, cfg) {
			s.log.Warningf("%s is changed; that takes effect when the server is started again", key)
		}
	}
	if cfg.PreloadApp {
		if err := s.adoptOrphans(); err != nil {
			s.log.Errorf("Reload failed: %v; nothing is changed", err)
			return
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

// sameKind returns the settings with the class that there is, where one of the two is auto: what
// the scheduler is made of does not change while it runs.
func (s *server) sameKind(c *config.Config) *config.Config {
	if (s.cfg.WorkerClass == "auto") == (c.WorkerClass == "auto") {
		return c
	}
	s.log.Warningf("The class stays %s: to change worker_class to or from auto, start the server again (USR2 does so without a gap)", s.cfg.WorkerClass)
	same := *c
	same.WorkerClass, same.Workers, same.Threads = s.cfg.WorkerClass, s.cfg.Workers, s.cfg.Threads
	return &same
}

// adjust does from now on as the settings of a reload say of what needs no other workers.
func (s *server) adjust(c *config.Config) {
	before := s.current.Swap(c)
	s.adjustLogs(c)
	rename(c.ProcName)
	if watchesOther(before, c) {
		if err := s.watchAs(c); err != nil {
			s.log.Errorf("%v", err)
		}
	}
	if err := s.movePID(c.PidFile); err != nil {
		s.log.Errorf("%v; this process stays noted where it was", err)
	}
	s.graceful.Store(int64(c.GracefulTimeout))
	s.queue.SetDeadlines(c.Timeout, c.GracefulTimeout)
	s.workers.SetLimits(bootLimit(c.Timeout), c.GracefulTimeout, silenceLimit(c.Timeout))
	s.front.Adjust(asked(c))
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
	if !s.current.Load().Reload {
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
