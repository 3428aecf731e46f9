package config

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// String lists the resolved settings as gunicorn's --print-config does: `key = value`, sorted.
func (c *Config) String() string {
	width := 0
	for key := range c.resolved {
		width = max(width, len(key))
	}
	own := byKey(Options())
	var b strings.Builder
	for _, key := range slices.Sorted(maps.Keys(c.resolved)) {
		if own[key].Section == "Help" {
			continue
		}
		fmt.Fprintf(&b, "%-*s = %s\n", width, key, python(c.shown(key)))
	}
	return b.String()
}

// shown is a setting's value as it takes effect, where that differs from what was given.
func (c *Config) shown(key string) any {
	switch key {
	case "chdir":
		return c.Chdir
	case "user":
		return c.UID
	case "group":
		return c.GID
	case "worker_class":
		return c.WorkerClass
	case "workers", "threads":
		if c.WorkerClass == "auto" {
			return c.shownAuto(key)
		}
	}
	return c.resolved[key].value
}
