package worker

import (
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"
	"unsafe"
)

// Lane is a queue of request packets that all workers read: the kernel gives a
// packet to whichever worker reads first.
type Lane struct {
	r, w *os.File
	fd   int     // of w
	rfd  uintptr // of r
	raw  syscall.RawConn

	refused error // why it is a pair of sockets and no packet pipe

	write func(fd int, packet []byte) (int, syscall.Errno) // writePacket
}

// NewLane makes a lane.
func NewLane() (*Lane, error) {
	r, w, refused, err := newLane()
	if err != nil {
		return nil, fmt.Errorf("lane: %w", err)
	}
	raw, err := w.SyscallConn()
	if err != nil {
		return nil, fmt.Errorf("lane: %w", err)
	}
	l := &Lane{r: r, w: w, rfd: r.Fd(), raw: raw, refused: refused, write: writePacket}
	err = raw.Control(func(fd uintptr) { l.fd = int(fd) })
	return l, err
}

// Refused is why the lane is no packet pipe but a pair of sockets, which costs more;
// nil: it is one, or the system never has them.
func (l *Lane) Refused() error { return l.refused }

// TrySend writes one packet and reports whether there was room for it. It
// never blocks.
func (l *Lane) TrySend(packet []byte) bool {
	n, err := writePacket(l.fd, packet)
	return err == 0 && n == len(packet)
}

// Send writes one packet, and waits for room, and for the kernel's memory, as long as
// there is none. It fails when the lane is stopped.
func (l *Lane) Send(packet []byte) error {
	for {
		var errno syscall.Errno
		err := l.raw.Write(func(fd uintptr) bool {
			_, errno = l.write(int(fd), packet)
			return errno != syscall.EAGAIN
		})
		switch {
		case err != nil || errno == 0:
			return err
		case !isShortOfMemory(errno):
			return errno
		}
		time.Sleep(shortWait)
	}
}

// Stop makes Send fail, from now on.
func (l *Lane) Stop() { _ = l.w.SetWriteDeadline(time.Unix(1, 0)) }

// Unread is how many bytes of packets nobody has read yet. A raw system call,
// as it is asked often (see socketReader).
func (l *Lane) Unread() int {
	var n int32
	if _, _, errno := syscall.RawSyscall(syscall.SYS_IOCTL, l.rfd, fionread, uintptr(unsafe.Pointer(&n))); errno != 0 {
		return 0
	}
	return int(n)
}

// Close closes both ends. No TrySend may follow.
func (l *Lane) Close() error { return errors.Join(l.w.Close(), l.r.Close()) }
