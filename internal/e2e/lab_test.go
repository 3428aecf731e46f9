package e2e_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Who stops girin lab while it still looks for Python and the application is told so, and not what the signal has cut short.
func TestLabStoppedBeforeItMeasures(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	began := filepath.Join(dir, "began")
	slow := filepath.Join(dir, "python")
	if err := os.WriteFile(slow, []byte("#!/bin/sh\n: >"+began+"\nexec sleep 600\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Getenv("GIRIN"), "lab", "article", "--python", slow, "-o", filepath.Join(dir, "out"))
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	stop := func() { _ = cmd.Process.Signal(syscall.SIGINT) }
	for end := time.Now().Add(limit); ; time.Sleep(20 * time.Millisecond) {
		if _, err := os.Stat(began); err == nil {
			stop()
			break
		}
		if time.Now().After(end) {
			_ = cmd.Process.Kill()
			<-ended
			t.Fatalf("it asks no Python:\n%s", &out)
		}
	}
	select {
	case <-ended:
	case <-time.After(limit):
		_ = cmd.Process.Kill()
		<-ended
		t.Fatal("it does not end")
	}
	if cmd.ProcessState.ExitCode() != 130 || strings.TrimSpace(out.String()) != "girin lab: stopped before anything was measured" {
		t.Errorf("status %d: %s", cmd.ProcessState.ExitCode(), &out)
	}
}
