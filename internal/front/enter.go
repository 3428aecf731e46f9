package front

import (
	"crypto/tls"
	"net"
)

// enter does what comes before a connection's first request: the PROXY header,
// the TLS handshake, and the choice of a version of HTTP. It reports whether
// requests in HTTP/1.1 follow.
func (c *conn) enter() bool {
	if c.srv.cfg.Proxy.On() && !c.readProxyHeader() {
		return false
	}
	tc, ok := c.nc.(*tls.Conn)
	if !ok {
		return true
	}
	if !c.handshake(tc) {
		return false
	}
	if tc.ConnectionState().NegotiatedProtocol == "h2" {
		c.serveHTTP2()
		return false
	}
	return true
}

// transport is the connection below TLS. Closing it never waits for the client.
func (c *conn) transport() net.Conn {
	if tc, ok := c.nc.(*tls.Conn); ok {
		return tc.NetConn()
	}
	return c.nc
}
