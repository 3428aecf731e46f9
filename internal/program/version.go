package program

import (
	"runtime"
	"runtime/debug"
)

// next is the release that this source leads to; scripts/version reads it too.
const next = "0.1.0"

// What a release is built from, written here by the linker (packaging/build), never by code.
var (
	linkedVersion string // of the tag: 1.2.3, or 1.2.3.dev4+gabc123456 between two tags
	linkedCommit  string
	linkedTime    string // of the commit, RFC 3339
)

// Version is what `girin --version` prints: a release's own, else the one that the source leads to.
func Version() string {
	if linkedVersion != "" {
		return linkedVersion
	}
	return next
}

// Origin is what this binary was built from.
type Origin struct {
	Version  string            `json:"version"`
	Release  bool              `json:"release"` // built by make release, not by go build in a checkout
	Module   string            `json:"module"`
	Commit   string            `json:"commit,omitempty"`
	Time     string            `json:"commit_time,omitempty"`
	Modified bool              `json:"modified"` // the checkout had changes that are in no commit
	Go       string            `json:"go"`
	Platform string            `json:"platform"`
	Cgo      bool              `json:"cgo"` // linked to the C library
	Modules  map[string]string `json:"modules"`
}

// ReadOrigin asks the linker's variables first and then what the go command recorded.
func ReadOrigin() Origin {
	o := Origin{
		Version: Version(), Release: linkedVersion != "", Commit: linkedCommit, Time: linkedTime,
		Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH, Modules: map[string]string{},
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return o
	}
	o.Module = info.Main.Path
	for _, m := range info.Deps {
		if m.Replace != nil {
			m = m.Replace
		}
		o.Modules[m.Path] = m.Version
	}
	for _, s := range info.Settings {
		o.setting(s.Key, s.Value)
	}
	return o
}

// setting takes one of the go command's, of which a release's commit has precedence: in an unpacked
// source archive below another repository the go command would name that one's.
func (o *Origin) setting(key, value string) {
	switch key {
	case "CGO_ENABLED":
		o.Cgo = value == "1"
	case "vcs.revision":
		if !o.Release {
			o.Commit = value
		}
	case "vcs.time":
		if !o.Release {
			o.Time = value
		}
	case "vcs.modified":
		o.Modified = !o.Release && value == "true"
	}
}
