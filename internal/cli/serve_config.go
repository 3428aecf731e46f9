package cli

import (
	"fmt"
	"os"

	"girin/internal/config"
)

// runServe is the serve command up to the point where the settings are known.
func runServe(env *Env, args []string) int {
	dir, err := os.Getwd()
	if err != nil {
		fmt.Fprintf(env.Stderr, "girin: %v\n", err)
		return 1
	}
	cfg, warnings, err := config.Load(args, env.Environ, dir)
	if err != nil {
		fmt.Fprintf(env.Stderr, "girin: %v\n", err)
		return 1
	}
	for _, w := range warnings {
		fmt.Fprintf(env.Stderr, "girin: warning: %v\n", w)
	}
	return serve(env, cfg)
}
