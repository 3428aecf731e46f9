package front

import (
	"errors"
	"fmt"
	"sync/atomic"

	"girin/internal/front/spool"
	"girin/internal/http1"
)

// maxInline is the largest body that goes with its request; a larger one goes
// to a file. If its length is known beforehand and there is room for it where
// the workers see it, it is read there, and may be as long as maxReserved.
const (
	maxInline   = 64 << 10
	maxReserved = 1 << 20
)

// inlinedMost is what bodies may take of memory together while they come, until
// they are where workers see them; beyond it small ones go to a file as well.
const inlinedMost = 64 << 20

// body is a request's body as it is read.
type body struct {
	inline []byte
	spool  *spool.File  // nil: all of it is inline
	whole  bool         // it was read to its end
	came   atomic.Int64 // its bytes so far, for the sweeper
	// pending is set while the application runs and the body has not all come:
	// then the connection ends with the response.
	pending atomic.Bool
	chunks  http1.Chunked
}

var (
	errTooLarge  = &http1.Error{Status: 413, Reason: "the request body is too large"}
	errNoRoom    = &http1.Error{Status: 507, Reason: "no room for the request body"}
	errNoFile    = &http1.Error{Status: 503, Reason: "too many request bodies at once"}
	errSpoolLost = &http1.Error{Status: 500, Reason: "the request body could not be stored"}
)

// discard forgets a body. Its file, which has no name, goes with it.
func (b *body) discard(s *Server) {
	if b.spool != nil {
		s.closeSpool(b.spool)
		b.spool = nil
	}
	b.dropInline(s)
	b.whole = false
	if b.came.Load() != 0 { // a store costs as much as a lock, and most requests have no body
		b.came.Store(0)
	}
	if b.pending.Load() {
		b.pending.Store(false)
	}
}

// dropInline gives back what is in memory, but for a little.
func (b *body) dropInline(s *Server) {
	if n := len(b.inline); n > 0 {
		s.inlined.Add(-int64(n))
	}
	b.inline = b.inline[:0]
	if cap(b.inline) > smallInput {
		b.inline = nil
	}
}

// handedOver forgets a body that the queue has taken: its bytes lie where workers see
// them, and its file is the queue's until no worker can ask for it.
func (x *exchange) handedOver() {
	x.body.spool, x.call.Body = nil, nil
	x.body.dropInline(x.srv)
}

// dropBody gives back what a body takes that will not be answered any more.
func (x *exchange) dropBody() {
	x.body.discard(x.srv)
	x.srv.cfg.Queue.Unreserve(&x.call)
}

// readBody reads the request's body, into memory or a file. It reports false
// if there is no request to go on with; then the client was told.
func (c *conn) readBody() bool {
	c.body.discard(c.srv)
	limit := c.srv.asked.Load().MaxBody
	switch {
	case c.req.ContentLength == 0 && !c.req.Chunked:
		c.body.whole = true
		return true
	case limit > 0 && c.req.ContentLength > limit:
		return c.refuse(errTooLarge)
	}
	if c.req.Expect100 && c.in.empty() {
		c.sendContinue()
	}
	if !c.req.Chunked && int64(len(c.in.unread())) >= c.req.ContentLength {
		// It came with the head: the usual small form.
		n := int(c.req.ContentLength)
		c.call.Body = c.in.unread()[:n]
		c.in.take(n)
		c.body.whole = true
		return true
	}
	c.stage.enter(stageBody)
	if room := c.reserve(); room != nil {
		c.call.Body = room
		c.body.whole = c.receiveInto(room)
		return c.body.whole
	}
	return c.receive()
}

// reserve takes room for the body where the workers see it; nil: there is none,
// or its length is not known.
func (c *conn) reserve() []byte {
	if c.req.Chunked || c.req.ContentLength > maxReserved {
		return nil
	}
	return c.srv.cfg.Queue.Reserve(&c.call, int(c.req.ContentLength))
}

// receiveInto reads the body to its end, into room of its length.
func (c *conn) receiveInto(room []byte) bool {
	for len(room) > 0 {
		n, err := c.in.moveTo(room)
		if n == 0 && !c.came(c.unlessNudged(err)) {
			return false
		}
		room = room[n:]
		c.body.came.Add(int64(n))
	}
	return true
}

// receive reads the body to its end.
func (c *conn) receive() bool {
	c.body.chunks.Reset()
	left := c.req.ContentLength
	for {
		data, done, verdict := c.bodyParts(&left)
		if verdict == nil {
			verdict = c.keep(data)
		}
		if verdict == nil && done {
			verdict = c.kept()
		}
		if verdict != nil {
			return c.refuse(verdict)
		}
		if done {
			return true
		}
		c.makeRoomForBody()
		if !c.more() {
			return false
		}
	}
}

// bodyParts takes what there is of the body's next bytes. Those of all chunks
// are moved together, where the first one lies.
func (c *conn) bodyParts(left *int64) (data []byte, done bool, verdict *http1.Error) {
	b := c.in.unread()
	if !c.req.Chunked {
		data = b[:min(int64(len(b)), *left)]
		*left -= int64(len(data))
		c.in.r += len(data)
		return data, *left == 0, nil
	}
	for data = b[:0]; len(b) > 0 && !done; {
		part, n, end, verdict := c.body.chunks.Next(b)
		if verdict != nil {
			return nil, false, verdict
		}
		data, done, b = append(data, part...), end, b[n:]
		c.in.r += n
	}
	return data, done, nil
}

// makeRoomForBody prepares for the next bytes when all that came are stored:
// with a large buffer while they come quickly, or each 4 KiB would cost a system
// call. A slow client keeps no more than a small one.
func (c *conn) makeRoomForBody() {
	in := &c.in
	came, size := in.w, len(in.buf)
	in.discard()
	switch {
	case size == smallInput && came == size && c.srv.heads.Load() < headsMost/2:
		in.grow(largeInput)
	case size > smallInput && came <= smallInput:
		in.release()
	}
}

// keep stores body bytes.
func (x *exchange) keep(data []byte) *http1.Error {
	b := &x.body
	total := b.came.Add(int64(len(data)))
	if limit := x.srv.asked.Load().MaxBody; limit > 0 && total > limit {
		return errTooLarge
	}
	if b.spool == nil && total <= maxInline && x.srv.inlined.Load() < inlinedMost {
		b.inline = append(b.inline, data...)
		x.srv.inlined.Add(int64(len(data)))
		return nil
	}
	if b.spool == nil {
		if err := x.spool(); err != nil {
			return x.spoolFault(err)
		}
	}
	if err := b.spool.Append(data); err != nil {
		return x.spoolFault(err)
	}
	return nil
}

// kept ends a body that keep has got: the call has it.
func (x *exchange) kept() *http1.Error {
	b := &x.body
	b.whole = true
	x.call.Body = b.inline
	if b.spool == nil {
		return nil
	}
	if err := b.spool.Flush(); err != nil {
		return x.spoolFault(err)
	}
	x.call.Spool, x.call.Length = b.spool, b.spool.Size()
	return nil
}

// spool moves the body to a file.
func (x *exchange) spool() (err error) {
	b := &x.body
	if b.spool, err = x.srv.spool.New(); err != nil {
		return err
	}
	inline := b.inline
	b.inline = nil
	x.srv.inlined.Add(-int64(len(inline)))
	return b.spool.Append(inline)
}

// spoolFault maps a failed store to a verdict.
func (x *exchange) spoolFault(err error) *http1.Error {
	x.srv.warned.once(x.srv, fmt.Sprint("spool ", err), fmt.Sprintf("a request body could not be stored: %v", err))
	switch {
	case errors.Is(err, spool.ErrFull):
		return errNoRoom
	case errors.Is(err, spool.ErrDescriptors):
		return errNoFile
	}
	return errSpoolLost
}
