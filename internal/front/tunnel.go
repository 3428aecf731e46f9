package front

import (
	"errors"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"

	"girin/internal/http1"
	"girin/internal/sched"
	"girin/internal/wire"
	"girin/internal/ws"
)

// tunnel is the connection of a WSGI application's WebSocket. WSGI knows none, so
// its libraries take the server's socket, answer the handshake on it and speak the
// protocol themselves. They get one end of a pair of sockets: the front passes bytes
// on, so that TLS, limits, logs and the connection's end stay its own.
//
//	asked ─the application writes→ open ─it closes or has ended, the client leaves─→ over
//	  └ an answer like any other: the connection goes on
//
// The connection's goroutine passes on what the client sends, another (passOut) what
// the application does. Neither reads more than the other end takes.
type tunnel struct {
	c      *conn
	near   *net.UnixConn   // the front's end; passOut closes it
	raw    syscall.RawConn // of near
	far    *os.File        // the application's, until it has got it
	number int             // its descriptor
	ends   sync.Mutex      // guards closed
	closed bool
	done   chan struct{} // closed when passOut has ended
	stuck  atomic.Bool   // passIn writes: it does not see its client leave
	share  uint32        // of the time over which sockets are closed when the server stops

	state   tunnelState // guarded by conn.mu
	told    bool        // guarded by conn.mu: the call has ended
	failed  bool        // guarded by conn.mu: with an answer of 5xx
	settled bool        // guarded by conn.mu: see settleLocked
	code    int         // guarded by conn.mu: for the close frame, if the application has sent none
	head    []byte      // guarded by conn.mu: of the application's answer, until it is whole
	ws      bool        // guarded by conn.mu: it was 101
	trace   ws.Trace    // guarded by conn.mu: of the frames that follow it
}

type tunnelState uint8

const (
	tunnelAsked tunnelState = iota
	tunnelOpen
	tunnelOver
)

var _ sched.Spool = (*tunnel)(nil)

// asksForTunnel reports whether a WSGI application may want the connection.
func (c *conn) asksForTunnel() bool {
	return c.upgrades() && !c.srv.asgi.Load() && c.raw != nil && string(c.req.Method) == "GET" &&
		c.req.Minor > 0 && c.req.ContentLength == 0 && !c.req.Chunked && namesSocket(&c.req)
}

// wake makes passOut look again.
func (t *tunnel) wake() { _ = t.near.SetReadDeadline(longAgo) }

// serveTunnel serves a request that may take the connection. It reports whether
// another may follow.
func (c *conn) serveTunnel() bool {
	if verdict := c.makeEnviron(); verdict != nil {
		return c.refuse(verdict)
	}
	t, err := c.newTunnel()
	if err != nil {
		return c.refuse(errNoFile)
	}
	c.reply.record.keep(&c.exchange)
	c.body.discard(c.srv)
	c.body.whole = true
	c.setTunnel(t)
	c.call.Spool, c.call.Tunnel = t, true
	defer func() { c.call.Tunnel = false }()
	c.srv.done.Add(1) // not from zero: the connection's goroutine still counts
	go func() {
		defer c.srv.done.Done()
		t.passOut()
	}()
	if !c.submit() {
		t.Close() // the answer was given
	}
	there := c.awaitOpen(t)
	if c.plain(t) {
		<-t.done
		return there
	}
	if there {
		c.passIn(t)
	}
	return c.leaveTunnel(t)
}

func (c *conn) setTunnel(t *tunnel) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.tunnel = t
}

// awaitOpen waits until the application has answered. It reports false if the client
// has gone.
func (c *conn) awaitOpen(t *tunnel) bool {
	for c.unanswered(t, !c.in.empty()) {
		if err := c.unlessNudged(c.in.fill()); err != nil {
			c.mu.Lock()
			plain := t.state == tunnelAsked && !c.reply.running
			c.mu.Unlock()
			return plain && c.came(err)
		}
	}
	return true
}

// unanswered reports whether the application has not answered; with wait it waits
// for that.
func (c *conn) unanswered(t *tunnel, wait bool) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for wait && t.state == tunnelAsked && c.reply.running && !c.dead {
		c.changed.Wait()
	}
	return t.state == tunnelAsked && c.reply.running && !c.dead
}

// plain forgets a tunnel that was answered as any request is, and reports whether
// it was.
func (c *conn) plain(t *tunnel) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if t.state != tunnelAsked || c.reply.running {
		return false
	}
	c.tunnel = nil
	t.told = true
	t.wake()
	return true
}

// passIn passes on what the client sends, until it leaves or the connection ends.
// What the application does not want any more is dropped.
func (c *conn) passIn(t *tunnel) {
	for wanted := true; ; {
		if wanted && !c.in.empty() {
			t.stuck.Store(true)
			_, err := t.near.Write(c.in.unread())
			t.stuck.Store(false)
			wanted = err == nil
		}
		c.makeRoomForBody()
		if c.unlessNudged(c.in.fill()) != nil {
			return
		}
	}
}

// leaveTunnel ends the connection of a tunnel. It returns false, for its callers to
// return.
func (c *conn) leaveTunnel(t *tunnel) bool {
	c.mu.Lock()
	if t.state != tunnelOver {
		c.srv.cfg.Queue.Cancel(&c.call)
		c.dieLocked()
		t.overLocked(ws.CodeAbnormal)
	}
	c.mu.Unlock()
	t.wake()
	<-t.done
	return false
}

// overLocked ends the tunnel and, when all is written, the connection.
func (t *tunnel) overLocked(code int) {
	r := &t.c.reply
	if r.last = true; r.upgraded {
		r.status = code
	}
	t.state = tunnelOver
	t.c.endLocked()
}

// frameLocked takes a frame of the application's answer, of which a client whose
// connection it has taken gets nothing. It reports false if it has not.
func (t *tunnel) frameLocked(f *wire.Frame, head, body []byte) bool {
	if f.Kind == wire.Response && len(head) > 0 && head[0] == '5' {
		t.failed = true // a framework has made an answer of what its handler raised
	}
	if f.Flags&wire.Final != 0 {
		t.endedLocked(t.codeOf())
	} else if t.openedLocked() {
		t.c.reply.got += int64(len(body))
		t.c.grantLocked()
	}
	return t.state != tunnelAsked
}

// fileLocked is frameLocked for an answer whose body is a file.
func (t *tunnel) fileLocked(body sched.FileBody) bool {
	t.endedLocked(t.codeOf())
	if t.state == tunnelAsked {
		return false
	}
	body.File.Close()
	return true
}

// failLocked is told that the application will say no more.
func (t *tunnel) failLocked(cause error) bool {
	code := ws.CodeInternal
	if errors.Is(cause, sched.ErrStopped) || errors.Is(cause, sched.ErrAppFailed) && t.leaving() {
		code = ws.CodeRestart
	}
	t.endedLocked(code)
	return t.state != tunnelAsked
}

// codeOf is the code for an application that has answered.
func (t *tunnel) codeOf() int {
	switch {
	case t.leaving():
		return ws.CodeRestart
	case t.failed:
		return ws.CodeInternal
	}
	return ws.CodeNormal
}

// leaving reports whether the worker is being replaced: then that is why it has ended.
func (t *tunnel) leaving() bool { return t.c.srv.cfg.Queue.Leaving(&t.c.call) }

// endedLocked notes that the call has ended: passOut does what is still to be done.
func (t *tunnel) endedLocked(code int) {
	t.openedLocked()
	t.told, t.code = true, code
	t.wake()
	t.c.changedLocked()
}

// openedLocked reports whether the application has taken the connection. All that it
// wrote before it answered is there to be read.
func (t *tunnel) openedLocked() bool {
	if t.state == tunnelAsked {
		pending := 0
		_ = t.raw.Control(func(fd uintptr) { pending = unreadBytes(int(fd)) })
		if pending > 0 {
			t.openLocked()
		}
	}
	return t.state != tunnelAsked
}

func (t *tunnel) openLocked() {
	c, r := t.c, &t.c.reply
	if t.state != tunnelAsked || !r.running || c.dead {
		return
	}
	t.state = tunnelOpen
	r.started, r.last, r.whole, r.remain = true, true, false, -1
	t.letGo() // the application has it: now we see when it closes it
	c.srv.cfg.Queue.Tunnelled(&c.call)
	c.stage.enter(stageTunnel)
	c.changedLocked()
}

// namesSocket reports whether Upgrade and Connection ask for a WebSocket.
func namesSocket(req *http1.Request) bool {
	return listHas(req.Fields, http1.KindUpgrade, "websocket") && listHas(req.Fields, http1.KindConnection, "upgrade")
}
