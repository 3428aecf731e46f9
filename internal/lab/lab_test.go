package lab

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"girin/examples"
	"girin/internal/lab/plan"
	"girin/internal/lab/result"
)

// testPlan runs an app of the standard library on a server of the standard library.
const testPlan = `
name: test
app: app_under_test:app
chdir: testdata
subjects:
  - {name: threaded, command: "{python} serve.py {host} {port} {app}"}
  - {name: broken, command: "{python} -c exit(7) {port}"}
  - {name: different, command: "{python} serve.py {host} {port} {app} different"}
  - {name: unknown, server: waitress, command: "/nonexistent/server {port}"}
settings:
  - {subject: threaded}
  - {subject: broken}
  - {subject: different}
  - {subject: unknown}
control: {subject: threaded}
endpoints:
  - {name: sleep, path: /sleep, kind: waiting, takes: 0.05s}
  - {name: fail, path: /fail}
loads:
  - {requests: 8, clients: 4}
scenarios:
  - name: several
    phases:
      - name: both
        duration: 300ms
        streams:
          - {name: open, path: /, load: {rate: 50}}
          - {name: closed, path: /sleep, kind: waiting, takes: 0.05s, load: {clients: 2}}
      - name: one
        duration: 200ms
        streams:
          - {name: open, path: /, load: {rate: 50}}
warmup: {requests: 4, clients: 2}
`

// girin builds the program once for all tests of a run.
func girin(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "girin")
	if out, err := exec.Command("go", "build", "-o", path, "girin/cmd/girin").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return path
}

func options(t *testing.T, program, dir string) Options {
	return Options{
		Dir: dir, Source: []byte(testPlan), File: "test.yaml", Girin: program, Version: "test",
		Environ: append(os.Environ(), "GUNICORN_CMD_ARGS=--workers 9"), Progress: func(Progress) {},
	}
}

func TestRun(t *testing.T) {
	program := girin(t)
	dir := filepath.Join(t.TempDir(), "results")

	// Stopped after the first visit, and continued.
	ctx, cancel := context.WithCancel(t.Context())
	o := options(t, program, dir)
	var order []string
	o.Progress = func(p Progress) {
		if p.JustFinished != nil {
			order = append(order, p.Visit.Key())
			cancel()
		}
	}
	folder, err := Run(ctx, o)
	if err == nil || folder == nil || len(folder.Done()) != 1 {
		t.Fatalf("stopped run: %v, folder %v", err, folder)
	}
	o.Resume = true
	o.Progress = func(p Progress) {
		if p.JustFinished != nil {
			order = append(order, p.Visit.Key())
		}
	}
	if _, err := Run(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	if folder, err = result.Open(dir); err != nil {
		t.Fatal(err)
	}
	if want := folder.Machine.Planned; len(order) != want || len(folder.Done()) != want {
		t.Errorf("%d visits in two parts, %d in the folder, want %d", len(order), len(folder.Done()), want)
	}
	t.Run("outcome", func(t *testing.T) { checkOutcomes(t, folder) })
	t.Run("stamps", func(t *testing.T) { checkStamps(t, folder) })
	t.Run("csv", func(t *testing.T) {
		text, err := os.ReadFile(folder.Path("results.csv"))
		if lines := strings.Count(string(text), "\n"); err != nil || lines != len(folder.Runs)+1 {
			t.Errorf("results.csv: %d lines for %d runs, %v", lines, len(folder.Runs), err)
		}
	})
	t.Run("nothing left running", func(t *testing.T) { checkNoProcesses(t) })
}

// checkOutcomes compares each cell's verdict with what the plan provokes.
func checkOutcomes(t *testing.T, f *result.Folder) {
	want := map[string]string{ // setting/scenario/stream: part of Invalid
		"threaded/sleep/sleep":    "",
		"threaded/several/closed": "",
		"threaded/fail/fail":      "probe of /fail: status 500",
		"broken/sleep/sleep":      "did not start: the server ended before it answered (exit code 7)",
		"different/sleep/sleep":   "the body differs",
		"unknown/sleep/sleep":     "did not start: start /nonexistent/server",
	}
	for key, reason := range want {
		seen := false
		for i := range f.Runs {
			r := &f.Runs[i]
			if fmt.Sprintf("%s/%s/%s", r.Setting.ID(), r.Scenario, r.Stream) != key {
				continue
			}
			seen = true
			if (r.Invalid == "") != (reason == "") || !strings.Contains(r.Invalid, reason) {
				t.Errorf("%s: invalid because %q, want %q", key, r.Invalid, reason)
			}
			if reason == "" && (r.OK == 0 || r.Rate <= 0 || r.MemoryMiB <= 0 || r.Processes != 1) {
				t.Errorf("%s: %d ok, %v/s, %v MiB, %d processes", key, r.OK, r.Rate, r.MemoryMiB, r.Processes)
			}
		}
		if !seen {
			t.Errorf("%s: no run", key)
		}
	}
}

// checkStamps holds the app's clock against the client's.
func checkStamps(t *testing.T, f *result.Folder) {
	i := slices.IndexFunc(f.Runs, func(r result.Run) bool { return r.Setting.ID() == "threaded" && r.Scenario == "sleep" })
	r := f.Runs[i]
	if len(r.Stamps) != 8 || r.OK != 8 {
		t.Fatalf("%d stamps of %d requests", len(r.Stamps), r.OK)
	}
	for _, s := range r.Stamps {
		if s.Sent > s.Begin || s.Begin+50 > s.End || s.End > s.Done {
			t.Errorf("sent %v, app %v to %v, done %v: out of order", s.Sent, s.Begin, s.End, s.Done)
		}
	}
	if r.AppMS < 50 || r.AppMinMS < 50 {
		t.Errorf("app took %v ms, at least %v; it sleeps 50", r.AppMS, r.AppMinMS)
	}
}

// checkNoProcesses looks for servers whose parent is this test or init.
func checkNoProcesses(t *testing.T) {
	for _, p := range processTree(os.Getpid()) {
		if cmdline := readText(fmt.Sprintf("/proc/%d/cmdline", p.pid)); strings.Contains(cmdline, "serve.py") {
			t.Errorf("process %d still runs: %q", p.pid, cmdline)
		}
	}
}

func TestAppThatCannotBeImported(t *testing.T) {
	o := options(t, "girin", filepath.Join(t.TempDir(), "results"))
	o.Source = []byte(strings.Replace(testPlan, "app_under_test:app", "no_such_module:app", 1))
	_, err := Run(t.Context(), o)
	if err == nil || !strings.Contains(err.Error(), "cannot import the plan's app no_such_module:app") ||
		!strings.Contains(err.Error(), "ModuleNotFoundError") {
		t.Errorf("got %v", err)
	}
}

// The built-in plans must run where there is no checkout.
func TestExamplesAreBroughtAlong(t *testing.T) {
	program := girin(t)
	t.Chdir(t.TempDir())
	o := options(t, program, "results")
	o.Source = []byte(`
name: hello
app: wsgi_hello:application
chdir: girin:examples
subjects: [girin]
settings: [{subject: girin, class: sync, workers: 1, threads: 1}]
control: {subject: girin, class: sync, workers: 1, threads: 1}
endpoints: [{name: hello, path: /}]
loads: [{requests: 4, clients: 2}]
`)
	folder, err := Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range folder.Runs {
		if r.OK != 4 {
			t.Errorf("%d of 4 requests succeeded: %s", r.OK, r.Invalid)
		}
	}
}

// Each built-in plan names an app among those.
func TestBuiltInPlansUseTheExamples(t *testing.T) {
	for _, name := range plan.BuiltInNames() {
		text, err := plan.BuiltIn(name)
		if err != nil {
			t.Fatal(err)
		}
		p, err := plan.Parse(name, text, 2)
		if err != nil {
			t.Fatal(err)
		}
		module, _, _ := strings.Cut(p.App, ":")
		if _, err := examples.Apps.Open(module + ".py"); err != nil || p.Chdir != plan.Examples {
			t.Errorf("plan %s: app %s in %s: %v", name, p.App, p.Chdir, err)
		}
	}
}
