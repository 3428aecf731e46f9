package front

import (
	"crypto/tls"
	"errors"
	"net"
	"os"
	"runtime/debug"
	"strconv"
	"sync"
	"syscall"

	"girin/internal/http1"
	"girin/internal/sched"
	"girin/internal/wire"
)

// conn is one client's connection. Its goroutine (serve) owns what is not
// under mu.
type conn struct {
	exchange // its request at present; reply is guarded by mu

	ls  *listener
	nc  net.Conn
	raw syscall.RawConn // nil where bytes must go through nc, as with TLS

	in    input
	stage stage // what the sweeper times

	unread unread // of HTTP/2
	shed   bool   // of the sweeper: it was ended for what it leaves unread

	mu      sync.Mutex
	changed sync.Cond // reply.running or out.busy became false, or dead true
	out     output    // guarded by mu
	dead    bool      // guarded by mu: nothing can be written any more
}

func newConn(s *Server, nc net.Conn, l *listener) *conn {
	s.cfg.Metrics.Connected()
	c := &conn{exchange: exchange{srv: s, peer: peerOf(nc)}, ls: l, nc: nc}
	c.peer.trusted, c.peer.unix = s.cfg.Trust.contain(nc.RemoteAddr()), l.unix
	c.changed.L = &c.mu
	c.call.Answer = c
	c.call.Base = l.base
	c.stage.enter(stageNew) // or the sweeper would time it from the clock's zero
	if s.cfg.TLS != nil {
		c.nc = tls.Server(nc, s.cfg.TLS.config())
	} else if sc, ok := nc.(syscall.Conn); ok {
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
		c.panicked(p)
	}
	c.abandon()
	c.nc.Close()
	c.in.release()
	c.body.discard(c.srv)
	c.srv.cfg.Queue.Unreserve(&c.call)
	c.srv.forget(c)
}

// panicked logs a fault of the front's own, which ends this connection alone.
func (c *conn) panicked(p any) {
	c.srv.cfg.Log.Errorf("connection ended: panic: %v\n%s", p, debug.Stack())
}

// abandon says that nothing can be written any more.
func (c *conn) abandon() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.dieLocked()
}

// next serves one request, and reports whether another may follow.
func (c *conn) next() bool {
	if !c.readHead() {
		return false
	}
	c.isHead = string(c.req.Method) == "HEAD"
	if path := c.srv.cfg.HealthPath; path != "" && string(c.req.Path) == path {
		return c.answerHealth()
	}
	if page := c.srv.fault.Load(); page != nil {
		return c.answerFault(*page)
	}
	if c.srv.cfg.Queue.Full() {
		return c.refuse(errOverload)
	}
	if verdict := c.makeEnviron(); verdict != nil {
		return c.refuse(verdict)
	}
	injectFault(faultInConn, &c.exchange)
	c.reply.record.keep(&c.exchange)
	c.in.consumed()
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
	if path := c.srv.cfg.HealthPath; path != "" && string(c.req.Path) == path {
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
func (c *conn) submit() {
	c.beginReply()
	c.stage.enter(stageBusy)
	if err := c.srv.cfg.Queue.Submit(&c.call); err != nil {
		c.srv.cfg.Queue.Unreserve(&c.call)
		c.Fail(err)
	}
	c.in.consumed()
}

func (c *conn) beginReply() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.reply.begin(c)
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
		c.linger()
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

// unlessNudged judges a read's end: if the sweeper only wanted to know whether
// the client is still there (see stage.nudged) it goes on reading.
func (c *conn) unlessNudged(err error) error {
	if !errors.Is(err, os.ErrDeadlineExceeded) || !c.stage.nudged.Swap(false) {
		return err
	}
	_ = c.nc.SetReadDeadline(noDeadline)
	return c.in.fill()
}

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
	for (c.reply.running || c.out.busy) && !c.dead {
		c.changed.Wait()
	}
	return !c.dead && !c.reply.last
}

// refuse answers with a verdict of the front's own and ends the connection. It
// returns false, for its callers to return.
func (c *conn) refuse(verdict *http1.Error) bool {
	if !c.waitReply() {
		return false
	}
	fields := c.srv.commonFields(nil)
	if verdict.Status == 503 {
		fields = append(fields, "Retry-After: 1\r\n"...)
	}
	b := http1.ErrorResponse(nil, verdict.Status, verdict.Reason, http1.ErrorOptions{
		Fields: fields, NoBody: c.isHead,
	})
	c.sendLast(verdict.Status, b)
	c.linger()
	return false
}

// sendLast sends a whole response, after which the connection ends.
func (c *conn) sendLast(status int, b []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.reply.begin(c)
	c.reply.last, c.reply.whole = true, false
	c.reply.refused(status)
	c.sendLocked(b, nil, nil)
	c.endLocked()
}

var (
	errBusy     = &http1.Error{Status: 503, Reason: "too many connections"}
	errOverload = &http1.Error{Status: 503, Reason: "the server is overloaded"}
)

// commonFields are the fields of every response.
func (s *Server) commonFields(dst []byte) []byte {
	dst = append(dst, "Server: girin\r\n"...)
	return s.date.Append(dst, s.second.Load())
}

// linger reads on after the last response, for hangUpLocked's reason, until
// the client closes or a limit is reached.
func (c *conn) linger() {
	for discarded := 0; discarded < lingerBytes; discarded += len(c.in.unread()) {
		c.in.discard()
		if c.unlessNudged(c.in.fill()) != nil {
			return
		}
	}
}

const lingerBytes = 256 << 10

// gone notes that no more bytes come. A client that has only closed its
// sending side still wants the answer; one that was reset does not.
func (c *conn) gone(err error) {
	if isEOF(err) && !c.hungUp() {
		c.halfClosed()
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.reply.running {
		c.srv.cfg.Queue.Cancel(&c.call)
	}
	c.dieLocked()
}

// halfClosed lets a running response finish. TCP does not tell a client that
// left from one that has said all it wants to say; a request that nobody has
// begun some time later is taken to be the former's.
func (c *conn) halfClosed() {
	c.mu.Lock()
	running := c.reply.running
	c.mu.Unlock()
	if running {
		stop := c.srv.afterHalfClose(func() { c.srv.cfg.Queue.CancelQueued(&c.call) })
		defer stop()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for (c.reply.running || c.out.busy) && !c.dead {
		c.changed.Wait()
	}
}

// expired ends a connection whose time is over. It reports true if it is not:
// a request may have come in the very moment.
func (c *conn) expired() bool {
	_ = c.nc.SetReadDeadline(noDeadline)
	switch c.stage.now() {
	case stageHead:
		return c.refuse(&http1.Error{Status: 408, Reason: "the request head took too long"})
	case stageBody:
		return c.refuse(&http1.Error{Status: 408, Reason: "the request body took too long"})
	case stageLinger:
		return false
	case stageBusy, stageWrite:
		return true // a request came when the sweeper had just judged
	}
	return c.in.fillNow()
}

// Fail ends the answer without the application (sched.Answer).
func (c *conn) Fail(cause error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.failLocked(cause)
}

// failLocked tells the client what went wrong: with a status if the head is
// not sent yet, else by cutting the connection.
func (c *conn) failLocked(cause error) {
	if !c.reply.running {
		return
	}
	if c.dead {
		c.endLocked()
		return
	}
	if c.reply.started {
		c.srv.cfg.Log.Debugf("response cut: %v", cause)
		c.cutLocked()
		return
	}
	status, reason := c.srv.verdictOf(cause)
	fields := c.srv.commonFields(nil)
	if status == 503 {
		fields = append(fields, "Retry-After: 1\r\n"...)
	}
	keep := status == 500 && c.reply.keep && !c.call.InFlight() // its call is free for the next request
	c.reply.last = !keep
	b := http1.ErrorResponse(nil, status, reason, http1.ErrorOptions{Fields: fields, NoBody: c.reply.head, KeepAlive: keep})
	c.reply.refused(status)
	c.sendLocked(b, nil, nil)
	c.endLocked()
}

// verdictOf maps a cause to what the client is told. Want of descriptors is the
// administrator's business as well.
func (s *Server) verdictOf(cause error) (status int, reason string) {
	if errors.Is(cause, sched.ErrNoDescriptor) {
		s.warned.once(s, cause.Error(), "a response was not sent: "+cause.Error())
	}
	switch {
	case errors.Is(cause, sched.ErrAppFailed), errors.Is(cause, errNonconforming):
		return 500, "the application failed"
	case errors.Is(cause, sched.ErrQueueFull):
		return 503, errOverload.Reason
	case errors.Is(cause, sched.ErrTimeout):
		return 504, "the application took too long"
	case errors.Is(cause, sched.ErrStopped), errors.Is(cause, sched.ErrNoDescriptor):
		return 503, cause.Error()
	}
	return 502, cause.Error()
}

// errNonconforming is the application's fault: what it answered is not HTTP.
var errNonconforming = errors.New("the application's response is not valid")

var _ sched.Answer = (*conn)(nil)

// dieLocked says that nothing can be written any more.
func (c *conn) dieLocked() {
	if c.dead {
		return
	}
	c.dead = true
	c.out.clearLocked()
	c.changed.Broadcast()
}

// unlockAnswer ends a method that got a part of the answer. A panic in it ends
// this connection, not the worker on whose goroutine it ran.
func (c *conn) unlockAnswer() {
	if p := recover(); p != nil {
		c.panicked(p)
		c.lostLocked()
	}
	c.mu.Unlock()
}

// Frame gets a part of the answer (sched.Answer).
func (c *conn) Frame(f *wire.Frame, head, body []byte) {
	c.mu.Lock()
	defer c.unlockAnswer()
	if !c.reply.running {
		return
	}
	injectFault(faultInAnswer, &c.exchange)
	if c.dead {
		if f.Flags&wire.Final != 0 {
			c.endLocked()
		}
		return
	}
	c.frameLocked(f, head, body)
}
