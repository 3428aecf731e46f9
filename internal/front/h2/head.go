package h2

import (
	"unsafe"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// block is the header block that is being read. Whatever becomes of it, it is
// decoded to its end, or the next ones could not be.
type block struct {
	id       uint32
	s        *Stream // nil: its fields are nobody's
	ends     bool    // the stream ends with it
	trailers bool
	refused  bool
	size     int // bytes of its fragments
	list     uint64
	tooLarge bool
	prio     priority
	told     bool // prio was told by a field
}

// readHeaders begins a header block.
func (c *Conn) readHeaders(f *http2.HeadersFrame) error {
	if err := c.beginBlock(f); err != nil {
		return err
	}
	c.decoder.SetEmitEnabled(c.block.s != nil)
	return c.readBlock(f.HeaderBlockFragment(), f.HeadersEnded())
}

// beginBlock finds out whose block it is.
func (c *Conn) beginBlock(f *http2.HeadersFrame) *Error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.throttle()
	id := f.StreamID
	c.block = block{id: id, ends: f.StreamEnded()}
	if id%2 == 0 {
		return errStreamID
	}
	if f.HasPriority() && f.Priority.StreamDep == id {
		c.last = max(c.last, id)
		return c.streamFault(id, http2.ErrCodeProtocol)
	}
	if s := c.streams[id]; s != nil {
		return c.beginTrailers(s)
	}
	if i := c.discarding(id); i >= 0 { // trailers
		if !c.block.ends {
			return c.streamFault(id, http2.ErrCodeProtocol)
		}
		c.endDiscard(i)
		return nil
	}
	if id <= c.last {
		if c.dropped.has(id) {
			return c.idled() // it did not know yet
		}
		return errStreamOver
	}
	c.last = id
	if c.leaving == left { // RFC 9113 section 6.8: after the farewell nobody answers
		c.dropped.add(id)
		return c.idled()
	}
	if c.places >= c.cfg.MaxStreams {
		c.block.refused = true
		return c.wasReset()
	}
	c.idle.earn(earnRequest)
	return c.open(id)
}

// open begins a stream.
func (c *Conn) open(id uint32) *Error {
	req, s := c.cfg.Open()
	if req == nil {
		c.block.refused = true
		return nil
	}
	s.open(c, id, req)
	s.remoteEnded = c.block.ends
	c.streams[id] = s
	c.places++
	c.block.s = s
	return nil
}

func (c *Conn) beginTrailers(s *Stream) *Error {
	if s.remoteEnded {
		return errStreamOver
	}
	c.block.s, c.block.trailers = s, true
	if !c.block.ends {
		c.block.s = nil
		return c.streamFault(s.id, http2.ErrCodeProtocol)
	}
	s.reading, s.remoteEnded = true, true
	return nil
}

// blockMost is how many bytes of a header block are read, in terms of what its
// fields may have, before the connection is ended.
const blockMost = 2

// readBlock takes the next fragment of a header block.
func (c *Conn) readBlock(fragment []byte, ended bool) error {
	b := &c.block
	b.size += len(fragment)
	if b.size > blockMost*c.cfg.MaxHeaderList {
		return errBlock
	}
	if _, err := c.decoder.Write(fragment); err != nil {
		return errCompression
	}
	if !ended {
		c.mu.Lock()
		defer c.mu.Unlock()
		if err := c.idled(); err != nil {
			return err
		}
		return nil
	}
	if err := c.decoder.Close(); err != nil {
		return errCompression
	}
	if b.size > largeBlock {
		c.newFramer() // its buffer is as large
	}
	return c.endBlock()
}

// largeBlock is what a Framer may keep for the next block.
const largeBlock = 4096

// emit takes a field that was decoded.
func (c *Conn) emit(f hpack.HeaderField) {
	b := &c.block
	if b.list += uint64(f.Size()); b.list > uint64(c.cfg.MaxHeaderList) {
		b.tooLarge = true
		c.decoder.SetEmitEnabled(false)
		return
	}
	name, value := bytesOf(f.Name), bytesOf(f.Value)
	if f.Name == "priority" && !b.trailers {
		b.prio, b.told = parsePriority(value), true
	}
	b.s.req.Field(name, value)
}

// bytesOf returns the bytes of a string, which nobody changes.
func bytesOf(s string) []byte { return unsafe.Slice(unsafe.StringData(s), len(s)) }

// endBlock says that a block is complete.
func (c *Conn) endBlock() error {
	b := &c.block
	s := b.s
	if s == nil {
		if b.refused {
			c.mu.Lock()
			defer c.mu.Unlock()
			c.reset(b.id, http2.ErrCodeRefusedStream)
		}
		return nil
	}
	if b.told {
		c.aware = true
		if !s.updated { // PRIORITY_UPDATE counts for more (RFC 9218 section 7)
			s.prio = b.prio // nothing is queued yet
		}
	}
	if b.trailers {
		s.req.End()
	} else {
		s.req.Head(b.ends, b.tooLarge)
	}
	b.s = nil
	c.mu.Lock()
	defer c.mu.Unlock()
	s.reading = false
	s.settle()
	if c.doomed != nil {
		return c.doomed
	}
	return nil
}
