// Package interpreter finds the Python that runs the application.
package interpreter

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Choice is what the interpreter depends on.
type Choice struct {
	Wanted string // a path, or a name to look for in $PATH; empty: the first of the places of Find
	Dir    string // the application's working directory, absolute
	Getenv func(string) string
}

// Find is the interpreter: the wanted one, else the first that
// exists of: that of the environment girin is installed in, of the active one ($VIRTUAL_ENV), of .venv
// or venv in the working directory, the one that started girin, python3 from $PATH. An environment
// that pipx or uv made for girin alone comes after .venv and venv, since it has no application in it.
// Links are not followed, since an interpreter finds its virtual environment by its path.
func (c Choice) Find() (string, error) {
	if c.Wanted != "" {
		return c.given()
	}
	for _, p := range c.places() {
		if executable(p) {
			return p, nil
		}
	}
	return "", errors.New("no Python found: not in $VIRTUAL_ENV, .venv, venv, nor as python3 in $PATH; --python names one")
}

// Stale is $VIRTUAL_ENV if that should choose the interpreter and has none, else empty.
func (c Choice) Stale() string {
	env := c.Getenv("VIRTUAL_ENV")
	if c.Wanted != "" || env == "" || executable(pythonOf(env)) {
		return ""
	}
	return env
}

// Dangling is the path at which Find passed over a link that leads nowhere, as an
// environment's does when the Python it was made with has gone; else empty.
func (c Choice) Dangling() string {
	if c.Wanted != "" {
		return ""
	}
	for _, p := range c.places() {
		if executable(p) {
			break
		}
		if _, err := os.Lstat(p); err == nil && !exists(p) {
			return p
		}
	}
	return ""
}

func pythonOf(env string) string { return filepath.Join(env, "bin", "python") }

// places are where an interpreter may be, in the order of Find.
func (c Choice) places() []string {
	launcher := launchedBy(c.Getenv)
	own := ownEnvironment(launcher)
	tool := own != "" && madeForOneTool(own)
	var places []string
	if own != "" && !tool {
		places = append(places, pythonIn(own, launcher))
	}
	if env := c.Getenv("VIRTUAL_ENV"); env != "" && !(tool && env == own) {
		places = append(places, pythonOf(env))
	}
	places = append(places, pythonOf(filepath.Join(c.Dir, ".venv")), pythonOf(filepath.Join(c.Dir, "venv")))
	switch {
	case tool:
		places = append(places, pythonIn(own, launcher))
	case launcher != "":
		places = append(places, launcher)
	}
	for _, name := range []string{"python3", "python"} {
		if p := lookPath(name, c.Getenv("PATH")); p != "" {
			places = append(places, p)
		}
	}
	return places
}

func (c Choice) given() (string, error) {
	if !strings.Contains(c.Wanted, "/") {
		if p := lookPath(c.Wanted, c.Getenv("PATH")); p != "" {
			return p, nil
		}
		return "", fmt.Errorf("python: there is no '%s' in $PATH", c.Wanted)
	}
	p := c.Wanted
	if !filepath.IsAbs(p) {
		p = filepath.Join(c.Dir, p)
	}
	if !executable(p) {
		return "", fmt.Errorf("python: '%s' is not a program", p)
	}
	return p, nil
}

func lookPath(name, path string) string {
	for _, dir := range filepath.SplitList(path) {
		if p := filepath.Join(dir, name); filepath.IsAbs(p) && executable(p) {
			return p
		}
	}
	return ""
}

func executable(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular() && info.Mode().Perm()&0o111 != 0
}
