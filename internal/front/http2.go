package front

import (
	"bytes"
	"context"
	"crypto/tls"
	"log"
	"net"
	"net/http"
	"sync"
	"time"
)

// HTTP2Options bound a connection of HTTP/2.
type HTTP2Options struct {
	MaxStreams    int // requests at once
	Window        int // bytes that a client may send on a stream before they are read
	MaxFrame      int // bytes
	MaxHeaderList int // bytes, as RFC 9113 section 6.5.2 counts them
}

// http2Server serves the connections on which HTTP/2 was agreed. Package
// net/http does the frames, flow control and the checks of RFC 9113. Of a
// client that resets what it has just asked for (CVE-2023-44487), it runs no
// more handlers at once than streams are allowed, and ends the connection when
// four times as many wait: so a handler must last as long as its call (see
// stream.serve).
type http2Server struct {
	base    *http.Server
	conns   chan *conn // to Accept
	carried sync.Map   // *tls.Conn to *carried: what base has
	stop    chan struct{}
	once    sync.Once      // closes stop
	done    sync.WaitGroup // Serve and Shutdown of base
	ctx     context.Context
	cancel  context.CancelFunc // ends Shutdown of base
}

// carried is a connection that base has, until ended is closed.
type carried struct {
	c     *conn
	ended chan struct{}
}

const (
	// minIdle is for a keep-alive of 0, which ends an HTTP/1.1 connection after
	// each response. One of HTTP/2 must at least live until its first request.
	minIdle = time.Second
	// headerListMargin is what net/http adds to MaxHeaderBytes.
	headerListMargin = 320
)

func newHTTP2Server(s *Server) *http2Server {
	o := s.cfg.HTTP2
	h := &http2Server{conns: make(chan *conn), stop: make(chan struct{})}
	h.ctx, h.cancel = context.WithCancel(context.Background())
	h.base = &http.Server{
		Handler:                      http.HandlerFunc(serveStream),
		Protocols:                    new(http.Protocols),
		ConnContext:                  h.connContext,
		ConnState:                    h.connState,
		IdleTimeout:                  max(s.cfg.KeepAlive, minIdle),
		MaxHeaderBytes:               max(o.MaxHeaderList-headerListMargin, 1),
		ErrorLog:                     log.New(debugLines{s}, "", 0),
		DisableGeneralOptionsHandler: true,
		HTTP2: &http.HTTP2Config{
			MaxConcurrentStreams:          o.MaxStreams,
			MaxReadFrameSize:              o.MaxFrame,
			MaxReceiveBufferPerStream:     o.Window,
			MaxReceiveBufferPerConnection: connectionWindow(o),
			WriteByteTimeout:              s.times.write,
		},
	}
	h.base.Protocols.SetHTTP2(true)
	return h
}

// connectionWindow lets a few streams send at once. It is the most that a
// connection's unread bodies take.
func connectionWindow(o HTTP2Options) int { return 4 * max(o.Window, 65535) }

// start launches base, which gets its connections from serveHTTP2.
func (h *http2Server) start() {
	h.done.Go(func() { _ = h.base.Serve(h) })
}

// drain asks all clients to send no new requests (GOAWAY). Their connections
// end when what they have sent is answered.
func (h *http2Server) drain() {
	h.done.Go(func() { _ = h.base.Shutdown(h.ctx) })
}

// close ends what is left, and returns when nothing is.
func (h *http2Server) close() {
	h.once.Do(func() { close(h.stop) })
	h.cancel()
	_ = h.base.Close()
	h.done.Wait()
}

// Accept passes a connection to base, whose net.Listener this is.
func (h *http2Server) Accept() (net.Conn, error) {
	select {
	case c := <-h.conns:
		return c.tls, nil
	case <-h.stop:
		return nil, net.ErrClosed
	}
}

// Close does nothing. Draining begins with it, and a connection that was
// accepted before, and whose handshake may just have ended, is still served.
func (h *http2Server) Close() error { return nil }

// Addr is what a net.Listener has. There is no address.
func (h *http2Server) Addr() net.Addr { return &net.TCPAddr{} }

// serveHTTP2 serves a connection's streams until it ends.
func (c *conn) serveHTTP2() {
	h := c.srv.http2
	k := &carried{c, make(chan struct{})}
	h.carried.Store(c.tls, k)
	select {
	case h.conns <- c:
		<-k.ended
	case <-c.srv.stop: // base may have stopped accepting
		h.carried.Delete(c.tls)
	}
}

// connKey is the key of a stream's context that holds its *conn.
type connKey struct{}

func (h *http2Server) connContext(ctx context.Context, nc net.Conn) context.Context {
	k, _ := h.carried.Load(nc.(*tls.Conn))
	return context.WithValue(ctx, connKey{}, k.(*carried).c)
}

func (h *http2Server) connState(nc net.Conn, state http.ConnState) {
	if state != http.StateClosed {
		return
	}
	if k, ok := h.carried.LoadAndDelete(nc); ok {
		close(k.(*carried).ended)
	}
}

func serveStream(w http.ResponseWriter, r *http.Request) {
	c := r.Context().Value(connKey{}).(*conn)
	if c.stage.now() != stageStreams {
		c.stage.enter(stageStreams)
	}
	newStream(c, w, r).serve()
}

// debugLines writes what net/http has to say, which is about clients' faults,
// in the error log at debug.
type debugLines struct{ s *Server }

func (d debugLines) Write(line []byte) (int, error) {
	d.s.cfg.Log.Debugf("%s", bytes.TrimRight(line, "\n"))
	return len(line), nil
}
