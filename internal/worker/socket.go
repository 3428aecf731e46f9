package worker

import (
	"errors"
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

// StreamPair makes the ends of a stream for the master and a process that it
// starts.
func StreamPair() (ours *net.UnixConn, theirs *os.File, err error) { return socketPair(streamSocket) }

// message waits to be sent.
type message struct {
	bytes []byte
	file  *os.File
}

// outboxSize is how many messages may wait for a worker that does not read
// them. Its control thread does nothing else, so one that is so far behind is
// broken.
const outboxSize = 16 << 10

// send queues one control message: its callers must not block.
func (w *Worker) send(c wire.Control, payload []byte, file *os.File) {
	select {
	case w.outbox <- message{c.Append(nil, payload), file}:
	default:
		w.fault("control socket", errors.New("it reads no messages"))
	}
}

// writeControl sends what is queued until the worker has ended. An error is
// the worker's death, which is noticed elsewhere.
func (w *Worker) writeControl() {
	for {
		select {
		case <-w.proc.Done():
			return
		case m := <-w.outbox:
			if m.file == nil {
				_, _ = w.control.Write(m.bytes)
			} else {
				w.writeFile(m)
			}
		}
	}
}

// writeFile sends a message with a descriptor. The file is closed already if
// nobody waits for the request any more; then the worker need not have it.
func (w *Worker) writeFile(m message) {
	raw, err := m.file.SyscallConn()
	if err != nil {
		return
	}
	_ = raw.Control(func(fd uintptr) {
		_, _, _ = w.control.WriteMsgUnix(m.bytes, unix.UnixRights(int(fd)), nil)
	})
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
