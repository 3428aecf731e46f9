package config

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestConfigurationFilesByLocation(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"mine.py": "workers = 3", "other.conf": "workers = 4", defaultConfigFile: "workers = 2"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, test := range []struct {
		args, env string
		workers   int
		file      string
	}{
		{"app", "", 2, filepath.Join(dir, defaultConfigFile)},
		{"app -c mine.py", "", 3, filepath.Join(dir, "mine.py")},
		{"app -c file:mine.py", "", 3, filepath.Join(dir, "mine.py")},
		{"app -c other.conf", "", 4, filepath.Join(dir, "other.conf")},
		{"app -c python:mine", "", 3, "python:mine"},
		{"app", "GUNICORN_CMD_ARGS=-c mine.py", 3, filepath.Join(dir, "mine.py")},
		{"app -c mine.py", "GUNICORN_CMD_ARGS=-c other.conf", 3, filepath.Join(dir, "mine.py")},
	} {
		cfg, _, err := loadFrom(t, t.Context(), strings.Fields(test.args), environment(test.env), dir)
		if err != nil {
			t.Errorf("%s: %v", test.args, err)
			continue
		}
		if cfg.Workers != test.workers || cfg.File.Location != test.file {
			t.Errorf("%s: %d workers from %s, want %d from %s", test.args, cfg.Workers, cfg.File.Location, test.workers, test.file)
		}
	}
}

// What a configuration file does beside setting variables spoils nothing.
func TestConfigurationFilesDoWhatTheyLike(t *testing.T) {
	for name, file := range map[string]string{
		"prints":               "print('{\"values\": 1}')",
		"writes to descriptor": "import os, sys\nos.write(1, b'one\\n')\nos.write(2, b'two\\n')",
		"leaves a thread":      "import threading\nthreading.Thread(target=threading.Event().wait).start()",
		"leaves a process":     "import subprocess\nsubprocess.Popen(['sleep', '5'])",
		"forks":                "import os\nos.fork()",
		"changes signals":      "import signal\nfor s in (signal.SIGTERM, signal.SIGCHLD, signal.SIGINT): signal.signal(s, signal.SIG_IGN)",
		"closes its input":     "import os, sys\nos.close(0)\nsys.stdin.close()",
		"has no streams":       "import sys\nsys.stdout = sys.stderr = None",
		"goes elsewhere":       "import os\nos.chdir('/')",
		"another encoding":     "# -*- coding: latin-1 -*-",
		"knows its own name":   "import os, sys\nassert __name__ == '__config__' and os.path.isabs(__file__)\nassert sys.modules[__name__].__file__ == __file__",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg, _, err := load(t, sources{args: "app", file: file + "\nworkers = 2"})
			if err != nil {
				t.Fatal(err)
			}
			if cfg.Workers != 2 {
				t.Errorf("%d workers, want 2", cfg.Workers)
			}
		})
	}
}

func TestConfigurationFilesThatFail(t *testing.T) {
	for name, test := range map[string]struct{ file, want string }{
		"syntax":    {"workers = (", "SyntaxError"},
		"exception": {"def f():\n  raise KeyError('gone')\nf()", "KeyError: 'gone'"},
		"exit":      {"import sys\nsys.exit('enough')", "SystemExit: enough"},
		"killed":    {"import os, signal\nos.kill(os.getpid(), signal.SIGKILL)", "signal: killed"},
		"NUL":       {"workers = 1\x00", "null bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, _, err := load(t, sources{args: "app", file: test.file})
			var failed *FileError
			if !errors.As(err, &failed) || !strings.Contains(err.Error(), test.want) {
				t.Fatalf("got %v, want a FileError with %q", err, test.want)
			}
			if strings.Contains(err.Error(), "in load") || strings.Contains(err.Error(), "<string>") {
				t.Errorf("the traceback shows the reader's own frames:\n%v", err)
			}
		})
	}
}

func TestWhichSettingConfiguresLogging(t *testing.T) {
	for name, test := range map[string]struct {
		sources
		want string
	}{
		"none":                  {sources{args: "app"}, ""},
		"an empty dictionary":   {sources{args: "app", file: "logconfig_dict = {}"}, ""},
		"a dictionary":          {sources{args: "app --log-config x", file: "logconfig_dict = {'version': 1}"}, "logconfig_dict"},
		"one that no JSON has":  {sources{args: "app", file: "logconfig_dict = {'version': object()}"}, "logconfig_dict"},
		"a file of JSON":        {sources{args: "app --log-config x --log-config-json y"}, "logconfig_json"},
		"a file in ini's style": {sources{args: "app --log-config x"}, "logconfig"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg, warnings, err := load(t, test.sources)
			if err != nil {
				t.Fatal(err)
			}
			if got := cfg.LogConfig(); got != test.want || len(warnings) > 0 || cfg.LogsInPython() != (got != "") {
				t.Errorf("%q with warnings %v, want %q", got, warnings, test.want)
			}
		})
	}
}

// A file that hangs ends with the context, and all that it has started.
func TestAFileEndsWithTheContext(t *testing.T) {
	dir := t.TempDir()
	file := "import os, subprocess, time\nsubprocess.Popen(['sleep', '60'])\nopen('runs', 'w').close()\ntime.sleep(60)"
	if err := os.WriteFile(filepath.Join(dir, defaultConfigFile), []byte(file), 0o600); err != nil {
		t.Fatal(err)
	}
	enough := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	ended := make(chan error, 1)
	go func() {
		_, _, err := loadFrom(t, ctx, []string{"app"}, environment(), dir)
		ended <- err
	}()
	for late := time.Now().Add(20 * time.Second); ; time.Sleep(time.Millisecond) {
		if _, err := os.Stat(filepath.Join(dir, "runs")); err == nil {
			break
		} else if time.Now().After(late) {
			t.Fatal("the file does not run")
		}
	}
	cancel(enough)
	select {
	case err := <-ended:
		if !errors.Is(err, enough) {
			t.Errorf("it ended with %v", err)
		}
	case <-time.After(5 * time.Second):
		t.Error("it goes on")
	}
}
