package cli

import (
	"fmt"

	"girin/internal/config"
)

// serve runs the server until it is told to stop, and returns the exit status.
func serve(env *Env, cfg *config.Config) int {
	fmt.Fprintf(env.Stderr, "girin: cannot serve %s: the server is not in this build\n", cfg.App)
	return 1
}
