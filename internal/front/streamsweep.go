package front

import (
	"time"

	"girin/internal/front/h2"
	"girin/internal/http1"
)

// How long the streams of HTTP/2 may take is judged here, stream by stream:
//
//	awaits   for how long
//	head     times.head; beyond it the connection is ended, as the rest of a
//	         header block must come before anything else. So it is where times.body
//	         goes by in the middle of a frame of the only stream, which has ended
//	body     times.body, and more for what comes; then 408. Where the application
//	         reads it while it comes, its time is not the client's
//	answer   the application's own deadline; then, where the client takes
//	         nothing of it, patience times times.write; but times.write alone
//	         if the application still has some to give, and the client takes
//	         nothing of any other answer either; then a reset. More for what
//	         comes meanwhile of the body: the client may read when it has sent all
//
// Browsers leave a video's window shut while it is paused. nginx resets such a
// stream after its send_timeout of 60 s; here one that is whole costs no thread, so
// it may wait. A client that does not even read its socket is judgeWriting's.
const patience = 10

// seenStream is what the sweeper saw of a stream.
type seenStream struct {
	moved int64 // bytes of its answer that were sent
	took  int64 // moved, at the last look
	came  int64 // bytes of its body, at the last look
	as    uint8 // what it awaited then, plus 1; 0: it was not seen yet
	since int64 // since when that is so
}

// stallLimit is how long a client may take nothing where all clients together
// leave more unread than they may.
const stallLimit = 3 * time.Second // more than is between two looks of judgeWriting

var errSlowBody = &http1.Error{Status: 408, Reason: "the request body took too long"}

// sweepLocked looks after a connection's streams. It is the sweeper's.
func (h *streams) sweepLocked(now int64) {
	h.settleOwed()
	h.sayFarewell(now)
	stalled := h.stalled(now)
	h.conn.Requests(func(r h2.Request) { h.judge(r.(*stream), now, stalled) })
	h.judgeCut(now)
	h.conn.EndDiscards(func(got int64) (longest, silent int64) { return h.c.srv.discardLimits(now, got) })
	h.trim()
	h.conn.Flush()
}

// settleOwed gives places back whose calls have ended though nobody says so:
// those that were given up.
func (h *streams) settleOwed() {
	for st := range h.owed {
		if !st.reply.running && !st.call.InFlight() {
			delete(h.owed, st)
			st.frames.Done()
		}
	}
}

// sayFarewell says farewell when the server leaves, and a while later for the last
// time: what the client had sent before it knew is there by then.
func (h *streams) sayFarewell(now int64) {
	switch {
	case !h.c.srv.leaving.Load() || h.gone || h.c.stage.now() == stageNew:
	case h.told == 0:
		h.told = now
		h.conn.Drain()
	case now-h.told > int64(h.c.srv.times.farewell):
		h.conn.Farewell()
		if h.conn.Over() && !h.hungUp {
			h.hangUpLocked()
		}
	}
}

// stalled is since when the client has taken nothing of what waits for it.
func (h *streams) stalled(now int64) int64 {
	acked := h.c.out.pace.acked
	if h.moved != h.paced || acked != h.acked || h.unread == 0 && h.files == 0 {
		h.paced, h.acked, h.since = h.moved, acked, now
	}
	return h.since
}

// judge ends a stream whose time is over.
func (h *streams) judge(st *stream, now, stalled int64) {
	if st.carries != nil {
		return // a conn like others: see sweepConns
	}
	seen, t := &st.seen, &h.c.srv.times
	awaits := st.awaitedLocked()
	idle := awaits == awaitsAnswer && (st.frames.Allowed() || !st.answerWaitsLocked()) ||
		awaits == awaitsBody && st.upload != nil && st.upload.feeding
	if as := awaits + 1; idle || as != seen.as || seen.moved != seen.took {
		seen.as, seen.took, seen.came, seen.since = as, seen.moved, st.body.came.Load(), now
		return
	}
	if awaits == awaitsAnswer && st.awaits == awaitsBody { // who sends all first reads later
		came := st.body.came.Load()
		seen.since = min(seen.since+int64(t.bought(came-seen.came)), now)
		seen.came = came
	}
	switch age := now - seen.since; awaits {
	case awaitsHead:
		if age > int64(t.head) {
			h.c.expireRead(h.c.stage.word.Load())
		}
	case awaitsBody:
		if age > int64(t.bodyTime(st.body.came.Load())) {
			st.refuseLocked(errSlowBody)
		}
	case awaitsAnswer:
		limit := int64(t.write)
		if !st.reply.running || now-stalled <= limit {
			limit *= patience
		}
		if age > limit {
			h.c.srv.cfg.Log.Debugf("client %s takes nothing of an answer", h.c.peer.name())
			st.frames.Reset(codeCancel)
			st.Gone()
		}
	}
}

// judgeCut ends a connection whose client has stopped in the middle of a frame that
// nobody wants any more.
func (h *streams) judgeCut(now int64) {
	switch {
	case !h.conn.Cut():
		h.cut = now
	case now-h.cut > int64(h.c.srv.times.body):
		h.c.expireRead(h.c.stage.word.Load())
	}
}

// discardLimits are how long what nobody wants of a body is read, in all when so many bytes
// of it have come, and with nothing coming.
func (s *Server) discardLimits(now, came int64) (longest, silent int64) {
	if !s.draining.Load() {
		return int64(min(s.times.discard+s.times.bought(came), s.times.discards)), int64(s.times.silent)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return int64(s.untilDrained(now, s.times.discard)), int64(s.untilDrained(now, s.times.silent))
}

// freeMost is how many streams a connection that is idle keeps for the next
// requests.
const freeMost = 1

// trim lets go of what an idle connection does not need.
func (h *streams) trim() {
	if h.conn.Streams() > 0 || len(h.free) <= freeMost {
		return
	}
	for _, st := range h.free[freeMost:] {
		st.letGo()
	}
	clear(h.free[freeMost:])
	h.free = h.free[:freeMost]
}

// sweepStreams looks after all connections of HTTP/2.
func (s *Server) sweepStreams(all []*streams, now int64) {
	for _, h := range all {
		h.c.mu.Lock()
		h.sweepLocked(now)
		h.c.mu.Unlock()
	}
	s.relieve(all, now)
}

// relieve ends connections that have stalled, the largest first, until what
// waits for clients is within its limit.
func (s *Server) relieve(all []*streams, now int64) {
	for over := s.queuedAnswers() - queuedMost; over > 0; {
		var largest *streams
		most := int64(0)
		for _, h := range all {
			h.c.mu.Lock()
			if h.unread > most && !h.shed && now-h.since > int64(stallLimit) {
				largest, most = h, h.unread
			}
			h.c.mu.Unlock()
		}
		if largest == nil {
			return
		}
		s.cfg.Log.Warningf("a connection from %s is ended: it leaves %d KiB of answers unread, and all clients together over %d MiB",
			largest.c.peer.name(), most>>10, int64(queuedMost)>>20)
		largest.shed = true
		largest.c.closeSoon()
		over -= most
	}
}
