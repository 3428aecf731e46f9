package worker

import (
	"fmt"

	"golang.org/x/sys/unix"

	"girin/internal/wire"
)

// TakeBack reads what lies in the lane before a worker does, and visits each packet. It
// never waits.
func (l *Lane) TakeBack(visit func(packet []byte)) {
	buf := make([]byte, wire.MaxPacket)
	for {
		n, _, err := unix.Recvfrom(int(l.rfd), buf, unix.MSG_DONTWAIT)
		if err == unix.ENOTSOCK {
			break
		}
		if err != nil || n <= 0 {
			return
		}
		visit(buf[:n])
	}
	// Anew, as workers do: the master's own end would wait if a worker was quicker.
	fd, err := unix.Open(fmt.Sprintf("/proc/self/fd/%d", l.rfd), unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return
	}
	defer unix.Close(fd)
	for {
		n, err := unix.Read(fd, buf)
		if err != nil || n <= 0 {
			return
		}
		visit(buf[:n])
	}
}
