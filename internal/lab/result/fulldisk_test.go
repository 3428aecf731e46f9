package result

import (
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"girin/internal/lab/plan"
)

// withRoom runs f while no file may become longer than so many bytes, as on a disk that fills up.
func withRoom(t *testing.T, bytes int64, f func()) {
	t.Helper()
	signal.Ignore(syscall.SIGXFSZ)
	defer signal.Reset(syscall.SIGXFSZ)
	var before syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &before); err != nil {
		t.Fatal(err)
	}
	limited := before
	set(&limited.Cur, bytes)
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limited); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = syscall.Setrlimit(syscall.RLIMIT_FSIZE, &before) }()
	f()
}

// set is for numbers whose kind differs between systems.
func set[N int64 | uint64](to *N, n int64) { *to = N(n) }

// What there is no room for is not there in part: a visit with half of its runs would pass for measured when the run goes on,
// and a cut machine.json would cost the whole folder.
func TestAFullDiskKeepsTheFolder(t *testing.T) {
	source, err := plan.BuiltIn("aa")
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "run")
	f, err := Create(dir, source, Machine{UsableCores: 2})
	if err != nil {
		t.Fatal(err)
	}
	visit := func(name string) []Run { return []Run{{Visit: name, Stream: "a"}, {Visit: name, Stream: "b"}} }
	if err := f.Append(visit("1/first")); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(f.Path(runsName))
	if err != nil {
		t.Fatal(err)
	}
	withRoom(t, info.Size()+info.Size()*3/4, func() { // the second visit's first line fits
		if f.Append(visit("1/second")) == nil {
			t.Error("the second visit had room")
		}
	})
	f.Machine.Lab = strings.Repeat("x", 10_000)
	withRoom(t, 5_000, func() {
		if f.SaveMachine() == nil {
			t.Error("machine.json had room")
		}
	})
	again, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	if done := again.Done(); len(again.Runs) != 2 || !done["1/first"] || done["1/second"] || again.Machine.UsableCores != 2 {
		t.Errorf("%d runs, done %v, %+v", len(again.Runs), done, again.Machine)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "*.new")); len(left) > 0 {
		t.Errorf("drafts are left: %v", left)
	}
}
