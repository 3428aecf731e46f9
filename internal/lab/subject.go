package lab

import (
	"context"
	"embed"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"girin/examples"
	"girin/internal/interpreter"
	"girin/internal/lab/plan"
	"girin/internal/lab/result"
)

//go:embed python/*.py
var pythonFiles embed.FS

// A workshop is what all servers of a run share: the interpreter, the app's directory, the
// environment, and a directory of files that the program brings along.
type workshop struct {
	girin   string // this program
	python  string
	appDir  string
	app     string // module:callable
	dir     string // what close removes: the wrapper, and perhaps the example apps
	wrapper string // directory of the module around the app; first on PYTHONPATH
	env     []string
}

// newWorkshop finds what servers need and checks that the app can be imported: it would be
// the same error in every server, found late.
func newWorkshop(ctx context.Context, p *plan.Plan, girin string, environ []string) (*workshop, error) {
	python, err := findPython(p.Python, environ)
	if err != nil {
		return nil, err
	}
	w := &workshop{girin: girin, python: python, app: p.App}
	if err := w.unpack(p.Chdir); err != nil {
		w.close()
		return nil, err
	}
	w.env = w.environment(environ, p.Environment)
	module, _, _ := strings.Cut(p.App, ":")
	if said, err := output(ctx, w.appDir, w.env, []string{python, "-c", "import " + module}); err != nil {
		w.close()
		return nil, fmt.Errorf("%s in %s cannot import the plan's app %s: %w\n%s%s", python, w.appDir, p.App, err,
			lastLines(said, 12), needs(p.Chdir, python))
	}
	return w, nil
}

// needs says what the example apps import.
func needs(chdir, python string) string {
	if chdir != plan.Examples {
		return ""
	}
	return "\nThe examples need Flask, requests and SQLAlchemy, and what they are to be compared with, gunicorn and gevent: " +
		python + " -m pip install Flask requests SQLAlchemy gunicorn gevent packaging"
}

func (w *workshop) close() { os.RemoveAll(w.dir) }

// unpack writes the embedded modules, and the example apps if they are what the plan
// measures, into a new directory.
func (w *workshop) unpack(chdir string) (err error) {
	if w.dir, err = os.MkdirTemp("", "girin-lab-"); err != nil {
		return err
	}
	w.wrapper = filepath.Join(w.dir, "python")
	if err := os.CopyFS(w.dir, pythonFiles); err != nil {
		return err
	}
	if chdir == plan.Examples {
		w.appDir = filepath.Join(w.dir, "examples")
		return os.CopyFS(w.appDir, examples.Apps)
	}
	w.appDir, err = filepath.Abs(chdir)
	return err
}

// environment is the lab's own with the plan's on top. Variables that would change a server
// behind the plan's back are left out.
func (w *workshop) environment(environ []string, plan map[string]string) []string {
	dropped := []string{"GUNICORN_CMD_ARGS", "GIRIN_CMD_ARGS", "WEB_CONCURRENCY", "PORT"}
	var env []string
	path := w.wrapper + string(os.PathListSeparator) + w.appDir
	for _, e := range environ {
		name, value, _ := strings.Cut(e, "=")
		if name == "PYTHONPATH" && value != "" {
			path += string(os.PathListSeparator) + value
		} else if !slices.Contains(dropped, name) {
			env = append(env, e)
		}
	}
	env = append(env, "PYTHONPATH="+path, "PYTHONDONTWRITEBYTECODE=1", "GIRIN_LAB_APP="+w.app)
	for name, value := range plan {
		env = append(env, name+"="+value)
	}
	return env
}

func findPython(wanted string, environ []string) (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	getenv := func(name string) string {
		for _, e := range environ {
			if value, ok := strings.CutPrefix(e, name+"="); ok {
				return value
			}
		}
		return ""
	}
	return interpreter.Choice{Wanted: wanted, Dir: dir, Getenv: getenv}.Find()
}

// command is the argument vector of a setting; port "" leaves the placeholder, for records.
func (w *workshop) command(s plan.Setting, subject plan.Subject, port string) []string {
	server, _ := subject.BuiltIn()
	values := map[string]string{
		"host": "127.0.0.1", "python": w.python, "bin": filepath.Dir(w.python), "girin": w.girin,
		"app": "_girin_lab:application", "module": "_girin_lab", "callable": "application",
		"workers": positive(s.Workers), "threads": positive(s.Threads), "class": s.Class,
	}
	if port != "" {
		values["port"] = port
	}
	if isAioHTTP(s, subject) {
		values["class"], values["app"] = "aiohttp.GunicornWebWorker", "_girin_lab:aiohttp_application"
	}
	return slices.Concat(plan.Fill(server.Command, values), subject.Args, s.Args)
}

// isAioHTTP reports whether the setting is gunicorn's gaiohttp, which left gunicorn with
// version 20: aiohttp's own worker with the WSGI app behind aiohttp-wsgi takes its place.
func isAioHTTP(s plan.Setting, subject plan.Subject) bool {
	return subject.Server == "gunicorn" && s.Class == "gaiohttp"
}

func positive(n int) string {
	if n <= 0 {
		return ""
	}
	return fmt.Sprint(n)
}

// serverEnv is the environment of one setting's server.
func (w *workshop) serverEnv(s plan.Setting) []string {
	env := append(slices.Clone(w.env), fmt.Sprintf("GIRIN_LAB_THREADS=%d", max(1, s.Threads)))
	if s.Interface != "" {
		env = append(env, "GIRIN_LAB_INTERFACE="+s.Interface)
	}
	return env
}

// inspect fills m's versions and command lines and returns those settings that can run;
// what is missing goes into m.Skipped.
func (w *workshop) inspect(ctx context.Context, p *plan.Plan, settings []plan.Setting, m *result.Machine) []plan.Setting {
	missing := map[string]string{} // by subject or by subject and class: why
	var ready []plan.Setting
	for _, s := range settings {
		subject := p.SubjectOf(s)
		why := w.missingServer(ctx, subject, m, missing)
		if why == "" {
			why = w.missingClass(ctx, s, subject, missing)
		}
		if why != "" {
			m.Skipped = append(m.Skipped, result.Skip{What: s.ID(), Why: why})
			continue
		}
		m.Commands[s.ID()] = strings.Join(w.command(s, subject, ""), " ")
		ready = append(ready, s)
	}
	return ready
}

func (w *workshop) missingServer(ctx context.Context, subject plan.Subject, m *result.Machine, missing map[string]string) string {
	if why, seen := missing[subject.Name]; seen {
		return why
	}
	missing[subject.Name] = ""
	server, builtIn := subject.BuiltIn()
	if !builtIn {
		return ""
	}
	values := map[string]string{"girin": w.girin, "python": w.python, "bin": filepath.Dir(w.python)}
	said, err := output(ctx, w.appDir, w.env, plan.Fill(server.Version, values))
	if err != nil {
		missing[subject.Name] = fmt.Sprintf("%s is not installed beside %s (%s)", subject.Server, w.python, server.Install)
	} else {
		m.Versions[subject.Name] = said
	}
	return missing[subject.Name]
}

// missingClass checks the packages that a worker class needs.
func (w *workshop) missingClass(ctx context.Context, s plan.Setting, subject plan.Subject, missing map[string]string) string {
	module, install := "", ""
	switch {
	case isAioHTTP(s, subject):
		module, install = "aiohttp_wsgi", "aiohttp-wsgi"
	case s.Class == "gevent" && subject.Server == "gunicorn":
		module, install = "gunicorn.workers.ggevent", "gevent packaging"
	case s.Class == "gevent":
		module, install = "gevent", "gevent"
	default:
		return ""
	}
	key := subject.Name + " " + s.Class
	why, seen := missing[key]
	if !seen {
		if _, err := output(ctx, w.appDir, w.env, []string{w.python, "-c", "import " + module}); err != nil {
			why = fmt.Sprintf("class %s needs %s, which %s does not have (pip install %s)", s.Class, install, w.python, install)
		}
		missing[key] = why
	}
	return why
}

// lastLines is the end of a text, where errors are.
func lastLines(text string, n int) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}

// describePython records the interpreter and everything that is installed beside it.
func (w *workshop) describePython(ctx context.Context, m *result.Machine) {
	version, _ := output(ctx, w.appDir, w.env, []string{w.python, "--version"})
	m.Python = strings.TrimSpace(version + " (" + w.python + ")")
	list := `import importlib.metadata as m; print(*sorted({f"{d.name}=={d.version}" for d in m.distributions()}), sep="\n")`
	if said, err := output(ctx, w.appDir, w.env, []string{w.python, "-c", list}); err == nil {
		m.Packages = strings.Fields(said)
	}
}
