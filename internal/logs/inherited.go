package logs

import (
	"os"

	"golang.org/x/sys/unix"
)

// inherited are the names of standard output and standard error. They are not opened by name,
// which fails where they are sockets, as systemd's journal is, and where they belong to another
// user than the one that the server has become.
var inherited = map[string]int{
	"/dev/stdout": unix.Stdout, "/dev/fd/1": unix.Stdout, "/proc/self/fd/1": unix.Stdout,
	"/dev/stderr": unix.Stderr, "/dev/fd/2": unix.Stderr, "/proc/self/fd/2": unix.Stderr,
}

// Inherited reports whether a log of that path goes where standard output or standard error go.
func Inherited(path string) bool {
	_, is := inherited[path]
	return is
}

func openFile(path string) (*os.File, error) {
	fd, is := inherited[path]
	if !is {
		return os.OpenFile(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o644)
	}
	own, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: path, Err: err}
	}
	return os.NewFile(uintptr(own), path), nil
}
