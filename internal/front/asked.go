package front

import (
	"net"
	"time"

	"girin/internal/http1"
)

// Asked is what is asked of clients, and who of them is believed. A reload may change it.
type Asked struct {
	Limits    http1.Limits
	MaxBody   int64         // bytes; 0: no limit
	KeepAlive time.Duration // how long a connection may be idle; 0: one request each
	Trust     Trust
	Proxy     ProxyProtocol
}

// asked is the same with what follows from it. It is replaced as a whole.
type asked struct {
	Asked
	headsOfWSGI, headsOfASGI heads
	scriptByField            bool // trusted peers may tell SCRIPT_NAME
}

// Adjust changes what is asked, for what comes from now on: the next head, the next part of a
// body, connections that are idle, the PROXY header of the next connection.
func (s *Server) Adjust(a Asked) {
	h := heads{trusted: a.Trust.limits(a.Limits), others: a.Limits}
	s.asked.Store(&asked{Asked: a, headsOfWSGI: h, headsOfASGI: h.ofASGI(), scriptByField: a.Trust.mayScriptName()})
}

// judge says whether the peer at that address is trusted.
func (p *peer) judge(by *asked, addr net.Addr) {
	p.judged, p.from, p.trusted = by, addr, by.Trust.contain(addr)
}
