package front

import (
	"time"

	"girin/internal/http1"
)

// asked is what is asked of clients, and what a reload may change. It is replaced as a whole.
type asked struct {
	headsOfWSGI, headsOfASGI heads
	maxBody                  int64
	keepAlive                time.Duration
}

// Adjust changes what Config says of these, for what comes from now on: the next head, the
// next part of a body, connections that are idle.
func (s *Server) Adjust(l http1.Limits, maxBody int64, keepAlive time.Duration) {
	h := heads{trusted: s.cfg.Trust.limits(l), others: l}
	s.asked.Store(&asked{headsOfWSGI: h, headsOfASGI: h.ofASGI(), maxBody: maxBody, keepAlive: keepAlive})
}
