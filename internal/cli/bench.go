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
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
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

// benchFlags are the flags as given, before they become bench.Options.
type benchFlags struct {
	noKeepAlive, keepAlive bool
	rate, arrivals         string
	method                 string
	head                   bool
	headers, cookies       []string
	body, bodyFile         string
	contentType            string
	urlsFile               string
	user                   string
	expect                 string
	cpus                   int
	quiet, live            bool
	slo                    string
	against                []string
	margin                 float64
	runs                   int
	findRate               bool
	connect                connectFlags
	load                   loadFlags
	outputs                [len(benchFormats)]string
}

// benchFormat is a form in which results can be written.
type benchFormat struct {
	name, usage string
	write       func(*bench.Result, io.Writer) error
}

var benchFormats = [...]benchFormat{
	{"json", "write the result as JSON", (*bench.Result).WriteJSON},
	{"csv", "write a line per request", (*bench.Result).WriteCSV},
	{"hdr", "write the percentile file of HdrHistogram's plotters", (*bench.Result).WriteHDR},
	{"html", "write a page with charts", (*bench.Result).WriteHTML},
	{"markdown", "write tables in Markdown", (*bench.Result).WriteMarkdown},
	{"junit", "write a JUnit report of --slo and --against", (*bench.Result).WriteJUnit},
}

func benchFlagSet(o *bench.Options, f *benchFlags) *pflag.FlagSet {
	fs := pflag.NewFlagSet("bench", pflag.ContinueOnError)
	fs.SortFlags = false
	fs.Int64VarP(&o.Requests, "requests", "n", 0, "end after `N` requests")
	fs.IntVarP(&o.Clients, "clients", "c", 0, "`N` clients at work at once, each with a connection (default 1; with --rate, the most that may be used, default 4096)")
	fs.VarP((*period)(&o.Duration), "duration", "d", "end after this `TIME`, such as 500ms; a number alone is seconds (default 10s if -n is not given)")
	fs.BoolVarP(&f.keepAlive, "keepalive", "k", false, "keep connections open (the default)")
	fs.BoolVar(&f.noKeepAlive, "no-keepalive", false, "open a connection for each request, as ab does by default")
	fs.StringVar(&f.rate, "rate", "", "open loop: send `R` requests per second whatever the server does; A:B changes from A to B")
	fs.StringVar(&f.arrivals, "arrivals", "constant", "open loop: constant or poisson `GAPS` between requests")
	fs.Uint64Var(&o.Seed, "seed", 1, "`SEED` of the gaps and of the order of URLs")
	fs.StringVarP(&f.method, "method", "m", "", "`METHOD` (default GET, or POST if there is a body)")
	fs.StringArrayVarP(&f.headers, "header", "H", nil, "add a `HEADER`, \"Name: value\"; may be repeated")
	fs.StringVar(&f.body, "body", "", "send this `TEXT` as the body")
	fs.StringVarP(&f.bodyFile, "body-file", "p", "", "send this `FILE` as the body; - is standard input")
	fs.StringVarP(&f.contentType, "content-type", "T", "", "`TYPE` of the body")
	fs.StringVar(&f.urlsFile, "urls", "", "read URLs from a `FILE`, a line each: [WEIGHT=][METHOD ]URL, and below it \"Name: value\" and @BODYFILE; - is standard input")
	fs.StringVarP(&f.user, "user", "u", "", "basic authentication, `USER:PASSWORD`")
	o.Timeout = 30 * time.Second
	fs.VarP((*period)(&o.Timeout), "timeout", "s", "give up a request after this `TIME`")
	fs.BoolVar(&o.Follow, "follow", false, "follow redirects on the same host")
	fs.StringVar(&f.expect, "expect", "", "`STATUSES` that count as success, such as 200,404 or 2xx (default 2xx,3xx)")
	fs.StringVar(&o.UnixSocket, "unix", "", "connect to the Unix socket at `PATH` instead of the URL's host")
	f.connect.add(o, fs)
	f.load.add(o, fs)
	fs.BoolVar(&o.Insecure, "insecure", false, "accept any certificate")
	fs.BoolVarP(&o.HTTP2, "http2", "2", false, "speak HTTP/2")
	fs.StringArrayVar(&o.CaptureHeaders, "capture-header", nil, "put the value of the response header `NAME` into the CSV; may be repeated")
	for i, format := range benchFormats {
		fs.StringVar(&f.outputs[i], format.name, "", format.usage+" to standard output instead of the report, or to `FILE` beside it")
		fs.Lookup(format.name).NoOptDefVal = "-"
	}
	fs.StringVar(&f.slo, "slo", "", "say whether `CLAUSES` hold, such as 'p99<200ms,errors<0.1%'; sets the exit status")
	fs.StringSliceVar(&f.against, "against", nil, "compare with `FILE`, a result that --json wrote; several for several runs; sets the exit status")
	fs.Float64Var(&f.margin, "margin", bench.DefaultMargin, "with --against, changes below this `FRACTION` do not count")
	fs.BoolVar(&f.findRate, "find-rate", false, "find the highest rate at which --slo holds; -d is the length of a probe (default 5s)")
	fs.IntVar(&f.runs, "runs", 1, "make the run `N` times, and say how far the runs differ")
	fs.Var((*period)(&o.Warmup), "warmup", "make the load for this `TIME` before, without counting it")
	fs.IntVar(&f.cpus, "cpus", 0, "`N` cores that the client may use (default half of the machine's)")
	fs.BoolVar(&f.live, "live", false, "several live lines: the rate over time and a histogram of latency")
	fs.BoolVarP(&f.quiet, "quiet", "q", false, "no live line")
	f.addABFlags(o, fs)
	return fs
}

// addABFlags adds ab's flags that have other names here, and those that ask for what is done anyway.
func (f *benchFlags) addABFlags(o *bench.Options, fs *pflag.FlagSet) {
	fs.VarP((*period)(&o.Duration), "timelimit", "t", "ab's name of --duration, in `SECONDS`")
	fs.BoolVarP(&f.head, "head", "i", false, "ab's name of --method HEAD")
	fs.StringVarP(&f.user, "auth", "A", "", "ab's name of --user, `USER:PASSWORD`")
	fs.StringArrayVarP(&f.cookies, "cookie", "C", nil, "send a cookie, `NAME=VALUE`; may be repeated")
	for _, flag := range [...][2]string{{"accept-lengths", "l"}, {"no-exit", "r"}} {
		fs.BoolP(flag[0], flag[1], false, "")
		fs.Lookup(flag[0]).Hidden = true
	}
}

// period is a flag of a length of time in Go's form, or in seconds as ab takes it.
type period time.Duration

func (p *period) Type() string { return "duration" }

func (p *period) String() string {
	if *p == 0 {
		return "0"
	}
	return time.Duration(*p).String()
}

func (p *period) Set(text string) error {
	if _, err := strconv.ParseFloat(text, 64); err == nil {
		text += "s"
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		return fmt.Errorf("%q is not a length of time such as 10s (ab's, wrk's, hey's and oha's flags of that letter may mean something else)", text)
	}
	*p = period(d)
	return nil
}

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
		return benchError(env, benchUsage, err)
	}
	guard, err := f.apply(&o, fs, env.Stdin)
	if err != nil {
		return benchError(env, benchUsage, err)
	}
	if f.cpus == 0 {
		f.cpus = max(1, runtime.NumCPU()/2)
	}
	runtime.GOMAXPROCS(f.cpus)
	if !f.quiet && !f.findRate {
		if o.Progress = bench.LiveLine(env.Stderr); f.live {
			o.Progress = bench.LiveScreen(env.Stderr)
		}
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
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
	o.NoKeepAlive = f.noKeepAlive
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

func countOf(list []string, want string) (n int) {
	for _, s := range list {
		if s == want {
			n++
		}
	}
	return n
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

// applyTargets makes the targets of the arguments and of --urls.
func (f *benchFlags) applyTargets(o *bench.Options, args []string, stdin io.Reader) error {
	var common bench.Target
	var err error
	if common.Body, err = f.readBody(stdin); err != nil {
		return err
	}
	if common.Header, err = f.fields(); err != nil {
		return err
	}
	common.Method = f.method
	if common.Checks, err = f.load.checks(); err != nil {
		return err
	}
	for _, l := range args {
		if err := addTarget(o, l, common); err != nil {
			return err
		}
	}
	if f.urlsFile == "" {
		return nil
	}
	if f.urlsFile == "-" && f.bodyFile == "-" {
		return errors.New("--urls and --body-file cannot both be standard input")
	}
	if err := readURLs(o, f.urlsFile, stdin, common); err != nil {
		return fmt.Errorf("--urls: %w", err)
	}
	return nil
}

// readURLs adds the targets of a file, or of standard input.
func readURLs(o *bench.Options, path string, stdin io.Reader, common bench.Target) error {
	dir := "."
	if path != "-" {
		file, err := os.Open(path)
		if err != nil {
			return err
		}
		defer file.Close()
		stdin, dir = file, filepath.Dir(path)
	}
	list, socket, err := bench.ReadTargets(stdin, dir, common)
	if socket != "" {
		o.UnixSocket = socket
	}
	o.Targets = append(o.Targets, list...)
	return err
}

// addTarget adds the target of a line.
func addTarget(o *bench.Options, line string, common bench.Target) error {
	if _, err := strconv.Atoi(line); err == nil {
		return fmt.Errorf("%q is not a URL, and the flag before it takes no value; what hey and oha have -q for is --rate", line)
	}
	t, socket, err := bench.ParseTarget(line, common)
	if err != nil {
		return err
	}
	if socket != "" {
		o.UnixSocket = socket
	}
	o.Targets = append(o.Targets, t)
	return nil
}

// fields are the header fields of all requests.
func (f *benchFlags) fields() (list []bench.Field, err error) {
	lines := slices.Clone(f.headers)
	if f.contentType != "" {
		lines = append(lines, "Content-Type: "+f.contentType)
	}
	if len(f.cookies) > 0 {
		lines = append(lines, "Cookie: "+strings.Join(f.cookies, "; "))
	}
	for _, line := range lines {
		field, err := bench.ParseField(line)
		if err != nil {
			return nil, fmt.Errorf("--header: %w", err)
		}
		list = append(list, field)
	}
	if f.user != "" {
		if !strings.Contains(f.user, ":") {
			return nil, fmt.Errorf("--user: %q is not USER:PASSWORD; what ab has -u FILE for is --method PUT --body-file FILE", f.user)
		}
		list = append(list, bench.BasicAuth(f.user))
	}
	return list, nil
}

func (f *benchFlags) readBody(stdin io.Reader) ([]byte, error) {
	switch {
	case f.body != "" && f.bodyFile != "":
		return nil, errors.New("--body and --body-file exclude each other")
	case f.bodyFile == "-":
		return io.ReadAll(stdin)
	case f.bodyFile != "":
		b, err := os.ReadFile(f.bodyFile)
		if err != nil {
			return nil, fmt.Errorf("--body-file: %w", err)
		}
		return b, nil
	}
	return []byte(f.body), nil
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

// write writes the report, or what takes its place on standard output, and the files.
func (f *benchFlags) write(env *program.Env, res *bench.Result) error {
	text := true
	for i, format := range benchFormats {
		switch path := f.outputs[i]; path {
		case "":
		case "-":
			text = false
			if err := format.write(res, env.Stdout); err != nil {
				return err
			}
		default:
			if err := writeFile(path, func(w io.Writer) error { return format.write(res, w) }); err != nil {
				return err
			}
		}
	}
	if text {
		return res.WriteText(env.Stdout)
	}
	return nil
}

func writeFile(path string, write func(io.Writer) error) error {
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	if err := write(file); err != nil {
		file.Close()
		return fmt.Errorf("%s: %w", path, err)
	}
	return file.Close()
}
