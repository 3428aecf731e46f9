package front

import (
	"crypto/tls"
	"io"
	"net"
	"sync"
	"syscall"
	"time"
)

// records is what lies below a connection's tls.Conn: it makes TLS a step of
// reading and of writing rather than a connection of its own.
//
//	answer ─▶ tls.Conn ─▶ records (sealed bytes) ─▶ conn.passLocked ─▶ socket
//	input  ◀─ tls.Conn ◀─ records ◀─ read(2), which never waits
//
// Writing only appends, so an answer is sealed and written by whoever brings it,
// as in cleartext. Reading happens inside raw.Read of the connection, which
// waits in place of TLS: a deadline ends that wait, and never TLS itself, which
// could not go on after one. What TLS has to say of its own accord while it
// reads (alerts, new keys) is passed on after the read.
type records struct {
	net.Conn // the socket
	c        *conn
	room     *[sealedRoom]byte // the array that sealed began in

	// Of the reading goroutine.
	polled  bool // read only what is there: conn.raw waits
	fd      uintptr
	drained bool // the socket had no more since raw.Read called last
	asked   bool // TLS has read the socket for this record, and has not all of it

	mu     sync.Mutex
	sealed []byte // guarded by mu: what TLS has written
}

// sealedStep is how much is sealed before it is written, sealedRoom what that
// takes with the records' own bytes, and sealedLeast what must be left of it for
// another record.
const (
	sealedStep  = 64 << 10
	sealedRoom  = sealedStep + 8<<10
	sealedLeast = 4 << 10
)

var sealedRooms = sync.Pool{New: func() any { return new([sealedRoom]byte) }}

// errWouldBlock is what TLS takes for a passing hindrance: it keeps what it has
// read of a record.
var errWouldBlock net.Error = wouldBlock{}

type wouldBlock struct{}

func (wouldBlock) Error() string   { return "nothing to read" }
func (wouldBlock) Timeout() bool   { return true }
func (wouldBlock) Temporary() bool { return true }

// Read reads for TLS.
func (r *records) Read(p []byte) (int, error) {
	switch {
	case !r.polled:
		r.c.flush() // the handshake waits for an answer to what it has written
		return r.Conn.Read(p)
	case r.drained && !r.asked:
		return 0, errWouldBlock
	}
	// Within a record it is read until it has no more: its end may have come together
	// with what was read, and the poller would not tell of it again.
	n, errno := readSocket(r.fd, p)
	r.drained, r.asked = n < len(p), true
	switch {
	case errno == syscall.EAGAIN:
		return 0, errWouldBlock
	case errno != 0:
		return 0, errno
	case n == 0:
		return 0, io.EOF
	}
	return n, nil
}

// Write takes what TLS writes.
func (r *records) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.sealed == nil {
		r.room = sealedRooms.Get().(*[sealedRoom]byte)
		r.sealed = r.room[:0]
	}
	r.sealed = append(r.sealed, p...)
	return len(p), nil
}

// SetWriteDeadline does nothing: TLS sets one before its last record, and no
// write of it waits. A connection's own deadlines are the sweeper's.
func (r *records) SetWriteDeadline(time.Time) error { return nil }

// take returns what TLS has written since the last time, and the room it lies
// in, which goes back to its pool.
func (r *records) take() ([]byte, *[sealedRoom]byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	b, room := r.sealed, r.room
	r.sealed, r.room = nil, nil
	return b, room
}

// waiting is how many bytes are sealed and not taken.
func (r *records) waiting() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.sealed)
}

// sealLocked is writeLocked over TLS. A head and a small body make one record.
func (c *conn) sealLocked(head, body, end []byte) {
	if len(head) > 0 {
		n := min(cap(head)-len(head), len(body))
		head, body = append(head, body[:n]...), body[n:]
		if len(body) == 0 && len(end) <= cap(head)-len(head) {
			head, end = append(head, end...), nil
		}
	}
	for _, part := range [...][]byte{head, body, end} {
		for len(part) > 0 && !c.dead {
			left := sealedStep - c.records.waiting()
			if left < sealedLeast {
				c.flushLocked()
				left = sealedStep
			}
			n := min(len(part), left)
			if _, err := c.tls.Write(part[:n]); err != nil {
				c.lostLocked()
				return
			}
			part = part[n:]
		}
	}
	c.flushLocked()
}

// flushLocked writes what TLS has written.
func (c *conn) flushLocked() {
	b, room := c.records.take()
	if room == nil {
		return
	}
	if !c.dead {
		c.passLocked(b)
	}
	sealedRooms.Put(room)
}

// flush is flushLocked for the reading goroutine.
func (c *conn) flush() {
	if c.records.waiting() == 0 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.flushLocked()
}

// readSealed reads what TLS has or the socket holds, without waiting.
func (r *records) readSealed(fd uintptr, p []byte) (n int, err error) {
	r.fd, r.polled, r.asked = fd, true, false
	n, err = r.c.tls.Read(p)
	r.polled = false
	r.c.flush()
	return n, err
}

// endWritingLocked tells the client that no more will be written: with TLS by
// its own notice, as the end of the connection alone could be anybody's.
func (c *conn) endWritingLocked() {
	c.closeNotifyLocked()
	if half, ok := c.nc.(interface{ CloseWrite() error }); ok && !c.out.busy && !c.dead {
		_ = half.CloseWrite()
	}
}

// closeNotifyLocked sends TLS's notice of the end.
func (c *conn) closeNotifyLocked() {
	if c.tls == nil || c.dead {
		return
	}
	_ = c.tls.CloseWrite() // which fails before the handshake is done: then there is none to send
	c.flushLocked()
}

// underTLS makes nc the socket below a TLS connection.
func (c *conn) underTLS(nc net.Conn, config *tls.Config) {
	c.records = &records{Conn: nc, c: c}
	c.tls = tls.Server(c.records, config)
}
