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

	"girin/internal/http1"
	"girin/internal/sched"
	"girin/internal/wire"
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

	in    input
	stage stage // what the sweeper times

	streams atomic.Pointer[streams] // nil: HTTP/1.1 is spoken
	socket  *webSocket              // guarded by mu: the WebSocket that it asks for or has become; nil: none
	tunnel  *tunnel                 // guarded by mu: the same of a WSGI application

	mu      sync.Mutex
	changed sync.Cond // reply.running or out.busy became false, or dead true
	out     output    // guarded by mu
	dead    bool      // guarded by mu: nothing can be written any more

	halfShut bool // guarded by mu: the client sends no more; see halfClosed
}

func newConn(s *Server, nc net.Conn, l *listener) *conn {
	s.cfg.Metrics.Connected()
	c := &conn{exchange: exchange{srv: s, peer: peerOf(nc)}, ls: l, nc: nc}
	c.peer.trusted, c.peer.unix = s.cfg.Trust.contain(nc.RemoteAddr()), l.unix
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
	if c.srv.isCheck(c.req.Path) || c.req.Upgrades {
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

// refuse answers with a verdict of the front's own and ends the connection. It
// returns false, for its callers to return.
func (c *conn) refuse(verdict *http1.Error) bool {
	if !c.waitReply() {
		return false
	}
	c.knowHead()
	c.refused(verdict.Status, verdict.Reason)
	c.dropBody() // others may need its room while the client lingers
	c.sendLast(verdict.Status, verdict.Reason)
	c.linger()
	return false
}

// sendContinue tells the client to send the body. It is not the response.
func (c *conn) sendContinue() {
	var room [32]byte
	c.mu.Lock()
	defer c.mu.Unlock()
	c.writeLocked(http1.AppendContinue(room[:0]), nil, nil)
}

// sendContinueUnlessAnswered does the same while the application runs, which may
// have begun its answer.
func (c *conn) sendContinueUnlessAnswered() {
	var room [32]byte
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.reply.running && !c.reply.started {
		c.writeLocked(http1.AppendContinue(room[:0]), nil, nil)
	}
}

// sendLast sends a response of one line, after which the connection ends.
func (c *conn) sendLast(status int, reason string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.reply.begin(&c.exchange)
	c.reply.last, c.reply.whole = true, false
	c.ownLocked(status, plainText, []byte(reason+"\n"))
}

var (
	errBusy     = &http1.Error{Status: 503, Reason: "too many connections"}
	errOverload = &http1.Error{Status: 503, Reason: "the server is overloaded"}

	errHalfHead = &http1.Error{Status: 400, Reason: "the request head is not complete"}
	errHalfBody = &http1.Error{Status: 400, Reason: "the request body is not complete"}
)

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
		switch c.stage.now() {
		case stageHead:
			c.refuse(errHalfHead)
		case stageBody:
			c.refuse(errHalfBody)
		default:
			c.halfClosed()
		}
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
// begun some time later is taken to be the former's, and so is one whose
// connection is then reset: TLS closes its sending side with a notice, so a client
// that leaves in the middle of an answer is known by the reset alone.
func (c *conn) halfClosed() {
	c.mu.Lock()
	c.halfShut = true
	running := c.reply.running
	c.mu.Unlock()
	if running && c.call.Task() {
		defer c.watchSilence()()
	} else if running {
		stop := c.srv.afterHalfClose(func() { c.srv.cfg.Queue.CancelQueued(&c.call) })
		defer stop()
	}
	for c.raw != nil && c.answering() {
		err := c.raw.Read(wasReset)
		_ = c.nc.SetReadDeadline(noDeadline)
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			c.lost()
			return
		}
	}
	c.waitOutput()
}

// answering reports whether an answer is still to be written.
func (c *conn) answering() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return (c.reply.running || c.out.busy) && !c.dead
}

// changedLocked wakes who waits for the answer's end: on changed, or in
// halfClosed.
func (c *conn) changedLocked() {
	c.changed.Broadcast()
	if c.halfShut {
		_ = c.nc.SetReadDeadline(longAgo)
	}
}

// lost is lostLocked for the reading goroutine.
func (c *conn) lost() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lostLocked()
}

// expired ends a connection whose time is over. It reports true if it is not:
// a request may have come in the very moment.
func (c *conn) expired() bool {
	switch c.stage.now() {
	case stageHead:
		return c.refuse(&http1.Error{Status: 408, Reason: "the request head took too long"})
	case stageBody:
		return c.refuse(&http1.Error{Status: 408, Reason: "the request body took too long"})
	case stageLinger:
		return false
	}
	return c.in.fillNow()
}

// verdictOf maps a cause to what the client is told. Want of descriptors is the
// administrator's business as well.
func (s *Server) verdictOf(cause error) (status int, reason string) {
	if errors.Is(cause, sched.ErrNoDescriptor) {
		s.warned.once(s, cause.Error(), "a response was not sent: "+cause.Error())
	}
	if verdict := (*http1.Error)(nil); errors.As(cause, &verdict) {
		return verdict.Status, verdict.Reason
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

// Frame gets a part of the answer (sched.Answer).
func (c *conn) Frame(f *wire.Frame, head, body []byte) {
	c.mu.Lock()
	defer c.unlockAnswer()
	if c.reply.running {
		injectFault(faultInAnswer, &c.exchange)
	}
	if c.socket != nil && c.socket.frameLocked(f, head, body) || c.tunnel != nil && c.tunnel.frameLocked(f, head, body) {
		return
	}
	c.frameLocked(f, head, body)
}

// File gets an answer whose body is a part of a file (sched.Answer).
func (c *conn) File(f *wire.Frame, head []byte, body sched.FileBody) {
	c.mu.Lock()
	defer c.unlockAnswer()
	if c.tunnel != nil && c.tunnel.fileLocked(body) {
		return
	}
	c.fileLocked(f, head, body)
}

// Fail ends the answer without the application (sched.Answer).
func (c *conn) Fail(cause error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.socket != nil && c.socket.failLocked(cause) || c.tunnel != nil && c.tunnel.failLocked(cause) {
		return
	}
	c.failLocked(cause)
}

// unlockAnswer ends a method that got a part of the answer, or sends what was gathered of it. A panic in it ends
// this connection, not the worker on whose goroutine it ran.
func (c *conn) unlockAnswer() {
	if p := recover(); p != nil {
		c.panickedLocked(p)
	}
	c.mu.Unlock()
}
