package cli

import (
	"errors"
	"fmt"
	"strings"

	"girin/internal/bench"

	"github.com/spf13/pflag"
)

// loadFlags say what visitors do, how many there are and what they expect.
type loadFlags struct {
	scenario     string
	stages       string
	checkBodies  []string
	checkHeaders []string
}

func (f *loadFlags) add(o *bench.Options, fs *pflag.FlagSet) {
	fs.StringVar(&f.scenario, "scenario", "", "take the steps of this YAML `FILE` in turn, with values of one response in the next (docs/BENCH.md); a URL is their server")
	fs.BoolVar(&o.Random, "random", false, "fill {{int 1 100}}, {{hex 8}}, {{uuid}}, {{seq}} and {{pick a b}} in, in URLs, headers and bodies")
	fs.StringVar(&f.stages, "stages", "", "so many clients for so long, stage after stage: `STAGES` such as 10@30s,10:50@1m,50@30s")
	fs.StringArrayVar(&f.checkBodies, "check-body", nil, "a response whose body does not contain this `TEXT` has failed; may be repeated")
	fs.StringArrayVar(&f.checkHeaders, "check-header", nil, "a response without this `HEADER` has failed, \"Name: part of the value\"; may be repeated")
	fs.BoolVar(&o.Events, "events", false, "time each event of streamed responses (text/event-stream): to the first, and from one to the next")
	fs.BoolVar(&o.KeepGoing, "keep-going", false, "do not end when no connection can be made for a while: the server restarts")
}

// checks are those of all requests.
func (f *loadFlags) checks() (all []bench.Check, err error) {
	for _, text := range f.checkBodies {
		all = append(all, bench.Check{Value: text})
	}
	for _, line := range f.checkHeaders {
		if !strings.Contains(line, ":") {
			line += ":" // any value will do
		}
		field, err := bench.ParseField(line)
		if err != nil {
			return nil, fmt.Errorf("--check-header: %w", err)
		}
		all = append(all, bench.Check{Header: field.Name, Value: field.Value})
	}
	return all, nil
}

func (f *loadFlags) apply(o *bench.Options, fs *pflag.FlagSet) (err error) {
	if f.stages == "" {
		return nil
	}
	for _, name := range []string{"clients", "requests", "duration", "timelimit", "rate", "find-rate"} {
		if fs.Changed(name) {
			return fmt.Errorf("--stages says how many clients there are and for how long: --%s does not go with it", name)
		}
	}
	o.Duration = 0
	if o.Stages, err = bench.ParseStages(f.stages); err != nil {
		return fmt.Errorf("--stages: %w", err)
	}
	return nil
}

// applyScenario makes the steps of the scenario the targets.
func (f *loadFlags) applyScenario(o *bench.Options, args []string, fs *pflag.FlagSet) error {
	for _, name := range []string{"urls", "body", "body-file", "method", "head"} {
		if fs.Changed(name) {
			return fmt.Errorf("--scenario says what is sent: --%s does not go with it", name)
		}
	}
	base := ""
	switch {
	case len(args) > 1:
		return errors.New("--scenario takes one URL at most, that of the server")
	case len(args) == 1:
		t, socket, err := bench.ParseTarget(args[0], bench.Target{})
		if err != nil {
			return err
		}
		if socket != "" {
			o.UnixSocket = socket
		}
		base = t.URL
	}
	targets, err := bench.ReadScenario(f.scenario, base)
	if err != nil {
		return fmt.Errorf("--scenario: %w", err)
	}
	o.Targets, o.Scenario = targets, true
	return nil
}
