package worker

import (
	"os"

	"golang.org/x/sys/unix"
)

// laneBytes is the size asked for a lane: 256 packets of 4 KiB.
const laneBytes = 1 << 20

// newSocketLane makes a lane of a pair of sockets that keep packets apart, where
// there are no packet pipes. It holds fewer packets; the others wait in the master.
func newSocketLane() (r, w *os.File, err error) {
	p, err := unix.Socketpair(unix.AF_UNIX, controlSocket, 0)
	if err != nil {
		return nil, nil, os.NewSyscallError("socketpair", err)
	}
	for _, fd := range p {
		unix.CloseOnExec(fd)
		roomFor(fd, laneBytes)
	}
	if err := unix.SetNonblock(p[1], true); err != nil {
		return nil, nil, os.NewSyscallError("fcntl", err)
	}
	return os.NewFile(uintptr(p[0]), "lane-read"), os.NewFile(uintptr(p[1]), "lane-write"), nil
}

// roomFor asks for buffers of so many bytes; the system may give less. BSD's own
// hold a packet of 2 KiB at most, of which requests take up to 4.
func roomFor(fd, bytes int) {
	_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUF, bytes)
	_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, bytes)
}
