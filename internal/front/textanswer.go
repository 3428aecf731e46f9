package front

import (
	"slices"

	"girin/internal/http1"
)

// textHead encodes heads as HTTP/1.1 has them.
type textHead struct{ x *exchange }

func (t textHead) appendStatus(b []byte, _ int, status []byte) []byte {
	return http1.AppendStatusLine(b, 1, status)
}

func (t textHead) appendField(b, name, value []byte, _ http1.Kind) []byte {
	return http1.AppendField(b, name, value)
}

func (t textHead) appendServer(b []byte) []byte { return append(b, t.x.srv.nameLine...) }

func (t textHead) appendDate(b []byte) []byte {
	return t.x.srv.date.Append(b, t.x.srv.second.Load())
}

func (t textHead) appendLength(b []byte, n int64) []byte { return http1.AppendContentLength(b, n) }

// appendEndless says how the body's end is told (RFC 9112 section 6): by a last
// chunk, or to a client that knows no chunks by the end of the connection.
func (t textHead) appendEndless(b []byte) []byte {
	if t.x.reply.minor == 0 {
		t.x.reply.last = true
		return b
	}
	t.x.reply.chunked = true
	return append(b, "Transfer-Encoding: chunked\r\n"...)
}

// appendEnd says what becomes of the connection.
func (t textHead) appendEnd(b []byte, interim bool) []byte {
	r := &t.x.reply
	r.last = r.last || !interim && (t.x.srv.leaving.Load() || t.x.body.pending.Load())
	switch {
	case interim:
	case r.last:
		b = append(b, "Connection: close\r\n"...)
	case r.minor == 0:
		b = append(b, "Connection: keep-alive\r\n"...)
	}
	return http1.AppendEndOfHead(b)
}

var _ transport = (*conn)(nil)

var (
	crlf = []byte("\r\n")
	// lastChunks are the ends of a chunked body: alone, and after a chunk.
	lastChunks = [...][]byte{0: []byte("0\r\n\r\n"), 2: []byte("\r\n0\r\n\r\n")}
)

// sendLocked passes on a head and a part of the body, which it frames.
func (c *conn) sendLocked(head, body []byte, last bool) {
	var end []byte
	gathers := !last && len(body) > 0 && len(head)+len(body) <= gatherMost && c.srv.cfg.Rests
	if c.reply.chunked {
		if len(body) > 0 {
			head = http1.AppendChunkSize(head, len(body))
			end = crlf
		}
		switch {
		case last && len(c.reply.trailers) > 0:
			end = slices.Concat(end, []byte("0\r\n"), c.reply.trailers, crlf)
		case last:
			end = lastChunks[len(end)]
		}
	}
	if gathers || c.parts.room != nil {
		c.sendPartsLocked(head, body, end, gathers)
		return
	}
	c.writeLocked(head, body, end)
}

// trailLocked keeps trailers for the last chunk, if the client takes any (RFC 9110
// section 6.5.1).
func (c *conn) trailLocked(fields []byte) {
	if c.takesTrailers {
		c.reply.trailers = fields
	}
}

// sendFileLocked passes on a head, and has the file written after it.
func (c *conn) sendFileLocked(head []byte, body *fileBody) {
	c.writeLocked(head, nil, nil)
	if c.dead {
		body.close()
		return
	}
	c.out.file = body
	c.out.startLocked()
}

// waitingLocked does not count what is left of a queue whose rest is spilled: it
// is at most writeStep.
func (c *conn) waitingLocked() int {
	if c.out.spill != nil {
		return c.out.spill.held()
	}
	return c.out.waiting()
}

func (c *conn) goneLocked() bool { return c.dead }

// cutLocked makes the connection end without its client thinking that it has
// the whole answer.
func (c *conn) cutLocked() {
	c.flushPartsLocked()
	c.out.cut = true
}

// givenLocked goes on when all of an answer is with output.
func (c *conn) givenLocked() {
	switch {
	case c.dead:
		c.loggedLocked()
		c.changedLocked()
	case !c.out.busy: // else drain goes on from here
		c.writtenLocked()
	}
}

// abortLocked gives the client up.
func (c *conn) abortLocked() { c.lostLocked() }

// loggedLocked counts and logs an answer once.
func (c *conn) loggedLocked() {
	if c.reply.given {
		c.reply.given = false
		c.ended()
	}
}

// writtenLocked goes on when a response has ended and is written.
func (c *conn) writtenLocked() {
	c.loggedLocked()
	if c.reply.last {
		c.hangUpLocked()
	} else {
		c.stage.enter(stageIdle)
	}
	c.changedLocked()
}

// hangUpLocked ends a connection whose last response is written. Closing with
// bytes unread would make the kernel reset the connection, and the client might
// never see the response: then its goroutine reads on for a while (see linger).
func (c *conn) hangUpLocked() {
	switch {
	case c.dead:
	case c.out.cut:
		c.cut()
		c.dieLocked()
	case c.reply.whole && c.tls == nil && c.raw != nil && c.in.pendingBytes() == 0:
		c.closeSoon()
		c.dieLocked()
	case c.over != nil && !c.reply.upgraded: // a stream ends whatever its client still sends
		c.over.ending.Store(true)
		c.closeSoon()
		c.dieLocked()
	default:
		c.endWritingLocked()
		c.stage.enter(stageLinger)
	}
}
