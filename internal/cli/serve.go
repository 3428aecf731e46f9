//go:build !windows

package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"girin/internal/config"
	"girin/internal/program"
	"girin/internal/serve"
)

const serveUsage = `Serves a WSGI application.

usage: girin [serve] [OPTIONS] APP
       APP is module, module:attribute or "module:factory('argument')"

Options and defaults are gunicorn's where it has them. They may also stand in $GUNICORN_CMD_ARGS,
in $GIRIN_CMD_ARGS, and by their names with underscores in gunicorn.conf.py.
`

// runServe is the serve command up to the point where the settings are known.
func runServe(env *program.Env, args []string) int {
	dir, err := os.Getwd()
	if err != nil {
		fmt.Fprintf(env.Stderr, "girin: %v\n", err)
		return program.Failed
	}
	crew, err := serve.NewCrew(env)
	if err != nil {
		fmt.Fprintf(env.Stderr, "girin: %v\n", err)
		return program.Failed
	}
	serves := false
	defer func() {
		if !serves {
			crew.Close(context.Background())
		}
	}()
	source := config.Source{Args: args, Env: env.Environ, Dir: dir, Run: crew.RunFile}
	cfg, warnings, err := source.Load(context.Background())
	if err != nil {
		return loadFailed(env, err)
	}
	switch {
	case cfg.Help:
		io.WriteString(env.Stdout, serveUsage+config.Help())
		return 0
	case cfg.Version:
		return runVersion(env, nil)
	}
	if cfg.Daemon && !cfg.CheckConfig && !cfg.PrintConfig && !serve.IsDaemon(env) {
		crew.Close(context.Background()) // the server in the background runs the file itself
		return serve.Daemonize(env, cfg, args)
	}
	for _, w := range warnings {
		fmt.Fprintf(env.Stderr, "girin: warning: %v\n", w)
	}
	if cfg.PrintConfig {
		io.WriteString(env.Stdout, cfg.String())
	}
	if cfg.CheckConfig || cfg.PrintConfig {
		return checkApp(env, cfg, crew)
	}
	serves = true
	return serve.Run(env, cfg, source, crew)
}

// loadFailed reports each error of config.Load on a line of its own.
func loadFailed(env *program.Env, err error) int {
	errs := []error{err}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		errs = joined.Unwrap()
	}
	for _, e := range errs {
		fmt.Fprintf(env.Stderr, "girin: %v\n", e)
	}
	if errors.Is(err, config.ErrNoApp) {
		fmt.Fprintln(env.Stderr, "girin --help shows what else there is")
	}
	var setting *config.Error
	if errors.As(err, &setting) && setting.Usage {
		return program.Usage
	}
	return program.StatusOf(err)
}
