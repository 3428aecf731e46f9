// Package internal_test holds the table of docs/ARCHITECTURE.md: which package
// may import which.
package internal_test

import (
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// allowed lists what a package may import of this module. Sub-packages count
// as their package.
var allowed = map[string][]string{
	"cli": {"program", "serve", "config", "control", "sched", "sidecar", "bench", "lab", "tune", "interpreter", "shim", "manual", "jobs"},
	"serve": {
		"program", "pattern", "interpreter", "config", "front", "http1", "sched", "supervisor", "worker", "wire", "arbiter", "proc",
		"control", "shim", "cgroup", "logs", "metrics", "guard", "statsd", "sidecar", "jobs", "offload",
	},
	"program":     {},
	"manual":      {"config"},
	"pattern":     {},
	"offload":     {"pattern"},
	"jobs":        {"offload", "http1", "sched", "wire", "metrics", "guard", "proc"},
	"interpreter": {},
	"config":      {"pattern", "offload", "interpreter", "logs", "cgroup", "statsd"},
	"statsd":      {},
	"front":       {"pattern", "http1", "ws", "sched", "wire", "logs", "metrics", "guard"},
	"http1":       {},
	"sched":       {"wire", "ws", "metrics", "guard"},
	"metrics":     {},
	"guard":       {},
	"supervisor":  {"sched", "worker", "wire", "cgroup", "guard", "proc"},
	"worker":      {"wire", "proc"},
	"arbiter":     {"proc", "wire", "worker"},
	"wire":        {},
	"ws":          {},
	"cgroup":      {},
	"shim":        {},
	"proc":        {},
	"logs":        {},
	"bench":       {"verdict", "neighbours"},
	"lab":         {"bench", "interpreter", "proc", "verdict"},
	"verdict":     {},
	"neighbours":  {},
	"tune":        {"bench", "lab", "neighbours", "verdict", "config", "control", "sched", "shim", "proc"},
	"control":     {"front", "sched", "sidecar"},
	"sidecar":     {"proc"},
	"e2e":         {},
}

func TestImportsGoDownwards(t *testing.T) {
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || filepath.Ext(path) != ".go" || strings.HasSuffix(path, "_test.go") {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		from := top(path)
		may, known := allowed[from]
		if !known {
			t.Errorf("%s: package %s is not in the table", path, from)
		}
		for _, spec := range file.Imports {
			name, _ := strconv.Unquote(spec.Path.Value)
			to, ours := strings.CutPrefix(name, "girin/internal/")
			if to = top(to); ours && to != from && !slices.Contains(may, to) {
				t.Errorf("%s: %s may not import %s", path, from, to)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func top(path string) string {
	first, _, _ := strings.Cut(filepath.ToSlash(path), "/")
	return first
}
