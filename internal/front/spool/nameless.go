package spool

import (
	"cmp"
	"os"

	"golang.org/x/sys/unix"
)

// diskLeft is what a directory's file system has left for this user.
func diskLeft(dir string) (bytes int64, known bool) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return 0, false
	}
	return int64(st.Bavail) * int64(st.Bsize), true
}

// Nameless makes a file without a name in a directory ("": the system's for such files), or
// in memory where that cannot be written. No Store counts what it holds.
func Nameless(dir string) (*os.File, error) {
	f, err := namelessFile(cmp.Or(dir, os.TempDir()))
	if err == nil || isShortage(err) {
		return f, err
	}
	if inMemory, failed := memoryFile(); failed == nil {
		return inMemory, nil
	}
	return nil, err
}

// unlinkedFile makes a file whose name is gone at once.
func unlinkedFile(dir string) (*os.File, error) {
	f, err := os.CreateTemp(dir, "girin-spool-")
	if err != nil {
		return nil, err
	}
	return f, os.Remove(f.Name())
}
