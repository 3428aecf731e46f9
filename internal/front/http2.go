package front

import (
	"errors"
	"os"
	"time"

	"girin/internal/front/h2"
)

// HTTP2Options bound a connection of HTTP/2.
type HTTP2Options struct {
	MaxStreams    int  // requests at once
	Window        int  // bytes that a client may send on a stream before they are read
	MaxFrame      int  // bytes
	MaxHeaderList int  // bytes, as RFC 9113 section 6.5.2 counts them
	Clear         bool // trusted peers may speak it without TLS, if they begin with it
}

// streams is a connection on which HTTP/2 is spoken: an engine, which knows the
// protocol, and an exchange for each of its streams. The connection's goroutine
// reads for the engine; what the engine has to send goes the way of all answers,
// through conn.writeLocked, and what the socket does not take is drain's.
type streams struct {
	c    *conn
	conn *h2.Conn

	begins []*stream // whose bodies are to come while the application runs; of the goroutine that reads

	// What follows is guarded by conn.mu.
	free   []*stream            // ready for another request
	owed   map[*stream]struct{} // their call runs on though nobody waits for it
	files  int                  // streams that send a file, or were spilled to one
	unread int64                // bytes of answers that streams have queued
	moved  int64                // bytes of answers that were sent
	listed bool                 // in Server.unflushed
	hungUp bool                 // the last answer was given: when it is written, the client's end is awaited
	silent bool                 // the client was told that nothing more comes
	gone   bool                 // the connection has ended

	// Of the sweeper.
	told  int64 // ns: when the first farewell was said
	paced int64 // moved, when it looked last
	acked int64 // what the client had acknowledged then
	since int64 // ns: since when both are so and something waits
	cut   int64 // ns: when it was last seen that more is awaited than the rest of a frame
	shed  bool  // it was ended for what it leaves unread
}

// minIdle is for a keep-alive of 0, which ends an HTTP/1.1 connection after each
// response. One of HTTP/2 must at least live until its next request.
const minIdle = time.Second

// connectionWindow lets a few streams send at once.
func connectionWindow(o HTTP2Options) int { return 4 * max(o.Window, 65535) }

// serveHTTP2 serves a connection's streams until it ends.
func (c *conn) serveHTTP2() {
	o := &c.srv.cfg.HTTP2
	h := &streams{c: c, owed: map[*stream]struct{}{}, since: c.srv.had.now(), cut: c.srv.had.now()}
	h.conn = h2.New(h2.Config{
		MaxStreams: o.MaxStreams, Window: o.Window, ConnWindow: connectionWindow(*o),
		MaxFrame: o.MaxFrame, MaxHeaderList: o.MaxHeaderList, Connect: c.limits().Connect,
		Clock: c.srv.cfg.Clock, Open: h.open, Rested: h.restedLocked,
	}, &c.mu, h, h)
	c.streams.Store(h)
	defer h.close()
	h.ended(h.conn.Serve())
}

// ended says farewell, and reads on for a while, or the client might never see
// what was sent last. A client that has closed its side waits for no answer: no
// client of HTTP/2 does that for another reason.
func (h *streams) ended(err error) {
	c := h.c
	var told *h2.Error
	switch {
	case errors.As(err, &told):
		c.srv.cfg.Log.Debugf("HTTP/2 connection of %s ended: %v", c.peer.name(), told)
	case errors.Is(err, os.ErrDeadlineExceeded):
		what := c.stage.now()
		if what == stageLinger {
			return // for which it was the time
		}
		c.mu.Lock()
		h.conn.Farewell()
		c.mu.Unlock()
		if what == stageDiscards {
			return // others need its descriptor
		}
	case !errors.Is(err, h2.ErrOver):
		return
	}
	c.mu.Lock()
	h.hangUpLocked()
	c.mu.Unlock()
	c.waitOutput()
	c.linger(0)
}

// restedLocked goes on when no stream has a place any more and the client has taken what
// they have written; it is idle once of none anything is read.
func (h *streams) restedLocked() {
	switch {
	case h.gone || h.hungUp || h.conn.Streams() > 0:
		return
	case h.conn.Over():
		h.hangUpLocked()
	case h.c.out.busy: // drainedLocked comes back to it
		return
	case h.conn.Discarding() > 0:
		if h.c.stage.now() != stageDiscards {
			h.c.stage.enter(stageDiscards)
		}
		return
	default:
		h.c.stage.enter(stageIdle)
	}
	h.c.changed.Broadcast()
}

// hangUpLocked ends the writing, once all streams have ended, and when the client has taken
// what they have written: until then its time is that of whoever is written to.
func (h *streams) hangUpLocked() {
	if h.c.dead {
		return
	}
	h.hungUp = true
	h.conn.Flush() // the last answer may wait for others to be sent with
	if !h.c.out.busy {
		h.endWritingLocked()
	}
}

func (h *streams) endWritingLocked() {
	h.silent = true
	h.c.endWritingLocked()
	h.c.stage.enter(stageLinger)
}

// close ends all streams. Their calls may run on; what they answer is nobody's.
func (h *streams) close() {
	c := h.c
	c.mu.Lock()
	defer c.mu.Unlock()
	h.gone = true
	c.dieLocked()
	h.conn.Close()
	for st := range h.owed {
		st.dropBody()
		st.letGo()
	}
	for _, st := range h.free {
		st.letGo()
	}
	h.free = nil
}

// leave asks the client to send no new requests. One that has sent none yet may
// send its first: it could only come again.
func (h *streams) leave() {
	h.c.mu.Lock()
	defer h.c.mu.Unlock()
	if h.c.stage.now() != stageNew {
		h.conn.Drain()
	}
}

// open makes room for a request (h2.Config.Open).
func (h *streams) open() (h2.Request, *h2.Stream) {
	st := h.freeStream()
	if st == nil {
		return nil, nil
	}
	if h.conn.Streams() == 0 {
		h.c.stage.enter(stageStreams)
	}
	return st, &st.frames
}

// freeStream is one that is ready for a request; nil: there may be no more.
func (h *streams) freeStream() *stream {
	c := h.c
	if n := len(h.free); n > 0 {
		st := h.free[n-1]
		h.free = h.free[:n-1]
		return st
	}
	st := &stream{h: h}
	st.exchange = exchange{srv: c.srv, peer: c.peer, streamed: true, to: st}
	st.call.Answer, st.call.Base = st, c.ls.base
	if !c.srv.cfg.Queue.Register(&st.call) {
		return nil
	}
	return st
}

// Buffered is how much has been read and not used (h2.Source).
func (h *streams) Buffered() int { return len(h.c.in.unread()) }

// Next reads what comes next (h2.Source).
func (h *streams) Next(n int) ([]byte, error) {
	in := &h.c.in
	for in.empty() {
		h.startFiles()
		h.beginUploads()
		h.c.makeRoomForBody()
		if err := h.c.unlessNudged(in.fill()); err != nil {
			return nil, err
		}
	}
	b := in.unread()
	b = b[:min(n, len(b))]
	in.r += len(b)
	return b, nil
}

// startFiles has files sent on for which a window may have opened.
func (h *streams) startFiles() {
	h.c.mu.Lock()
	defer h.c.mu.Unlock()
	h.refillSoonLocked()
}

// Write sends frames (h2.Output). What the client's last ones ask for, such as its pings, is
// not answered: to write after the end would be an error, and cut what it still reads.
func (h *streams) Write(p []byte) {
	if !h.silent {
		h.c.writeLocked(p, nil, nil)
	}
}

// Waiting is how much of what was sent the socket has not taken (h2.Output).
func (h *streams) Waiting() int {
	if h.c.dead {
		return 0
	}
	return h.c.out.waiting()
}

// flushSoonLocked has frames sent that an answer brought: at once, or where
// whoever brings answers says when they rest, together with those of other
// streams.
func (h *streams) flushSoonLocked() {
	switch {
	case !h.conn.Unflushed():
	case !h.c.srv.cfg.Rests:
		h.conn.Flush()
	case !h.listed:
		h.listed = true
		h.c.srv.unflushed.add(h)
	}
}

// drainedLocked goes on when nothing waits for the socket any more.
func (h *streams) drainedLocked() {
	switch {
	case h.c.dead:
	case h.hungUp:
		h.endWritingLocked()
	case h.c.stage.now() == stageStreams:
		h.restedLocked()
	}
}
