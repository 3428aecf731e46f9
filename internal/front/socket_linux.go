package front

import "golang.org/x/sys/unix"

// unreadBytes is how many bytes of a socket wait to be read, unsent how many were
// written that its other end has not acknowledged.
func unreadBytes(fd int) int { return ioctl(fd, unix.TIOCINQ) }
func unsent(fd int) int      { return ioctl(fd, unix.TIOCOUTQ) }

// acknowledged grows with what a socket's other end acknowledges.
func acknowledged(fd int) int64 {
	if info, err := unix.GetsockoptTCPInfo(fd, unix.IPPROTO_TCP, unix.TCP_INFO); err == nil {
		return int64(info.Bytes_acked)
	}
	return -int64(unsent(fd))
}

func ioctl(fd int, request uint) int {
	n, err := unix.IoctlGetInt(fd, request)
	if err != nil {
		return 0
	}
	return n
}

// wasReset reports whether a connection was reset.
func wasReset(fd uintptr) bool {
	p := []unix.PollFd{{Fd: int32(fd)}}
	n, err := unix.Poll(p, 0)
	return err == nil && n > 0 && p[0].Revents&(unix.POLLERR|unix.POLLHUP) != 0
}

// hasLeft reports whether a connection was reset, or its other end has closed its
// sending side, without reading what that has sent.
func hasLeft(fd uintptr) bool {
	p := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLRDHUP}}
	n, err := unix.Poll(p, 0)
	return err == nil && n > 0 && p[0].Revents&(unix.POLLRDHUP|unix.POLLERR|unix.POLLHUP) != 0
}

// replace makes the descriptor number stand for what fd stands for.
func replace(fd, number int) { _ = unix.Dup3(fd, number, unix.O_CLOEXEC) }
