package config

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestInstalledGirinFindsItsPython has a row for each way of installing girin: what the launcher in
// Python tells, and which interpreter gunicorn's script in its place would have used.
func TestInstalledGirinFindsItsPython(t *testing.T) {
	dir := t.TempDir()
	file := func(path string, mode os.FileMode) {
		t.Helper()
		path = filepath.Join(dir, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, nil, mode); err != nil {
			t.Fatal(err)
		}
	}
	env := func(name string, marks ...string) {
		file(name+"/bin/python", 0o700)
		file(name+"/pyvenv.cfg", 0o600)
		for _, mark := range marks {
			file(name+"/"+mark, 0o600)
		}
	}
	file("usr/bin/python", 0o700)
	file("path/python3", 0o700)
	env("t")
	env("other")
	env("foreign")
	env("proj/.venv")
	env("pipx", "pipx_metadata.json")
	env("uvtool", "uv-receipt.toml")
	const site = "lib/python3.11/site-packages/"
	env("cache/archive-v0/alone", site+"girin-1.dist-info/RECORD")
	env("cache/archive-v0/withflask", site+"girin-1.dist-info/RECORD", site+"flask-3.dist-info/RECORD")
	env("cache/archive-v0/overlay", site+"girin-1.dist-info/RECORD", site+"_uv_ephemeral_overlay.pth")

	for _, c := range []struct{ what, launcher, active, cwd, want string }{
		{"an environment by path, not activated", "t", "", "", "t"},
		{"an environment, activated", "t", "t", "", "t"},
		{"an environment by path, another one active", "t", "other", "", "t"},
		{"an environment by path, .venv in the working directory", "t", "", "proj", "t"},
		{"a Python without an environment, one active", "usr", "other", "", "other"},
		{"a Python without an environment, .venv here", "usr", "", "proj", "proj/.venv"},
		{"a Python without an environment", "usr", "", "", "usr"},
		{"pipx, .venv here", "pipx", "", "proj", "proj/.venv"},
		{"pipx, an environment active", "pipx", "other", "", "other"},
		{"pipx alone", "pipx", "", "", "pipx"},
		{"uv tool, .venv here", "uvtool", "", "proj", "proj/.venv"},
		{"uvx, .venv here", "cache/archive-v0/alone", "cache/archive-v0/alone", "proj", "proj/.venv"},
		{"uvx alone", "cache/archive-v0/alone", "", "", "cache/archive-v0/alone"},
		{"uvx --with flask, .venv here", "cache/archive-v0/withflask", "", "proj", "cache/archive-v0/withflask"},
		{"uv run --with girin, in a project", "cache/archive-v0/overlay", "proj/.venv", "proj", "cache/archive-v0/overlay"},
		{"the program without a launcher", "", "", "", "path/python3"},
	} {
		vars := map[string]string{"PATH": filepath.Join(dir, "path")}
		if c.launcher != "" {
			vars[LauncherVariable] = fmt.Sprintf("%d:%s", os.Getpid(), pythonOf(filepath.Join(dir, c.launcher)))
		}
		if c.active != "" {
			vars["VIRTUAL_ENV"] = filepath.Join(dir, c.active)
		}
		cfg := &Config{Chdir: filepath.Join(dir, c.cwd)}
		getenv := func(name string) string { return vars[name] }
		want := pythonOf(filepath.Join(dir, c.want))
		if c.want == "path/python3" {
			want = filepath.Join(dir, c.want)
		}
		if got, err := cfg.FindPython(getenv); err != nil || got != want {
			t.Errorf("%s: %s %v, not %s", c.what, got, err, want)
		}
		if c.launcher == "" {
			continue
		}
		// The process of --daemon has another id.
		vars[LauncherVariable], vars["GIRIN_DAEMON"] = strings.TrimPrefix(LauncherForDaemon(getenv), LauncherVariable+"="), "1"
		if got, err := cfg.FindPython(getenv); err != nil || got != want {
			t.Errorf("%s, in the background: %s %v, not %s", c.what, got, err, want)
		}
		// What another process's launcher said is not believed.
		vars[LauncherVariable] = fmt.Sprintf("%d:%s", os.Getpid()+1, pythonOf(filepath.Join(dir, "foreign")))
		if got, _ := cfg.FindPython(getenv); got == pythonOf(filepath.Join(dir, "foreign")) {
			t.Errorf("%s: an inherited variable chose the interpreter", c.what)
		}
	}
}

func TestAnEnvironmentWhosePythonHasGoneIsSaid(t *testing.T) {
	dir := t.TempDir()
	link := filepath.Join(dir, ".venv/bin/python")
	for _, folder := range []string{filepath.Dir(link), filepath.Join(dir, "bin")} {
		if err := os.MkdirAll(folder, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(filepath.Join(dir, "gone"), link); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "bin/python3"), nil, 0o700); err != nil {
		t.Fatal(err)
	}
	getenv := func(name string) string { return map[string]string{"PATH": filepath.Join(dir, "bin")}[name] }
	cfg := &Config{Chdir: dir}
	if got := cfg.DanglingPython(getenv); got != link {
		t.Errorf("said of %q, not of %q", got, link)
	}
	if err := os.WriteFile(filepath.Join(dir, "gone"), nil, 0o700); err != nil {
		t.Fatal(err)
	}
	if got := cfg.DanglingPython(getenv); got != "" {
		t.Errorf("said of %q, which is there", got)
	}
}
