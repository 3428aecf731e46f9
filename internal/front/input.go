package front

import (
	"errors"
	"io"
	"sync"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"girin/internal/http1"
)

const (
	smallInput = 4 << 10
	largeInput = 64 << 10
)

var (
	smallInputs = sync.Pool{New: func() any { return new([smallInput]byte) }}
	largeInputs = sync.Pool{New: func() any { return new([largeInput]byte) }}
)

// input is what was read of a connection and not used yet. It holds a buffer
// only while there are bytes, so that a thousand idle connections cost little.
type input struct {
	c    *conn
	buf  []byte
	r, w int  // buf[r:w] is unread
	held bool // bytes before r are still referred to

	read, serve, pass func(fd uintptr) bool // passed to raw.Read; made once

	past []byte // where pass reads to
	n    int    // of the last read
	err  error
}

func (in *input) init(c *conn) {
	in.c = c
	in.read, in.serve, in.pass = in.tryFill, in.tryServe, in.tryPass
}

func (in *input) empty() bool    { return in.r == in.w }
func (in *input) unread() []byte { return in.buf[in.r:in.w] }

// take marks n bytes as used. They stay where they are until consumed.
func (in *input) take(n int) { in.r += n; in.held = true }

// consumed says that nobody refers to used bytes any more.
func (in *input) consumed() {
	in.held = false
	if in.empty() {
		in.release()
	}
}

// discard drops what is unread.
func (in *input) discard() { in.r, in.w = 0, 0; in.held = false }

// release gives the buffer back.
func (in *input) release() {
	switch cap(in.buf) {
	case smallInput:
		smallInputs.Put((*[smallInput]byte)(in.buf[:smallInput]))
	case largeInput:
		largeInputs.Put((*[largeInput]byte)(in.buf[:largeInput]))
	}
	if cap(in.buf) > smallInput {
		in.c.srv.heads.Add(-int64(cap(in.buf)))
	}
	in.buf, in.r, in.w = nil, 0, 0
}

// fill reads at least one byte.
func (in *input) fill() error {
	if in.w == len(in.buf) && in.buf != nil {
		if err := in.makeRoom(); err != nil {
			return err
		}
	}
	if in.c.raw == nil {
		return in.fillCopy()
	}
	if err := in.c.raw.Read(in.read); err != nil {
		return err
	}
	in.w += in.n
	return in.err
}

// fillServing reads like fill, but serves simple requests by the way (see
// conn.simple), for as long as nothing else comes. All that happens inside one
// raw.Read: Go's poller is edge-triggered, and only within one call does it
// remember what came since the last read. So no read is needed to find that
// there is nothing more, which is one system call of four.
func (in *input) fillServing() error {
	if in.c.raw == nil || in.buf != nil {
		return in.fill()
	}
	if err := in.c.raw.Read(in.serve); err != nil {
		return err
	}
	return in.err
}

// tryServe reads and serves without blocking; it reports false if it must
// wait for the next request.
func (in *input) tryServe(fd uintptr) bool {
	in.polled()
	for {
		if !in.tryRead(fd) {
			return false
		}
		in.w += in.n
		more := in.w == len(in.buf) || in.c.tls != nil // which may hold more than it gave
		if in.err != nil || !in.c.simple() {
			return true
		}
		if !more {
			return false
		}
	}
}

// polled notes that raw.Read has called: there may be more to read than before.
func (in *input) polled() {
	if in.c.tls != nil {
		in.c.records.drained = false
	}
}

// tryFill is tryRead, called by raw.Read.
func (in *input) tryFill(fd uintptr) bool {
	in.polled()
	return in.tryRead(fd)
}

// tryRead reads without blocking; it reports false if it must wait.
func (in *input) tryRead(fd uintptr) bool {
	if in.buf == nil {
		in.buf = smallInputs.Get().(*[smallInput]byte)[:]
	}
	if in.readTo(fd, in.buf[in.w:]) {
		return true
	}
	if in.empty() && !in.held {
		in.release()
	}
	return false
}

// readTo reads to p without blocking; it reports false if it must wait.
func (in *input) readTo(fd uintptr, p []byte) bool {
	if in.c.tls != nil {
		in.n, in.err = in.c.records.readSealed(fd, p)
		return in.err != error(errWouldBlock)
	}
	n, errno := readSocket(fd, p)
	switch {
	case errno != 0:
		in.n, in.err = 0, errno
	case n == 0:
		in.n, in.err = 0, io.EOF
	default:
		in.n, in.err = n, nil
	}
	return errno != syscall.EAGAIN
}

// readSocket is recv(2): less lies between it and the socket than with read(2).
func readSocket(fd uintptr, p []byte) (int, syscall.Errno) {
	for {
		n, _, errno := syscall.RawSyscall6(syscall.SYS_RECVFROM, fd, uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)), 0, 0, 0)
		switch errno {
		case syscall.EINTR:
			continue
		case 0:
			return int(n), 0
		}
		return 0, errno
	}
}

// moveTo moves bytes to p: those that are unread, or else what it reads now,
// past the buffer.
func (in *input) moveTo(p []byte) (n int, err error) {
	if !in.empty() {
		n = copy(p, in.unread())
		in.r += n
		return n, nil
	}
	in.release()
	if in.c.raw == nil {
		return in.c.reader().Read(p)
	}
	in.past = p
	defer func() { in.past = nil }()
	if err := in.c.raw.Read(in.pass); err != nil {
		return 0, err
	}
	return in.n, in.err
}

func (in *input) tryPass(fd uintptr) bool {
	in.polled()
	return in.readTo(fd, in.past)
}

// fillNow reads what is there, and reports whether that was anything.
func (in *input) fillNow() bool {
	if in.c.raw == nil || in.w == len(in.buf) && in.buf != nil {
		return false
	}
	in.n = 0
	err := in.c.raw.Read(func(fd uintptr) bool { in.tryFill(fd); return true })
	in.w += in.n
	return err == nil && in.n > 0
}

// reader is what a connection that is no socket is read from.
func (c *conn) reader() io.Reader {
	if c.tls != nil {
		return c.tls
	}
	return c.nc
}

// fillCopy reads through the connection's own Read.
func (in *input) fillCopy() error {
	if in.buf == nil {
		in.buf = smallInputs.Get().(*[smallInput]byte)[:]
	}
	n, err := in.c.reader().Read(in.buf[in.w:])
	in.w += n
	if n > 0 {
		return nil
	}
	return err
}

// makeRoom makes the buffer larger, or moves what is unread to its front. A
// head never needs more than its limits allow.
func (in *input) makeRoom() error {
	if in.r > 0 && !in.held {
		in.w = copy(in.buf, in.buf[in.r:in.w])
		in.r = 0
		if in.w < len(in.buf) {
			return nil
		}
	}
	size := 2 * len(in.buf)
	if len(in.buf) == smallInput {
		size = largeInput
	}
	switch {
	case size > 2*http1.MaxHead:
		return io.ErrShortBuffer
	case in.c.srv.heads.Load() > headsMost:
		return errHeads
	}
	in.grow(size)
	return nil
}

// headsMost is what heads beyond a small buffer may take of memory together:
// their clients could stop in the middle of them.
const headsMost = 64 << 20

var errHeads = &http1.Error{Status: 503, Reason: "too many large request heads at once"}

func (in *input) grow(size int) {
	var buf []byte
	if size == largeInput {
		buf = largeInputs.Get().(*[largeInput]byte)[:]
	} else {
		buf = make([]byte, size)
	}
	r, w := in.r, copy(buf, in.buf[:in.w])
	in.release()
	in.c.srv.heads.Add(int64(size))
	in.buf, in.r, in.w = buf, r, w
}

// pendingBytes is how many bytes the kernel holds for us.
func (in *input) pendingBytes() (n int) {
	_ = in.c.raw.Control(func(fd uintptr) { n = unreadBytes(int(fd)) })
	return n
}

func isEOF(err error) bool { return errors.Is(err, io.EOF) }

// hungUp reports whether the client has closed both directions. Only unix
// sockets tell.
func (c *conn) hungUp() (hup bool) {
	if !c.ls.unix || c.raw == nil {
		return false
	}
	_ = c.raw.Control(func(fd uintptr) {
		p := []unix.PollFd{{Fd: int32(fd)}}
		n, err := unix.Poll(p, 0)
		hup = err == nil && n > 0 && p[0].Revents&unix.POLLHUP != 0
	})
	return hup
}
