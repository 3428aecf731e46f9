package cli

import (
	"context"
	"errors"
	"fmt"
	"io"

	"girin/internal/bench"
	"girin/internal/program"

	"github.com/spf13/pflag"
)

// checkFindRate refuses what --find-rate decides itself or has no use for.
func (f *benchFlags) checkFindRate(fs *pflag.FlagSet) error {
	if !f.findRate {
		return nil
	}
	if f.slo == "" {
		return errors.New("--find-rate needs --slo: the rate is the highest at which it holds")
	}
	for _, name := range []string{"rate", "requests", "runs", "against", "csv", "hdr", "html", "markdown", "junit"} {
		if fs.Changed(name) {
			return fmt.Errorf("--find-rate and --%s exclude each other", name)
		}
	}
	return nil
}

// findRate is bench with --find-rate: probes go to standard error as they end.
func (f *benchFlags) find(ctx context.Context, env *program.Env, o bench.Options, slo bench.SLOSpec) int {
	search := bench.RateSearch{Options: o, SLO: slo}
	if !f.quiet {
		search.Progress = func(p bench.RateProbe) { fmt.Fprintln(env.Stderr, bench.Printable(p.Line())) }
	}
	found, err := bench.FindRate(ctx, search)
	if err != nil {
		status := benchFails
		if errors.As(err, new(*bench.OptionError)) {
			status = benchUsage
		}
		return benchError(env, status, err)
	}
	if err := f.writeFinding(env, found); err != nil {
		return benchError(env, benchFails, err)
	}
	switch found.Verdict {
	case bench.Holds:
		return benchHolds
	case bench.Undecided:
		return benchUndecided
	}
	return benchFails
}

func (f *benchFlags) writeFinding(env *program.Env, found *bench.RateFinding) error {
	path := f.outputs[0] // of --json, the only format it has
	if path == "-" {
		return found.WriteJSON(env.Stdout)
	}
	if path != "" {
		if err := writeFile(path, func(w io.Writer) error { return found.WriteJSON(w) }); err != nil {
			return err
		}
	}
	return found.WriteText(env.Stdout)
}
