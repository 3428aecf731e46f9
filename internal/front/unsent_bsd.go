//go:build !linux && !darwin

package front

import "golang.org/x/sys/unix"

// fionwrite is FIONWRITE of FreeBSD's sys/filio.h.
const fionwrite = 0x40046677

// unsent is how many bytes were written to a socket that its other end has not acknowledged.
func unsent(fd int) int {
	n, err := unix.IoctlGetInt(fd, fionwrite)
	if err != nil {
		return 0
	}
	return n
}
