package front

import (
	"net"

	"girin/internal/http1"
	"girin/internal/sched"
)

// exchange is a request and its response, whichever version of HTTP carries
// them. What is checked of a request, the environ, the spooled body, the rules
// for an application's response and the access log are its methods, so that no
// version has rules of its own.
type exchange struct {
	call          sched.Call // first, so that its lines of memory are whole
	srv           *Server
	to            transport
	reply         reply
	peer          peer
	streamed      bool // it is a stream of HTTP/2
	isHead        bool // the request is HEAD
	takesTrailers bool // its client has asked for trailers, if there are any
	req           http1.Request
	body          body
}

// peer is who is at the other end.
type peer struct {
	addr, port string
	from       net.Addr // the connection's own, whoever a PROXY header names
	judged     *asked   // by which trusted was decided
	trusted    bool     // its word on the client's scheme and the mount point counts
	unix       bool
	facts      []fact      // what the environ tells of the connection
	tls        []byte      // the same as an ASGI application's extension tls has it, in JSON
	clock      *proxyClock // of a proxy that tells when requests began; nil: it has not yet
}

// name is what a log calls the peer.
func (p *peer) name() string {
	if p.addr == "" {
		return "a unix socket's client"
	}
	return p.addr
}

// baseProtocol is what the base environ says, so that most requests need not.
const baseProtocol = "HTTP/1.1"

// protocol is the request's version as CGI and logs name it.
func (x *exchange) protocol() string {
	switch {
	case x.streamed:
		return "HTTP/2.0"
	case x.req.Minor == 0:
		return "HTTP/1.0"
	}
	return baseProtocol
}
