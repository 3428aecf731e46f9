package front

import (
	"golang.org/x/net/http2"

	"girin/internal/front/h2"
	"girin/internal/http1"
	"girin/internal/wire"
)

// stream is a request that came as a stream of HTTP/2. Until it is submitted its
// request is the connection's goroutine's; what says so is guarded by conn.mu.
// When it has ended another request may use it.
type stream struct {
	exchange
	h      *streams
	frames h2.Stream

	// Of the goroutine that reads.
	verdict  *http1.Error // on the fields so far
	trailers http1.Trailers
	headed   bool   // what comes are trailers
	reserved bool   // the body goes where the workers see it
	room     []byte // what is still to come of it there

	// Guarded by conn.mu.
	awaits    uint8     // what, for the sweeper
	submitted bool      // or refused: nothing more is taken of it
	late      bool      // it was refused because its body did not come
	let       bool      // its call will not be submitted again
	streams   bool      // its body is to come while the application runs: upload follows
	upload    *upload   // that body; nil: it came before, or there is none. Written by the goroutine that reads
	counted   bool      // its environ counts among the heads that wait
	file      *fileBody // follows what is queued, and ends the answer
	spill     *spill    // the same; more may come
	spilling  bool      // it is looked soon whether the client is slow: see outrunLocked
	spilled   bool      // the answer ends with spill
	filling   bool      // file or spill is being read
	seen      seenStream
	carries   *streamConn // the WebSocket that it has become; nil: none
}

// What a stream waits for.
const (
	awaitsHead uint8 = iota
	awaitsBody
	awaitsAnswer
)

var _ h2.Request = (*stream)(nil)

const (
	codeCancel   = http2.ErrCodeCancel
	codeInternal = http2.ErrCodeInternal
	codeProtocol = http2.ErrCodeProtocol
)

// Field takes a field of the head, or a trailer, which is only judged.
func (st *stream) Field(name, value []byte) {
	switch {
	case st.verdict != nil:
	case st.carries != nil:
		st.verdict = errSocketTrailers
	case st.headed:
		st.verdict = st.trailers.Add(name, value)
	default:
		st.verdict = st.req.Add(name, value, st.limits())
	}
}

var errHeadersLong = &http1.Error{Status: 431, Reason: "request head too long"}

// Head goes on when the head is complete.
func (st *stream) Head(ends, tooLarge bool) {
	st.headed = true
	if st.verdict == nil && tooLarge {
		st.verdict = errHeadersLong
	}
	if st.verdict == nil {
		st.verdict = st.req.End(ends, st.limits())
	}
	st.isHead = string(st.req.Method) == "HEAD"
	connects := st.req.Protocol != nil
	switch {
	case st.verdict != nil:
	case connects:
		st.verdict = st.connect(ends)
	case st.ownAnswer():
		return
	default:
		st.verdict = st.take(ends)
	}
	switch {
	case st.verdict != nil:
		st.refuse(st.verdict)
	case connects:
	case ends:
		st.body.whole = true
		st.submit()
	default:
		st.awaitBody()
	}
}

// take makes a call of the head.
func (st *stream) take(ends bool) *http1.Error {
	if st.srv.cfg.Queue.Full() {
		return errOverload
	}
	if verdict := st.makeEnviron(); verdict != nil {
		return verdict
	}
	injectFault(faultInConn, &st.exchange)
	st.reply.record.keep(&st.exchange)
	if limit := st.srv.asked.Load().MaxBody; !ends && limit > 0 && st.req.ContentLength > limit {
		return errTooLarge
	}
	if !ends && st.srv.heads.Add(wire.MaxPacket) > headsMost {
		st.srv.heads.Add(-wire.MaxPacket)
		return errHeads
	}
	return nil
}

// awaitBody prepares for the body.
func (st *stream) awaitBody() {
	streams := st.streamsBody()
	if n := st.req.ContentLength; !streams && n > 0 && n <= maxReserved {
		st.call.Body = st.srv.cfg.Queue.Reserve(&st.call, int(n))
		st.reserved, st.room = st.call.Body != nil, st.call.Body
	}
	c := st.h.c
	c.mu.Lock()
	defer c.mu.Unlock()
	st.counted = true
	st.awaits = awaitsBody
	if streams {
		st.streams = true
		st.h.begins = append(st.h.begins, st)
		return
	}
	if st.req.Expect100 {
		st.frames.BeginHead(100)
		st.frames.EndHead(false)
	}
}

// Data takes bytes of the body.
func (st *stream) Data(p []byte) int {
	if st.outgrows(len(p)) {
		st.beginUpload()
	}
	switch {
	case st.carries != nil:
		return st.carries.came(p)
	case st.verdict != nil: // it was refused
	case st.upload != nil:
		return st.takeUpload(p)
	case st.reserved:
		st.verdict = st.req.Received(st.body.came.Add(int64(len(p))), false)
		if st.verdict == nil {
			st.room = st.room[copy(st.room, p):]
		}
	default:
		if st.verdict = st.keep(p); st.verdict == nil {
			st.verdict = st.req.Received(st.body.came.Load(), false)
		}
	}
	if st.verdict != nil {
		st.refuse(st.verdict)
	}
	return len(p)
}

// End goes on when the body is complete.
func (st *stream) End() {
	if st.carries != nil {
		st.endCarried()
		return
	}
	if st.verdict == nil {
		st.verdict = st.req.Received(st.body.came.Load(), true)
	}
	if st.verdict == nil && !st.reserved && st.upload == nil {
		st.verdict = st.kept()
	}
	switch {
	case st.verdict != nil:
		st.refuse(st.verdict)
		return
	case st.upload != nil:
		st.upload.ended()
		return
	}
	st.body.whole = true
	st.submit()
}

// submit hands the request to the scheduler.
func (st *stream) submit() {
	c := st.h.c
	c.mu.Lock()
	st.uncountLocked()
	if st.submitted || st.frames.Closed() {
		c.mu.Unlock()
		return // the sweeper has refused it, or Gone has seen to it
	}
	if st.awaits == awaitsBody {
		st.addLength()
	}
	st.takenLocked()
	st.reply.begin(&st.exchange)
	c.mu.Unlock()
	if err := st.srv.cfg.Queue.Submit(&st.call); err != nil {
		st.srv.cfg.Queue.Unreserve(&st.call)
		st.Fail(err)
		return
	}
	st.handedOver()
}

// takenLocked notes that nothing more is taken of the request: what the client may
// still owe from here on is to read its answer.
func (st *stream) takenLocked() { st.submitted, st.awaits = true, awaitsAnswer }

// uncountLocked ends the counting of an environ that waits.
func (st *stream) uncountLocked() {
	if st.counted {
		st.counted = false
		st.srv.heads.Add(-wire.MaxPacket)
	}
}

// ownAnswer answers what the front answers itself, and reports whether it did.
func (st *stream) ownAnswer() bool {
	if st.srv.isCheck(st.req.Path) {
		status, text := st.srv.check(st.req.Path)
		code, _ := http1.StatusCode(status)
		st.own(code, plainText, text)
		return true
	}
	if page := st.srv.fault.Load(); page != nil {
		st.own(500, htmlText, *page)
		return true
	}
	return false
}

// own gives a response of the front's own.
func (st *stream) own(status int, contentType string, body []byte) {
	st.reply.record.keep(&st.exchange)
	st.h.c.mu.Lock()
	defer st.h.c.mu.Unlock()
	st.takenLocked()
	st.verdict = errAnswered
	st.ownNowLocked(status, contentType, body)
}

// errAnswered stands for a verdict where what follows of the body is nobody's.
var errAnswered = &http1.Error{}

func (st *stream) ownNowLocked(status int, contentType string, body []byte) {
	st.reply.begin(&st.exchange)
	st.ownLocked(status, contentType, body)
}

// refuse ends a request that is not taken: by an answer, or where the request is
// malformed by a reset (RFC 9113 section 8.1.1).
func (st *stream) refuse(verdict *http1.Error) {
	st.h.c.mu.Lock()
	defer st.h.c.mu.Unlock()
	st.refuseLocked(verdict)
}

func (st *stream) refuseLocked(verdict *http1.Error) {
	if st.upload != nil {
		st.refuseRunningLocked(verdict)
		return
	}
	if st.submitted || st.frames.Closed() {
		return
	}
	st.takenLocked()
	st.uncountLocked()
	st.late = verdict == errSlowBody
	st.refused(verdict.Status, verdict.Reason)
	if !verdict.Malformed {
		st.ownNowLocked(verdict.Status, plainText, []byte(verdict.Reason+"\n"))
		return
	}
	st.reply.status, st.reply.sent = verdict.Status, 0
	st.ended()
	st.frames.Blame(codeProtocol)
	st.frames.Done()
}
