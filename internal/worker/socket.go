package worker

import (
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"
	"time"

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
		roomFor(fd, socketBuffer)
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

// writeControl sends what the worker is to be told until it has ended. An error is
// the worker's death, which is noticed elsewhere.
func (w *Worker) writeControl(hello []byte) {
	w.say(wire.Control{Op: wire.Hello}.Append(nil, hello), nil)
	for {
		m, ok := w.outbox.next()
		switch {
		case ok && m.file != nil:
			w.writeFile(m)
			continue
		case ok:
			w.say(m.bytes, nil)
			continue
		}
		select {
		case <-w.proc.Done():
			return
		case <-w.outbox.wake:
		}
	}
}

// writeFile sends a message with a descriptor. If the file is closed already, nobody
// waits for the request any more, and that is what the worker is told: a thread of
// its may wait for the file.
func (w *Worker) writeFile(m message) {
	raw, err := m.file.SyscallConn()
	if err == nil {
		err = raw.Control(func(fd uintptr) {
			w.say(m.bytes, unix.UnixRights(int(fd)))
		})
	}
	if err != nil {
		w.say(cancelled(m.id), nil)
	}
}

// say writes a message, again and again while the kernel has no memory for it: one that is
// left out, of credit or to end, would never be made up for.
func (w *Worker) say(message, rights []byte) {
	for {
		_, _, err := w.control.WriteMsgUnix(message, rights, nil)
		if !isShortOfMemory(err) {
			return
		}
		time.Sleep(shortWait)
	}
}

// shortWait is until the kernel is asked again for memory that it had not.
const shortWait = time.Millisecond

func isShortOfMemory(err error) bool {
	return errors.Is(err, syscall.ENOBUFS) || errors.Is(err, syscall.ENOMEM)
}

// closeFiles closes the descriptors that came with a message.
func closeFiles(oob []byte) {
	if f, err := takeFile(oob); err == nil {
		f.Close() // takeFile has closed them if there were more
	}
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
