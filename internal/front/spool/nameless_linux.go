package spool

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// namelessFile makes a file that has no name (O_TMPFILE), or whose name is gone
// at once where the file system knows no such files.
func namelessFile(dir string) (*os.File, error) {
	fd, err := unix.Open(dir, unix.O_TMPFILE|unix.O_RDWR|unix.O_CLOEXEC|unix.O_EXCL, 0o600)
	if err == nil {
		return os.NewFile(uintptr(fd), "spool"), nil
	}
	if !errors.Is(err, unix.EOPNOTSUPP) && !errors.Is(err, unix.EISDIR) && !errors.Is(err, unix.EINVAL) {
		return nil, os.NewSyscallError("open", err)
	}
	return unlinkedFile(dir)
}

// memoryFile makes a file that lies in memory.
func memoryFile() (*os.File, error) {
	fd, err := unix.MemfdCreate("girin-spool", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("memfd_create", err)
	}
	return os.NewFile(uintptr(fd), "spool"), nil
}

// punchHole gives the room of a part of a file back.
func punchHole(f *os.File, at, n int64) error {
	return unix.Fallocate(int(f.Fd()), unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, at, n)
}
