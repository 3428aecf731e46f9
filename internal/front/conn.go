package front

import (
	"crypto/tls"
	"errors"
	"net"
	"os"
	"runtime/debug"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
)

// conn is one client's connection. Its goroutine (serve) owns what is not
// under mu.
type conn struct {
	exchange // its request at present; reply is guarded by mu
	textHead

	ls      *listener
	nc      net.Conn
	raw     syscall.RawConn // nil where bytes must go through nc, which is no socket
	tls     *tls.Conn       // nil: cleartext
	records *records        // below tls

	in      input
	stage   stage       // what the sweeper times
	evicted atomic.Bool // others need its place: it does not linger

	streams atomic.Pointer[streams] // nil: HTTP/1.1 is spoken
	socket  *webSocket              // guarded by mu: the WebSocket that it asks for or has become; nil: none
	tunnel  *tunnel                 // guarded by mu: the same of a WSGI application
	over    *streamConn             // the stream of HTTP/2 that carries it; nil: it has a socket of its own

	mu       sync.Mutex
	dead     bool      // guarded by mu: nothing can be written any more
	halfShut bool      // guarded by mu: the client sends no more; see halfClosed
	changed  sync.Cond // reply.running or out.busy became false, or dead true
	out      output    // guarded by mu
	parts    parts     // guarded by mu
}

func newConn(s *Server, nc net.Conn, l *listener) *conn {
	s.cfg.Metrics.Connected()
	c := &conn{exchange: exchange{srv: s, peer: peerOf(nc)}, ls: l, nc: nc}
	c.peer.judge(s.asked.Load(), nc.RemoteAddr())
	c.peer.unix = l.unix
	c.changed.L = &c.mu
	c.textHead, c.to = textHead{&c.exchange}, c
	c.call.Answer = c
	c.call.Base = l.base
	c.stage.enter(stageNew) // or the sweeper would time it from the clock's zero
	if s.cfg.TLS != nil {
		c.underTLS(nc, s.cfg.TLS.config())
	}
	if sc, ok := nc.(syscall.Conn); ok {
		if raw, err := sc.SyscallConn(); err == nil {
			c.raw = raw
		}
	}
	c.in.init(c)
	c.out.init(c)
	return c
}

func peerOf(nc net.Conn) peer {
	if a, ok := nc.RemoteAddr().(*net.TCPAddr); ok {
		return peer{addr: a.AddrPort().Addr().Unmap().WithZone("").String(), port: strconv.Itoa(a.Port)}
	}
	return peer{}
}

// serve reads requests until the connection ends.
func (c *conn) serve() {
	defer c.finish()
	if !c.enter() {
		return
	}
	if !c.srv.cfg.Queue.Register(&c.call) {
		c.refuse(errBusy)
		return
	}
	defer c.srv.cfg.Queue.Release(&c.call)
	for c.next() {
	}
}

// finish closes the connection, and keeps a panic to it.
func (c *conn) finish() {
	if p := recover(); p != nil {
		c.srv.panicked(p)
		c.lost()
	}
	c.abandon()
	c.logLeft()
	c.nc.Close()
	c.in.release()
	c.dropBody()
	c.srv.forget(c)
}

// panicked logs a fault of the front's own, which ends one connection alone.
func (s *Server) panicked(p any) {
	s.cfg.Log.Errorf("connection ended: panic: %v\n%s", p, debug.Stack())
}

// abandon says that nothing can be written any more, to the client as well.
func (c *conn) abandon() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closeNotifyLocked()
	c.dieLocked()
}

// next serves one request, and reports whether another may follow.
func (c *conn) next() bool {
	if !c.readHead() {
		return false
	}
	c.isHead = string(c.req.Method) == "HEAD"
	if c.srv.isCheck(c.req.Path) {
		status, text := c.srv.check(c.req.Path)
		return c.answer(status, plainText, text)
	}
	if page := c.srv.fault.Load(); page != nil {
		return c.answerFault(*page)
	}
	if c.srv.cfg.Queue.Full() {
		return c.refuse(errOverload)
	}
	if c.upgrades() {
		c.awaitInterface()
	}
	if c.asksForSocket() {
		return c.serveSocket()
	}
	if c.asksForTunnel() {
		return c.serveTunnel()
	}
	if verdict := c.makeEnviron(); verdict != nil {
		return c.refuse(verdict)
	}
	injectFault(faultInConn, &c.exchange)
	c.reply.record.keep(&c.exchange)
	c.in.consumed()
	if c.streamsBody() {
		return c.submitStreamed()
	}
	if !c.readBody() {
		return false
	}
	c.addLength()
	c.submit()
	return true
}

// simple serves the request that was read if it is whole, alone and nothing
// special, as nearly all are. If not it reports false and has done nothing.
func (c *conn) simple() bool {
	if c.replying() || c.srv.fault.Load() != nil || c.srv.cfg.Queue.Full() {
		return false
	}
	c.req.Reset()
	n, verdict := c.req.Parse(c.in.unread(), c.limits())
	if verdict != nil || n != len(c.in.unread()) || c.req.ContentLength != 0 {
		return false
	}
	if c.srv.isCheck(c.req.Path) || c.upgrades() {
		return false
	}
	c.isHead = string(c.req.Method) == "HEAD"
	if c.makeEnviron() != nil {
		return false
	}
	injectFault(faultInConn, &c.exchange)
	c.in.take(n)
	c.reply.record.keep(&c.exchange)
	c.body.discard(c.srv)
	c.body.whole = true
	c.submit()
	return true
}

// replying reports whether the last response is not written yet, or was the
// last one.
func (c *conn) replying() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.reply.running || c.out.busy || c.dead || c.reply.last
}

// submit hands the request to the scheduler. From here on the reply belongs to
// whoever answers; this goroutine reads on, to know when the client leaves.
// It reports false if the scheduler did not take it.
func (c *conn) submit() bool {
	c.beginReply()
	c.stage.enter(stageBusy)
	err := c.srv.cfg.Queue.Submit(&c.call)
	if err != nil {
		c.srv.cfg.Queue.Unreserve(&c.call)
		c.Fail(err)
	} else {
		c.handedOver()
	}
	c.in.consumed()
	return err == nil
}

func (c *conn) beginReply() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.reply.begin(&c.exchange)
}

// readHead reads the next request's head, and waits for the last response to
// be written. It reports false if the connection has ended.
func (c *conn) readHead() bool {
	for c.in.empty() {
		if !c.came(c.unlessNudged(c.in.fillServing())) {
			return false
		}
	}
	if !c.waitReply() {
		c.linger(0)
		return false
	}
	c.req.Reset()
	c.isHead = false
	limits := c.limits()
	for {
		n, verdict := c.req.Parse(c.in.unread(), limits)
		if verdict != nil {
			return c.refuse(verdict)
		}
		if n > 0 {
			c.in.take(n)
			return true
		}
		if c.stage.now() != stageHead {
			c.stage.enter(stageHead)
		}
		if !c.more() {
			return false
		}
	}
}

// more reads more bytes. It reports false if there will be none: the client
// has gone, or its time is over.
func (c *conn) more() bool { return c.came(c.unlessNudged(c.in.fill())) }

// came judges a read. It reports false if no more bytes will come.
func (c *conn) came(err error) bool {
	switch {
	case err == nil:
		return true
	case errors.Is(err, os.ErrDeadlineExceeded):
		return c.expired()
	case errors.Is(err, errHeads):
		return c.refuse(errHeads)
	default:
		c.gone(err)
	}
	return false
}

// waitReply waits until the last response is written.
func (c *conn) waitReply() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.waitLocked()
	return !c.dead && !c.reply.last
}

func (c *conn) waitLocked() {
	for (c.reply.running || c.out.busy) && !c.dead {
		c.changed.Wait()
	}
}

// waitOutput waits until nothing waits for the client.
func (c *conn) waitOutput() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.waitLocked()
}
