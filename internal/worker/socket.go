package worker

import (
	"fmt"
	"net"
	"os"
	"syscall"

	"golang.org/x/sys/unix"

	"girin/internal/wire"
)

const streamSocket = unix.SOCK_STREAM

// socketBuffer lets a worker send whole batches, and the largest control
// message, without waiting for the master.
const socketBuffer = 1 << 20

// socketPair makes a pair of unix sockets: the master's end and the worker's.
func socketPair(kind int) (ours *net.UnixConn, theirs *os.File, err error) {
	syscall.ForkLock.RLock()
	p, err := unix.Socketpair(unix.AF_UNIX, kind, 0)
	if err == nil {
		unix.CloseOnExec(p[0])
		unix.CloseOnExec(p[1])
	}
	syscall.ForkLock.RUnlock()
	if err != nil {
		return nil, nil, os.NewSyscallError("socketpair", err)
	}
	for _, fd := range p {
		_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUF, socketBuffer)
	}
	theirs = os.NewFile(uintptr(p[1]), "worker-socket")
	f := os.NewFile(uintptr(p[0]), "master-socket")
	defer f.Close()
	c, err := net.FileConn(f)
	if err != nil {
		theirs.Close()
		return nil, nil, fmt.Errorf("socketpair: %w", err)
	}
	return c.(*net.UnixConn), theirs, nil
}

// send sends one control message. If the worker does not read them, or is
// gone, the message is lost: its death is noticed elsewhere.
func (w *Worker) send(c wire.Control, payload []byte) {
	_, _ = w.control.Write(c.Append(nil, payload))
}

// sendFile sends one control message with a descriptor.
func (w *Worker) sendFile(c wire.Control, payload []byte, f *os.File) error {
	raw, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var sent error
	err = raw.Control(func(fd uintptr) {
		_, _, sent = w.control.WriteMsgUnix(c.Append(nil, payload), unix.UnixRights(int(fd)), nil)
	})
	if err != nil {
		return err
	}
	return sent
}

// takeFile returns the one descriptor that came with a message.
func takeFile(oob []byte) (*os.File, error) {
	messages, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return nil, err
	}
	var fds []int
	for i := range messages {
		got, err := unix.ParseUnixRights(&messages[i])
		if err != nil {
			continue
		}
		fds = append(fds, got...)
	}
	if len(fds) != 1 {
		for _, fd := range fds {
			unix.Close(fd)
		}
		return nil, fmt.Errorf("%d descriptors came where one belongs", len(fds))
	}
	unix.CloseOnExec(fds[0])
	return os.NewFile(uintptr(fds[0]), "response-body"), nil
}
