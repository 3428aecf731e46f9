//go:build !linux

package front

import "golang.org/x/sys/unix"

// fionread is FIONREAD of the BSDs.
const fionread = 0x4004667f

// unreadBytes is how many bytes of a socket wait to be read.
func unreadBytes(fd int) int {
	n, err := unix.IoctlGetInt(fd, fionread)
	if err != nil {
		return 0
	}
	return n
}

// wasReset reports whether a connection was reset. To poll, one whose client has
// closed its sending side alone looks the same here.
func wasReset(fd uintptr) bool {
	fault, err := unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_ERROR)
	return err == nil && fault != 0
}

// hasLeft is wasReset: that the other end sends no more cannot be seen here before all
// that it has sent was read.
func hasLeft(fd uintptr) bool { return wasReset(fd) }

// acknowledged grows with what a socket's other end acknowledges.
func acknowledged(fd int) int64 { return -int64(unsent(fd)) }

// replace makes the descriptor number stand for what fd stands for.
func replace(fd, number int) {
	if unix.Dup2(fd, number) == nil {
		unix.CloseOnExec(number)
	}
}
