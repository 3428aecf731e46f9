// Package shim holds the Python half of a worker: the sources of the package
// _girin_shim, and the arguments with which an interpreter loads them from the
// descriptor wire.ShimFD. It starts no process. What the sources speak is
// specified in package wire.
package shim

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"path"
	"path/filepath"
	"strings"
)

const folder = "_girin_shim"

// loader is the module that finds the others; it stands first in the archive.
const loader = "loader.py"

//go:embed _girin_shim/*.py _girin_shim/asgi/*.py _girin_shim/girin/*.py
var sources embed.FS

// place is the name in the archive that has no source but where the modules' code is kept.
const place = "code"

// Archive returns what a worker must find in the file behind wire.ShimFD:
// name NUL source NUL name NUL source, without a last NUL, the loader first. In the folder cache the
// interpreters keep what they have compiled, under a name that only these sources have; empty: nowhere.
func Archive(cache string) ([]byte, error) {
	names := []string{loader}
	err := fs.WalkDir(sources, folder, func(name string, d fs.DirEntry, err error) error {
		if name = strings.TrimPrefix(name, folder+"/"); err == nil && !d.IsDir() && name != loader {
			names = append(names, name)
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("embedded shim: %w", err)
	}
	var archive [][]byte
	for _, name := range names {
		source, err := sources.ReadFile(path.Join(folder, name))
		if err != nil {
			return nil, fmt.Errorf("embedded shim: %w", err)
		}
		archive = append(archive, []byte(name), source)
	}
	if cache != "" {
		sum := sha256.Sum256(bytes.Join(archive, []byte{0}))
		archive = append(archive, []byte(place), []byte(filepath.Join(cache, "shim-"+hex.EncodeToString(sum[:12]))))
	}
	return bytes.Join(archive, []byte{0}), nil
}

// bootstrap runs the archive's first module in a namespace of its own. With -c
// there is no __main__ file that multiprocessing's spawn would run again.
const bootstrap = `exec(compile(__import__("os").pread(7,1<<24,0).split(b"\0",2)[1],"<girin>/loader.py","exec"),{"__name__":"_girin_shim.loader"})`

// Args returns the arguments of the interpreter. The last one tells readers
// of a process list what the process is.
func Args() []string { return []string{"-c", bootstrap, "girin-worker"} }

// TemplateArgs are those of a process from which workers are forked.
func TemplateArgs() []string { return []string{"-c", bootstrap, "girin-preload"} }

// ArbiterArgs are those of the process of the configuration file.
func ArbiterArgs() []string { return []string{"-c", bootstrap, "girin-arbiter"} }
