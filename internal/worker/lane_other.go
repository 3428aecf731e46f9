//go:build !linux

package worker

import (
	"os"

	"golang.org/x/sys/unix"
)

// fionread asks how many bytes lie unread.
const fionread = 0x4004667f // FIONREAD of the BSDs

// newLane makes a pair of datagram sockets: packet pipes are Linux's. It holds
// few packets; the others wait in the master.
func newLane() (r, w *os.File, err error) {
	p, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_DGRAM, 0)
	if err != nil {
		return nil, nil, os.NewSyscallError("socketpair", err)
	}
	unix.CloseOnExec(p[0])
	unix.CloseOnExec(p[1])
	if err := unix.SetNonblock(p[1], true); err != nil {
		return nil, nil, os.NewSyscallError("fcntl", err)
	}
	return os.NewFile(uintptr(p[0]), "lane-read"), os.NewFile(uintptr(p[1]), "lane-write"), nil
}
