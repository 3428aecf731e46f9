package cli

import (
	"fmt"
	"strconv"
	"time"

	"girin/internal/bench"

	"github.com/spf13/pflag"
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
