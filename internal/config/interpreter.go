package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// FindPython is the interpreter that runs the application: the python setting, else the first that
// exists of: that of the environment girin is installed in, of the active one ($VIRTUAL_ENV), of .venv
// or venv in the working directory, the one that started girin, python3 from $PATH. An environment
// that pipx or uv made for girin alone comes after .venv and venv, since it has no application in it.
// Links are not followed, since an interpreter finds its virtual environment by its path.
func (c *Config) FindPython(getenv func(string) string) (string, error) {
	return findPython(c.Python, c.Chdir, getenv)
}

// StaleVirtualEnv is $VIRTUAL_ENV if that should choose the interpreter and has none, else empty.
func (c *Config) StaleVirtualEnv(getenv func(string) string) string {
	env := getenv("VIRTUAL_ENV")
	if c.Python != "" || env == "" || executable(pythonOf(env)) {
		return ""
	}
	return env
}

// DanglingPython is the path at which FindPython passed over a link that leads nowhere, as an
// environment's does when the Python it was made with has gone; else empty.
func (c *Config) DanglingPython(getenv func(string) string) string {
	if c.Python != "" {
		return ""
	}
	for _, p := range placesOfPython(c.Chdir, getenv) {
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

func findPython(wanted, dir string, getenv func(string) string) (string, error) {
	if wanted != "" {
		return givenPython(wanted, dir, getenv("PATH"))
	}
	for _, p := range placesOfPython(dir, getenv) {
		if executable(p) {
			return p, nil
		}
	}
	return "", errors.New("no Python found: not in $VIRTUAL_ENV, .venv, venv, nor as python3 in $PATH; --python names one")
}

// placesOfPython are where an interpreter may be, in the order of FindPython.
func placesOfPython(dir string, getenv func(string) string) []string {
	launcher := launchedBy(getenv)
	own := ownEnvironment(launcher)
	tool := own != "" && madeForOneTool(own)
	var places []string
	if own != "" && !tool {
		places = append(places, pythonIn(own, launcher))
	}
	if env := getenv("VIRTUAL_ENV"); env != "" && !(tool && env == own) {
		places = append(places, pythonOf(env))
	}
	places = append(places, pythonOf(filepath.Join(dir, ".venv")), pythonOf(filepath.Join(dir, "venv")))
	switch {
	case tool:
		places = append(places, pythonIn(own, launcher))
	case launcher != "":
		places = append(places, launcher)
	}
	for _, name := range []string{"python3", "python"} {
		if p := lookPath(name, getenv("PATH")); p != "" {
			places = append(places, p)
		}
	}
	return places
}

// givenPython takes a path, or a name to look for in $PATH.
func givenPython(wanted, dir, path string) (string, error) {
	if !strings.Contains(wanted, "/") {
		if p := lookPath(wanted, path); p != "" {
			return p, nil
		}
		return "", fmt.Errorf("python: there is no %s in $PATH", quote(wanted))
	}
	p := absolute(dir, wanted)
	if !executable(p) {
		return "", fmt.Errorf("python: %s is not a program", quote(p))
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
