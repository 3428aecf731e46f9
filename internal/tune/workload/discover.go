package workload

import (
	"bytes"
	"cmp"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"girin/internal/shim"
)

//go:embed discover.py
var discoverScript []byte

// Application is what an import of it shows.
type Application struct {
	Spec      string // what was asked for, or the configuration file's wsgi_app
	ASGI      bool
	Framework string // empty: none that is known
	Gevent    bool   // it could be served by greenlets
	Routes    []Route
	Took      time.Duration `json:"-"` // the import
}

// Route is a route of the application. Methods are empty if it does not say which it takes.
type Route struct {
	Path      string
	Methods   []string
	Arguments []string
}

// Place is where an application is imported.
type Place struct {
	Python string
	Dir    string
	Env    []string
	Config string // a configuration file, or empty
	Found  string // the application where nobody names one, or empty
}

const importLimit = 2 * time.Minute

// Import imports an application in its own Python, as a worker would, and lists its routes. Without a spec it is the
// wsgi_app of the place's configuration file, or the one that was found there. The error holds the end of what it said.
func Import(ctx context.Context, spec string, place Place) (*Application, error) {
	dir, err := os.MkdirTemp("", "girin-tune-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	if err := unpackShim(dir); err != nil {
		return nil, err
	}
	script := filepath.Join(dir, "discover.py")
	if err := os.WriteFile(script, discoverScript, 0o600); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, importLimit)
	defer cancel()
	read, write, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer read.Close()
	cmd := exec.CommandContext(ctx, place.Python, script, spec, place.Config, place.Found)
	cmd.Dir, cmd.Env, cmd.ExtraFiles = place.Dir, place.Env, []*os.File{write}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // the terminal's Ctrl-C is ours
	cmd.WaitDelay = time.Second
	began := time.Now()
	var said ending
	cmd.Stdout, cmd.Stderr = &said, &said
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	err = cmd.Start()
	write.Close()
	if err != nil {
		return nil, err
	}
	told, err := tellings(cmd, read)
	var app Application
	if err == nil {
		err = json.Unmarshal(told, &app)
	}
	if ctx.Err() == context.DeadlineExceeded {
		err = fmt.Errorf("it takes longer than %v", importLimit)
	}
	if err != nil {
		return nil, fmt.Errorf("%s cannot be imported by %s in %s: %w\n%s", cmp.Or(spec, "the application of "+place.Config), place.Python, place.Dir, err, tail(string(said)))
	}
	app.Took = time.Since(began)
	return &app, nil
}

// tellings is what a command writes to a pipe until it ends; and what it has started ends with it.
func tellings(cmd *exec.Cmd, read *os.File) (told []byte, err error) {
	all := make(chan []byte, 1)
	go func() {
		b, _ := io.ReadAll(io.LimitReader(read, mostTold))
		all <- b
	}()
	if err = cmd.Wait(); errors.Is(err, exec.ErrWaitDelay) {
		err = nil // what an import has started holds its output
	}
	_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)   // what an import has started; mostly nothing
	_ = read.SetReadDeadline(time.Now().Add(time.Second)) // somebody who has left the group may hold the other end
	return <-all, err
}

const (
	mostTold = 64 << 20 // of routes
	mostSaid = 64 << 10 // of what an import prints
)

// ending keeps the end of what is written to it.
type ending []byte

func (e *ending) Write(p []byte) (int, error) {
	*e = append(*e, p...)
	*e = append((*e)[:0], (*e)[max(0, len(*e)-mostSaid):]...)
	return len(p), nil
}

// tail is the end of a text, where errors are.
func tail(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(lines[max(0, len(lines)-12):], "\n")
}

// unpackShim writes the shim's modules, which find applications by gunicorn's rules.
func unpackShim(dir string) error {
	archive, err := shim.Archive("")
	if err != nil {
		return err
	}
	parts := bytes.Split(archive, []byte{0})
	for i := 0; i+1 < len(parts); i += 2 {
		name := filepath.Join(dir, "_girin_shim", string(parts[i]))
		if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
			return err
		}
		if err := os.WriteFile(name, parts[i+1], 0o600); err != nil {
			return err
		}
	}
	return nil
}

// FromApp takes the application's own routes that need no arguments, all with the same share, by GET.
func FromApp(app *Application) (*Workload, error) {
	w := &Workload{Source: "the routes of " + app.Spec}
	if app.Framework == "" {
		return nil, fmt.Errorf("%s is of no framework whose routes can be listed (Flask, Django, Starlette, FastAPI); say what is to be asked: --urls FILE, --access-log FILE, --har FILE", app.Spec)
	}
	w.Source += " (" + app.Framework + ")"
	for _, r := range app.Routes {
		path := r.Path
		if !strings.HasPrefix(path, "/") {
			path = "/" + path
		}
		switch {
		case len(r.Methods) > 0 && !slices.Contains(r.Methods, "GET"):
			methods := slices.DeleteFunc(slices.Clone(r.Methods), func(m string) bool { return m == "OPTIONS" && len(r.Methods) > 1 })
			w.Left = append(w.Left, Left{strings.Join(methods, ",") + " " + path, "it may change data; --urls FILE, with its body, and --all-methods ask it"})
		case len(r.Arguments) > 0:
			w.Left = append(w.Left, Left{path, "it needs " + strings.Join(r.Arguments, ", ") + "; --urls FILE can give it"})
		case isRisky(path):
			w.Left = append(w.Left, Left{path, whyRisky})
		default:
			w.add(Request{Method: "GET", Path: path, Share: 1})
		}
	}
	for i := range w.Requests {
		w.Requests[i].Share = 1 // a path that stands there twice is one route
	}
	return w, w.complete(false)
}
