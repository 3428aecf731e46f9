//go:build !windows

package cli

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"girin/internal/program"
	"girin/internal/shim/accelerator"
)

// built is the answer of `girin version --json`.
type built struct {
	program.Origin
	Accelerators []string `json:"accelerators"` // tags of the shims in C that it brings
}

func runVersion(env *program.Env, args []string) int {
	switch {
	case len(args) == 0:
		fmt.Fprintf(env.Stdout, "girin %s\n", program.Version())
		return 0
	case len(args) > 1 || args[0] != "--json":
		fmt.Fprintln(env.Stderr, "usage: girin version [--json]")
		return program.Usage
	}
	builds, err := accelerator.Builds()
	if err != nil {
		fmt.Fprintf(env.Stderr, "girin: %v\n", err)
		return program.Failed
	}
	b := built{Origin: program.ReadOrigin(), Accelerators: slices.Sorted(maps.Keys(builds))}
	text, err := json.MarshalIndent(b, "", "  ")
	if err != nil {
		fmt.Fprintf(env.Stderr, "girin: %v\n", err)
		return program.Failed
	}
	fmt.Fprintf(env.Stdout, "%s\n", text)
	return 0
}
