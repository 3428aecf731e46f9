package spool

import (
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

// unlinkedFile makes a file whose name is gone at once.
func unlinkedFile(dir string) (*os.File, error) {
	f, err := os.CreateTemp(dir, "girin-spool-")
	if err != nil {
		return nil, err
	}
	return f, os.Remove(f.Name())
}
