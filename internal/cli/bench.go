package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"runtime"
	"strings"
	"syscall"
	"time"

	"girin/internal/bench"
	"girin/internal/program"

	"github.com/spf13/pflag"
)

// Exit statuses of bench, for scripts.
const (
	benchHolds     = 0
	benchFails     = 1 // also: no result, no success, or the run ended early
	benchUsage     = 2
	benchUndecided = 3
)

const benchUsageText = `usage: girin bench [OPTIONS] URL...
       girin bench report FILE... [OPTIONS]     the report of stored results

Makes requests and reports as ab does, and then what ab hides. Doubts about the figures go to standard error.
Several URLs of one host take turns; 3=URL takes three turns. http+unix://%2Fpath%2Fto.sock/ is a Unix socket.

exit status: 0 done, and --slo and --against hold; 1 one does not, nothing succeeded, or the run ended early; 2 usage; 3 undecided

`

// runBench is `girin bench`.
func runBench(env *program.Env, args []string) int {
	if len(args) > 0 && args[0] == "report" {
		return runBenchReport(env, args[1:])
	}
	var o bench.Options
	var f benchFlags
	fs := benchFlagSet(&o, &f)
	fs.SetOutput(io.Discard)
	if hint := singleDash(args, fs); hint != "" {
		return benchError(env, benchUsage, errors.New(hint))
	}
	if err := fs.Parse(joinOutputs(args)); errors.Is(err, pflag.ErrHelp) {
		fmt.Fprint(env.Stdout, benchUsageText, fs.FlagUsages())
		return benchHolds
	} else if err != nil {
		if hint := cmp.Or(otherMeaning(err), foreignHint(args, fs)); hint != "" {
			err = fmt.Errorf("%w; %s", err, hint)
		}
		return benchError(env, benchUsage, inWords(err))
	}
	guard, err := f.apply(&o, fs, env.Stdin)
	if err != nil {
		return benchError(env, benchUsage, err)
	}
	if f.cpus == 0 {
		f.cpus = max(1, runtime.NumCPU()/2)
	}
	runtime.GOMAXPROCS(f.cpus)
	if !f.quiet && !f.findRate && redraws(env) {
		if o.Progress = bench.LiveLine(env.Stderr); f.live {
			o.Progress = bench.LiveScreen(env.Stderr)
		}
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal ends the program at once
	if f.findRate {
		return f.find(ctx, env, o, guard.SLO)
	}
	if err := guard.Check(o); err != nil {
		return benchError(env, benchUsage, err)
	}
	res, err := bench.RunTimes(ctx, o, f.runs)
	if err != nil {
		status := benchFails
		if errors.As(err, new(*bench.OptionError)) {
			status = benchUsage
		}
		return benchError(env, status, err)
	}
	guard.Judge(res)
	if err := f.write(env, res); err != nil {
		return benchError(env, benchFails, err)
	}
	return benchTold(env, res)
}

// benchTold says what there is to doubt, and is the exit status.
func benchTold(env *program.Env, res *bench.Result) int {
	for _, d := range res.Doubts {
		fmt.Fprintf(env.Stderr, "doubt: %s\n", bench.Printable(d.Text))
	}
	return benchStatus(res)
}

func benchError(env *program.Env, status int, err error) int {
	fmt.Fprintf(env.Stderr, "girin bench: %s\n", bench.Printable(err.Error()))
	if status == benchUsage {
		fmt.Fprintln(env.Stderr, "girin bench --help lists the flags")
	}
	return status
}

func benchStatus(res *bench.Result) int {
	switch res.Verdict() {
	case bench.Fails, bench.Worse:
		return benchFails
	case bench.Undecided:
		return benchUndecided
	}
	if res.Requests.OK == 0 || res.Partial {
		return benchFails
	}
	return benchHolds
}

// apply turns the flags that are not plain values into options.
func (f *benchFlags) apply(o *bench.Options, fs *pflag.FlagSet, stdin io.Reader) (guard bench.Guard, err error) {
	if f.keepAlive && f.noKeepAlive {
		return guard, errors.New("--keepalive and --no-keepalive exclude each other")
	}
	o.NoKeepAlive = f.noKeepAlive || fs.Changed("keepalive") && !f.keepAlive // as in --keepalive=false, for those who know vegeta
	if err := f.applyABFlags(fs); err != nil {
		return guard, err
	}
	if err := f.checkFindRate(fs); err != nil {
		return guard, err
	}
	if f.findRate && !fs.Changed("timeout") {
		o.Timeout = 0 // the search finds one that fits the SLO
	}
	if o.Requests == 0 && !f.findRate && !fs.Changed("requests") && !fs.Changed("duration") && !fs.Changed("timelimit") {
		o.Duration = 10 * time.Second
	}
	for _, name := range []string{"requests", "clients", "duration", "timelimit", "timeout", "cpus", "runs", "warmup"} {
		if v := fs.Lookup(name).Value.String(); fs.Changed(name) && (v == "0" || strings.HasPrefix(v, "-")) {
			return guard, fmt.Errorf("--%s: %s is not above zero", name, v)
		}
	}
	if err := f.applyRate(o, fs); err != nil {
		return guard, err
	}
	if f.expect != "" {
		if o.Expect, err = bench.ParseStatusSet(f.expect); err != nil {
			return guard, fmt.Errorf("--expect: %w", err)
		}
	}
	if err := f.load.apply(o, fs); err != nil {
		return guard, err
	}
	if err := f.connect.apply(o); err != nil {
		return guard, err
	}
	if f.load.scenario != "" {
		err = f.load.applyScenario(o, fs.Args(), fs)
	} else {
		err = f.applyTargets(o, fs.Args(), stdin)
	}
	if err != nil {
		return guard, err
	}
	if n := countOf(f.outputs[:], "-"); n > 1 {
		return guard, fmt.Errorf("%d formats are to go to standard output: name a file, such as --json out.json", n)
	}
	if err := f.checkOutputs(); err != nil {
		return guard, err
	}
	return f.guard()
}

func (f *benchFlags) applyABFlags(fs *pflag.FlagSet) error {
	if fs.Changed("timelimit") && fs.Changed("duration") {
		return errors.New("-t is ab's name of -d, the length of the run; what wrk has -t for is --cpus")
	}
	if !f.head {
		return nil
	}
	if f.method != "" && f.method != http.MethodHead {
		return fmt.Errorf("--head and --method %s exclude each other", f.method)
	}
	f.method = http.MethodHead
	return nil
}

func (f *benchFlags) applyRate(o *bench.Options, fs *pflag.FlagSet) (err error) {
	if f.arrivals != "constant" && f.arrivals != "poisson" {
		return fmt.Errorf("--arrivals: %q is neither constant nor poisson", f.arrivals)
	}
	o.Poisson = f.arrivals == "poisson"
	if f.rate == "" {
		if fs.Changed("arrivals") && !f.findRate {
			return errors.New("--arrivals needs --rate")
		}
		return nil
	}
	if o.Rate, err = bench.ParseRate(f.rate); err != nil {
		return fmt.Errorf("--rate: %w", err)
	}
	return nil
}

// guard reads --slo and --against before the run, so that a mistake in them costs no time.
func (f *benchFlags) guard() (g bench.Guard, err error) {
	if f.slo != "" {
		if g.SLO, err = bench.ParseSLO(f.slo); err != nil {
			return g, fmt.Errorf("--slo: %w", err)
		}
	}
	for _, path := range f.against {
		res, err := bench.ReadResult(path)
		if err != nil {
			return g, fmt.Errorf("--against: %w", err)
		}
		g.Baseline = append(g.Baseline, res)
	}
	if f.margin < 0 {
		return g, fmt.Errorf("--margin: %g is below zero", f.margin)
	}
	g.BaselineName, g.Margin = strings.Join(f.against, ", "), f.margin
	return g, nil
}
