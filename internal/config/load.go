package config

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"time"
)

const (
	fromDefault     = "the default"
	fromCommandLine = "the command line"
)

// Error is a setting that cannot be used.
type Error struct {
	Name   string // as it was written: --workers, or workers in a file
	Source string // where it was written
	Usage  bool   // it was on a command line
	Err    error
}

func (e *Error) Error() string {
	if e.Name == "" {
		return fmt.Sprintf("%v (from %s)", e.Err, e.Source)
	}
	return fmt.Sprintf("%s: %v (from %s)", e.Name, e.Err, e.Source)
}

func (e *Error) Unwrap() error { return e.Err }

// ErrNoApp is the error of a command line that names no application.
var ErrNoApp = errors.New("no application given, and none found here, in app.py, main.py, wsgi.py, asgi.py, by manage.py, or in one other module alone: girin MODULE:ATTRIBUTE, or wsgi_app in the configuration file")

// Source is where the settings of a server come from. Relative paths start in Dir.
type Source struct {
	Args []string // the command line
	Env  []string
	Dir  string
	// Run runs a configuration file.
	Run func(context.Context, File) (Variables, error)
}

// Load resolves the settings of a server from, in rising precedence, defaults, environment
// variables that stand in for them, those of uvicorn, the configuration file, GUNICORN_CMD_ARGS, GIRIN_CMD_ARGS
// and the command line. With --help or --version on the command line nothing else is looked at.
// An error is an *Error, several of them joined, a *FileError, or ErrNoApp. The end of ctx ends
// a configuration file that still runs.
func (s Source) Load(ctx context.Context) (*Config, []Warning, error) {
	l := &loader{options: Options(), env: s.Env, dir: s.Dir, run: s.Run}
	cmd, err := parseFlags(l.options, s.Args, fromCommandLine)
	if err != nil {
		return nil, nil, err
	}
	if cmd.values["help"] != nil || cmd.values["version"] != nil {
		return &Config{Help: cmd.values["help"] != nil, Version: cmd.values["version"] != nil}, nil, nil
	}
	if err := l.gather(ctx, cmd); err != nil {
		return nil, nil, err
	}
	return l.resolve(cmd.app)
}

// setting is one resolved value and the layer that it came from.
type setting struct {
	value  any
	source string
	name   string // as the source writes it
	args   bool
	stand  bool // it stands in for the default, and is no choice
}

// loader carries one Load.
type loader struct {
	options []Option
	env     []string
	dir     string
	run     func(context.Context, File) (Variables, error)

	layers   []*layer // in rising precedence
	file     *file    // nil if there is none
	warnings []Warning
	errs     []error

	host, port string // what uvicorn's options have said so far
	factory    bool
}

// gather collects what all sources say.
func (l *loader) gather(ctx context.Context, cmd *layer) error {
	uvicorn, err := l.uvicornEnvironment()
	if err != nil {
		return err
	}
	if uvicorn.app != "" {
		uvicorn.values["wsgi_app"] = uvicorn.app
	}
	l.layers = []*layer{l.environment(), uvicorn}
	var args []*layer
	for _, name := range []string{"GUNICORN_CMD_ARGS", "GIRIN_CMD_ARGS"} {
		words, err := splitShell(l.getenv(name))
		if err != nil {
			return &Error{Source: name, Usage: true, Err: err}
		}
		parsed, err := parseFlags(l.options, words, name)
		if err != nil {
			return err
		}
		args = append(args, parsed)
	}
	args = append(args, cmd)
	for _, from := range append([]*layer{uvicorn}, args...) {
		if err := l.listen(from); err != nil {
			return err
		}
		l.factory = l.factory || from.uvicorn["factory"] != ""
		l.warnings = append(l.warnings, from.warnings...)
	}

	if l.file, err = l.readFile(ctx, args); err != nil {
		return err
	}
	if l.file != nil {
		l.layers = append(l.layers, &layer{source: l.file.name, values: l.file.values})
		l.warnUnknown()
	}
	l.layers = append(l.layers, args...)
	return nil
}

// environment is the layer of variables that stand in for defaults.
func (l *loader) environment() *layer {
	env := &layer{values: map[string]any{}}
	for _, o := range l.options {
		text := ""
		if o.Env != "" {
			text = l.getenv(o.Env)
		}
		if text == "" {
			continue
		}
		env.values[o.Key] = text
		if o.fromEnv != nil {
			env.values[o.Key] = o.fromEnv(text)
		}
	}
	return env
}

func (l *loader) getenv(name string) string {
	value := ""
	for _, e := range l.env {
		if v, ok := strings.CutPrefix(e, name+"="); ok {
			value = v
		}
	}
	return value
}

// resolve checks every value of every layer and fills the Config.
func (l *loader) resolve(app string) (*Config, []Warning, error) {
	resolved := make(map[string]setting, len(l.options))
	for i := range l.options {
		o := &l.options[i]
		s := l.last(o)
		l.checkStatus(o, s)
		resolved[o.Key] = s
	}
	if app != "" {
		resolved["wsgi_app"] = setting{value: app, source: fromCommandLine}
	}
	if err := l.callFactory(resolved); err != nil {
		return nil, nil, err
	}
	chooseDefaults(resolved)
	l.debug(resolved)
	if len(l.errs) > 0 {
		return nil, nil, errors.Join(l.errs...)
	}
	cfg, err := l.fill(resolved)
	if err != nil {
		return nil, nil, err
	}
	return cfg, l.warnings, nil
}

// last is the value of the highest layer that has one. Lower ones are checked as well.
func (l *loader) last(o *Option) setting {
	s := setting{value: o.Default, source: fromDefault}
	for _, layer := range l.layers {
		raw, ok := layer.values[o.Key]
		if !ok || raw == nil {
			continue
		}
		v, err := o.parse(raw)
		if err != nil {
			l.errs = append(l.errs, &Error{Name: layer.name(o), Source: layer.from(o), Usage: layer.args, Err: err})
			continue
		}
		s = setting{value: v, source: layer.from(o), name: layer.name(o), args: layer.args, stand: layer.source == ""}
		if text := python(raw); o.Else != "" && v == o.Else && !strings.EqualFold(strings.TrimSpace(text), o.Else) {
			known := strings.Join(o.Choices, ", ")
			l.warnings = append(l.warnings, Warning{Key: s.name, Source: s.source, Text: "counts as " + o.Else + ": " + quote(text) + " is not one of " + known})
		}
	}
	return s
}

// checkStatus refuses what is not built, and warns of what has no effect, or less than one may think.
func (l *loader) checkStatus(o *Option, s setting) {
	if s.source == fromDefault || reflect.DeepEqual(s.value, o.Default) {
		return
	}
	switch o.Status {
	case NotBuilt:
		l.errs = append(l.errs, &Error{Name: s.name, Source: s.source, Usage: s.args, Err: o.notBuilt()})
	case NotApplicable:
		l.warnings = append(l.warnings, Warning{Key: s.name, Source: s.source, Text: "has no effect: " + o.Instead})
	case Built:
		if o.Note != "" {
			l.warnings = append(l.warnings, Warning{Key: s.name, Source: s.source, Text: o.Note})
		}
	}
}

func (o *Option) notBuilt() error {
	if o.Instead != "" {
		return fmt.Errorf("not built; it must be left out: %s", o.Instead)
	}
	return errors.New("not built yet; it must be left out")
}

// chooseDefaults picks the class auto for who chose neither workers nor class nor threads. That
// $WEB_CONCURRENCY is set is no choice: platforms set it for each application. It is an upper limit.
func chooseDefaults(resolved map[string]setting) {
	for _, key := range []string{"workers", "worker_class", "threads"} {
		if resolved[key].source != fromDefault && !resolved[key].stand {
			return
		}
	}
	resolved["worker_class"] = setting{value: "auto", source: fromDefault}
}

// debug makes the server one that a debugger can be used in, if it was asked for.
func (l *loader) debug(resolved map[string]setting) {
	s := resolved["debugger"]
	if s.value != true {
		return
	}
	if resolved["daemon"].value == true {
		err := errors.New("a server in the background has no terminal (daemon is set)")
		l.errs = append(l.errs, &Error{Name: s.name, Source: s.source, Usage: s.args, Err: err})
	}
	for key, value := range map[string]any{
		"workers": int64(1), "worker_class": "sync", "threads": int64(1), "timeout": time.Duration(0), "preload_app": false,
	} {
		resolved[key] = setting{value: value, source: s.source, name: s.name, args: s.args}
	}
}

// warnUnknown tells of names in the configuration file that look like mistyped settings. Others
// are the file's own variables.
func (l *loader) warnUnknown() {
	known := byKey(l.options)
	keys := make([]string, 0, len(l.options))
	for _, o := range l.options {
		if o.Section != "Help" { // no setting of a file's
			keys = append(keys, o.Key)
		}
	}
	for _, name := range l.file.others {
		hint := Nearest(name, keys)
		if hint == "" || len(name) < 4 {
			continue
		}
		if _, set := l.file.values[hint]; !set && known[hint].Status != NotApplicable {
			l.warnings = append(l.warnings, Warning{Key: name, Source: l.file.name,
				Text: "is not a setting; did you mean " + hint + "?"})
		}
	}
}

func (s setting) error(err error) error {
	return &Error{Name: s.name, Source: s.source, Usage: s.args, Err: err}
}
