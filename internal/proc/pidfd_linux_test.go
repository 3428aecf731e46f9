package proc

import (
	"time"

	"golang.org/x/sys/unix"
)

// pidfdOpen returns a descriptor of any process, which is readable when the
// process has ended.
func pidfdOpen(pid int) (int, error) { return unix.PidfdOpen(pid, 0) }

func readable(fd int, limit time.Duration) bool {
	for deadline := time.Now().Add(limit); ; {
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, int(time.Until(deadline).Milliseconds()))
		if err != unix.EINTR {
			return n > 0
		}
	}
}
