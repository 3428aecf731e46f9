package config

import (
	"reflect"
	"strings"
	"testing"
)

func TestASidecarIsReadAsAShellDoes(t *testing.T) {
	for text, want := range map[string]Sidecar{
		"celery -A proj worker":                   {"celery", []string{"celery", "-A", "proj", "worker"}},
		"/opt/venv/bin/celery -A 'my proj'":       {"celery", []string{"/opt/venv/bin/celery", "-A", "my proj"}},
		"beat: celery -A proj beat":               {"beat", []string{"celery", "-A", "proj", "beat"}},
		"python worker.py --fast":                 {"worker", []string{"python", "worker.py", "--fast"}},
		"python3 -u -m rq.cli worker":             {"rq.cli", []string{"python3", "-u", "-m", "rq.cli", "worker"}},
		"python3 -m":                              {"python3", []string{"python3", "-m"}},
		`sh -c 'sleep 1; exec redis-server "$0"'`: {"sh", []string{"sh", "-c", `sleep 1; exec redis-server "$0"`}},
		"env A=b c":                               {"env", []string{"env", "A=b", "c"}},
	} {
		got, err := ParseSidecars([]string{text})
		if err != nil || !reflect.DeepEqual(got, []Sidecar{want}) {
			t.Errorf("%s: %+v, %v", text, got, err)
		}
	}
}

func TestSidecarsOfOneNameAreToldApart(t *testing.T) {
	got, err := ParseSidecars([]string{"celery worker", "celery-2: x", "celery beat", "celery flower"})
	var names []string
	for _, s := range got {
		names = append(names, s.Name)
	}
	if want := "celery celery-2 celery-3 celery-4"; err != nil || strings.Join(names, " ") != want {
		t.Errorf("%v, %v", names, err)
	}
}

func TestASidecarThatCannotBeOneIsRefused(t *testing.T) {
	for text, want := range map[string]string{
		"":                      "no command",
		"name: ":                "no command",
		"''":                    "no command",
		"celery 'worker":        "quote is not closed",
		"A=1 celery worker":     "raw_env",
		"a && b":                "no shell runs it, which && needs",
		"celery worker > f.log": "no shell runs it",
	} {
		if got, err := ParseSidecars([]string{text}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, %v", text, got, err)
		}
	}
}
