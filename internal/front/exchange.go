package front

import (
	"girin/internal/http1"
	"girin/internal/sched"
)

// exchange is a request and its response, whichever version of HTTP carries
// them. What is checked of a request, the environ, the spooled body, the rules
// for an application's response and the access log are its methods, so that no
// version has rules of its own.
type exchange struct {
	srv    *Server
	peer   peer
	req    http1.Request
	isHead bool // the request is HEAD
	body   body
	call   sched.Call
	reply  reply
}

// peer is who is at the other end.
type peer struct {
	addr, port string
	trusted    bool // its word on the client's address and scheme counts
}
