package front

import (
	"encoding/binary"
	"net"
	"os"
)

// writeSome writes what can be written without waiting, for a lock either.
func (sc *streamConn) writeSome(parts [][]byte) (n int) {
	c := sc.h.c
	if !c.mu.TryLock() {
		return 0
	}
	defer c.mu.Unlock()
	for _, p := range parts {
		k := sc.writeLocked(p)
		if n += k; k < len(p) {
			break
		}
	}
	sc.h.conn.Flush()
	return n
}

func (sc *streamConn) writeLocked(p []byte) (n int) {
	if !sc.closed {
		n = sc.st.frames.WriteSome(p)
		sc.h.moved += int64(n)
	}
	return n
}

// Write writes at least a byte of p, and waits until it is with the connection.
func (sc *streamConn) Write(p []byte) (int, error) {
	n, queued, err := sc.pass(p)
	if !queued {
		return n, err
	}
	sc.mu.Lock()
	defer sc.mu.Unlock()
	for sc.owes && !sc.gone && !sc.writeLate {
		sc.changed.Wait()
	}
	switch {
	case sc.gone:
		return 0, net.ErrClosed
	case sc.owes:
		return 0, os.ErrDeadlineExceeded
	}
	return n, nil
}

// pass writes what can be written, or if that is nothing queues a little.
func (sc *streamConn) pass(p []byte) (n int, queued bool, err error) {
	c := sc.h.c
	c.mu.Lock()
	defer c.mu.Unlock()
	defer sc.h.conn.Flush()
	switch n = sc.writeLocked(p); {
	case n > 0:
		return n, false, nil
	case sc.closed || sc.st.frames.Closed():
		return 0, false, net.ErrClosed
	}
	n = min(len(p), pipeStep)
	sc.st.writeLocked(p[:n], false)
	if sc.st.frames.Queued() == 0 {
		return n, false, nil
	}
	sc.mu.Lock()
	defer sc.mu.Unlock()
	sc.owes = true
	return n, true, nil
}

// sendHead sends the head of the answer to the handshake.
func (sc *streamConn) sendHead(head []byte) {
	sc.h.c.mu.Lock()
	defer sc.h.c.mu.Unlock()
	if !sc.closed {
		sc.headed = sc.headed || binary.LittleEndian.Uint16(head) >= 200
		sc.st.sendHeadLocked(head, false)
		sc.h.conn.Flush()
	}
}

// CloseWrite ends the sending. Who calls it may hold Server.mu, so the lock is only tried.
func (sc *streamConn) CloseWrite() error {
	c := sc.h.c
	sc.ending.Store(true)
	if c.mu.TryLock() {
		defer c.mu.Unlock()
		sc.endSendingLocked()
		return nil
	}
	c.srv.done.Add(1) // not from zero: the WebSocket's goroutine still counts
	go func() {
		defer c.srv.done.Done()
		c.mu.Lock()
		defer c.mu.Unlock()
		sc.endSendingLocked()
	}()
	return nil
}

func (sc *streamConn) endSendingLocked() {
	if !sc.closed && sc.headed {
		sc.st.frames.EndSending()
		sc.h.conn.Flush()
	}
}
