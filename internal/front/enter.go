package front

import "golang.org/x/net/http2"

// enter does what comes before a connection's first request: the PROXY header,
// the TLS handshake, and the choice of a version of HTTP. It reports whether
// requests in HTTP/1.1 follow.
func (c *conn) enter() bool {
	if p := &c.srv.asked.Load().Proxy; p.On() && !c.readProxyHeader(p) {
		return false
	}
	if c.tls == nil {
		return c.enterClear()
	}
	if !c.handshake() {
		return false
	}
	if c.tls.ConnectionState().NegotiatedProtocol == "h2" {
		c.serveHTTP2()
		return false
	}
	return true
}

// enterClear reports whether requests in HTTP/1.1 follow on a connection without
// TLS: a peer that is trusted may begin with HTTP/2 (RFC 9113 section 3.3).
func (c *conn) enterClear() bool {
	if !c.srv.cfg.HTTP2.Clear || !c.peer.trusted {
		return true
	}
	for {
		b := c.in.unread()
		b = b[:min(len(b), len(http2.ClientPreface))]
		switch {
		case string(b) != http2.ClientPreface[:len(b)]:
			return true
		case len(b) == len(http2.ClientPreface):
			c.serveHTTP2()
			return false
		case !c.more():
			return false
		}
	}
}
