package h2

import (
	"encoding/binary"
	"sync"

	"golang.org/x/net/http2"
)

// frameHead is the length of a frame's head.
const frameHead = 9

// outputSize is the room that a connection has while it has something to send,
// and up to how much may wait before streams wait for the client.
const outputSize = 64 << 10

// outputs have room for one step and the frame that goes beyond it.
var outputs = sync.Pool{New: func() any { return new([outputSize + dataMost + 4096]byte) }}

// room is where frames are appended.
func (c *Conn) room() []byte {
	if c.out == nil {
		return outputs.Get().(*[outputSize + dataMost + 4096]byte)[:0]
	}
	return c.out
}

// Unflushed reports whether there is something to pass on.
func (c *Conn) Unflushed() bool { return len(c.out) > 0 }

// Flush passes on what there is to send.
func (c *Conn) Flush() {
	if len(c.out) == 0 {
		return
	}
	out := c.out
	c.out = nil
	if !c.closed {
		c.wire.Write(out)
	}
	if cap(out) == outputSize+dataMost+4096 {
		outputs.Put((*[outputSize + dataMost + 4096]byte)(out[:cap(out)]))
	}
}

// Wake has Serve look whether the client still leaves too much unread.
func (c *Conn) Wake() { c.took.Broadcast() }

// Written says that the client has taken some of what waited.
func (c *Conn) Written() {
	c.took.Broadcast()
	c.pump()
	c.Flush()
}

// mayWrite reports whether there is room for another frame.
func (c *Conn) mayWrite() bool {
	if len(c.out) >= outputSize {
		c.Flush()
	}
	return !c.closed && len(c.out)+c.wire.Waiting() < outputSize
}

// pump sends what streams have queued, as far as windows and room allow.
func (c *Conn) pump() {
	for c.window > 0 && c.mayWrite() {
		s := c.ready.next()
		if s == nil {
			return
		}
		n := s.allowed(s.Queued())
		c.data(s, s.queue[s.sent:s.sent+n], s.ending && n == s.Queued())
	}
}

// data sends a DATA frame, whose bytes are the start of the stream's queue if
// there is one.
func (c *Conn) data(s *Stream, p []byte, end bool) {
	var flags http2.Flags
	if end && s.trailer == nil {
		flags = http2.FlagDataEndStream
	}
	if len(p) > 0 || flags != 0 {
		c.out = append(appendHead(c.room(), len(p), http2.FrameData, flags, s.id), p...)
	}
	c.window -= int64(len(p))
	s.window -= int64(len(p))
	if len(p) >= dribble || s.window > 0 && c.window > 0 {
		c.idle.earn(earnData)
	}
	queued := s.Queued() > 0
	if queued {
		s.advance(len(p))
	}
	if s.listed && (s.window <= 0 || s.Queued() == 0) {
		c.ready.remove(s)
	} else if s.listed && s.prio.incremental {
		c.ready.remove(s)
		c.ready.add(s)
	}
	if queued {
		s.req.Moved(len(p))
	}
	if end {
		if s.trailer != nil {
			s.trail()
		}
		s.ended()
	}
}

func appendHead(dst []byte, n int, kind http2.FrameType, flags http2.Flags, id uint32) []byte {
	return binary.BigEndian.AppendUint32(append(dst, byte(n>>16), byte(n>>8), byte(n), byte(kind), byte(flags)), id)
}

// endHead makes frames of the header block that stands in out from headAt on,
// behind room for a frame's head.
func (c *Conn) endHead(id uint32, end bool) {
	block := c.out[c.headAt+frameHead:]
	var flags http2.Flags
	if end {
		flags = http2.FlagHeadersEndStream
	}
	if len(block) <= c.maxFrame {
		appendHead(c.out[:c.headAt], len(block), http2.FrameHeaders, flags|http2.FlagHeadersEndHeaders, id)
		return
	}
	block = append([]byte(nil), block...)
	c.out = c.out[:c.headAt]
	for kind := http2.FrameHeaders; len(block) > 0; kind, flags = http2.FrameContinuation, 0 {
		n := min(len(block), c.maxFrame)
		if n == len(block) {
			flags |= http2.FlagHeadersEndHeaders
		}
		c.out = append(appendHead(c.out, n, kind, flags, id), block[:n]...)
		block = block[n:]
	}
}
