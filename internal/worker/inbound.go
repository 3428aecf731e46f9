package worker

import (
	"sync"
	"syscall"
	"time"

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

	// Of who writes.
	try   func(fd uintptr) bool // tryWrite, made once
	all   bool                  // the rest waits for room, in place of its writer
	rest  []byte
	errno syscall.Errno

	mu      sync.Mutex
	buf     []byte // guarded by mu: what nobody writes yet
	spare   []byte // guarded by mu: an empty buffer
	writing bool   // guarded by mu
	ended   bool   // guarded by mu: nobody reads any more
}

func (o *inbound) open(c syscall.Conn) (err error) {
	o.try = o.tryWrite
	o.raw, err = c.SyscallConn()
	return err
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
		o.write(b, false)
		o.mu.Lock()
		switch {
		case o.errno != 0:
			o.endLocked()
			return
		case len(o.rest) > 0:
			o.wait.Add(1)
			go func() {
				defer o.wait.Done()
				o.writeAll(b)
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

// write writes b, or, unless it is to be all, what the socket takes of it.
func (o *inbound) write(b []byte, all bool) {
	o.rest, o.all = b, all
	for {
		o.errno = 0
		if o.raw.Write(o.try) != nil {
			o.errno = syscall.EPIPE
		}
		if o.errno == 0 || !isShortOfMemory(o.errno) {
			break
		}
		o.errno = 0 // the kernel may have memory in a moment; the worker lives, and so do its sockets
		if !all {
			break
		}
		time.Sleep(shortWait)
	}
	if len(o.rest) == 0 || o.errno != 0 {
		o.rest = nil // it may be of a large buffer
	}
}

// tryWrite writes what the socket takes; it reports false to be called again when it takes more.
func (o *inbound) tryWrite(fd uintptr) bool {
	for len(o.rest) > 0 {
		n, errno := writePacket(int(fd), o.rest)
		switch errno {
		case 0:
			o.rest = o.rest[n:]
		case syscall.EAGAIN:
			return !o.all
		default:
			o.errno = errno
			return true
		}
	}
	return true
}

// writeAll writes what is left of b, and all that comes meanwhile.
func (o *inbound) writeAll(b []byte) {
	for rest := o.rest; b != nil; rest = b {
		o.write(rest, true)
		o.mu.Lock()
		if o.errno != 0 {
			o.endLocked()
			o.mu.Unlock()
			return
		}
		o.keepLocked(b)
		if b = o.takeLocked(); b == nil {
			o.writing = false
		}
		o.mu.Unlock()
	}
}
