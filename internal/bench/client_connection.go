package bench

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"syscall"
	"time"

	"golang.org/x/net/http2"
)

// connect opens a connection; if it cannot, the claimed request has failed.
func (c *client) connect(ctx context.Context) bool {
	began := c.run.now()
	err := c.open(ctx)
	c.now = c.run.now()
	if !c.began { // else it is part of the stretch since the first attempt was sent
		c.sample.connect += c.now - began
	}
	if err == nil {
		return true
	}
	if c.run.stopped.Load() {
		c.abort()
		return false
	}
	if !c.began {
		c.sample.sent = c.now
	}
	kind := kindOfDial(err)
	if kind == ErrConnect {
		c.rec.live.connectFailed.Store(c.rec.live.connectFailed.Load() + 1)
	}
	c.fail(kind, err)
	c.run.pause(ctx, c.rec.live.connectFailed.Load())
	c.now = c.run.now()
	return false
}

// open dials and puts the connection in place.
func (c *client) open(ctx context.Context) error {
	if len(c.run.groups) > 0 {
		return c.openStream(ctx)
	}
	conn, err := c.run.dial(ctx, c.dialBy())
	if err != nil {
		return err
	}
	c.mu.Lock()
	c.conn = conn
	c.mu.Unlock()
	c.opened, c.filled = true, 0
	c.raw, c.speak = nil, (*client).driveStream
	if c.run.webSocket {
		c.speak = (*client).driveWebSocket
		if c.socket, err = c.upgrade(conn); err != nil {
			c.hangUp()
		}
		return err
	}
	if c.run.opts.HTTP2 {
		c.h2, c.speak = newHTTP2Conn(conn, c.run), (*client).driveHTTP2
		return nil
	}
	if sc, ok := conn.(syscall.Conn); ok && rawSockets {
		c.speak = (*client).driveRaw
		c.raw, err = sc.SyscallConn()
	}
	return err
}

// dialBy is when a connection for the claimed request must stand; zero leaves it to the dialer's own limit.
func (c *client) dialBy() time.Time {
	if !c.claimed || !c.run.open && !c.began {
		return time.Time{}
	}
	return c.run.start.Add(time.Duration(c.timeoutAt()))
}

func (c *client) hangUp() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closing, c.stream = false, nil
	if c.h2 != nil {
		c.h2.close()
		c.h2 = nil
	}
	if c.conn != nil {
		c.conn.Close()
		c.conn = nil
	}
	c.endUpload()
}

// interrupt wakes the client out of whatever it waits for on its connection.
func (c *client) interrupt() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.conn != nil {
		_ = c.conn.SetDeadline(time.Unix(1, 0)) // it fails on a closed connection, which wakes the client by itself
	}
}

// lost deals with a connection that broke under the claimed request. One that crossed with the server's closing an idle
// connection is sent once more, and counted.
func (c *client) lost(err error) {
	refused := errors.Is(err, errUnprocessed) && c.refusals < maxRefusals
	if refused && c.stream != nil && !errors.As(err, new(http2.StreamError)) { // else only the stream: others may come
		c.leaveGroup()
	}
	again := !c.retried && c.req.again && c.crossed(err) // which looks at the connection
	c.hangUp()
	c.err, c.unsent = nil, nil
	if kindOf(err) == ErrEOF && kindOf(c.uploadErr) == ErrReset {
		err = c.uploadErr
	}
	kind := kindOf(err)
	if refused || again {
		if refused {
			c.refusals++
		} else {
			c.retried = true
		}
		c.inFlight = false
		c.rec.retries++
		return
	}
	if kind == ErrTimeout {
		err = errors.New(c.notInTime())
	}
	c.fail(kind, err)
}

// maxRefusals is how often a server may say of one request that it did not take it.
const maxRefusals = 10

// crossGrace is how much longer than a round trip the news of a closed connection may take to reach this client's goroutine.
const crossGrace = 5 * time.Millisecond

// crossed reports whether the request met a connection that the server had closed already (RFC 9112, 9.3.1). Then the
// server's end or reset comes within a round trip of sending. What comes later comes from a server that had the request, and
// so does an end that acknowledges it, and a reset of a connection that had just been in use: a server that closes sends its
// end first, and a reset only where it drops what it has received. An end that only a poke has found, with nothing from the
// server since about the time of sending, was there before; so was one that could be read before anything was sent.
func (c *client) crossed(err error) bool {
	kind := kindOf(err)
	if c.sample.first != 0 || c.opened || kind != ErrEOF && kind != ErrReset || errors.As(err, new(http2.StreamError)) {
		return false // a stream that is reset is no connection that was idle
	}
	switch {
	case c.run.opts.HTTP2: // whose servers say with GOAWAY what they have not begun
		return false
	case c.poked, c.preceded, errors.As(err, new(*notSentError)):
		return true
	case kind == ErrReset && c.attempted-c.answered < int64(idleFrom):
		return false
	case kind == ErrEOF && tookAll(c.conn):
		return false
	}
	return c.now-c.attempted <= c.run.roundTrip.Load()+int64(crossGrace)
}

// idleFrom is how long nothing has gone over a connection that a server may reset for that alone.
const idleFrom = time.Second

// notSentError is that of a request of which the system took nothing: the connection was gone.
type notSentError struct{ err error }

func (e *notSentError) Error() string { return e.err.Error() }
func (e *notSentError) Unwrap() error { return e.err }

// tookAll reports whether the other end has closed a connection in good order after it had received everything that was sent.
func tookAll(conn net.Conn) bool { return ofSocket(conn, rawTookAll) }

// spoken reports whether there is something to read on a connection. Before a request is sent that is no answer to it: a TLS
// server has said, for one, that it closes, and may wait for the client to say so too, where TCP shows nothing yet.
func spoken(conn net.Conn) bool { return ofSocket(conn, rawReadable) }

// ofSocket asks the TCP socket that a connection is made of; false if there is none.
func ofSocket(conn net.Conn, ask func(fd uintptr) bool) (answer bool) {
	if secure, ok := conn.(*tls.Conn); ok {
		conn = secure.NetConn()
	}
	tcp, ok := conn.(*net.TCPConn)
	if !ok {
		return false
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return false
	}
	_ = raw.Control(func(fd uintptr) { answer = ask(fd) })
	return answer
}
