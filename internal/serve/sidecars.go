package serve

import (
	"cmp"
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"girin/internal/config"
	"girin/internal/logs"
	"girin/internal/sidecar"
)

// sidecarConfig says how sidecars are kept.
func (s *server) sidecarConfig() sidecar.Config {
	return sidecar.Config{
		Starter: s.starter, Guard: []string{ownPath(), sidecar.GuardCommand}, Log: sidecarLog{s.log}, Grace: s.cfg.GracefulTimeout,
	}
}

// startSidecars begins to keep sidecars, of which there are none before the first
// workers are ready.
func (s *server) startSidecars() (stop func(), err error) {
	s.sidecars.Start()
	kill := context.AfterFunc(s.ending.now, s.sidecars.Kill)
	return func() {
		s.sidecars.End(time.Now().Add(s.left()))
		s.sidecars.Close()
		kill()
	}, nil
}

// beginSidecars starts them with the application, unless a reload has done so before it
// was ready. An application that cannot be loaded so gets no work done by its
// sidecars. Like keepSidecars it is called by the supervisor.
func (s *server) beginSidecars() {
	if !s.sidecarsKept {
		s.keepSidecars(s.cfg)
	}
}

// keepSidecars starts the sidecars of these settings in place of those before.
func (s *server) keepSidecars(c *config.Config) {
	s.sidecarsKept = true
	all, _ := config.ParseSidecars(c.Sidecars) // checked when the configuration was loaded
	commands := make([]sidecar.Command, 0, len(all))
	for _, one := range all {
		commands = append(commands, sidecar.Command{Name: one.Name, Args: one.Args, Dir: c.Chdir, Env: s.sidecarEnv(c)})
	}
	s.sidecars.Keep(commands)
}

// sidecarEnv is the environment that workers have, as a shell has it in which their
// virtual environment is active: `celery` and `python` are those of the application.
func (s *server) sidecarEnv(c *config.Config) []string {
	env := withoutManagersOwn(s.env.Environ)
	value := func(name string) string {
		for _, e := range slices.Backward(env) {
			if v, ok := strings.CutPrefix(e, name+"="); ok {
				return v
			}
		}
		return ""
	}
	bin := filepath.Dir(s.python)
	path := value("PATH")
	if root := filepath.Dir(bin); isVenv(root) {
		env = append(env, "VIRTUAL_ENV="+root)
		path = join(bin, path)
	} else if !slices.Contains(filepath.SplitList(path), bin) {
		path = join(bin, path)
	}
	env = append(env, "PATH="+path)
	if len(c.PythonPath) > 0 {
		env = append(env, "PYTHONPATH="+join(append(slices.Clone(c.PythonPath), value("PYTHONPATH"))...))
	}
	// Python keeps back what it prints to a pipe, until there are 8 KiB.
	env = append(env, "PYTHONUNBUFFERED="+cmp.Or(value("PYTHONUNBUFFERED"), "1"))
	return append(env, c.RawEnv...)
}

// join makes a list of directories, without empty ones, which would be the working directory.
func join(dirs ...string) string {
	dirs = slices.DeleteFunc(dirs, func(dir string) bool { return dir == "" })
	return strings.Join(dirs, string(os.PathListSeparator))
}

// sidecarLog writes what sidecars print in the error log.
type sidecarLog struct{ *logs.ErrorLog }

// Line writes a line, also where lines of the server's of its weight are not written:
// how much a sidecar says, its own options choose.
func (l sidecarLog) Line(name string, pid int, text string) {
	if text = name + ": " + text; l.Enabled(logs.Info) {
		l.Log(logs.Info, pid, text)
		return
	}
	_, _ = l.Write([]byte(text + "\n"))
}
