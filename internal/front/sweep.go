package front

import "time"

// sweeper ends what has taken too long. One goroutine looks at all
// connections, which costs 0.1 ms for 10,000; a timer for each would cost two
// changes per request.
func (s *Server) sweeper() {
	t := time.NewTicker(s.times.sweep)
	defer t.Stop()
	for {
		select {
		case <-s.stop:
			return
		case now := <-t.C:
			s.second.Store(now.Unix())
			s.refusals.tellRest(now.Unix(), s.cfg.Log)
			s.sweep(s.had.tick())
		}
	}
}

// sweep judges by the time that clients have had.
func (s *Server) sweep(now int64) {
	s.sweepStreams(s.sweepConns(now), now)
}

// sweepConns looks after connections, and returns those of HTTP/2, whose streams
// are looked after one by one.
func (s *Server) sweepConns(now int64) (all []*streams) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		s.judgeReading(c, now)
		s.judgeWriting(c, now)
		switch c.stage.now() {
		case stageBusy:
			if c.over != nil && c.over.hasGone() {
				c.loseReset() // nobody may read: see awaitAccept
			}
		case stageSocket:
			s.judgeSocket(c, now)
		case stageTunnel:
			if s.drainBegan != 0 && now-s.drainBegan >= s.moment(c.tunnel.share) {
				s.judgeTunnel(c)
			}
			if c.tunnel.stuck.Load() {
				c.loseReset()
			}
		}
		if h := c.streams.Load(); h != nil {
			all = append(all, h)
		}
	}
	if s.filesFull() {
		s.evictLocked()
	}
	s.left.Broadcast() // who waits for room may find another to evict
	return all
}

// judgeReading ends a stage that lasts too long.
func (s *Server) judgeReading(c *conn, now int64) {
	word := c.stage.word.Load()
	if c.stage.note(word, now) {
		return
	}
	if what := c.stage.now(); c.raw != nil && (what == stageBusy || what == stageIdle) && c.stage.looked != word {
		c.stage.looked = word
		c.nudge()
		return
	}
	if limit := s.limitOf(c); limit > 0 && now-c.stage.since > int64(limit) && !s.stillReads(c, now) {
		c.expireRead(word)
	}
}

// stillReads reports whether a client of HTTP/2 that has its answers, or whose connection
// is to end, still takes what the kernel holds of them. It sends frames meanwhile, which
// would reset a connection that was closed: the rest of its answers would be lost. When it
// has taken all, the stage begins anew.
func (s *Server) stillReads(c *conn, now int64) bool {
	what := c.stage.now()
	if c.streams.Load() == nil || what != stageIdle && what != stageLinger {
		return false
	}
	st := &c.stage
	before := st.left
	if st.left = c.unacknowledged(); before == 0 || st.left < before {
		st.leftSince = now
	}
	if st.left == 0 && before > 0 {
		st.since = now
		return true
	}
	since, limit := st.leftSince, s.times.write
	if s.drainBegan != 0 { // many have left without a word, and a stop must not wait for them
		since = max(since, s.drainBegan)
		limit = s.untilDrained(since, 2*s.times.silent)
	}
	return st.left > 0 && now-since < int64(limit)
}

// judgeWriting ends a connection whose client takes nothing of what waits for
// it. What it has acknowledged counts, not what the socket took: a large send
// buffer is emptied for a long time before the socket takes more. Who still sends
// the body of that very request may read when it has sent all: its time goes by what comes.
func (s *Server) judgeWriting(c *conn, now int64) {
	p := &c.out.pace
	if !p.waits.Load() {
		p.looked = 0
		return
	}
	if now-p.looked < int64(s.times.write/paceLooks) {
		return
	}
	first := p.looked == 0
	p.looked = now
	came := c.body.came.Load()
	bought := s.times.bought(max(came-p.came, 0))
	p.came = came
	if acked := p.wrote.Load() - c.unacknowledged(); first || acked != p.acked {
		p.acked, p.since = acked, now
		return
	}
	p.since = min(p.since+int64(bought), now)
	if now-p.since > int64(s.times.write) {
		c.expireWrite()
	}
}

// paceLooks is how often a client that is written to is looked at while its
// time runs.
const paceLooks = 32

// expireWrite ends the writing of what waits. Whoever holds the lock may just
// end it by itself: then the next look is soon enough. The deadline goes with
// the writing (see drainedLocked).
func (c *conn) expireWrite() {
	if !c.mu.TryLock() {
		return
	}
	defer c.mu.Unlock()
	if c.out.busy {
		c.out.pace.expired = true
		_ = c.nc.SetWriteDeadline(longAgo)
	}
}

// unacknowledged is how many bytes the kernel holds that the client has not
// acknowledged.
func (c *conn) unacknowledged() (n int64) {
	if c.raw != nil {
		_ = c.raw.Control(func(fd uintptr) { n = int64(unsent(int(fd))) })
	}
	return n
}
