package worker

import (
	"errors"
	"io"
	"os"
	"sync/atomic"
	"syscall"
	"unsafe"
)

// socketReader reads a socket of Go's poller with raw system calls. They do not
// block, so the Go scheduler need not know of them: told of one, it would wake
// its monitor thread, which at 100,000 requests a second costs more than the
// reading.
type socketReader struct {
	raw syscall.RawConn
	try func(fd uintptr) bool // tryRead, made once
	// listens is set while there is nothing to read, and what was read has been dealt with.
	listens *atomic.Bool

	buf   []byte
	n     int
	errno syscall.Errno
	late  int // bytes that were read after the time to read was over
}

func newSocketReader(c syscall.Conn, listens *atomic.Bool) (*socketReader, error) {
	raw, err := c.SyscallConn()
	r := &socketReader{raw: raw, listens: listens}
	r.try = r.tryRead
	return r, err
}

// lateMost is more than a socket holds.
const lateMost = 4 * socketBuffer

// Read implements io.Reader. When the time to read is over, what the socket holds then is
// still read: it was sent in time, and a busy machine may not have let us.
func (r *socketReader) Read(p []byte) (int, error) {
	r.buf = p
	err := r.raw.Read(r.try)
	if errors.Is(err, os.ErrDeadlineExceeded) && r.late < lateMost {
		there := false
		if r.raw.Control(func(fd uintptr) { there = r.tryRead(fd) }) == nil && there {
			err = nil
			r.late += r.n
		}
	}
	switch {
	case err != nil:
		return 0, err
	case r.errno != 0:
		return 0, r.errno
	case r.n == 0:
		return 0, io.EOF
	}
	return r.n, nil
}

// tryRead reports false if there is nothing to read yet.
func (r *socketReader) tryRead(fd uintptr) bool {
	if r.listens.Load() {
		r.listens.Store(false) // before the socket gives it, or nobody would seem to have it
	}
	for {
		n, _, errno := syscall.RawSyscall6(syscall.SYS_RECVFROM, fd, uintptr(unsafe.Pointer(unsafe.SliceData(r.buf))), uintptr(len(r.buf)), 0, 0, 0)
		if errno == syscall.EINTR {
			continue
		}
		r.n, r.errno = int(n), errno
		if errno == syscall.EAGAIN {
			r.listens.Store(true)
			return false
		}
		return true
	}
}
