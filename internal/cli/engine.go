//go:build !windows

package cli

import (
	"girin/internal/jobs/engine"
	"girin/internal/program"
)

// runEngine is the process that holds the jobs' queues. The server starts it; it is
// nobody's command.
func runEngine(env *program.Env, _ []string) int { return engine.Main(env.Stderr) }
