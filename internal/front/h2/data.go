package h2

import "golang.org/x/net/http2"

// readData reads a DATA frame, whose bytes go on from where they were read.
func (c *Conn) readData(h http2.FrameHeader) error {
	left := int(h.Length)
	padding := 0
	if h.Flags.Has(http2.FlagDataPadded) {
		if left == 0 {
			return errFrameSize
		}
		b, err := c.in.next(1)
		if err != nil {
			return err
		}
		padding = int(b[0])
		if left--; padding > left {
			return errPadding
		}
	}
	ends := h.Flags.Has(http2.FlagDataEndStream)
	s, fault := c.beginData(h, left-padding, ends)
	if fault != nil {
		return fault
	}
	consumed, err := c.passData(s, left-padding)
	if err == nil {
		err = c.skip(padding)
	}
	if err == nil && s != nil && ends {
		s.req.End()
	}
	if doomed := c.endData(s, int(h.Length)-left+padding+consumed); doomed != nil && err == nil {
		return doomed
	}
	return err
}

// beginData finds out whose bytes they are; nil: nobody's.
func (c *Conn) beginData(h http2.FrameHeader, n int, ends bool) (*Stream, *Error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	id := h.StreamID
	s := c.streams[id]
	switch {
	case id%2 == 0 || id > c.last:
		return nil, errIdle
	case !c.recv.take(int(h.Length)):
		return nil, errWindow
	case s == nil && c.discarding(id) >= 0:
		return nil, c.dropData(c.discarding(id), int(h.Length), ends)
	case s == nil && c.dropped.has(id):
		return nil, c.idled()
	case s == nil || s.remoteEnded:
		return nil, c.streamFault(id, http2.ErrCodeStreamClosed)
	case !s.recv.take(int(h.Length)):
		return nil, c.streamFault(id, http2.ErrCodeFlowControl)
	case n == 0 && !ends:
		if err := c.idled(); err != nil {
			return nil, err
		}
	}
	s.reading, s.remoteEnded = true, ends
	return s, nil
}

// passData passes on the payload of n bytes, and says how much of it need not
// be told by Stream.Consumed.
func (c *Conn) passData(s *Stream, n int) (consumed int, err error) {
	for n > 0 {
		b, err := c.in.next(n)
		if err != nil {
			return consumed, err
		}
		n -= len(b)
		if s == nil {
			consumed += len(b)
		} else {
			consumed += s.req.Data(b)
		}
	}
	return consumed, nil
}

// skip reads padding.
func (c *Conn) skip(n int) error {
	for n > 0 {
		b, err := c.in.next(n)
		if err != nil {
			return err
		}
		n -= len(b)
	}
	return nil
}

// endData lets the client go on after what was consumed of a frame.
func (c *Conn) endData(s *Stream, consumed int) *Error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if s == nil {
		c.skipped()
		c.consumed(consumed)
		return nil
	}
	s.Consumed(consumed)
	s.reading = false
	s.settle()
	return c.doomed
}
