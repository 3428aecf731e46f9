package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// FindPython is the interpreter that runs the application: the python setting, else that of the
// active virtual environment, else of .venv or venv in the working directory, else python3 from $PATH.
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

func pythonOf(env string) string { return filepath.Join(env, "bin", "python") }

func findPython(wanted, dir string, getenv func(string) string) (string, error) {
	if wanted != "" {
		return givenPython(wanted, dir, getenv("PATH"))
	}
	if env := getenv("VIRTUAL_ENV"); env != "" {
		if p := pythonOf(env); executable(p) {
			return p, nil
		}
	}
	for _, env := range []string{".venv", "venv"} {
		if p := pythonOf(filepath.Join(dir, env)); executable(p) {
			return p, nil
		}
	}
	for _, name := range []string{"python3", "python"} {
		if p := lookPath(name, getenv("PATH")); p != "" {
			return p, nil
		}
	}
	return "", errors.New("no Python found: not in $VIRTUAL_ENV, .venv, venv, nor as python3 in $PATH; --python names one")
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
