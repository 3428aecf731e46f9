package config

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// describe takes the application from a PasteDeploy file, and Python's logging too if the file
// has a section for it.
func (l *loader) describe(cfg *Config, resolved map[string]setting) error {
	if cfg.Paste == "" {
		return nil
	}
	path, name, named := strings.Cut(cfg.Paste, "#")
	path = filepath.Clean(absolute(l.dir, path))
	source, err := os.ReadFile(path)
	if err != nil {
		return resolved["paste"].error(err)
	}
	cfg.App = "config:" + path
	if named {
		cfg.App += "#" + name
	}
	described := setting{value: cfg.App, source: fmt.Sprintf("described by %s", path)}
	resolved["wsgi_app"] = described
	if resolved["logconfig"].source == fromDefault && loggers.Match(source) {
		described.value = path
		resolved["logconfig"] = described
	}
	return nil
}

// loggers is the section by which gunicorn knows that a file configures logging.
var loggers = regexp.MustCompile(`(?m)^\[loggers\]`)
