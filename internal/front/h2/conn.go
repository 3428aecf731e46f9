package h2

import (
	"errors"
	"io"
	"sync"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// Conn is the engine of one connection.
type Conn struct {
	cfg  Config
	mu   *sync.Mutex // of the connection's owner
	wire Output
	took sync.Cond // the client took bytes, or the connection was closed

	// Of Serve alone.
	in      input
	framer  *http2.Framer
	decoder *hpack.Decoder
	block   block
	aware   bool            // the client tells priorities
	early   []earlyPriority // of streams that are not open yet

	// What follows is guarded by mu.
	streams  map[uint32]*Stream // those that are not closed
	places   int                // those and the closed ones that are not done
	last     uint32             // the highest stream that the client has opened
	dropped  recent             // streams that were reset here
	discards []discard
	cut      *Stream // it is over but for the rest of a frame, which is awaited; nil: none is
	skips    uint32  // the discard of which a frame is being read; 0: none is
	ready    ready
	encoder  encoder
	out      []byte // frames that Flush passes on
	headAt   int    // where the head that is being written begins in it
	control  framesTo

	window      int64 // bytes of DATA that the client takes on the connection
	streamStart int64 // the same for a stream, when it opens
	maxFrame    int   // bytes of a frame that the client takes
	recv        inflow
	recvStart   int64 // window of a stream that opens
	idle        calm
	resets      calm
	dropping    calm // bytes of discards

	leaving leaving
	doomed  *Error // what Serve shall end with
	closed  bool
}

// leaving is how far the farewell is.
type leaving uint8

const (
	staying   leaving = iota
	announced         // GOAWAY without a last stream: requests under way still count
	left              // GOAWAY with the last stream
)

// framesTo makes control frames, with a Framer of its own, in Conn.out.
type framesTo struct {
	c      *Conn
	framer *http2.Framer
}

func (f framesTo) Write(p []byte) (int, error) {
	f.c.out = append(f.c.room(), p...)
	return len(p), nil
}

// protocolWindow is what windows are before anybody says something else.
const protocolWindow = 65535

const maxWindow = 1<<31 - 1

// New returns the engine of a connection. It reads from src, writes to out, and
// is guarded by mu.
func New(cfg Config, mu *sync.Mutex, src Source, out Output) *Conn {
	now := cfg.Clock()
	c := &Conn{
		cfg: cfg, mu: mu, wire: out, streams: map[uint32]*Stream{},
		window: protocolWindow, streamStart: protocolWindow, maxFrame: minFrame,
		recv: inflow{window: protocolWindow, whole: int64(cfg.ConnWindow)},
		// Until the client has acknowledged our settings, it may not know them.
		recvStart: max(protocolWindow, int64(cfg.Window)),
		idle:      newCalm(idleBurst, idleRate, now),
		resets:    newCalm(int64(2*cfg.MaxStreams), resetRate, now),
		dropping:  newCalm(discardBurst, discardRate, now),
	}
	c.took.L = mu
	c.in = input{c: c, src: src}
	c.encoder.init()
	c.decoder = hpack.NewDecoder(tableMost, c.emit)
	c.decoder.SetMaxStringLength(cfg.MaxHeaderList)
	c.newFramer()
	c.control = framesTo{c: c}
	c.control.framer = http2.NewFramer(c.control, nil)
	return c
}

// minFrame is the largest frame that everybody takes.
const minFrame = 16384

func (c *Conn) newFramer() {
	c.framer = http2.NewFramer(nil, &c.in)
	c.framer.SetMaxReadFrameSize(uint32(c.cfg.MaxFrame))
}

// Serve reads frames until the connection ends, and returns why: an *Error,
// which the client was told of by GOAWAY, or what reading failed with. After it
// comes Close.
func (c *Conn) Serve() error {
	err := c.serve()
	c.mu.Lock()
	defer c.mu.Unlock()
	if s := c.block.s; s != nil { // its head will never be complete
		s.reading = false
		s.settle()
	}
	var told *Error
	if !errors.As(err, &told) {
		return err
	}
	c.goAway(told.Code, told.Reason)
	c.Flush()
	return told
}

func (c *Conn) serve() error {
	c.greet()
	if err := c.readPreface(); err != nil {
		return err
	}
	for {
		if err := c.readFrame(); err != nil {
			return err
		}
	}
}

// greet sends our settings.
func (c *Conn) greet() {
	c.mu.Lock()
	defer c.mu.Unlock()
	settings := []http2.Setting{
		{ID: http2.SettingMaxConcurrentStreams, Val: uint32(c.cfg.MaxStreams)},
		{ID: http2.SettingInitialWindowSize, Val: uint32(c.cfg.Window)},
		{ID: http2.SettingMaxFrameSize, Val: uint32(c.cfg.MaxFrame)},
		{ID: http2.SettingMaxHeaderListSize, Val: uint32(c.cfg.MaxHeaderList)},
		{ID: settingNoOldPriorities, Val: 1},
	}
	if c.cfg.Connect {
		settings = append(settings, http2.Setting{ID: http2.SettingEnableConnectProtocol, Val: 1})
	}
	_ = c.control.framer.WriteSettings(settings...)
	if more := c.recv.open(); more > 0 {
		_ = c.control.framer.WriteWindowUpdate(0, more)
	}
	c.Flush()
}

// settingNoOldPriorities is SETTINGS_NO_RFC7540_PRIORITIES (RFC 9218 section 2.1).
const settingNoOldPriorities http2.SettingID = 9

func (c *Conn) readPreface() error {
	var got [len(http2.ClientPreface)]byte
	if _, err := io.ReadFull(&c.in, got[:]); err != nil {
		return err
	}
	if string(got[:]) != http2.ClientPreface {
		return errPreface
	}
	h, err := c.framer.ReadFrameHeader()
	switch {
	case err != nil && c.in.err != nil:
		return err
	case err != nil || h.Type != http2.FrameSettings || h.Flags.Has(http2.FlagSettingsAck):
		return errSettings
	}
	return c.readControl(h)
}

// readFrame reads one frame and does what it asks for.
func (c *Conn) readFrame() error {
	h, err := c.framer.ReadFrameHeader()
	if err != nil {
		return c.judged(err)
	}
	if h.Type == http2.FrameData {
		return c.readData(h)
	}
	return c.readControl(h)
}

// readControl reads a frame's payload as a whole.
func (c *Conn) readControl(h http2.FrameHeader) error {
	if int(h.Length) > max(blockMost*c.cfg.MaxHeaderList, minFrame) {
		return errFrameSize // only DATA may be as large as any frame: it is not kept
	}
	f, err := c.framer.ReadFrameForHeader(h)
	switch {
	case err != nil && c.in.err == nil && h.Type == http2.FrameHeaders:
		return errPadding // its block is not decoded, so no later one can be
	case err != nil:
		return c.judged(err)
	}
	switch f := f.(type) {
	case *http2.HeadersFrame:
		return c.readHeaders(f)
	case *http2.ContinuationFrame:
		return c.readBlock(f.HeaderBlockFragment(), f.HeadersEnded())
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.throttle()
	if err := c.take(f); err != nil {
		return err
	}
	if c.Over() {
		return ErrOver
	}
	return nil
}

// ErrOver is Serve's return when the farewell is said and no stream is left.
var ErrOver = errors.New("all streams have ended")

// judged maps what the Framer found. Errors of streams end none but their own.
func (c *Conn) judged(err error) error {
	var ofStream http2.StreamError
	var ofConn http2.ConnectionError
	switch {
	case c.in.err != nil:
		return c.in.err
	case errors.As(err, &ofStream):
		c.mu.Lock()
		defer c.mu.Unlock()
		if e := c.streamFault(ofStream.StreamID, ofStream.Code); e != nil {
			return e
		}
		return nil
	case errors.As(err, &ofConn):
		return &Error{http2.ErrCode(ofConn), "a malformed frame"}
	}
	return errFrameSize // too large, or too short for what its flags say
}

// Close ends all streams: nothing is read or written any more.
func (c *Conn) Close() {
	if c.closed {
		return
	}
	c.closed = true
	c.out, c.discards = nil, nil
	for _, s := range c.streams {
		s.lose()
	}
	c.took.Broadcast()
}

// Requests are those whose streams are not closed.
func (c *Conn) Requests(visit func(Request)) {
	for _, s := range c.streams {
		visit(s.req)
	}
}

// Streams is how many streams have a place: those that are open, and those
// whose client left and that are not done.
func (c *Conn) Streams() int { return c.places }

// Cut reports whether nothing is awaited but the rest of a frame, of a stream that is over.
func (c *Conn) Cut() bool { return c.cut != nil && c.places == 1 }

// Over reports whether the farewell is said and no stream is left.
func (c *Conn) Over() bool { return c.leaving == left && c.places == 0 && len(c.discards) == 0 }
