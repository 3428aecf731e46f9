package serve

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"girin/internal/arbiter"
	"girin/internal/config"
	"girin/internal/guard"
	"girin/internal/logs"
	"girin/internal/statsd"
)

func (s *server) openLogs() (err error) {
	level, err := logs.ParseLevel(s.cfg.LogLevel)
	if err != nil {
		return err
	}
	s.log, err = logs.OpenError(logs.ErrorOptions{
		Target: s.logTarget(s.cfg.ErrorLog), Level: level, Stderr: s.env.Stderr, Syslog: syslogOf(s.cfg, "error"),
	})
	s.guard = &guard.Guard{Log: s.log, End: s.partFailed}
	if err != nil {
		return err
	}
	format, err := logs.ParseFormat(s.cfg.AccessLogFormat)
	if err != nil {
		return err
	}
	s.access, err = logs.OpenAccess(logs.AccessOptions{
		Target: s.logTarget(s.cfg.AccessLog), Format: format, Stdout: s.env.Stdout, Syslog: syslogOf(s.cfg, "access"),
		Tell: func(err error) { s.log.Errorf("%v", err) },
	})
	return err
}

// logTarget is where a log goes, in a file that the server can open again whoever it has become.
func (s *server) logTarget(path string) logs.Target {
	return logs.Target{Path: path, UID: s.cfg.UID, GID: s.cfg.GID}
}

// adjustLogs has the logs go where a reload says.
func (s *server) adjustLogs(c *config.Config) {
	if level, err := logs.ParseLevel(c.LogLevel); err == nil { // which the configuration has checked
		s.log.SetLevel(level)
	}
	if format, err := logs.ParseFormat(c.AccessLogFormat); err == nil { // likewise
		s.access.SetFormat(format)
	}
	err := errors.Join(
		s.log.Redirect(s.logTarget(c.ErrorLog), syslogOf(c, "error")),
		s.access.Redirect(s.logTarget(c.AccessLog), syslogOf(c, "access")))
	if err != nil {
		s.log.Errorf("%v; that log stays where it was", err)
	}
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

// divert gives lines to Python's logging, where something there waits for them.
func (s *server) divert(w arbiter.Wants) {
	s.log.Divert(nil)
	if w.Error {
		s.log.Divert(func(level logs.Level, pid int, text string) bool {
			return s.arbiter.LogError(pid, levelOfPython(level), text)
		})
	}
	s.access.Divert(nil)
	if w.Access {
		s.access.Divert(func(r *logs.AccessRecord) bool {
			request, response, environ := r.Fields.All()
			return s.arbiter.LogAccess(&arbiter.Request{
				PID: r.PID, Status: fmt.Sprintf("%d %s", r.Status, http.StatusText(r.Status)), Sent: r.Sent, Duration: r.Duration,
				Request: request, Response: response, Environ: environ,
			})
		})
	}
}

// levelOfPython is a level as Python's logging module has it.
func levelOfPython(l logs.Level) int {
	for _, level := range []int{10, 20, 30, 40} {
		if pythonLevel(level) == l {
			return level
		}
	}
	return 50
}

// accessLines writes what Python has made of requests.
func (s *server) accessLines(lines string) { _, _ = s.access.Write([]byte(lines)) }

// openStatsd sends gunicorn's metrics, unless a logger of the configuration does so.
func (s *server) openStatsd() (err error) {
	c := s.cfg
	if c.StatsdHost == "" || c.LogsInPython() {
		return nil
	}
	s.statsd, err = statsd.Open(statsd.Options{Address: c.StatsdHost, Prefix: c.StatsdPrefix, Tags: c.StatsdTags})
	if err != nil {
		s.log.Warningf("statsd is told nothing: %v", err)
		return nil // as under gunicorn
	}
	s.log.Watch(func(level logs.Level, text string) {
		switch {
		case level >= logs.Error && strings.Contains(text, "\nTraceback "):
			s.statsd.Logged("exception")
		case level >= logs.Warning:
			s.statsd.Logged(strings.ToLower(level.String()))
		}
	})
	s.access.Watch(func(r *logs.AccessRecord) { s.statsd.Request(r.Status, r.Duration) })
	return nil
}

// countWorkers tells statsd how many workers there are.
func (s *server) countWorkers(change int32) { s.statsd.Workers(int(s.living.Add(change))) }
