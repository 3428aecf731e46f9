package cli

import (
	"errors"
	"fmt"
	"io"
	"slices"

	"girin/internal/bench"
	"girin/internal/program"

	"github.com/spf13/pflag"
)

const benchReportUsage = `usage: girin bench report FILE... [--html FILE] [--markdown] [--junit FILE] [--slo CLAUSES] [--against FILE]

Writes the report of a result that girin bench --json wrote, or of several of the same load as one. --slo and --against judge
it as they judge a run, and set the exit status.
`

// runBenchReport is `girin bench report`.
func runBenchReport(env *program.Env, args []string) int {
	var o bench.Options
	var f benchFlags
	fs := benchFlagSet(&o, &f)
	fs.SetOutput(io.Discard)
	switch err := fs.Parse(joinOutputs(args)); {
	case errors.Is(err, pflag.ErrHelp) || err == nil && fs.NArg() == 0:
		fmt.Fprint(env.Stdout, benchReportUsage)
		return benchHolds
	case err != nil:
		return benchError(env, benchUsage, inWords(err))
	}
	guard, err := f.guard()
	if err == nil {
		err = checkReport(fs)
	}
	if err == nil && countOf(f.outputs[:], "-") > 1 {
		err = errors.New("only one format can go to standard output: name a file for the others")
	}
	if err != nil {
		return benchError(env, benchUsage, err)
	}
	var all []*bench.Result
	for _, path := range fs.Args() {
		res, err := bench.ReadResult(path)
		if err != nil {
			return benchError(env, benchFails, err)
		}
		all = append(all, res)
	}
	res, err := bench.Merge(all)
	if err == nil {
		err = guard.CheckResult(res)
	}
	if err != nil {
		return benchError(env, benchFails, err)
	}
	guard.Judge(res)
	if err := f.write(env, res); err != nil {
		return benchError(env, benchFails, err)
	}
	return benchTold(env, res)
}

// ofReports are the flags that say something of a result that is there.
var ofReports = []string{"json", "hdr", "html", "markdown", "junit", "slo", "against", "margin", "quiet"}

// checkReport refuses flags of a load: it was made.
func checkReport(fs *pflag.FlagSet) (err error) {
	fs.Visit(func(flag *pflag.Flag) {
		if !slices.Contains(ofReports, flag.Name) {
			err = fmt.Errorf("--%s is of a load, and the stored result has been made with its own", flag.Name)
		}
	})
	if fs.Changed("csv") {
		err = errors.New("--csv: a stored result has no single requests; --csv FILE beside --json keeps them")
	}
	return err
}
