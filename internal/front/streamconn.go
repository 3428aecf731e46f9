package front

import (
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// streamConn is a stream of HTTP/2 that has become a WebSocket (RFC 8441), as the
// net.Conn of a conn of its own: what holds for a WebSocket of HTTP/1.1 is done there, by
// the same code. The connection of HTTP/2 reads for it; so what comes waits here, as much
// as the stream's window allows, until it is read. What is written goes into the stream
// as far as windows allow, and the rest waits in the conn's output, as for any socket.
//
// conn.mu of the WebSocket comes before that of the connection, and mu after both. Under
// Server.mu neither is waited for.
type streamConn struct {
	h  *streams
	st *stream // of this one until closed

	closed   bool // guarded by h.c.mu: st may be another request's
	withheld int  // guarded by h.c.mu: bytes for which the connection's window is not open again
	headed   bool // guarded by h.c.mu: an answer's head was sent, without which nothing may end

	ending atomic.Bool  // END_STREAM is to be sent
	cut    atomic.Bool  // it is not, as its answer is not whole
	marked atomic.Int64 // what the client has acknowledged when it has a ping, see mark

	mu        sync.Mutex
	changed   sync.Cond
	input     []byte // guarded by mu: what came; input[at:] is unread
	at        int    // guarded by mu
	unopened  int    // guarded by mu: bytes that were read, and the client may not send again yet
	withholds bool   // guarded by mu: withheld is not 0
	eof       bool   // guarded by mu: END_STREAM came
	gone      bool   // guarded by mu: it was reset, or its connection has ended
	owes      bool   // guarded by mu: the stream has queued something
	readLate  bool   // guarded by mu: the deadline for reading is over
	writeLate bool   // guarded by mu: the same for writing
}

var _ net.Conn = (*streamConn)(nil)

// came takes what the client sent. It waits for nobody: the window bounds it.
func (sc *streamConn) came(p []byte) (consumed int) {
	c := sc.h.c
	c.mu.Lock()
	defer c.mu.Unlock()
	if sc.closed {
		return len(p)
	}
	withhold := c.srv.messages.Add(int64(len(p))) > messagesMost/2
	if withhold {
		sc.withheld += len(p) // it waits with all of its connection
	} else {
		sc.st.frames.Kept(len(p))
	}
	sc.keepLocked(p, withhold)
	return 0
}

func (sc *streamConn) keepLocked(p []byte, withheld bool) {
	sc.mu.Lock()
	defer sc.mu.Unlock()
	sc.withholds = sc.withholds || withheld
	if sc.input == nil {
		sc.input = smallInputs.Get().(*[smallInput]byte)[:0]
	}
	if sc.at > 0 && len(sc.input)+len(p) > cap(sc.input) { // or what was read would stay for as long as more comes
		sc.input = sc.input[:copy(sc.input, sc.input[sc.at:])]
		sc.at = 0
	}
	sc.input = append(sc.input, p...)
	sc.changed.Broadcast()
}

// ended notes that the client ends its side.
func (sc *streamConn) ended() { sc.note(&sc.eof) }

// lost notes that the stream is gone.
func (sc *streamConn) lost() { sc.note(&sc.gone) }

func (sc *streamConn) note(what *bool) {
	sc.mu.Lock()
	defer sc.mu.Unlock()
	*what = true
	sc.changed.Broadcast()
}

// moved notes that the stream has sent something of what it had queued.
func (sc *streamConn) moved() {
	if sc.st.frames.Queued() == 0 {
		sc.mu.Lock()
		defer sc.mu.Unlock()
		sc.owes = false
		sc.changed.Broadcast()
	}
}

// Read reads what came.
func (sc *streamConn) Read(p []byte) (n int, err error) {
	sc.mu.Lock()
	defer func() {
		sc.mu.Unlock()
		if n > 0 {
			sc.reopen(n)
		}
	}()
	for len(sc.input) == 0 && !sc.eof && !sc.gone && !sc.readLate {
		sc.changed.Wait()
	}
	switch {
	case sc.readLate:
		return 0, os.ErrDeadlineExceeded
	case len(sc.input) > 0:
		return sc.takeLocked(p), nil
	case sc.gone:
		return 0, net.ErrClosed
	}
	return 0, io.EOF
}

func (sc *streamConn) takeLocked(p []byte) int {
	n := copy(p, sc.input[sc.at:])
	if sc.at += n; sc.at == len(sc.input) {
		sc.emptyLocked()
	}
	return n
}

// emptyLocked gives the buffer back.
func (sc *streamConn) emptyLocked() {
	if cap(sc.input) == smallInput {
		smallInputs.Put((*[smallInput]byte)(sc.input[:smallInput]))
	}
	sc.input, sc.at = nil, 0
}

// reopen lets the client send again what was read, in steps: the lock is not for each
// small message. Where the connection's window is withheld there are none: many sockets
// would each wait for the rest of a step, and none of their clients could send it.
func (sc *streamConn) reopen(n int) {
	srv := sc.h.c.srv
	srv.messages.Add(-int64(n))
	sc.mu.Lock()
	sc.unopened += n
	n = sc.unopened
	if n < srv.cfg.HTTP2.Window/4 && !sc.withholds {
		sc.mu.Unlock()
		return
	}
	sc.unopened = 0
	sc.mu.Unlock()
	sc.h.c.mu.Lock()
	defer sc.h.c.mu.Unlock()
	if sc.closed {
		return
	}
	sc.openLocked(n)
	sc.st.frames.Reopen(n)
	sc.h.conn.Flush()
}

// openLocked opens the connection's window again for n bytes of what was withheld.
func (sc *streamConn) openLocked(n int) {
	n = min(n, sc.withheld)
	sc.st.frames.Kept(n)
	if sc.withheld -= n; sc.withheld > 0 {
		return
	}
	sc.mu.Lock()
	defer sc.mu.Unlock()
	sc.withholds = false
}

// Close ends the stream: as its client expects after both sides have said all, else by a
// reset (RFC 8441 section 5).
func (sc *streamConn) Close() error {
	c := sc.h.c
	c.mu.Lock()
	defer c.mu.Unlock()
	if sc.closed {
		return nil
	}
	sc.openLocked(sc.withheld)
	sc.closed = true
	unread, eof := sc.drop()
	c.srv.messages.Add(-int64(unread))
	frames := &sc.st.frames
	if sc.headed && !sc.cut.Load() && (sc.ending.Load() || eof && frames.Queued() == 0) {
		frames.EndSending()
		frames.Finish()
	} else {
		frames.Reset(codeCancel)
	}
	frames.Done()
	sc.h.conn.Flush()
	return nil
}

// drop forgets what came and nobody has read.
func (sc *streamConn) drop() (unread int, eof bool) {
	sc.mu.Lock()
	defer sc.mu.Unlock()
	unread = len(sc.input) - sc.at
	sc.emptyLocked()
	sc.gone = true
	sc.changed.Broadcast()
	return unread, sc.eof
}

// hasGone reports whether the stream is gone, also where nothing is read of it.
func (sc *streamConn) hasGone() bool {
	sc.mu.Lock()
	defer sc.mu.Unlock()
	return sc.gone
}

// mark notes how much the connection's client has acknowledged when it has all that was
// sent so far: until then it takes its time to answer a ping, see Server.judgeSocket.
func (sc *streamConn) mark() {
	c := sc.h.c
	n := c.acknowledged() + c.unacknowledged()
	if c.out.pace.waits.Load() {
		n += streamsMost
	}
	sc.marked.Store(n)
}

// streamsMost is about what may wait for a connection's socket.
const streamsMost = 512 << 10

func (sc *streamConn) acknowledged() int64 { return min(sc.h.c.acknowledged(), sc.marked.Load()) }

// SetReadDeadline ends reading if t is in the past, as all are that are set.
func (sc *streamConn) SetReadDeadline(t time.Time) error {
	sc.mu.Lock()
	defer sc.mu.Unlock()
	sc.readLate = !t.IsZero()
	sc.changed.Broadcast()
	return nil
}

// SetWriteDeadline is the same for writing.
func (sc *streamConn) SetWriteDeadline(t time.Time) error {
	sc.mu.Lock()
	defer sc.mu.Unlock()
	sc.writeLate = !t.IsZero()
	sc.changed.Broadcast()
	return nil
}

// SetDeadline is both.
func (sc *streamConn) SetDeadline(t time.Time) error {
	_ = sc.SetReadDeadline(t)
	return sc.SetWriteDeadline(t)
}

// LocalAddr is the connection's.
func (sc *streamConn) LocalAddr() net.Addr { return sc.h.c.nc.LocalAddr() }

// RemoteAddr is the connection's.
func (sc *streamConn) RemoteAddr() net.Addr { return sc.h.c.nc.RemoteAddr() }
