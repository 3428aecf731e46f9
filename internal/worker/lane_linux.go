package worker

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// fionread asks how many bytes lie unread.
const fionread = unix.TIOCINQ

// newLane makes a packet pipe, or a pair of sockets where that is refused, as in
// gVisor or by a seccomp filter; refused says why.
func newLane() (r, w *os.File, refused, err error) {
	r, w, refused = newPacketPipe()
	if refused == nil || errors.Is(refused, unix.EMFILE) || errors.Is(refused, unix.ENFILE) {
		return r, w, nil, refused
	}
	r, w, err = newSocketLane()
	return r, w, refused, err
}

// newPacketPipe makes a pipe in packet mode (pipe(2), O_DIRECT): each write of up to
// PIPE_BUF bytes is one packet, each read returns one. Only the write end is
// non-blocking; a worker opens the read end anew for itself.
func newPacketPipe() (r, w *os.File, err error) {
	if restricted {
		return nil, nil, os.NewSyscallError("pipe2", unix.EINVAL)
	}
	var p [2]int
	if err := unix.Pipe2(p[:], unix.O_DIRECT|unix.O_CLOEXEC); err != nil {
		return nil, nil, os.NewSyscallError("pipe2", err)
	}
	// A smaller pipe only means that requests wait in the master sooner.
	_, _ = unix.FcntlInt(uintptr(p[1]), unix.F_SETPIPE_SZ, laneBytes)
	if err := errors.Join(keepsPackets(p), unix.SetNonblock(p[1], true)); err != nil {
		unix.Close(p[0])
		unix.Close(p[1])
		return nil, nil, err
	}
	return os.NewFile(uintptr(p[0]), "lane-read"), os.NewFile(uintptr(p[1]), "lane-write"), nil
}

// keepsPackets tries that two packets are not read as one: a system that does not
// know the flag might ignore it.
func keepsPackets(p [2]int) error {
	buf := make([]byte, 2)
	for range buf {
		if _, err := unix.Write(p[1], buf[:1]); err != nil {
			return fmt.Errorf("packet pipe: %w", err)
		}
	}
	for range buf {
		if n, err := unix.Read(p[0], buf); n != 1 {
			return fmt.Errorf("packet pipe: %d bytes instead of a packet of 1 (%w)", n, err)
		}
	}
	return nil
}
