package front

import (
	"net"
	"time"

	"girin/internal/http1"
)

// Asked is what is asked of clients, and who of them is believed. A reload may change it.
type Asked struct {
	Limits    http1.Limits
	LongHeads LongHeads
	MaxBody   int64         // bytes; 0: no limit
	KeepAlive time.Duration // how long a connection may be idle; 0: one request each
	Trust     Trust
	Proxy     ProxyProtocol
}

// LongHeads are limits of heads that nobody has set: those of ASGI applications are as long then as
// their servers take, 64 KiB. Cookies of single sign-on are longer than gunicorn's limit.
type LongHeads struct{ Line, Field bool }

func (h LongHeads) ofASGI(l http1.Limits) http1.Limits {
	if h.Line {
		l.RequestLine = 0 // which is 64 KiB
	}
	if h.Field {
		l.FieldSize = longField
	}
	return l
}

const longField = 64 << 10

// asked is the same with what follows from it. It is replaced as a whole.
type asked struct {
	Asked
	headsOfWSGI, headsOfASGI heads
	headsOfAny               heads // while nobody knows which of the two it is
	scriptByField            bool  // trusted peers may tell SCRIPT_NAME
}

// Adjust changes what is asked, for what comes from now on: the next head, the next part of a
// body, connections that are idle, the PROXY header of the next connection.
func (s *Server) Adjust(a Asked) {
	a.Limits.Connect = a.Limits.Connect && !s.cfg.Sockets.Off
	h := heads{trusted: a.Trust.limits(a.Limits), others: a.Limits}
	s.asked.Store(&asked{Asked: a, headsOfWSGI: h, headsOfAny: h.long(a.LongHeads), headsOfASGI: h.long(a.LongHeads).ofASGI(), scriptByField: a.Trust.mayScriptName()})
}

// judge says whether the peer at that address is trusted.
func (p *peer) judge(by *asked, addr net.Addr) {
	p.judged, p.from, p.trusted = by, addr, by.Trust.contain(addr)
}
