package front

import (
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"syscall"

	"girin/internal/http1"
)

// maxInline is the largest body that goes with its request; a larger one goes
// to a file. If its length is known beforehand and there is room for it where
// the workers see it, it is read there, and may be as long as maxReserved.
const (
	maxInline   = 64 << 10
	maxReserved = 1 << 20
)

// inlinedMost is what bodies may take of memory together while they come, and
// until they were answered; beyond it small ones go to a file as well.
const inlinedMost = 64 << 20

// body is a request's body as it is read.
type body struct {
	inline []byte
	spool  *os.File
	length int64
	whole  bool         // it was read to its end
	came   atomic.Int64 // its bytes so far, for the sweeper
	chunks http1.Chunked
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
		b.spool.Close()
		s.held.Add(-1)
		s.spooled.Add(-b.length)
		b.spool = nil
	}
	if n := len(b.inline); n > 0 {
		s.inlined.Add(-int64(n))
	}
	b.inline = b.inline[:0]
	if cap(b.inline) > smallInput {
		b.inline = nil
	}
	b.length, b.whole = 0, false
	b.came.Store(0)
}

// readBody reads the request's body, into memory or a file. It reports false
// if there is no request to go on with; then the client was told.
func (c *conn) readBody() bool {
	c.body.discard(c.srv)
	limit := c.srv.cfg.MaxBody
	switch {
	case c.req.ContentLength == 0 && !c.req.Chunked:
		c.body.whole = true
		return true
	case limit > 0 && c.req.ContentLength > limit:
		return c.refuse(errTooLarge)
	}
	if c.req.Expect100 && c.in.empty() {
		c.mu.Lock()
		c.sendLocked(http1.AppendContinue(nil), nil, nil)
		c.mu.Unlock()
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
	if !c.receive() {
		return false
	}
	c.body.whole = true
	c.call.Body, c.call.Spool, c.call.Length = c.body.inline, c.body.spool, c.body.length
	return true
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
		for !c.in.empty() {
			data, done, verdict := c.bodyPart(&left)
			if verdict == nil {
				verdict = c.keep(data)
			}
			if verdict != nil {
				return c.refuse(verdict)
			}
			if done {
				return true
			}
		}
		c.in.discard()
		if !c.more() {
			return false
		}
	}
}

// bodyPart takes what there is of the body's next bytes.
func (c *conn) bodyPart(left *int64) (data []byte, done bool, verdict *http1.Error) {
	b := c.in.unread()
	if !c.req.Chunked {
		data = b[:min(int64(len(b)), *left)]
		*left -= int64(len(data))
		c.in.r += len(data)
		return data, *left == 0, nil
	}
	data, n, done, verdict := c.body.chunks.Next(b)
	c.in.r += n
	return data, done, verdict
}

// keep stores body bytes.
func (x *exchange) keep(data []byte) *http1.Error {
	b := &x.body
	b.came.Add(int64(len(data)))
	total := int64(len(b.inline)+len(data)) + b.length
	if limit := x.srv.cfg.MaxBody; limit > 0 && total > limit {
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
	if err := x.srv.store(b, data); err != nil {
		return x.spoolFault(err)
	}
	return nil
}

// spool moves the body to a file that never has a name.
func (x *exchange) spool() (err error) {
	b := &x.body
	if !x.srv.mayOpenFile() {
		return syscall.EMFILE
	}
	if b.spool, err = unnamedFile(x.srv.cfg.SpoolDir); err != nil {
		return err
	}
	x.srv.held.Add(1)
	inline := b.inline
	b.inline = nil
	x.srv.inlined.Add(-int64(len(inline)))
	return x.srv.store(b, inline)
}

// store appends to a body's file, as long as all such files leave half of the
// free space.
func (s *Server) store(b *body, data []byte) error {
	if s.spooled.Add(int64(len(data))) > s.spoolLimit() {
		s.spooled.Add(-int64(len(data)))
		return syscall.ENOSPC
	}
	b.length += int64(len(data))
	_, err := b.spool.Write(data)
	return err
}

// spoolFault maps a failed store to a verdict.
func (x *exchange) spoolFault(err error) *http1.Error {
	x.srv.warned.once(x.srv, fmt.Sprint("spool ", err), fmt.Sprintf("a request body could not be stored: %v", err))
	switch {
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return errNoRoom
	case errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE):
		return errNoFile
	}
	return errSpoolLost
}
