package config

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/pflag"
)

// layer is what one source says, unchecked.
type layer struct {
	source string         // "" for the environment, where each setting has its own variable
	args   bool           // the source is a command line, so settings are named by their flags
	values map[string]any // raw, by key
	app    string         // the argument that is no flag

	uvicorn  map[string]string // what was said by uvicorn's options, by their flags
	written  map[string]string // how settings were named that these stand for, by key
	warnings []Warning
}

// name is what a message calls a setting of this layer.
func (l *layer) name(o *Option) string {
	if written := l.written[o.Key]; written != "" {
		return written
	}
	if l.args && o.Flag != "" {
		return "--" + o.Flag
	}
	return o.Key
}

// from is what a message calls the place where a setting was found.
func (l *layer) from(o *Option) string {
	if l.source == "" {
		return "$" + o.Env
	}
	return l.source
}

// parseFlags reads a command line.
func parseFlags(options []Option, args []string, source string) (*layer, error) {
	l := &layer{source: source, args: true, values: map[string]any{}, uvicorn: map[string]string{}, written: map[string]string{}}
	set := pflag.NewFlagSet("girin", pflag.ContinueOnError)
	set.SetOutput(io.Discard)
	set.Usage = func() {}
	set.SetNormalizeFunc(func(_ *pflag.FlagSet, name string) pflag.NormalizedName {
		return pflag.NormalizedName(strings.ReplaceAll(name, "_", "-"))
	})
	for i := range options {
		o := &options[i]
		if o.Flag == "" {
			continue
		}
		value := &flagValue{option: o, values: l.values}
		addFlag(set, o, o.Flag, o.Short, value)
		if o.Alias != "" {
			addFlag(set, o, o.Alias, "", value)
		}
	}
	addUvicorn(set, l)
	set.SetNormalizeFunc(wholeName(options))
	if err := set.Parse(joinOptional(options, args)); err != nil {
		return nil, flagError(err, options, source)
	}
	if set.NArg() > 1 {
		return nil, &Error{Name: quote(set.Arg(1)), Source: source, Usage: true,
			Err: fmt.Errorf("one application is enough, and it is %s", quote(set.Arg(0)))}
	}
	l.app = set.Arg(0)
	return l, nil
}

// wholeName completes the beginning of a flag of gunicorn's, whose argparse accepts one that no
// other flag has.
func wholeName(options []Option) func(*pflag.FlagSet, string) pflag.NormalizedName {
	known, foreign := map[string]bool{}, map[string]string{} // of gunicorn's, the flag of the option
	for _, o := range options {
		for _, name := range []string{o.Flag, o.Alias} {
			name = strings.ReplaceAll(name, "_", "-")
			known[name] = true
			if name != "" && !o.Own {
				foreign[name] = o.Flag
			}
		}
	}
	for _, o := range uvicornOptions() {
		known[o.flag] = true
	}
	for name := range elsewhere { // uvicorn's --header is no --header-map
		known[name] = true
	}
	return func(_ *pflag.FlagSet, name string) pflag.NormalizedName {
		name = strings.ReplaceAll(name, "_", "-")
		whole := name
		for flag, of := range foreign {
			switch {
			case known[name] || !strings.HasPrefix(flag, name):
			case whole == name || whole == of:
				whole = of
			default:
				return pflag.NormalizedName(name)
			}
		}
		return pflag.NormalizedName(strings.ReplaceAll(whole, "_", "-"))
	}
}

func addFlag(set *pflag.FlagSet, o *Option, name, short string, value *flagValue) {
	f := set.VarPF(value, name, short, "")
	switch {
	case o.Kind == Bool:
		f.NoOptDefVal = "true"
	case o.Kind == Off:
		f.NoOptDefVal = "false"
	case o.OptionalValue != "":
		f.NoOptDefVal = o.OptionalValue
	}
}

// joinOptional puts the value of a flag that may go without one behind an equals sign, if the
// next argument is a value that it knows: pflag would take it for the application.
func joinOptional(options []Option, args []string) []string {
	joined := make([]string, 0, len(args))
	for i := 0; i < len(args); i++ {
		joined = append(joined, args[i])
		if args[i] == "--" {
			return append(joined, args[i+1:]...)
		}
		for _, o := range options {
			if o.OptionalValue == "" || args[i] != "--"+o.Flag || i+1 == len(args) {
				continue
			}
			if _, err := o.parseChoice(args[i+1]); err == nil {
				i++
				joined[len(joined)-1] += "=" + args[i]
			}
		}
	}
	return joined
}

// flagError says which option was meant.
func flagError(err error, options []Option, source string) error {
	var unknown *pflag.NotExistError
	var missing *pflag.ValueRequiredError
	switch {
	case errors.As(err, &unknown):
		return unknownFlag(unknown, options, source)
	case errors.As(err, &missing):
		return &Error{Name: "--" + missing.GetFlag().Name, Source: source, Usage: true, Err: errors.New("a value is missing")}
	}
	return &Error{Source: source, Usage: true, Err: err}
}

func unknownFlag(err *pflag.NotExistError, options []Option, source string) error {
	name := "--" + err.GetSpecifiedName()
	if letters := err.GetSpecifiedShortnames(); letters != "" {
		name = "-" + err.GetSpecifiedName()
	}
	text := "there is no such option"
	if here := elsewhere[strings.TrimLeft(name, "-")]; here != "" {
		text += "; write " + here
	} else if hint := nearestFlag(strings.TrimLeft(name, "-"), options); hint != "" {
		text += "; did you mean --" + hint + "?"
	}
	return &Error{Name: name, Source: source, Usage: true, Err: errors.New(text)}
}

// nearestFlag knows the beginnings of flags, which gunicorn accepts, before it looks for a typo.
func nearestFlag(name string, options []Option) string {
	var flags []string
	for _, o := range options {
		flags = append(flags, o.Flag, o.Alias, strings.ReplaceAll(o.Key, "_", "-"))
	}
	flags = slices.DeleteFunc(flags, func(f string) bool { return f == "" })
	hint := Nearest(name, flags)
	for _, f := range flags {
		if hint == "" && len(name) > 2 && strings.HasPrefix(f, name) {
			hint = f
		}
	}
	for _, o := range options {
		if strings.ReplaceAll(o.Key, "_", "-") == hint && o.Flag != "" {
			return o.Flag
		}
	}
	return hint
}

// flagValue collects what a command line says about an option; it is checked later, with all
// other sources.
type flagValue struct {
	option *Option
	values map[string]any
}

func (v *flagValue) Set(text string) error {
	key := v.option.Key
	if v.option.Kind != List {
		v.values[key] = text
		return nil
	}
	list, _ := v.values[key].([]any)
	v.values[key] = append(list, text)
	return nil
}

func (v *flagValue) String() string { return "" }
func (v *flagValue) Type() string   { return "" }
