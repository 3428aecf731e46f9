package front

import (
	"bytes"
	"cmp"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"girin/internal/http1"
	"girin/internal/ws"
)

// passOut passes on what the application writes, until it has ended or closed its
// socket, or the client has left.
func (t *tunnel) passOut() {
	defer close(t.done)
	defer t.c.srv.held.Add(-1)
	defer t.near.Close()
	defer func() {
		if p := recover(); p != nil { // it ends this connection, as in conn.finish
			t.c.srv.panicked(p)
			t.c.lost()
		}
	}()
	for t.passMore() {
		_ = t.raw.Read(hasBytes) // or was woken
	}
}

// settleLocked reports whether what an application has ended may still write is waited
// for: simple-websocket answers a close frame on a thread of its own, and may do so
// after the request has ended.
func (t *tunnel) settleLocked() bool {
	if t.settled || t.state != tunnelOpen || !t.ws || t.trace.Code != 0 || t.code == ws.CodeRestart {
		return false
	}
	t.settled = true
	_ = t.near.SetReadDeadline(time.Now().Add(settleLimit))
	return true
}

// hasBytes reports whether a read would not wait.
func hasBytes(fd uintptr) bool {
	p := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
	n, err := unix.Poll(p, 0)
	return err == nil && n > 0
}

// passMore passes on what there is, and reports whether more may come.
func (t *tunnel) passMore() bool {
	buf := largeInputs.Get().(*[largeInput]byte)
	defer largeInputs.Put(buf)
	c := t.c
	c.mu.Lock()
	defer c.mu.Unlock()
	told := t.told // looked at before: all that the application wrote is there by then
	for {
		for c.out.busy && !c.dead {
			c.changed.Wait() // the application waits as long
		}
		if c.dead || t.state == tunnelOver {
			return false
		}
		n, errno := 0, syscall.Errno(0)
		_ = t.raw.Control(func(fd uintptr) { n, errno = readSocket(fd, buf[:]) })
		switch {
		case n > 0:
			t.cameLocked(buf[:n])
		case errno != syscall.EAGAIN:
			t.closedLocked()
			return false
		case told:
			if t.settleLocked() {
				return true
			}
			t.finishLocked(t.code)
			return false
		case t.told:
			told = true
		default:
			return true
		}
	}
}

// cameLocked passes bytes on. With the first of them the connection is the
// application's.
func (t *tunnel) cameLocked(b []byte) {
	if t.openLocked(); t.state != tunnelOpen {
		return
	}
	rest := b
	if t.head != nil || !t.ws && t.c.reply.status == 0 {
		rest = t.headCameLocked(b)
		if t.c.over != nil {
			b = rest
		}
	}
	if t.ws {
		t.trace.Follow(rest)
		t.c.reply.sent += int64(len(rest))
	}
	t.c.writeLocked(nil, b, nil)
}

// headCameLocked follows the application's answer to the handshake, and returns what
// comes after its head. With it the access log has its first line.
func (t *tunnel) headCameLocked(b []byte) (rest []byte) {
	t.head = append(t.head, b...)
	end := bytes.Index(t.head, []byte("\r\n\r\n"))
	if end < 0 && len(t.head) <= http1.MaxHead {
		return nil
	}
	c, r := t.c, &t.c.reply
	line, _, _ := bytes.Cut(t.head, crlf)
	_, line, _ = bytes.Cut(line, []byte(" "))
	code, ok := http1.StatusCode(line)
	if r.status = code; !ok || end < 0 {
		r.status = 502 // whatever it is, it is no answer of HTTP's
	}
	rest = t.head[max(end, 0):]
	if c.over != nil {
		c.sendTextHead(r.status, t.head[:max(end, 0)])
	}
	t.head = nil
	if t.ws = r.status == 101; !t.ws {
		if c.over != nil {
			rest = bytes.TrimPrefix(rest, []byte("\r\n\r\n"))
		}
		return rest
	}
	r.upgraded = true
	c.srv.cfg.Metrics.Answered(r.status, 0)
	on := r.record.on
	c.logAccess()
	r.record.on = on // it has a line for its end, too
	return rest[len("\r\n\r\n"):]
}

// closedLocked goes on when the application's socket was closed. That a worker has died
// is told a moment later. The application may still run, and then has its time to end.
func (t *tunnel) closedLocked() {
	if t.state == tunnelAsked {
		return
	}
	if t.ws && t.trace.Code == 0 {
		t.c.awaitLocked(toldLimit, func() bool { return t.told || t.state != tunnelOpen })
	}
	if !t.told {
		t.c.srv.cfg.Queue.Cancel(&t.c.call)
	}
	t.finishLocked(cmp.Or(t.code, ws.CodeNormal))
}

const toldLimit = 500 * time.Millisecond

// finishLocked ends an open tunnel. A client that was sent no close frame is sent one,
// unless it has got a part of another frame: then it sees the connection end.
func (t *tunnel) finishLocked(code int) {
	switch {
	case t.state != tunnelOpen:
		return
	case t.trace.Code != 0:
		code = t.trace.Code
	case t.ws && t.trace.Between():
		t.c.writeLocked(ws.AppendClose(make([]byte, 0, 128), code, ""), nil, nil)
	default:
		code = ws.CodeAbnormal
	}
	t.overLocked(code)
}

// judgeTunnel closes a tunnel at its moment while the server stops.
func (s *Server) judgeTunnel(c *conn) {
	if !c.mu.TryLock() {
		return // the next look is soon enough
	}
	defer c.mu.Unlock()
	if t := c.tunnel; t != nil && t.state == tunnelOpen && t.trace.Between() {
		s.cfg.Queue.Cancel(&c.call)
		t.finishLocked(ws.CodeRestart)
		t.wake()
	}
}
