package interpreter

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
		getenv := func(name string) string { return vars[name] }
		choice := Choice{Dir: filepath.Join(dir, c.cwd), Getenv: getenv}
		want := pythonOf(filepath.Join(dir, c.want))
		if c.want == "path/python3" {
			want = filepath.Join(dir, c.want)
		}
		if got, err := choice.Find(); err != nil || got != want {
			t.Errorf("%s: %s %v, not %s", c.what, got, err, want)
		}
		if c.launcher == "" {
			continue
		}
		// The process of --daemon has another id.
		vars[LauncherVariable], vars["GIRIN_DAEMON"] = strings.TrimPrefix(LauncherForDaemon(getenv), LauncherVariable+"="), "1"
		if got, err := choice.Find(); err != nil || got != want {
			t.Errorf("%s, in the background: %s %v, not %s", c.what, got, err, want)
		}
		// What another process's launcher said is not believed.
		vars[LauncherVariable] = fmt.Sprintf("%d:%s", os.Getpid()+1, pythonOf(filepath.Join(dir, "foreign")))
		if got, _ := choice.Find(); got == pythonOf(filepath.Join(dir, "foreign")) {
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
	choice := Choice{Dir: dir, Getenv: getenv}
	if got := choice.Dangling(); got != link {
		t.Errorf("said of %q, not of %q", got, link)
	}
	if err := os.WriteFile(filepath.Join(dir, "gone"), nil, 0o700); err != nil {
		t.Fatal(err)
	}
	if got := choice.Dangling(); got != "" {
		t.Errorf("said of %q, which is there", got)
	}
}

func TestFind(t *testing.T) {
	dir := t.TempDir()
	program := func(name string) string {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, nil, 0o700); err != nil {
			t.Fatal(err)
		}
		return path
	}
	given, active, dot, plain, onPath := program("given/python"), program("active/bin/python"), program("dot/.venv/bin/python"), program("plain/venv/bin/python"), program("bin/python3")
	env := map[string]string{"PATH": filepath.Join(dir, "bin")}
	for _, test := range []struct{ wanted, dir, active, want string }{
		{given, "dot", "active", given},
		{"../given/python", "dot", "active", given},
		{"python3", "dot", "active", onPath},
		{"", "dot", "active", active},
		{"", "dot", "", dot},
		{"", "dot", "gone", dot},
		{"", "plain", "", plain},
		{"", "bin", "", onPath},
		{"python2", "bin", "", "python: there is no 'python2' in $PATH"},
		{"./python", "bin", "", "python: '" + dir + "/bin/python' is not a program"},
	} {
		env["VIRTUAL_ENV"] = ""
		if test.active != "" {
			env["VIRTUAL_ENV"] = filepath.Join(dir, test.active)
		}
		choice := Choice{Wanted: test.wanted, Dir: filepath.Join(dir, test.dir), Getenv: func(name string) string { return env[name] }}
		got, err := choice.Find()
		if err != nil {
			got = err.Error()
		}
		if got != test.want {
			t.Errorf("%+v: got %s", test, got)
		}
		stale := choice.Stale()
		if (stale != "") != (test.active == "gone") {
			t.Errorf("%+v: stale is %q", test, stale)
		}
	}
	if p, err := (Choice{Dir: dir, Getenv: func(string) string { return "" }}).Find(); err == nil {
		t.Errorf("found %s without $PATH", p)
	}
}
