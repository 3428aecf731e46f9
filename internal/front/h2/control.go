package h2

import "golang.org/x/net/http2"

// take does what a frame asks for that is neither DATA nor part of a header
// block.
func (c *Conn) take(f http2.Frame) *Error {
	switch f := f.(type) {
	case *http2.WindowUpdateFrame:
		return c.takeWindow(f)
	case *http2.RSTStreamFrame:
		return c.takeReset(f.StreamID)
	case *http2.PushPromiseFrame:
		return errPush
	case *http2.GoAwayFrame:
		c.farewell() // it opens no streams any more
	case *http2.SettingsFrame:
		if err := c.takeSettings(f); err != nil {
			return err
		}
	case *http2.PingFrame:
		c.takePing(f)
	case *http2.PriorityFrame:
		if f.StreamDep == f.StreamID {
			return c.streamFault(f.StreamID, http2.ErrCodeProtocol)
		}
	case *http2.PriorityUpdateFrame:
		c.takePriority(f)
	}
	return c.idled()
}

func (c *Conn) takePing(f *http2.PingFrame) {
	switch {
	case !f.IsAck():
		_ = c.control.framer.WritePing(true, f.Data)
	case c.leaving == announced && f.Data == leavingPing:
		c.farewell()
	}
}

func (c *Conn) takeSettings(f *http2.SettingsFrame) *Error {
	if f.IsAck() {
		c.recvStart = int64(c.cfg.Window)
		return nil
	}
	if n := f.NumSettings(); n > settingsMost && !c.idle.spend(int64(n), c.cfg.Clock) {
		return errFlood
	}
	for i := range f.NumSettings() {
		if err := c.takeSetting(f.Setting(i)); err != nil {
			return err
		}
	}
	_ = c.control.framer.WriteSettingsAck()
	c.pump() // behind it: until it comes a client may count by its old windows
	return nil
}

// settingsMost is how many settings count as one frame that does nothing. Of more each counts:
// every one may move the windows of all streams.
const settingsMost = 32

func (c *Conn) takeSetting(s http2.Setting) *Error {
	if err := s.Valid(); err != nil {
		return &Error{http2.ErrCode(err.(http2.ConnectionError)), "a setting out of range"}
	}
	switch s.ID {
	case http2.SettingInitialWindowSize:
		return c.moveWindows(int64(s.Val))
	case http2.SettingMaxFrameSize:
		c.maxFrame = min(int(s.Val), dataMost)
	case http2.SettingHeaderTableSize:
		c.encoder.resize(s.Val)
	case settingNoOldPriorities:
		c.aware = c.aware || s.Val == 1
	}
	return nil
}

// dataMost is the largest frame that is sent: more would hold up other streams,
// and one of this size fills a TLS record.
const dataMost = 16384

// moveWindows takes a new size of windows. It counts for open streams as well,
// whose windows may become negative (RFC 9113 section 6.9.2). What fits in then is
// sent by pump.
func (c *Conn) moveWindows(size int64) *Error {
	by := size - c.streamStart
	c.streamStart = size
	for _, s := range c.streams {
		if s.window += by; s.window > maxWindow {
			return errOverflow
		}
		if s.window <= 0 && s.listed {
			c.ready.remove(s)
		}
		s.enlist()
	}
	return nil
}

func (c *Conn) takeWindow(f *http2.WindowUpdateFrame) *Error {
	if err := c.idled(); err != nil {
		return err
	}
	n := int64(f.Increment)
	if f.StreamID == 0 {
		if c.window += n; c.window > maxWindow {
			return errOverflow
		}
		c.pump()
		return nil
	}
	s := c.streams[f.StreamID]
	switch {
	case s != nil:
	case f.StreamID%2 == 0 || f.StreamID > c.last:
		return errIdle
	default:
		return nil
	}
	if s.window += n; s.window > maxWindow {
		return c.streamFault(s.id, http2.ErrCodeFlowControl)
	}
	s.enlist()
	c.pump()
	return nil
}

func (c *Conn) takeReset(id uint32) *Error {
	s := c.streams[id]
	switch {
	case s != nil:
		whole := s.ending && s.Queued() == 0 // its answer; a client may end its own side in this way too
		s.lose()
		if whole {
			return c.idled()
		}
		return c.wasReset()
	case id%2 == 0 || id > c.last:
		return errIdle
	}
	if i := c.discarding(id); i >= 0 {
		c.endDiscard(i)
	}
	return c.idled()
}

// streamFault resets a stream for what its client sent. It costs the client a
// reset of its own.
func (c *Conn) streamFault(id uint32, code http2.ErrCode) *Error {
	if id%2 == 0 || id > c.last {
		return errIdle
	}
	c.reset(id, code)
	if s := c.streams[id]; s != nil {
		s.lose()
	}
	if i := c.discarding(id); i >= 0 {
		c.endDiscard(i)
	}
	return c.wasReset()
}

// reset sends RST_STREAM.
func (c *Conn) reset(id uint32, code http2.ErrCode) {
	_ = c.control.framer.WriteRSTStream(id, code)
	c.dropped.add(id)
}

// recent are the streams that were reset last: for a while their clients go on
// sending.
type recent struct {
	ids  [64]uint32
	next int
}

func (r *recent) add(id uint32) {
	r.ids[r.next%len(r.ids)] = id
	r.next++
}

func (r *recent) has(id uint32) bool {
	for _, known := range r.ids {
		if known == id {
			return true
		}
	}
	return false
}

// earlyPriority is a PRIORITY_UPDATE that came before its stream.
type earlyPriority struct {
	id   uint32
	prio priority
}

// earlyMost is how many of them are kept.
const earlyMost = 16

func (c *Conn) takePriority(f *http2.PriorityUpdateFrame) {
	c.aware = true
	id, p := f.PrioritizedStreamID, parsePriority([]byte(f.Priority))
	if s := c.streams[id]; s != nil {
		s.setPriority(p)
		return
	}
	if id <= c.last {
		return
	}
	_, _ = c.takeEarly(id)
	if len(c.early) < earlyMost {
		c.early = append(c.early, earlyPriority{id, p})
	}
}

// takeEarly finds the priority that was told of a stream before it came.
func (c *Conn) takeEarly(id uint32) (p priority, told bool) {
	for i, e := range c.early {
		if e.id == id {
			c.early = append(c.early[:i], c.early[i+1:]...)
			return e.prio, true
		}
	}
	return p, false
}

func (s *Stream) setPriority(p priority) {
	listed := s.listed
	if listed {
		s.c.ready.remove(s)
	}
	s.prio, s.updated = p, true
	if listed {
		s.c.ready.add(s)
	}
}

// leavingPing comes back when the client has read the first GOAWAY.
var leavingPing = [8]byte{'g', 'o', 'a', 'w', 'a', 'y'}

// Drain asks the client to open no new streams. What it has sent before it reads
// that is still served: only its answer to a ping, or Farewell, ends that
// (RFC 9113 section 6.8).
func (c *Conn) Drain() {
	if c.leaving != staying || c.closed {
		return
	}
	c.leaving = announced
	_ = c.control.framer.WriteGoAway(maxWindow, http2.ErrCodeNo, nil)
	_ = c.control.framer.WritePing(false, leavingPing)
	c.Flush()
}

// Farewell says which stream was the last. Over reports when it has ended.
func (c *Conn) Farewell() {
	c.farewell()
	c.Flush()
}

func (c *Conn) farewell() { c.goAway(http2.ErrCodeNo, "") }

func (c *Conn) goAway(code http2.ErrCode, reason string) {
	if c.leaving == left && code == http2.ErrCodeNo || c.closed {
		return
	}
	c.leaving = left
	_ = c.control.framer.WriteGoAway(c.last, code, []byte(reason))
}
