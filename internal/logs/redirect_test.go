package logs

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// What is logged before the log goes elsewhere is in the old place, what comes later in the new one.
func TestRedirect(t *testing.T) {
	dir := t.TempDir()
	first, second := filepath.Join(dir, "first"), filepath.Join(dir, "second")
	var std bytes.Buffer
	l := openError(t, ErrorOptions{Target: fileTarget(first), Stderr: &std})
	l.Infof("one")
	if err := l.Redirect(fileTarget(second), nil); err != nil {
		t.Fatal(err)
	}
	l.Infof("two")
	if err := l.Redirect(fileTarget(filepath.Join(dir, "no", "such")), nil); !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	l.Infof("three")
	if err := os.Rename(second, second+".1"); err != nil {
		t.Fatal(err)
	}
	if err := l.Reopen(); err != nil {
		t.Fatal(err)
	}
	l.Infof("four")
	if err := l.Redirect(Target{Path: "-"}, nil); err != nil {
		t.Fatal(err)
	}
	l.Infof("five")
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	said := func(text string) (words string) {
		for line := range strings.Lines(text) {
			fields := strings.Fields(line)
			words += fields[len(fields)-1] + " "
		}
		return words
	}
	got := []string{said(readFile(t, first)), said(readFile(t, second+".1") + readFile(t, second)), said(std.String())}
	if want := []string{"one ", "two three four ", "five "}; strings.Join(got, "|") != strings.Join(want, "|") {
		t.Errorf("got %q, want %q", got, want)
	}
}

// An access log may come and go; nobody makes records while nobody gets lines.
func TestAccessLogRedirect(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	l, err := OpenAccess(AccessOptions{Format: combined(t)})
	if err != nil {
		t.Fatal(err)
	}
	step := func(t *testing.T, target Target, wanted bool) {
		t.Helper()
		if err := l.Redirect(target, nil); err != nil {
			t.Fatal(err)
		}
		if l.Wanted() != wanted {
			t.Errorf("wanted: %v", l.Wanted())
		}
		l.Log(record())
	}
	step(t, Target{}, false)
	step(t, fileTarget(path), true)
	step(t, Target{}, false)
	if n := strings.Count(readFile(t, path), "\n"); n != 1 {
		t.Errorf("%d lines", n)
	}
	l.Divert(func(*AccessRecord) bool { return true })
	step(t, Target{}, true)
	l.Divert(nil)
	step(t, Target{}, false)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}

// Lines that come back from Python's logging go to syslog as any others.
func TestWholeLinesGoToSyslog(t *testing.T) {
	address, messages := daemon(t)
	l, err := OpenAccess(AccessOptions{Format: combined(t), Syslog: &Syslog{Address: address, Facility: 1, Tag: "t"}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.Write([]byte("first\nsecond\n")); err != nil {
		t.Fatal(err)
	}
	expect(t, messages, fmt.Sprintf("<14>t: [%d] first", os.Getpid()))
	expect(t, messages, fmt.Sprintf("<14>t: [%d] second", os.Getpid()))
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}
