package front

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

const unixFIONREAD = unix.TIOCINQ

// unnamedFile makes a file that has no name (O_TMPFILE), or whose name is gone
// at once where the file system knows no such files.
func unnamedFile(dir string) (*os.File, error) {
	fd, err := unix.Open(spoolDir(dir), unix.O_TMPFILE|unix.O_RDWR|unix.O_CLOEXEC|unix.O_EXCL, 0o600)
	if err == nil {
		return os.NewFile(uintptr(fd), "spool"), nil
	}
	if !errors.Is(err, unix.EOPNOTSUPP) && !errors.Is(err, unix.EISDIR) && !errors.Is(err, unix.EINVAL) {
		return nil, os.NewSyscallError("open spool file", err)
	}
	return unlinkedFile(dir)
}
