package interpreter

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// LauncherVariable names the interpreter whose package girin became this process, as PID:PATH.
// exec keeps the id, so it tells a variable that is the process's own from one that was inherited.
const LauncherVariable = "GIRIN_LAUNCHER"

// LauncherOfDaemon stands in place of the id in what the process of --daemon is given: its id was
// not known yet.
const LauncherOfDaemon = "daemon"

// launchedBy is the interpreter that LauncherVariable names for this process, else empty.
func launchedBy(getenv func(string) string) string {
	id, python, _ := strings.Cut(getenv(LauncherVariable), ":")
	mine := id == strconv.Itoa(os.Getpid()) || id == LauncherOfDaemon && (getenv("GIRIN_DAEMON") != "" || getenv("GIRIN_UPGRADE") != "")
	if !mine || !executable(python) {
		return ""
	}
	return python
}

// LauncherForDaemon is the entry of the environment that hands the launcher on to the process of
// --daemon; empty if there is none.
func LauncherForDaemon(getenv func(string) string) string {
	if python := launchedBy(getenv); python != "" {
		return LauncherVariable + "=" + LauncherOfDaemon + ":" + python
	}
	return ""
}

// ownEnvironment is the virtual environment that girin is installed in: the launcher's, else the one
// that this program's file lies in; empty if it is in none.
func ownEnvironment(launcher string) string {
	if launcher != "" {
		return environmentAbove(filepath.Dir(launcher))
	}
	program, err := os.Executable()
	if err != nil {
		return ""
	}
	return environmentAbove(filepath.Dir(program))
}

// environmentAbove is the nearest folder from dir upwards that is a virtual environment. A program in
// a package lies five below it: lib/python3.N/site-packages/girin/bin.
func environmentAbove(dir string) string {
	for range 6 {
		if exists(filepath.Join(dir, "pyvenv.cfg")) {
			return dir
		}
		dir = filepath.Dir(dir)
	}
	return ""
}

// pythonIn is an environment's interpreter: the launcher, if that is in it, by its own name.
func pythonIn(env, launcher string) string {
	if launcher != "" {
		return launcher
	}
	return pythonOf(env)
}

// madeForOneTool tells an environment that pipx, `uv tool` or uvx made to run girin alone. What
// `uv run --with girin` lays over a project's environment is none, and neither is one to which uvx
// was told to add packages.
func madeForOneTool(env string) bool {
	if exists(filepath.Join(env, "uv-receipt.toml")) || exists(filepath.Join(env, "pipx_metadata.json")) {
		return true
	}
	if !strings.Contains(env, "/archive-v0/") { // where uv keeps what it makes for one command
		return false
	}
	overlays, _ := filepath.Glob(filepath.Join(env, "lib/python3.*/site-packages/_uv_ephemeral_overlay.pth"))
	packages, _ := filepath.Glob(filepath.Join(env, "lib/python3.*/site-packages/*.dist-info"))
	return len(overlays) == 0 && len(packages) == 1
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
