package front

// enter does what comes before a connection's first request: the PROXY header,
// the TLS handshake, and the choice of a version of HTTP. It reports whether
// requests in HTTP/1.1 follow.
func (c *conn) enter() bool {
	if c.srv.cfg.Proxy.On() && !c.readProxyHeader() {
		return false
	}
	if c.tls == nil {
		return true
	}
	if !c.handshake() {
		return false
	}
	if c.tls.ConnectionState().NegotiatedProtocol == "h2" {
		c.passThrough()
		c.serveHTTP2()
		return false
	}
	return true
}
