package logs

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
)

func readFile(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func fileTarget(path string) Target { return Target{Path: path, UID: os.Geteuid(), GID: os.Getegid()} }

func openError(t *testing.T, o ErrorOptions) *ErrorLog {
	t.Helper()
	l, err := OpenError(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

func TestErrorLogLines(t *testing.T) {
	var out bytes.Buffer
	zone := time.FixedZone("", 3600)
	l := openError(t, ErrorOptions{Target: Target{Path: "-"}, Level: Info, Stderr: &out,
		Now: func() time.Time { return time.Date(2026, 11, 21, 2, 11, 0, 0, zone) }})
	l.Debugf("dropped")
	l.Log(Info, 42, "in the name of a worker")
	l.Log(Error, 42, "Traceback:\n  line\n")
	l.Infof("%d of %s", 1, "mine")
	l.Warningf("w")
	l.Criticalf("c")
	io.WriteString(l, "printed\n")
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	got := regexp.MustCompile(`\[\d+\] \[(INFO|WARNING|CRITICAL)\] (1|w|c)`).ReplaceAllString(out.String(), "[own] [$1] $2")
	want := "[2026-11-21 02:11:00 +0100] [42] [INFO] in the name of a worker\n" +
		"[2026-11-21 02:11:00 +0100] [42] [ERROR] Traceback:\n  line\n" +
		"[2026-11-21 02:11:00 +0100] [own] [INFO] 1 of mine\n" +
		"[2026-11-21 02:11:00 +0100] [own] [WARNING] w\n" +
		"[2026-11-21 02:11:00 +0100] [own] [CRITICAL] c\n" +
		"printed\n"
	if got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

func TestParseLevel(t *testing.T) {
	for _, level := range []Level{Debug, Info, Warning, Error, Critical} {
		if got, err := ParseLevel(strings.ToLower(level.String())); err != nil || got != level {
			t.Errorf("%v: got %v, %v", level, got, err)
		}
	}
	if _, err := ParseLevel("loud"); err == nil {
		t.Error("loud is a level")
	}
}

// countingWriter counts writes.
type countingWriter struct {
	bytes.Buffer
	writes int
}

func (w *countingWriter) Write(p []byte) (int, error) {
	w.writes++
	return w.Buffer.Write(p)
}

// Workers write to the same descriptor: a line that comes in two writes would be torn apart.
func TestErrorLogWritesEachRecordAtOnce(t *testing.T) {
	out := &countingWriter{}
	l := openError(t, ErrorOptions{Target: Target{Path: "-"}, Stderr: out})
	const goroutines, each = 8, 50
	var all sync.WaitGroup
	for range goroutines {
		all.Go(func() {
			for range each {
				l.Infof("first\nsecond")
			}
		})
	}
	all.Wait()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if out.writes != goroutines*each || strings.Count(out.String(), "first\nsecond\n") != goroutines*each {
		t.Errorf("%d writes, %d records", out.writes, strings.Count(out.String(), "first\nsecond\n"))
	}
}

func TestReopen(t *testing.T) {
	dir := t.TempDir()
	path, rotated := filepath.Join(dir, "log"), filepath.Join(dir, "log.1")
	l := openError(t, ErrorOptions{Target: fileTarget(path)})
	l.Infof("old")
	if err := os.Rename(path, rotated); err != nil {
		t.Fatal(err)
	}
	if err := l.Reopen(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); err != nil {
		t.Error("the new file is not there when Reopen returns:", err)
	}
	l.Infof("new")
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	both := readFile(t, rotated) + readFile(t, path)
	if !strings.Contains(both, "old") || !strings.HasSuffix(readFile(t, path), "new\n") {
		t.Errorf("old file %q, new file %q", readFile(t, rotated), readFile(t, path))
	}
}

func TestReopenThatFailsKeepsTheFile(t *testing.T) {
	dir := t.TempDir()
	sub := filepath.Join(dir, "sub")
	if err := os.Mkdir(sub, 0o700); err != nil {
		t.Fatal(err)
	}
	l := openError(t, ErrorOptions{Target: fileTarget(filepath.Join(sub, "log"))})
	if err := os.Rename(sub, filepath.Join(dir, "moved")); err != nil {
		t.Fatal(err)
	}
	if err := l.Reopen(); err == nil {
		t.Fatal("Reopen found its directory")
	}
	l.Infof("still here")
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if text := readFile(t, filepath.Join(dir, "moved", "log")); !strings.Contains(text, "still here") {
		t.Errorf("lost: %q", text)
	}
}

func TestReopenOfAStandardStreamDoesNothing(t *testing.T) {
	l := openError(t, ErrorOptions{Target: Target{Path: "-"}, Stderr: io.Discard})
	if err := l.Reopen(); err != nil {
		t.Error(err)
	}
}

func TestOpenNamesTheLogAndTheFile(t *testing.T) {
	_, err := OpenError(ErrorOptions{Target: fileTarget("/no/such/dir/log")})
	if err == nil || err.Error() != "error log: open /no/such/dir/log: no such file or directory" {
		t.Error(err)
	}
}

// A full disk: lines are counted and told of once; when there is room again they go on.
func TestAMediumThatFails(t *testing.T) {
	medium := &fullDisk{room: 30}
	var told []error
	s, err := newSink(sinkConfig{name: "access log", target: Target{Path: "-"}, std: medium, limit: 1 << 10, oneEach: true,
		tell: func(err error) { told = append(told, err) }})
	if err != nil {
		t.Fatal(err)
	}
	write := func(text string) { s.Append(func(b []byte) []byte { return append(b, text...) }) }
	write("the first line is written\n")
	write("the second line is torn\n")
	write("the third line is lost\n")
	medium.wait(t, 3)
	medium.empty(1 << 10)
	write("the fourth line stands alone\n")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if want := "the first line is written\nthe \nthe fourth line stands alone\n"; medium.String() != want {
		t.Errorf("got %q, want %q", medium.String(), want)
	}
	if len(told) != 1 || !errors.Is(told[0], errFull) || s.lost.Load() != 2 {
		t.Errorf("told %v, lost %d", told, s.lost.Load())
	}
}

// What begins to fail soon after it was told of, and goes on, is told of in the end.
func TestAMediumThatFailsAgain(t *testing.T) {
	told := 0
	s := &sink{conf: sinkConfig{name: "access log", tell: func(error) { told++ }}}
	for _, want := range []int{1, 1} {
		s.failing = false // a line was written
		s.fails(errFull)
		if told != want {
			t.Fatalf("told %d times, want %d", told, want)
		}
	}
	s.told = s.told.Add(-2 * tellEvery)
	for range 2 {
		s.fails(errFull)
	}
	if told != 2 {
		t.Errorf("told %d times of a medium that goes on failing", told)
	}
}

var errFull = errors.New("no space left on device")

// fullDisk takes room bytes, and then fails.
type fullDisk struct {
	mu    sync.Mutex
	cond  sync.Cond
	tries int
	room  int
	bytes.Buffer
}

func (d *fullDisk) Write(p []byte) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.tries++
	if d.cond.L != nil {
		d.cond.Broadcast()
	}
	n := min(len(p), d.room)
	d.room -= n
	d.Buffer.Write(p[:n])
	if n < len(p) {
		return n, errFull
	}
	return n, nil
}

func (d *fullDisk) empty(room int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.room = room
}

// wait returns after the given number of writes, which fail or not.
func (d *fullDisk) wait(t *testing.T, tries int) {
	t.Helper()
	d.mu.Lock()
	defer d.mu.Unlock()
	d.cond.L = &d.mu
	for d.tries < tries {
		d.cond.Wait()
	}
}

// A pipe that nobody reads: whoever logs goes on, memory stays bounded, Close comes back.
func TestAMediumThatStalls(t *testing.T) {
	medium := &stalled{began: make(chan struct{}), release: make(chan struct{})}
	l, err := OpenAccess(AccessOptions{Target: Target{Path: "-"}, Format: combined(t), Stdout: medium})
	if err != nil {
		t.Fatal(err)
	}
	for range accessBatch {
		l.Log(record())
	}
	<-medium.began
	for l.Lost() == 0 {
		l.Log(record())
	}
	l.file.Load().mu.Lock()
	waiting := len(l.file.Load().pending)
	l.file.Load().mu.Unlock()
	if waiting > accessLimit+1<<10 {
		t.Errorf("%d bytes wait", waiting)
	}
	if err := l.Close(); err == nil {
		t.Error("Close does not say that lines were not written")
	}
	close(medium.release)
	<-l.file.Load().done
}

type stalled struct {
	once           sync.Once
	began, release chan struct{}
}

func (s *stalled) Write(p []byte) (int, error) {
	s.once.Do(func() { close(s.began) })
	<-s.release
	return len(p), nil
}

func combined(t *testing.T) *Format {
	t.Helper()
	f, err := ParseFormat(Combined)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestAccessLogWritesInBatches(t *testing.T) {
	out := &countingWriter{}
	l, err := OpenAccess(AccessOptions{Target: Target{Path: "-"}, Format: combined(t), Stdout: out})
	if err != nil {
		t.Fatal(err)
	}
	const lines = 100 // less than a batch
	for range lines {
		l.Log(record())
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if out.writes > 2 || bytes.Count(out.Bytes(), []byte{'\n'}) != lines {
		t.Errorf("%d writes, %d lines", out.writes, bytes.Count(out.Bytes(), []byte{'\n'}))
	}
	l.Log(record())
	if l.Lost() != 1 {
		t.Errorf("a line after Close is not counted: %d", l.Lost())
	}
}
