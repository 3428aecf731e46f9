//go:build !windows

package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"time"

	"girin/internal/bench"
	"girin/internal/config"
	"girin/internal/control"
	"girin/internal/interpreter"
	"girin/internal/lab"
	"girin/internal/program"
	"girin/internal/tune"
	"girin/internal/tune/workload"
)

// options turns flags into options; an error is one of usage.
func (f *tuneFlags) options(env *program.Env, args []string) (o tune.Options, err error) {
	if err := f.checkFlags(args); err != nil {
		return o, err
	}
	girin, err := os.Executable()
	if err != nil {
		return o, err
	}
	dir, err := filepath.Abs(f.chdir)
	if err != nil {
		return o, err
	}
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		return o, fmt.Errorf("--chdir: %s is not a directory", dir)
	}
	header, err := f.fields()
	if err != nil {
		return o, err
	}
	status, err := f.running(env)
	if err != nil {
		return o, err
	}
	file, err := f.configFile()
	if err != nil {
		return o, err
	}
	if err := f.sparesOthers(); err != nil {
		return o, err
	}
	named, found, err := f.application(args, dir, status, file)
	if err != nil {
		return o, err
	}
	python, err := interpreter.Choice{Wanted: f.python, Dir: dir, Getenv: env.Getenv}.Find()
	if err != nil {
		return o, err
	}
	o = tune.Options{
		App: named, Found: found, Girin: girin, Python: python, Dir: dir, Config: file, Env: env.Environ, SLO: f.slo, Budget: f.budget, Rate: f.rate,
		Seed: f.seed, Cores: lab.UsableCores(), Exhaustive: f.exhaustive, Blocks: f.blocks, Version: program.Version(), Load: f.load(env, status, header),
	}
	for _, text := range f.only {
		setting, err := tune.ParseSetting(text)
		if err != nil {
			return o, fmt.Errorf("--only: %w", err)
		}
		o.Only = append(o.Only, setting)
	}
	if !f.quiet {
		o.Say = func(line string) { fmt.Fprintln(env.Stderr, bench.Printable(line)) }
	}
	return o, nil
}

// checkFlags refuses what makes no sense together.
func (f *tuneFlags) checkFlags(args []string) error {
	sources := 0
	for _, given := range []bool{f.urls != "", f.accessLog != "", f.har != "", f.pid != 0} {
		if given {
			sources++
		}
	}
	if _, err := bench.ParseSLO(f.slo); err != nil {
		return fmt.Errorf("--slo: %w", err)
	}
	switch {
	case len(args) > 1:
		return fmt.Errorf("one application is enough, and it is %q, not %q", args[0], args[1])
	case sources > 1:
		return errors.New("--urls, --access-log, --har and --pid exclude each other: a load comes from one of them")
	case !(f.rate >= 0) || math.IsInf(f.rate, 0):
		return fmt.Errorf("--rate: %g is not a number above zero", f.rate)
	case f.blocks < 0 || f.blocks > 0 && !f.exhaustive:
		return errors.New("--blocks is a number above zero, and goes with --exhaustive")
	case f.check != "" && f.rate == 0:
		return errors.New("--check needs --rate: the requests per second at which the settings are to hold")
	case f.check != "" && f.config != "":
		return errors.New("--check and --config exclude each other: the file that is checked has all settings")
	case f.budget < tune.LeastBudget:
		return fmt.Errorf("--budget: %v is too little to tell anything; at least %v, and 10m for a good answer", f.budget, tune.LeastBudget)
	}
	return nil
}

// fields are the header fields of all requests.
func (f *tuneFlags) fields() (list []bench.Field, err error) {
	for _, line := range f.headers {
		field, err := bench.ParseField(line)
		if err != nil {
			return nil, fmt.Errorf("--header: %w", err)
		}
		list = append(list, field)
	}
	return list, nil
}

// running is the status of the girin whose load is to be repeated; nil if none is.
func (f *tuneFlags) running(env *program.Env) (*control.Status, error) {
	if f.pid == 0 {
		return nil, nil
	}
	dir, _ := control.Dir(env.Getenv)
	path, err := control.Find(dir, control.Choice{PID: f.pid})
	if err != nil {
		return nil, fmt.Errorf("--pid: %w", err)
	}
	s, err := control.Get(context.Background(), path)
	if err != nil {
		return nil, fmt.Errorf("--pid: %w", err)
	}
	return &s, nil
}

// application is the one that is named or that runs; empty: what the configuration file says, or else the one that is found.
func (f *tuneFlags) application(args []string, dir string, status *control.Status, file string) (named, found string, err error) {
	switch {
	case len(args) == 1:
		return args[0], "", nil
	case status != nil && status.App != "":
		return status.App, "", nil
	}
	app, ok := config.FindApp(dir)
	if !ok && file == "" {
		return "", "", errors.New("no application given, and none found here, in app.py, main.py, wsgi.py, asgi.py, by manage.py, or in one other module alone: girin tune MODULE:ATTRIBUTE")
	}
	return "", app.App, nil
}

// configFile is the configuration file whose other settings hold, or the one to check; empty if there is none.
func (f *tuneFlags) configFile() (string, error) {
	file := f.config
	switch {
	case f.check != "":
		file = f.check
	case file == "":
		if _, err := os.Stat("gunicorn.conf.py"); err != nil {
			return "", nil
		}
		file = "gunicorn.conf.py"
	}
	path, err := filepath.Abs(file)
	if err != nil {
		return "", err
	}
	if info, err := os.Stat(path); err != nil || info.IsDir() {
		return "", fmt.Errorf("there is no file %s", file)
	}
	return path, nil
}

// sparesOthers refuses a folder whose configuration file is somebody's own: the one that is written would take its place.
func (f *tuneFlags) sparesOthers() error {
	if f.check != "" {
		return nil
	}
	if err := writable(cmp.Or(f.output, tuneResults)); err != nil {
		return fmt.Errorf("--output: %w", err)
	}
	if f.output == "" {
		return nil
	}
	path := filepath.Join(f.output, "gunicorn.conf.py")
	file, err := os.Open(path)
	if err != nil {
		return nil // there is none, or folder will say what is wrong
	}
	defer file.Close()
	begins := make([]byte, len(tune.FileBegins))
	if n, _ := io.ReadFull(file, begins); string(begins[:n]) != tune.FileBegins {
		return fmt.Errorf("--output: %s is not of girin tune, and would be overwritten; another folder is needed", path)
	}
	return nil
}

// tuneResults is where folders are made, unless one is named.
const tuneResults = "tune-results"

// folder makes the folder for the report, and is where it is.
func (f *tuneFlags) folder() (string, error) {
	if f.output != "" {
		return f.output, os.MkdirAll(f.output, 0o777)
	}
	if err := os.MkdirAll(tuneResults, 0o777); err != nil {
		return "", err
	}
	name := filepath.Join(tuneResults, time.Now().Format("20060102-150405"))
	dir := name
	for i := 2; ; i++ { // another run may have ended in the same second
		if err := os.Mkdir(dir, 0o777); !errors.Is(err, fs.ErrExist) {
			return dir, err
		}
		dir = fmt.Sprintf("%s-%d", name, i)
	}
}

// load makes the load as soon as the application is known.
func (f *tuneFlags) load(env *program.Env, status *control.Status, header []bench.Field) func(context.Context, *workload.Application) (*workload.Workload, error) {
	return func(ctx context.Context, app *workload.Application) (w *workload.Workload, err error) {
		switch {
		case f.urls != "":
			return workload.FromURLs(f.urls, workload.URLs{Stdin: env.Stdin, Header: header, AllMethods: f.allMethods})
		case f.accessLog != "":
			w, err = workload.FromAccessLog(ctx, f.accessLog, f.allMethods)
		case f.har != "":
			w, err = workload.FromHAR(f.har, f.allMethods)
		case status != nil:
			w, err = workload.FromStatus(*status, f.allMethods)
		default:
			w, err = workload.FromApp(app)
		}
		if err == nil {
			w.Carry(header)
		}
		return w, err
	}
}
