//go:build !windows

package cli

import (
	"fmt"

	"girin/internal/config"
	"girin/internal/program"
	"girin/internal/serve"
)

// checkApp imports the application in its own Python, as a worker would, and calls its factory
// if it is one. The exit status is 0 if that works.
func checkApp(env *program.Env, cfg *config.Config, crew *serve.Crew) int {
	python, err := cfg.Interpreter(env.Getenv).Find()
	if err != nil {
		fmt.Fprintf(env.Stderr, "girin: %v\n", err)
		return program.Failed
	}
	if err := crew.Check(cfg, python); err != nil {
		fmt.Fprintf(env.Stderr, "\nError while loading the application:\n\n%v\n", err)
		fmt.Fprintf(env.Stderr, "girin: %s cannot be loaded by %s in %s\n", cfg.App, python, cfg.Chdir)
		return program.StatusOf(err)
	}
	return 0
}
