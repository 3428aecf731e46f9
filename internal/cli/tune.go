package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"syscall"
	"time"

	"github.com/spf13/pflag"

	"girin/internal/bench"
	"girin/internal/config"
	"girin/internal/control"
	"girin/internal/interpreter"
	"girin/internal/lab"
	"girin/internal/program"
	"girin/internal/tune"
	"girin/internal/tune/report"
	"girin/internal/tune/workload"
)

const tuneUsage = `Finds out which settings to deploy an application with: on this machine, under your own load.

usage: girin tune [OPTIONS] APP

Starts APP on loopback in one setting after the other, and looks for the highest rate at which each
holds the SLO. Says which is best and how certain that is, what limits it, and writes a report and a
gunicorn.conf.py. What is asked comes from one of --urls, --access-log, --har and --pid; without any
it is the application's own routes that need no arguments (Flask, Django, Starlette, FastAPI).
Only GET and HEAD are asked, unless --all-methods: a load changes what a POST changes, thousands of
times. The application is the real one: point it to a database that may be loaded.

exit status: 0 an answer, or with --check the settings hold; 1 none, or they do not; 2 usage;
3 undecided; 130 stopped by Ctrl-C, with what was known until then

`

const tuneUndecided = 3

// tuneFlags is the command line of tune.
type tuneFlags struct {
	urls, accessLog, har string
	pid                  int
	allMethods           bool
	slo                  string
	budget               time.Duration
	rate                 float64
	check                string
	config               string
	python, chdir        string
	output               string
	seed                 uint64
	exhaustive           bool
	asJSON, quiet        bool
	app                  string
}

func tuneFlagSet(f *tuneFlags) *pflag.FlagSet {
	fs := pflag.NewFlagSet("girin tune", pflag.ContinueOnError)
	fs.SortFlags = false
	fs.SetOutput(io.Discard)
	fs.StringVar(&f.urls, "urls", "", "ask for the URLs of this `FILE`, a line each: [WEIGHT=][METHOD ]URL, below it \"Name: value\" and @BODYFILE; - is standard input")
	fs.StringVar(&f.accessLog, "access-log", "", "ask for what this access log `FILE` has, as often: combined format or JSON, .gz too")
	fs.StringVar(&f.har, "har", "", "ask for what a browser's developer tools have written to this `FILE`")
	fs.IntVar(&f.pid, "pid", 0, "ask for what the girin with this `PID` has served")
	fs.BoolVar(&f.allMethods, "all-methods", false, "ask with POST, PUT, DELETE and so on as well")
	fs.StringVar(&f.slo, "slo", "p99<200ms,errors<0.1%", "what must hold, `CLAUSES` as girin bench has them")
	f.budget = 10 * time.Minute
	fs.Var((*period)(&f.budget), "budget", "how much `TIME` it may take, about")
	fs.Float64Var(&f.rate, "rate", 0, "the `R` requests per second that are to be served: says how many machines that needs")
	fs.StringVar(&f.check, "check", "", "only say whether the settings of this `FILE` hold the SLO at --rate; sets the exit status")
	fs.StringVarP(&f.config, "config", "c", "", "a configuration `FILE` whose other settings hold (default gunicorn.conf.py, if there is one)")
	fs.StringVar(&f.python, "python", "", "the application's interpreter, found as by girin serve if not given")
	fs.StringVar(&f.chdir, "chdir", "", "the `DIR` in which the application is imported")
	fs.StringVarP(&f.output, "output", "o", "", "the `DIR` for the report (default tune-results/TIME)")
	fs.Uint64Var(&f.seed, "seed", 1, "`SEED` of the order of settings and of the load")
	fs.BoolVar(&f.exhaustive, "exhaustive", false, "measure every setting as thoroughly as the last ones: takes many times the budget")
	fs.BoolVar(&f.asJSON, "json", false, "print the result as JSON")
	fs.BoolVarP(&f.quiet, "quiet", "q", false, "print the answer only")
	return fs
}

// runTune is `girin tune`.
func runTune(env *program.Env, args []string) int {
	var f tuneFlags
	fs := tuneFlagSet(&f)
	err := fs.Parse(args)
	if errors.Is(err, pflag.ErrHelp) {
		fmt.Fprint(env.Stdout, tuneUsage, fs.FlagUsages())
		return 0
	}
	var o tune.Options
	if err == nil {
		o, err = f.options(env, fs.Args())
	}
	if err != nil {
		fmt.Fprintf(env.Stderr, "girin tune: %v\ngirin tune --help lists the flags\n", err)
		return program.Usage
	}
	runtime.GOMAXPROCS(max(1, runtime.NumCPU()/2)) // the load generator, as girin bench
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if f.check != "" {
		return f.runCheck(ctx, env, o)
	}
	r, err := tune.Run(ctx, o)
	stop() // a second signal ends the program at once
	if r == nil {
		return f.failed(ctx, env, err)
	}
	return f.tell(ctx, env, r)
}

// failed is the end without a result.
func (f *tuneFlags) failed(ctx context.Context, env *program.Env, err error) int {
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		fmt.Fprintln(env.Stderr, "girin tune: stopped before anything was known")
		return statusInterrupted
	}
	fmt.Fprintf(env.Stderr, "girin tune: %s\n", bench.Printable(err.Error()))
	return program.Failed
}

// tell prints the result and writes its files.
func (f *tuneFlags) tell(ctx context.Context, env *program.Env, r *tune.Result) int {
	files, err := report.Write(f.output, r)
	if err != nil {
		fmt.Fprintf(env.Stderr, "girin tune: %v\n", err)
	}
	if f.asJSON {
		e := json.NewEncoder(env.Stdout)
		e.SetIndent("", "  ")
		_ = e.Encode(r)
	} else {
		fmt.Fprint(env.Stdout, r.Text())
		for _, file := range files {
			fmt.Fprintln(env.Stdout, file)
		}
	}
	switch {
	case r.Stopped != "":
		return statusInterrupted
	case r.Answer == nil || err != nil:
		return program.Failed
	}
	return 0
}

func (f *tuneFlags) runCheck(ctx context.Context, env *program.Env, o tune.Options) int {
	c, err := tune.Check(ctx, o)
	if err != nil {
		return f.failed(ctx, env, err)
	}
	if f.asJSON {
		_ = json.NewEncoder(env.Stdout).Encode(c)
	} else {
		fmt.Fprintln(env.Stdout, bench.Printable(c.Sentence()))
	}
	switch c.Verdict {
	case bench.Holds:
		return 0
	case bench.Fails:
		return program.Failed
	}
	return tuneUndecided
}

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
	status, err := f.running(env)
	if err != nil {
		return o, err
	}
	if f.app, err = f.application(args, dir, status); err != nil {
		return o, err
	}
	python, err := interpreter.Choice{Wanted: f.python, Dir: dir, Getenv: env.Getenv}.Find()
	if err != nil {
		return o, err
	}
	file, err := f.configFile()
	if err != nil {
		return o, err
	}
	if f.output == "" {
		f.output = filepath.Join("tune-results", time.Now().Format("20060102-150405"))
	}
	o = tune.Options{
		App: f.app, Girin: girin, Python: python, Dir: dir, Config: file, Env: env.Environ, SLO: f.slo, Budget: f.budget, Rate: f.rate,
		Seed: f.seed, Cores: lab.UsableCores(), Exhaustive: f.exhaustive, Version: program.Version(), Load: f.load(env, status),
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
	case f.rate < 0:
		return fmt.Errorf("--rate: %g is not above zero", f.rate)
	case f.check != "" && f.rate == 0:
		return errors.New("--check needs --rate: the requests per second at which the settings are to hold")
	case f.check != "" && f.config != "":
		return errors.New("--check and --config exclude each other: the file that is checked has all settings")
	case f.budget < tune.LeastBudget:
		return fmt.Errorf("--budget: %v is too little to tell anything; at least %v, and 10m for a good answer", f.budget, tune.LeastBudget)
	}
	return nil
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

// application is the one that is named, that runs, or that is found.
func (f *tuneFlags) application(args []string, dir string, status *control.Status) (string, error) {
	switch {
	case len(args) == 1:
		return args[0], nil
	case status != nil && status.App != "":
		return status.App, nil
	}
	found, ok := config.FindApp(dir)
	if !ok {
		return "", errors.New("no application given, and none found in app, main, wsgi, manage.py or asgi: girin tune MODULE:ATTRIBUTE")
	}
	return found.App, nil
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

// load makes the load as soon as the application is known.
func (f *tuneFlags) load(env *program.Env, status *control.Status) func(*workload.Application) (*workload.Workload, error) {
	return func(app *workload.Application) (*workload.Workload, error) {
		switch {
		case f.urls != "":
			return workload.FromURLs(f.urls, env.Stdin, f.allMethods)
		case f.accessLog != "":
			return workload.FromAccessLog(f.accessLog, f.allMethods)
		case f.har != "":
			return workload.FromHAR(f.har, f.allMethods)
		case status != nil:
			return workload.FromStatus(*status, f.allMethods)
		}
		return workload.FromApp(app)
	}
}
