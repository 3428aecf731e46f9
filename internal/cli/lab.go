//go:build !windows

package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/pflag"

	"girin/internal/bench"
	"girin/internal/lab"
	"girin/internal/lab/plan"
	"girin/internal/lab/report"
	"girin/internal/lab/result"
	"girin/internal/program"
)

const labUsage = `Starts servers in a matrix of settings, loads each, and draws what they did.

usage: girin lab article|mixed|phases|aa [OPTIONS]   a plan that comes with girin
       girin lab run PLAN.yaml [OPTIONS]             your own (docs/LAB.md)
       girin lab run --resume DIR                    go on where a run was stopped
       girin lab replay DIR [OPTIONS]                the same plan once more
       girin lab report DIR                          draw the report again
       girin lab diff DIR DIR                        compare two runs of a plan

`

// statusInterrupted is what shells report for a command that SIGINT ended.
const statusInterrupted = 130

// labFlags is the lab's command line.
type labFlags struct {
	dir, resume, python, chdir string
	repeats                    int
	tell, noise                string
	seed                       uint64
	full, printPlan            bool
	args                       []string
}

func parseLabFlags(env *program.Env, args []string) (*labFlags, *pflag.FlagSet, error) {
	f := &labFlags{}
	flags := pflag.NewFlagSet("girin lab", pflag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.StringVarP(&f.dir, "output", "o", "", "results folder (default lab-results/PLAN-TIME)")
	flags.StringVar(&f.resume, "resume", "", "go on in this results folder")
	flags.IntVar(&f.repeats, "repeats", 0, "blocks, each of which runs every cell once; from 3 on settings are ranked")
	flags.StringVar(&f.tell, "tell", "", "choose the repeats so that settings are told apart that differ by this, such as 10%")
	flags.StringVar(&f.noise, "noise", "", "what runs of one setting differ by, before that is known (default 3%)")
	flags.Uint64Var(&f.seed, "seed", 0, "seed of the order of cells")
	flags.StringVar(&f.python, "python", "", "interpreter of all servers (default: as girin app:app finds it here)")
	flags.StringVar(&f.chdir, "chdir", "", "directory of the app, in place of the plan's")
	flags.BoolVar(&f.full, "full", false, "article: its own durations of 5 s, both of its loads, 6 repeats; takes about two days")
	flags.BoolVar(&f.printPlan, "print-plan", false, "print the plan and do not run it")
	err := inWords(flags.Parse(args))
	if err != nil && !errors.Is(err, pflag.ErrHelp) {
		err = labUsageError{err.Error()}
	}
	f.args = flags.Args()
	return f, flags, err
}

// runLab runs `girin lab`.
func runLab(env *program.Env, args []string) int {
	f, flags, err := parseLabFlags(env, args)
	if errors.Is(err, pflag.ErrHelp) || err == nil && len(f.args) == 0 && f.resume == "" {
		fmt.Fprint(env.Stdout, labUsage, flags.FlagUsages())
		return 0
	}
	if err == nil {
		err = f.run(env)
	}
	var usage labUsageError
	switch {
	case err == nil:
		return 0
	case errors.Is(err, errInterrupted):
		return statusInterrupted
	case errors.As(err, &usage):
		fmt.Fprintf(env.Stderr, "girin lab: %v (see girin lab --help)\n", err)
		return 2
	}
	fmt.Fprintf(env.Stderr, "girin lab: %s\n", bench.Printable(err.Error())) // it may hold what a server printed
	return 1
}

// labUsageError is a command line that means nothing.
type labUsageError struct{ text string }

func (e labUsageError) Error() string { return e.text }

// errInterrupted ends a run that the user stopped; what was measured has been reported.
var errInterrupted = errors.New("interrupted")

func (f *labFlags) run(env *program.Env) error {
	verb := "run"
	if len(f.args) > 0 {
		verb = f.args[0]
	}
	operands := map[string]int{"run": 1, "replay": 1, "report": 1, "diff": 2}
	want, known := operands[verb]
	if f.resume != "" {
		want = 0
	}
	switch {
	case !known && !slices.Contains(plan.BuiltInNames(), verb):
		return labUsageError{fmt.Sprintf("unknown word %q", verb)}
	case len(f.args) > 0 && len(f.args)-1 != want && verb != "run" || verb == "run" && len(f.args) > 1+want:
		return labUsageError{fmt.Sprintf("%s takes %d arguments, not %d", verb, want, len(f.args)-1)}
	case f.tell != "" && f.repeats > 0:
		return labUsageError{"--tell chooses the repeats: it does not go with --repeats"}
	case f.full && verb != "article":
		return labUsageError{"--full is for article"}
	}
	switch verb {
	case "report":
		return redraw(env, f.args[1])
	case "diff":
		return diff(env, f.args[1], f.args[2])
	}
	return f.measure(env, verb)
}

// source returns the plan's text and a name for it in errors.
func (f *labFlags) source(verb string) (text []byte, file string, err error) {
	switch {
	case f.resume != "":
		file = filepath.Join(f.resume, "plan.yaml")
		text, err = os.ReadFile(file)
	case verb == "replay":
		file = filepath.Join(f.args[1], "plan.yaml")
		text, err = os.ReadFile(file)
	case verb == "run" && len(f.args) < 2:
		return nil, "", labUsageError{"run needs a plan"}
	case verb == "run":
		file = f.args[1]
		text, err = os.ReadFile(file)
	default:
		if f.full {
			verb = "article-full"
		}
		file = verb + ".yaml"
		text, err = plan.BuiltIn(verb)
	}
	if err != nil || f.resume != "" {
		return text, file, err
	}
	return f.override(text, verb), file, nil
}

// override writes what the flags say into the plan, so that the folder's copy is what ran.
func (f *labFlags) override(text []byte, verb string) []byte {
	if f.repeats > 0 {
		text = plan.Override(text, "repeats", strconv.Itoa(f.repeats))
		if verb == "article" && f.repeats > 1 {
			// What is ranked is measured on a fresh server, each time.
			text = plan.Override(text, "fresh", plan.FreshCell)
		}
	}
	for _, share := range [][2]string{{"tell", f.tell}, {"noise", f.noise}} {
		if share[1] != "" {
			text = plan.Override(text, share[0], share[1])
		}
	}
	if f.tell != "" && verb == "article" {
		text = plan.Override(text, "fresh", plan.FreshCell)
	}
	if f.seed > 0 {
		text = plan.Override(text, "seed", strconv.FormatUint(f.seed, 10))
	}
	if f.python != "" {
		text = plan.Override(text, "python", strconv.Quote(f.python))
	}
	if f.chdir != "" {
		text = plan.Override(text, "chdir", strconv.Quote(f.chdir))
	}
	return text
}

func (f *labFlags) measure(env *program.Env, verb string) error {
	source, file, err := f.source(verb)
	if err != nil {
		return err
	}
	p, err := plan.Parse(file, source, lab.UsableCores())
	if err != nil {
		return err
	}
	if f.printPlan {
		_, err := env.Stdout.Write(source)
		return err
	}
	girin, err := os.Executable()
	if err != nil {
		return err
	}
	dir := f.dir
	if f.resume != "" {
		dir = f.resume
	} else if dir == "" {
		dir = filepath.Join("lab-results", p.Name+"-"+time.Now().Format("20060102-150405"))
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	display := lab.NewDisplay(env.Stderr, columns(env))
	folder, err := lab.Run(ctx, lab.Options{
		Dir: dir, Source: source, File: file, Girin: girin, Version: program.Version(), Environ: env.Environ,
		Resume: f.resume != "", Progress: display.Show,
	})
	display.Close()
	switch {
	case folder == nil && ctx.Err() != nil: // err is about what the signal has cut short
		fmt.Fprintln(env.Stderr, "girin lab: stopped before anything was measured")
		return errInterrupted
	case folder == nil:
		return err
	}
	if ctx.Err() != nil {
		fmt.Fprintf(env.Stderr, "stopped; to go on: girin lab --resume %s\n", dir)
		err = errInterrupted
	} else if err != nil {
		fmt.Fprintf(env.Stderr, "it ended before its time; once that is mended: girin lab --resume %s\n", dir)
	}
	return errors.Join(err, draw(env, folder))
}

func redraw(env *program.Env, dir string) error {
	folder, err := result.Open(dir)
	if err != nil {
		return err
	}
	return draw(env, folder)
}

// draw writes the report and prints its summary.
func draw(env *program.Env, folder *result.Folder) error {
	if err := folder.SaveCSV(); err != nil {
		return err
	}
	summary, err := report.Write(folder)
	if err != nil {
		return err
	}
	fmt.Fprintf(env.Stdout, "%s\n\n%s\n", bench.Printable(strings.Join(summary, "\n")), folder.Path(result.ReportName))
	return nil
}

func diff(env *program.Env, before, after string) error {
	a, err := result.Open(before)
	if err != nil {
		return err
	}
	b, err := result.Open(after)
	if err != nil {
		return err
	}
	return report.Diff(env.Stdout, a, b)
}
