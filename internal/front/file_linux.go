package front

import (
	"errors"
	"syscall"

	"golang.org/x/sys/unix"
)

// trySendFile sends what the socket takes of the file; it reports false if that
// is nothing yet.
func (o *output) trySendFile(fd uintptr) bool {
	at := o.sending.at
	for {
		n, err := unix.Sendfile(int(fd), int(o.sending.file.Fd()), &at, int(min(o.sending.left, fileStep)))
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case errors.Is(err, unix.EAGAIN):
			return false
		case err != nil:
			o.errno = syscall.EIO
			errors.As(err, &o.errno)
		}
		o.n = max(n, 0)
		return true
	}
}
