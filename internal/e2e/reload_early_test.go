package e2e_test

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// Signals that do not end a server do not end it before it serves either: they are heeded then.
func TestSignalsBeforeTheServerServes(t *testing.T) {
	dir := t.TempDir()
	conf, runs, more := filepath.Join(dir, "conf.py"), filepath.Join(dir, "runs"), filepath.Join(dir, "more")
	text := "import os, time\nopen('" + runs + "', 'a').close()\nwhile not os.path.exists('" + more + "'): time.sleep(0.01)\n"
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	s := launch(t, options{args: []string{"-c", conf}})
	eventually(t, "the file runs", func() bool { _, err := os.Stat(runs); return err == nil })
	for _, sig := range []syscall.Signal{syscall.SIGHUP, syscall.SIGUSR1} {
		_ = s.cmd.Process.Signal(sig)
	}
	if err := os.WriteFile(more, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	s.wait(t, "Ready after")
	s.wait(t, "Handling signal: usr1")
	s.wait(t, "Hang up: Master")
	eventually(t, "the next generation serves", func() bool { return strings.Contains(s.log(), "generation 2 serves") })
	s.get(t, "/")
	if err := s.end(t, syscall.SIGTERM); err != nil {
		t.Error(err)
	}
}
