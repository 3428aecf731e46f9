// Package accelerator holds the builds of _girin, the shim's inner loop in C,
// that were there when this binary was built: none, on a machine without a
// compiler or Python's headers. Its C sources are in src, of which girin.h says
// what they do. Package worker hands the builds to workers, and the shim
// chooses.
package accelerator

import (
	"embed"
	"fmt"
	"io/fs"
	"path"
	"strings"
)

const (
	folder = "built"
	prefix = "girin-"
	suffix = ".so"
)

//go:embed built
var built embed.FS

// Builds returns the shared objects by tag: cp311 for CPython 3.11, abi3 for
// the stable ABI from 3.12 on.
func Builds() (map[string][]byte, error) {
	entries, err := fs.ReadDir(built, folder)
	if err != nil {
		return nil, fmt.Errorf("embedded accelerators: %w", err)
	}
	builds := make(map[string][]byte)
	for _, e := range entries {
		tag, isBuild := strings.CutPrefix(e.Name(), prefix)
		tag, isObject := strings.CutSuffix(tag, suffix)
		if !isBuild || !isObject {
			continue
		}
		if builds[tag], err = built.ReadFile(path.Join(folder, e.Name())); err != nil {
			return nil, fmt.Errorf("embedded accelerators: %w", err)
		}
	}
	return builds, nil
}
