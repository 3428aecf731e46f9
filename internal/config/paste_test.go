package config

import (
	"os"
	"path/filepath"
	"testing"
)

func TestPasteFile(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"plain.ini":   "[app:main]\nuse = egg:shop\n",
		"logging.ini": "[app:main]\nuse = egg:shop\n\n[loggers]\nkeys = root\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	at := func(name string) string { return filepath.Join(dir, name) }
	for name, test := range map[string]struct {
		args           []string
		app, logconfig string
	}{
		"a file":                      {[]string{"--paste", "plain.ini"}, "config:" + at("plain.ini"), ""},
		"by its other name":           {[]string{"--paster", at("plain.ini")}, "config:" + at("plain.ini"), ""},
		"an application of it":        {[]string{"--paste", "plain.ini#admin"}, "config:" + at("plain.ini") + "#admin", ""},
		"beside an application":       {[]string{"other:app", "--paste", "plain.ini"}, "config:" + at("plain.ini"), ""},
		"with logging":                {[]string{"--paste", "logging.ini"}, "config:" + at("logging.ini"), at("logging.ini")},
		"with logging set otherwise":  {[]string{"--paste", "logging.ini", "--log-config", "/other.ini"}, "config:" + at("logging.ini"), "/other.ini"},
		"its folder is not the app's": {[]string{"--paste", "plain.ini", "--chdir", "/"}, "config:" + at("plain.ini"), ""},
	} {
		t.Run(name, func(t *testing.T) {
			cfg, warnings, err := loadFrom(t, t.Context(), test.args, environment(), dir)
			if err != nil || len(warnings) > 0 {
				t.Fatal(warnings, err)
			}
			logconfig, _ := cfg.Values()["logconfig"].(string)
			if cfg.App != test.app || logconfig != test.logconfig || cfg.LogsInPython() != (test.logconfig != "") {
				t.Errorf("app %q, logging by %q", cfg.App, logconfig)
			}
		})
	}
}
