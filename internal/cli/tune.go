//go:build !windows

package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"syscall"
	"time"

	"github.com/spf13/pflag"

	"girin/internal/bench"
	"girin/internal/program"
	"girin/internal/tune"
	"girin/internal/tune/report"
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
3 undecided, or a longer run did not hold what was found; 130 stopped by Ctrl-C, with what was known until then

`

const tuneUndecided = 3

// tuneFlags is the command line of tune.
type tuneFlags struct {
	urls, accessLog, har string
	pid                  int
	allMethods           bool
	headers              []string
	slo                  string
	budget               time.Duration
	rate                 float64
	check                string
	config               string
	python, chdir        string
	output               string
	seed                 uint64
	exhaustive           bool
	blocks               int
	only                 []string
	asJSON, quiet        bool
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
	fs.StringArrayVarP(&f.headers, "header", "H", nil, "send this `HEADER` with each request, \"Name: value\": a Host that the application expects, the cookie of a login; may be repeated")
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
	fs.IntVar(&f.blocks, "blocks", 0, "with --exhaustive, how often every setting is measured (default 3); once is coarse and quick")
	fs.StringArrayVar(&f.only, "only", nil, "choose among these settings and auto only, `OPTIONS` such as '-w 3 --threads 8'; may be repeated")
	fs.BoolVar(&f.asJSON, "json", false, "print the result as JSON")
	fs.BoolVarP(&f.quiet, "quiet", "q", false, "print the answer only")
	return fs
}

// runTune is `girin tune`.
func runTune(env *program.Env, args []string) int {
	var f tuneFlags
	fs := tuneFlagSet(&f)
	err := inWords(fs.Parse(args))
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
	context.AfterFunc(ctx, stop) // a second signal ends the program at once
	if f.check != "" {
		return f.runCheck(ctx, env, o)
	}
	r, err := tune.Run(ctx, o)
	if r == nil {
		return f.failed(ctx, env, err)
	}
	return f.tell(ctx, env, r)
}

// failed is the end without a result.
func (f *tuneFlags) failed(ctx context.Context, env *program.Env, err error) int {
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		fmt.Fprintln(env.Stderr, "girin tune: stopped before a setting was measured")
		return statusInterrupted
	}
	fmt.Fprintf(env.Stderr, "girin tune: %s\n", bench.Printable(err.Error()))
	return program.Failed
}

// tell prints the result and writes its files.
func (f *tuneFlags) tell(ctx context.Context, env *program.Env, r *tune.Result) int {
	var files []string
	dir, err := f.folder()
	if err == nil {
		files, err = report.Write(dir, r)
	}
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
	case r.Answer.Verdict == bench.Fails:
		return tuneUndecided
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
