package worker

import (
	"os"

	"golang.org/x/sys/unix"
)

// laneBytes is the size asked for a lane's pipe: 256 packets of 4 KiB.
const laneBytes = 1 << 20

// fionread asks how many bytes lie unread.
const fionread = unix.TIOCINQ

// newLane makes a pipe in packet mode (pipe(2), O_DIRECT): each write of up to
// PIPE_BUF bytes is one packet, each read returns one. Only the write end is
// non-blocking; a worker opens the read end anew for itself.
func newLane() (r, w *os.File, err error) {
	var p [2]int
	if err := unix.Pipe2(p[:], unix.O_DIRECT|unix.O_CLOEXEC); err != nil {
		return nil, nil, os.NewSyscallError("pipe2", err)
	}
	// A smaller pipe only means that requests wait in the master sooner.
	_, _ = unix.FcntlInt(uintptr(p[1]), unix.F_SETPIPE_SZ, laneBytes)
	if err := unix.SetNonblock(p[1], true); err != nil {
		return nil, nil, os.NewSyscallError("fcntl", err)
	}
	return os.NewFile(uintptr(p[0]), "lane-read"), os.NewFile(uintptr(p[1]), "lane-write"), nil
}
