package cli

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"girin/internal/config"
	"girin/internal/front"
	"girin/internal/hooks"
	"girin/internal/http1"
	"girin/internal/logs"
	"girin/internal/proc"
	"girin/internal/shim"
	"girin/internal/supervisor"
	"girin/internal/wire"
	"girin/internal/worker"
)

func (s *server) frontConfig() front.Config {
	c := s.cfg
	files := maxFiles()
	return front.Config{
		Queue: s.queue,
		Limits: http1.Limits{
			RequestLine: c.LimitRequestLine, Fields: c.LimitRequestFields, FieldSize: c.LimitRequestFieldSize,
			Underscores: underscores[c.HeaderMap],
		},
		MaxBody: c.LimitRequestBody, KeepAlive: c.KeepAlive, MaxConns: min(files, wire.FlagTable-1), MaxFiles: files, SpoolDir: c.TmpUploadDir,
		HealthPath: c.HealthCheckPath, ServerTiming: c.ServerTiming, SendFile: c.SendFile,
		Trust: trust(c), Proxy: proxyProtocol(c), TLS: s.tls, HTTP2: http2Options(c), ScriptName: s.env.Getenv("SCRIPT_NAME"),
		Access: s.access, Metrics: s.metrics, Log: s.log, Clock: monotonic(), Ready: func() bool { return s.queue.Capacity() > 0 },
	}
}

var underscores = map[string]http1.Underscores{
	"drop": http1.DropUnderscores, "refuse": http1.RefuseUnderscores, "dangerous": http1.KeepUnderscores,
}

// trust reads what proxies may tell.
func trust(c *config.Config) front.Trust {
	t := front.Trust{Peers: peers(c.ForwardedAllowIPs), Forwarder: c.ForwarderHeaders}
	for _, name := range slices.Sorted(maps.Keys(c.SecureSchemeHeaders)) {
		t.Secure = append(t.Secure, front.SecureField{Name: name, Value: c.SecureSchemeHeaders[name]})
	}
	return t
}

// launch returns how workers of the next generation are started, and what they are
// forked from.
func (s *server) launch(c *config.Config) (supervisor.Launch, supervisor.Template) {
	archive, archiveErr := shim.Archive()
	settings := s.workerSettings(c)
	lanes := []*worker.Lane{s.lane}
	if s.computeLane != nil {
		lanes = append(lanes, s.computeLane)
	}
	settings.Lanes = len(lanes)
	cfg := worker.Config{
		Starter: s.starter, Spec: s.pythonSpec(c, shim.Args()), Shim: archive, Settings: settings,
		Arena: s.arena, Lanes: lanes, Accelerators: s.accelerators, Log: s.log,
	}
	template := s.newTemplate(cfg)
	launch := func(name string, r worker.Receiver) (*worker.Worker, error) {
		if archiveErr != nil {
			return nil, archiveErr
		}
		cfg := cfg
		cfg.Name, cfg.Receiver, cfg.Template = name, r, template.current()
		cfg.Settings.Age = s.nextAge()
		w, err := worker.Start(cfg)
		if err == nil {
			s.started = w
			s.metrics.Started()
			s.tell(hooks.Event{Hook: "started", Age: cfg.Settings.Age, PID: w.PID()})
		}
		return w, err
	}
	return launch, template.supervised()
}

// workerSettings are what all workers of a generation are told.
func (s *server) workerSettings(c *config.Config) worker.Settings {
	p := sizesOf(c)
	settings := worker.Settings{
		App: c.App, Class: c.WorkerClass, Threads: p.threads, Connections: c.WorkerConnections,
		Argv: append([]string{"girin"}, os.Args[1:]...), Chdir: c.Chdir, PythonPath: c.PythonPath,
		ProcName: c.ProcName, Bases: s.bases(), Multiprocess: p.most > 1, Capture: c.CaptureOutput, LogLevel: c.LogLevel,
	}
	if c.WorkerClass == "auto" {
		settings.Class, settings.SwitchMS = "gthread", autoSwitchInterval
	}
	settings.LogConfig = c.LogConfig()
	if names, _ := splitHooks(c.Hooks); len(names) > 0 || settings.LogConfig != "" {
		settings.ConfigFile, settings.Hooks, settings.Cfg = c.ConfigFile, names, c.Values()
	}
	return settings
}

// pythonSpec says how a process of the application's interpreter is started.
func (s *server) pythonSpec(c *config.Config, args []string) proc.Spec {
	spec := proc.Spec{Path: s.python, Args: args, Dir: c.Chdir, Env: slices.Concat(withoutManagersOwn(s.env.Environ), c.RawEnv)}
	if c.CaptureOutput {
		spec.Out, spec.Err = s.captured, s.captured
	}
	return spec
}

// bases are the parts of the environ that all requests of a listener share.
func (s *server) bases() (bases []map[string]string) {
	scheme := "http"
	if s.cfg.TLS() {
		scheme = "https"
	}
	for _, l := range s.listeners {
		base := map[string]string{
			"SERVER_SOFTWARE": "girin/" + Version, "SERVER_PROTOCOL": "HTTP/1.1",
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

// isLocal reports whether only this machine can reach an address.
func isLocal(a net.Addr) bool {
	tcp, ok := a.(*net.TCPAddr)
	return !ok || tcp.IP.IsLoopback()
}

// maxFiles is how many connections and files for them there may be: the
// descriptors that the system allows, less what the server itself needs.
func maxFiles() int {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return 1024
	}
	return int(min(limit.Cur-min(limit.Cur/2, spareDescriptors), math.MaxInt32))
}

const spareDescriptors = 64

// monotonic returns a clock that reads CLOCK_MONOTONIC in nanoseconds, as the
// workers do, without a system call.
func monotonic() func() int64 {
	var ts unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts)
	began, base := time.Now(), ts.Nano()
	return func() int64 { return base + int64(time.Since(began)) }
}

// workerLog writes what workers say in the error log.
type workerLog struct{ log *logs.ErrorLog }

func (l workerLog) Line(level, pid int, text string) {
	if level == unformatted {
		_, _ = l.log.Write([]byte(text))
		return
	}
	l.log.Log(pythonLevel(level), pid, strings.TrimRight(text, "\n"))
}

// unformatted is the level of what an application writes to wsgi.errors.
const unformatted = 0

// pythonLevel maps a level of Python's logging module.
func pythonLevel(level int) logs.Level {
	switch {
	case level >= 50:
		return logs.Critical
	case level >= 40:
		return logs.Error
	case level >= 30:
		return logs.Warning
	case level >= 20:
		return logs.Info
	}
	return logs.Debug
}

// syslogOf says where in syslog a log goes; nil: nowhere.
func syslogOf(c *config.Config, log string) *logs.Syslog {
	if !c.Syslog || log == "access" && c.SyslogNoAccess {
		return nil
	}
	facility, _ := logs.Facility(c.SyslogFacility) // checked when the configuration was loaded
	name := cmp.Or(c.SyslogPrefix, c.ProcName, c.App)
	tag := "gunicorn." + strings.ReplaceAll(name, ":", ".") + "." + log
	return &logs.Syslog{Address: c.SyslogAddr, Facility: facility, Tag: tag}
}

// rename names this process as the workers are named. It is only for people to
// read, so that it may fail.
func rename(name string) {
	if name != "" {
		_ = os.WriteFile("/proc/self/comm", []byte(name[:min(len(name), longestComm)]), 0)
	}
}

// longestComm is TASK_COMM_LEN without its NUL (prctl(2), PR_SET_NAME).
const longestComm = 15

// writePidFile notes this process in a file, unless a living one is noted there.
func writePidFile(path string) error {
	if path == "" {
		return nil
	}
	if b, err := os.ReadFile(path); err == nil {
		pid, err := strconv.Atoi(strings.TrimSpace(string(b)))
		if err == nil && pid != os.Getpid() && pid > 0 && unix.Kill(pid, 0) == nil {
			return fmt.Errorf("pidfile %s: the server with pid %d already runs", path, pid)
		}
	}
	if err := os.WriteFile(path, fmt.Appendf(nil, "%d\n", os.Getpid()), 0o644); err != nil {
		return fmt.Errorf("pidfile: %w", err)
	}
	return nil
}

func removePidFile(path string) {
	if b, err := os.ReadFile(path); err == nil && strings.TrimSpace(string(b)) == strconv.Itoa(os.Getpid()) {
		if os.Remove(path) != nil {
			_ = os.Truncate(path, 0) // its directory may be root's, the file is not
		}
	}
}
