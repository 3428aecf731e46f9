package front

import (
	"encoding/binary"
	"errors"
	"io"
	"strconv"

	"girin/internal/front/h2"
	"girin/internal/http1"
	"girin/internal/sched"
	"girin/internal/wire"
)

var (
	_ sched.Answer = (*stream)(nil)
	_ transport    = (*stream)(nil)
)

// Frame gets a part of the answer (sched.Answer).
func (st *stream) Frame(f *wire.Frame, head, body []byte) {
	st.h.c.mu.Lock()
	defer st.unlockAnswer()
	if st.reply.running {
		injectFault(faultInAnswer, &st.exchange)
	}
	st.frameLocked(f, head, body)
	st.h.flushSoonLocked()
}

// File gets an answer whose body is a part of a file (sched.Answer).
func (st *stream) File(f *wire.Frame, head []byte, body sched.FileBody) {
	st.h.c.mu.Lock()
	defer st.unlockAnswer()
	st.fileLocked(f, head, body)
	st.h.conn.Flush()
}

// Fail ends the answer without the application (sched.Answer). It may be called
// by anybody, who may not say when he rests.
func (st *stream) Fail(cause error) {
	st.h.c.mu.Lock()
	defer st.h.c.mu.Unlock()
	st.failLocked(cause)
	st.h.conn.Flush()
}

// unlockAnswer ends a method that got a part of the answer. A panic in it ends
// this stream, not the worker on whose goroutine it ran.
func (st *stream) unlockAnswer() {
	if p := recover(); p != nil {
		st.panickedLocked(p)
	}
	st.h.c.mu.Unlock()
}

// A head is encoded only when it is sent (sendHeadLocked), as encoding changes
// what the next one may refer to, and one that turns out not to be valid is never
// sent. Until then it is: u16 status; for each field u16 length and name, u32
// length and value.

func (st *stream) appendStatus(b []byte, code int, _ []byte) []byte {
	return binary.LittleEndian.AppendUint16(b, uint16(code))
}

func (st *stream) appendField(b, name, value []byte, _ http1.Kind) []byte {
	b = binary.LittleEndian.AppendUint16(b, uint16(min(len(name), 1<<16-1)))
	b = append(b, name[:min(len(name), 1<<16-1)]...)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(value)))
	return append(b, value...)
}

var (
	serverName           = []byte("server")
	dateName, lengthName = []byte("date"), []byte("content-length")
)

func (st *stream) appendServer(b []byte) []byte {
	line := st.srv.nameLine
	if line == nil {
		return b
	}
	return st.appendField(b, serverName, line[len(serverField):len(line)-len(crlf)], http1.KindServer)
}

func (st *stream) appendDate(b []byte) []byte {
	var room [64]byte
	line := st.srv.date.Append(room[:0], st.srv.second.Load()) // "Date: value CRLF"
	return st.appendField(b, dateName, line[len("Date: "):len(line)-len(crlf)], http1.KindDate)
}

func (st *stream) appendLength(b []byte, n int64) []byte {
	var room [20]byte
	return st.appendField(b, lengthName, strconv.AppendInt(room[:0], n, 10), http1.KindContentLength)
}

func (st *stream) appendEndless(b []byte) []byte     { return b } // the stream's end tells
func (st *stream) appendEnd(b []byte, _ bool) []byte { return b }

// sendHeadLocked encodes and sends a head.
func (st *stream) sendHeadLocked(head []byte, ends bool) {
	le := binary.LittleEndian
	st.frames.BeginHead(int(le.Uint16(head)))
	st.encodeFields(head[2:])
	st.frames.EndHead(ends)
}

// encodeFields encodes what appendField has put one after the other.
func (st *stream) encodeFields(b []byte) {
	le := binary.LittleEndian
	for len(b) > 0 {
		n := int(le.Uint16(b))
		name := b[2 : 2+n]
		b = b[2+n:]
		n = int(le.Uint32(b))
		st.frames.Field(name, b[4:4+n])
		b = b[4+n:]
	}
}

// trailLocked keeps trailers for the stream's end.
func (st *stream) trailLocked(fields []byte) {
	if !st.goneLocked() {
		st.frames.Trail(func() { st.encodeFields(fields) })
	}
}

// sendLocked passes on a head and a part of the body.
func (st *stream) sendLocked(head, body []byte, last bool) {
	h := st.h
	if len(head) > 0 {
		if st.sendHeadLocked(head, last && len(body) == 0); last && len(body) == 0 {
			return
		}
	}
	switch {
	case st.spill != nil:
		st.spill.add(body)
		st.spilled = last
		h.refillSoonLocked()
	case len(body) > 0 || last:
		st.writeLocked(body, last)
	}
}

// writeLocked passes on a part of the body.
func (st *stream) writeLocked(body []byte, last bool) {
	h := st.h
	before := st.frames.Queued()
	st.frames.Write(body, last)
	queued := int64(st.frames.Queued() - before)
	h.moved += int64(len(body)) - queued
	st.seen.moved += int64(len(body)) - queued
	h.unread += queued
	st.srv.queued.Add(queued)
}

// Moved notes that the client has taken some of what was queued, or that it was
// dropped (h2.Request).
func (st *stream) Moved(n int) {
	h := st.h
	h.unread -= int64(n)
	st.srv.queued.Add(-int64(n))
	if st.frames.Closed() {
		return // Gone, or whoever reset it, goes on from here
	}
	h.moved += int64(n)
	st.seen.moved += int64(n)
	if st.carries != nil {
		st.carries.moved()
		return
	}
	st.grantLocked()
}

// Sent says that the answer is with the connection (h2.Request).
func (st *stream) Sent() {
	if st.reply.given {
		st.finishLocked()
	}
}

// sendFileLocked passes on a head, and has the file sent after it.
func (st *stream) sendFileLocked(head []byte, body *fileBody) {
	st.sendHeadLocked(head, false)
	if st.goneLocked() {
		body.close()
		return
	}
	st.file = body
	st.h.files++
	st.h.c.out.startLocked()
}

func (st *stream) goneLocked() bool { return st.frames.Closed() || st.h.c.dead }

// cutLocked resets the stream.
func (st *stream) cutLocked() { st.frames.Reset(codeInternal) }

func (st *stream) abortLocked() {
	st.frames.Reset(codeInternal)
	st.Gone()
}

// givenLocked goes on when nothing more will be passed on.
func (st *stream) givenLocked() {
	if st.goneLocked() {
		st.finishLocked()
	}
}

// finishLocked ends the request when its answer has, for the log, and when its
// call has, for the place that it holds.
func (st *stream) finishLocked() {
	if st.reply.given {
		st.reply.given = false
		st.ended()
	}
	st.dropUploadLocked()
	if st.call.InFlight() {
		st.h.owed[st] = struct{}{}
		return
	}
	st.frames.Done()
}

// refillLocked reads a step of a file that a stream sends or was spilled to, if
// one's client takes more of it. It reports whether there was any. The goroutine that drains the
// connection's output does it.
func (h *streams) refillLocked() bool {
	if h.files == 0 {
		return false
	}
	var ready *stream
	h.conn.Requests(func(r h2.Request) {
		if st := r.(*stream); st.refillable() {
			ready = st
		}
	})
	if ready == nil {
		return false
	}
	if ready.spill != nil {
		ready.refillLocked()
	} else {
		h.sendStepLocked(ready)
	}
	return true
}

// refillable reports whether the client takes more of a stream's file, or of what
// was spilled to one.
func (st *stream) refillable() bool {
	return !st.filling && st.frames.Sendable() && (st.file != nil || st.spill != nil && st.spill.ready())
}

// sendStepLocked sends a step of a stream's file. The lock is free while it is
// read.
func (h *streams) sendStepLocked(st *stream) {
	buf := largeInputs.Get().(*[largeInput]byte)
	defer largeInputs.Put(buf)
	file := st.file
	st.filling = true
	b, err := h.c.readUnlocked(file, buf[:])
	st.filling = false
	switch {
	case st.goneLocked():
		st.dropFileLocked()
		return
	case errors.Is(err, io.EOF):
		st.lied("its file became shorter than its Content-Length")
	case err != nil:
		st.lied("its file cannot be read: " + err.Error())
	default:
		last := file.left == 0
		st.reply.sent += int64(len(b))
		if last {
			st.dropFileLocked()
		}
		st.sendLocked(nil, b, last)
		h.conn.Flush()
		return
	}
	st.dropFileLocked()
	st.frames.Reset(codeInternal)
	st.finishLocked()
	h.conn.Flush()
}

// dropFileLocked closes the file that follows, unless it is being read: then
// whoever reads it does.
func (st *stream) dropFileLocked() {
	if st.file != nil && !st.filling {
		st.file.close()
		st.file = nil
		st.h.files--
	}
}
