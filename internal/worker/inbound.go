package worker

import (
	"sync"
	"syscall"

	"girin/internal/wire"
)

// inbound is what a worker is sent on its response socket. Whoever finds nobody
// writing writes all that is there, his own and others', and waits for nobody: what
// the socket does not take is written by a goroutine of its own, which ends when
// nothing is left. It is bounded by what its WebSockets may have unread (see
// --ws-max-queue), and by the credit for what its answers have sent.
type inbound struct {
	raw  syscall.RawConn
	wait sync.WaitGroup // for the goroutine

	mu      sync.Mutex
	buf     []byte // guarded by mu: what nobody writes yet
	spare   []byte // guarded by mu: an empty buffer
	writing bool   // guarded by mu
	ended   bool   // guarded by mu: nobody reads any more
}

// keptInbound is the largest buffer that is kept while nothing is to be sent.
const keptInbound = 256 << 10

// Say adds a frame; Flush sends it.
func (w *Worker) Say(f wire.Inbound, data []byte) {
	o := &w.inbound
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.ended {
		o.buf = f.Append(o.buf, data)
	}
}

// Flush sends what was said.
func (w *Worker) Flush() {
	o := &w.inbound
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.writing {
		return
	}
	o.writing = true
	for b := o.takeLocked(); b != nil; b = o.takeLocked() {
		o.mu.Unlock()
		n, errno := o.tryWrite(b)
		o.mu.Lock()
		if errno != 0 && errno != syscall.EAGAIN {
			o.endLocked()
			return
		}
		if n < len(b) {
			o.wait.Add(1)
			go func() {
				defer o.wait.Done()
				o.writeAll(b, n)
			}()
			return
		}
		o.keepLocked(b)
	}
	o.writing = false
}

// takeLocked takes what is to be written; nil: nothing is.
func (o *inbound) takeLocked() (b []byte) {
	if len(o.buf) == 0 || o.ended {
		return nil
	}
	b, o.buf, o.spare = o.buf, o.spare, nil
	return b
}

func (o *inbound) keepLocked(b []byte) {
	if cap(b) <= keptInbound {
		o.spare = b[:0]
	}
}

func (o *inbound) endLocked() {
	o.ended, o.buf, o.spare = true, nil, nil
}

// tryWrite writes what the socket takes.
func (o *inbound) tryWrite(b []byte) (n int, errno syscall.Errno) {
	err := o.raw.Write(func(fd uintptr) bool {
		n, errno = writeSome(fd, b)
		return true
	})
	if err != nil {
		return 0, syscall.EPIPE
	}
	return n, errno
}

// writeAll writes what is left of b from n on, and all that comes meanwhile.
func (o *inbound) writeAll(b []byte, n int) {
	for b != nil {
		for n < len(b) {
			m, errno := 0, syscall.Errno(0)
			err := o.raw.Write(func(fd uintptr) bool {
				m, errno = writeSome(fd, b[n:])
				return errno != syscall.EAGAIN
			})
			if err != nil || errno != 0 {
				o.mu.Lock()
				o.endLocked()
				o.mu.Unlock()
				return
			}
			n += m
		}
		o.mu.Lock()
		o.keepLocked(b)
		if b, n = o.takeLocked(), 0; b == nil {
			o.writing = false
		}
		o.mu.Unlock()
	}
}

func writeSome(fd uintptr, b []byte) (int, syscall.Errno) {
	for {
		n, err := syscall.Write(int(fd), b)
		switch errno, _ := err.(syscall.Errno); {
		case errno == syscall.EINTR:
		case err != nil:
			return 0, errno
		default:
			return n, 0
		}
	}
}
