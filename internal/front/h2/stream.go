package h2

import "golang.org/x/net/http2"

// Stream is one request's stream. All of it is guarded by the connection's lock.
type Stream struct {
	c       *Conn
	id      uint32
	req     Request
	prio    priority
	updated bool // prio was told by PRIORITY_UPDATE

	window int64 // bytes of DATA that the client takes
	recv   inflow

	queue []byte // of the answer, what waits for the client; sent of it is gone
	sent  int

	listed        bool // in ready
	before, after *Stream

	remoteEnded bool   // the request is complete
	ending      bool   // the answer ends with the queue
	trailer     func() // calls Field for each trailer that follows the answer; nil: none does
	closed      bool   // for the protocol: both have ended, or it was reset
	reading     bool   // Serve is in a method of req
	done        bool   // its owner has said so
}

// open makes s a new stream. Its queue's memory stays.
func (s *Stream) open(c *Conn, id uint32, req Request) {
	*s = Stream{
		c: c, id: id, req: req, reading: true, window: c.streamStart,
		recv:  inflow{window: c.recvStart, whole: int64(c.cfg.Window)},
		queue: s.queue[:0], prio: unaware,
	}
	if c.aware {
		s.prio = priority{urgency: 3}
	}
	if p, told := c.takeEarly(id); told {
		s.prio, s.updated = p, true
	}
}

// ID is the stream's number.
func (s *Stream) ID() uint32 { return s.id }

// Closed reports whether nothing can be sent any more.
func (s *Stream) Closed() bool { return s.closed }

// Queued is how many bytes of the answer wait for the client.
func (s *Stream) Queued() int { return len(s.queue) - s.sent }

// Consumed lets the client send n bytes more, on the stream and the connection.
func (s *Stream) Consumed(n int) {
	s.Kept(n)
	s.Reopen(n)
}

// Kept is Consumed for the connection alone: n bytes of the stream are kept for who has
// not asked for them yet. No other stream waits for that; Reopen follows.
func (s *Stream) Kept(n int) { s.c.consumed(n) }

// Reopen is Consumed for the stream alone.
func (s *Stream) Reopen(n int) {
	if more := s.recv.give(n); more > 0 && !s.remoteEnded && !s.closed {
		_ = s.c.control.framer.WriteWindowUpdate(s.id, more)
	}
}

// BeginHead begins the answer's head, or that of an interim answer; Field and
// EndHead follow.
func (s *Stream) BeginHead(code int) {
	if s.closed {
		return
	}
	c := s.c
	c.out = c.room()
	c.headAt = len(c.out)
	c.out = c.encoder.status(c.encoder.begin(append(c.out, make([]byte, frameHead)...)), code)
}

// Field adds a field to the head, its name in any case.
func (s *Stream) Field(name, value []byte) {
	if !s.closed {
		s.c.out = s.c.encoder.field(s.c.out, name, value)
	}
}

// EndHead ends the head. end: the answer has no body.
func (s *Stream) EndHead(end bool) {
	if s.closed {
		return
	}
	s.c.endHead(s.id, end)
	if end {
		s.ended()
	}
}

// Trail says that trailers follow the answer: fields calls Field for each of them.
func (s *Stream) Trail(fields func()) { s.trailer = fields }

// trail sends the trailers, which end the answer (RFC 9113 section 8.1).
func (s *Stream) trail() {
	c := s.c
	c.out = c.room()
	c.headAt = len(c.out)
	c.out = c.encoder.begin(append(c.out, make([]byte, frameHead)...))
	s.trailer()
	c.endHead(s.id, true)
}

// Write adds to the answer's body; end: it is complete. What cannot be sent now
// is copied and waits.
func (s *Stream) Write(p []byte, end bool) {
	if s.closed || s.ending {
		return
	}
	if s.Queued() == 0 {
		n := s.writeNow(p, end)
		if p = p[n:]; s.closed || len(p) == 0 && !end {
			return
		}
	}
	s.queue = append(s.queue, p...)
	s.ending = end
	if s.Queued() == 0 {
		s.c.data(s, nil, true)
		return
	}
	s.enlist()
}

// writeNow sends what can be sent now.
func (s *Stream) writeNow(p []byte, end bool) (n int) {
	for n < len(p) && s.c.mayWrite() {
		k := s.allowed(len(p) - n)
		if k == 0 {
			break
		}
		s.c.data(s, p[n:n+k], end && n+k == len(p))
		n += k
	}
	return n
}

// WriteSome sends what can be sent now of p, behind which more follows. Of the rest
// nothing is queued.
func (s *Stream) WriteSome(p []byte) int {
	if s.closed || s.ending || s.Queued() > 0 {
		return 0
	}
	return s.writeNow(p, false)
}

// EndSending says that no more will be written, and leaves it to the client when it ends
// its side: Finish follows. Nothing may be queued.
func (s *Stream) EndSending() {
	if !s.closed && !s.ending {
		s.ending = true
		s.c.out = appendHead(s.c.room(), 0, http2.FrameData, http2.FlagDataEndStream, s.id)
	}
}

// Finish ends the stream after EndSending, whether or not the client has ended its side.
func (s *Stream) Finish() {
	if s.closed {
		return
	}
	if !s.remoteEnded {
		s.c.reset(s.id, http2.ErrCodeNo)
	}
	s.over()
}

// allowed is how many of n bytes may go into the next frame.
func (s *Stream) allowed(n int) int {
	return int(max(min(int64(n), s.window, s.c.window, int64(s.c.maxFrame)), 0))
}

// enlist puts the stream where pump looks if it has something to send.
func (s *Stream) enlist() {
	if !s.listed && s.Queued() > 0 && s.window > 0 {
		s.c.ready.add(s)
	}
}

// Cut takes back what is queued beyond keep bytes, for who keeps it elsewhere and
// writes it later.
func (s *Stream) Cut(keep int) (rest []byte) {
	if s.closed || s.ending || s.Queued() <= keep {
		return nil
	}
	at := s.sent + keep
	rest = s.queue[at:]
	s.queue, s.sent = append([]byte(nil), s.queue[s.sent:at]...), 0
	if s.listed && keep == 0 {
		s.c.ready.remove(s)
	}
	return rest
}

// advance notes that n bytes of the queue have been sent.
func (s *Stream) advance(n int) {
	s.sent += n
	switch {
	case s.Queued() > 0:
	case cap(s.queue) > keptQueue:
		s.queue, s.sent = nil, 0
	default:
		s.queue, s.sent = s.queue[:0], 0
	}
}

// keptQueue is how large a queue's memory may be to be kept for what comes next.
const keptQueue = 4 << 10

// Reset ends the stream in a way that shows that the answer is not whole.
func (s *Stream) Reset(code http2.ErrCode) {
	if s.closed {
		return
	}
	s.c.reset(s.id, code)
	s.shut()
	s.settle()
}

// Blame resets the stream for what its client sent. Who does that often is sent
// away, as for all resets that a client causes.
func (s *Stream) Blame(code http2.ErrCode) {
	if s.closed {
		return
	}
	s.Reset(code)
	if err := s.c.wasReset(); err != nil && s.c.doomed == nil {
		s.c.doomed = err
	}
}

// Allowed reports whether the client's windows are open: what waits then waits for
// the socket.
func (s *Stream) Allowed() bool { return !s.closed && s.allowed(1) > 0 }

// Sendable reports whether the client takes more than what is queued.
func (s *Stream) Sendable() bool {
	return s.Allowed() && s.Queued() == 0 && s.c.mayWrite()
}

// Done says that nobody will write to the stream any more and that its call has
// ended. Until then it keeps its place, even if the client has left: so what one
// client can keep busy stays bounded by the streams that it may have.
func (s *Stream) Done() {
	s.done = true
	s.settle()
}

// ended notes that the answer is complete. What the client still sends of its
// request is not wanted any more (RFC 9113 section 8.1).
func (s *Stream) ended() {
	if !s.remoteEnded && !s.c.discard(s) {
		s.c.reset(s.id, http2.ErrCodeNo)
	}
	s.over()
}

// over ends the stream after its answer.
func (s *Stream) over() {
	s.shut()
	s.req.Sent()
	s.settle()
}

// lose ends a stream whose client is gone.
func (s *Stream) lose() {
	s.shut()
	s.req.Gone()
	s.settle()
}

// shut closes the stream for the protocol.
func (s *Stream) shut() {
	if s.closed {
		return
	}
	s.closed, s.remoteEnded = true, true
	delete(s.c.streams, s.id)
	if s.listed {
		s.c.ready.remove(s)
	}
	if n := s.Queued(); n > 0 {
		s.advance(n)
		s.req.Moved(n)
	}
}

// settle releases the stream when all have done with it.
func (s *Stream) settle() {
	if s.closed && s.done && s.reading {
		s.c.cut = s
	} else if s.closed && s.done {
		s.done = false // once
		if s.c.cut == s {
			s.c.cut = nil
		}
		s.c.places--
		s.req.Released()
	}
}
