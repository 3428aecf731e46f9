package wire

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
)

// Version of the protocol, compared in the handshake.
const Version = 2

// The descriptors that a worker inherits.
const (
	ControlFD  = 3
	ResponseFD = 4
	PageFD     = 5
	ArenaFD    = 6
	ShimFD     = 7
	LaneFD     = 8 // the first lane
)

// Sizes in bytes.
const (
	MaxPacket    = 4096 // PIPE_BUF: a write of up to this size is atomic
	RequestHead  = 32
	ResponseHead = 36
	ControlHead  = 16
	FlagTable    = 1 << 16 // one byte per request cell at the start of the arena
	MaxControl   = 128 << 10
	FramePlace   = 4 // what follows a frame's head block if its body is InPage
)

// Limits of what a worker may claim in a response; more ends the worker.
const (
	MaxHeadBlock = 32 << 20
	MaxBlock     = 64 << 20
)

// Form says how the environ block is encoded.
type Form uint8

// The forms of a request's block.
const (
	Joined      Form = 1
	Lengths     Form = 2
	ASGIJoined  Form = 3
	ASGILengths Form = 4
)

// RequestFlags of a request packet.
type RequestFlags uint8

// What a request packet can say.
const (
	Quick RequestFlags = 1 << iota
	Slow
	InArena
	Spooled
	MeasureCPU
	Upgrade  // it asks for a WebSocket
	Streamed // its body comes while it runs
)

// Request is the head of a request packet.
type Request struct {
	Form    Form
	Flags   RequestFlags
	Base    uint8
	Window  uint32
	ID      uint64
	Environ uint32
	Body    uint32
	At      uint64
}

// Put encodes the head into the first RequestHead bytes of b.
func (r *Request) Put(b []byte) {
	_ = b[RequestHead-1]
	b[0], b[1], b[2], b[3] = byte(r.Form), byte(r.Flags), r.Base, 0
	le := binary.LittleEndian
	le.PutUint32(b[4:], r.Window)
	le.PutUint64(b[8:], r.ID)
	le.PutUint32(b[16:], r.Environ)
	le.PutUint32(b[20:], r.Body)
	le.PutUint64(b[24:], r.At)
}

// SetFlags changes the flags of an encoded request.
func SetFlags(packet []byte, flags RequestFlags) { packet[1] = byte(flags) }

// ParseRequest decodes the head of a request packet.
func ParseRequest(b []byte) (r Request, err error) {
	if len(b) < RequestHead {
		return r, fmt.Errorf("request packet of %d bytes is shorter than its head", len(b))
	}
	le := binary.LittleEndian
	return Request{
		Form: Form(b[0]), Flags: RequestFlags(b[1]), Base: b[2],
		Window: le.Uint32(b[4:]), ID: le.Uint64(b[8:]),
		Environ: le.Uint32(b[16:]), Body: le.Uint32(b[20:]), At: le.Uint64(b[24:]),
	}, nil
}

// AppendJoined appends a pair to an environ block of form Joined. Neither may
// hold a NUL.
func AppendJoined(dst []byte, key string, value []byte) []byte {
	dst = append(dst, 0)
	dst = append(dst, key...)
	dst = append(dst, 0)
	return append(dst, value...)
}

// AppendLengths appends a pair to an environ block of form Lengths.
func AppendLengths(dst []byte, key string, value []byte) []byte {
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(key)))
	dst = append(dst, key...)
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(value)))
	return append(dst, value...)
}

// Kind of a response frame.
type Kind uint8

// The kinds of response frames.
const (
	Response Kind = 1 + iota
	Block
	Early
	Dropped
	Failed
	Fetch
	// Of a WebSocket.
	Accept
	Text
	Binary
	Close
	Taken
)

// Whole payloads of such frames, in bytes.
const (
	CloseCode  = 2   // the start of a Close
	MaxClose   = 125 // RFC 6455 section 5.5
	TakenBytes = 4
)

// FrameFlags of a response frame.
type FrameFlags uint8

// What a response frame can say.
const (
	Final FrameFlags = 1 << iota
	Whole
	InPage // the body lies in the state page, and a place follows instead
)

// NotMeasured is the CPU time of a frame that carries none.
const NotMeasured = 1<<32 - 1

// Frame is the head of a response frame.
type Frame struct {
	ID      uint64
	Began   uint64 // ns, CLOCK_MONOTONIC
	Service uint32 // us; of Text and Binary what a Taken after it would say
	CPU     uint32 // us
	Head    uint32 // bytes
	Body    uint32 // bytes
	Kind    Kind
	Flags   FrameFlags
	Fields  uint16
}

var (
	errFrameKind = errors.New("response frame of an unknown kind")
	errFrameSize = errors.New("response frame claims an impossible length")
	errFrameForm = errors.New("response frame has flags or parts that its kind does not have")
)

// ParseFrame decodes the ResponseHead bytes at the start of b.
func ParseFrame(b []byte) (f Frame, err error) {
	_ = b[ResponseHead-1]
	le := binary.LittleEndian
	f = Frame{
		ID: le.Uint64(b), Began: le.Uint64(b[8:]),
		Service: le.Uint32(b[16:]), CPU: le.Uint32(b[20:]),
		Head: le.Uint32(b[24:]), Body: le.Uint32(b[28:]),
		Kind: Kind(b[32]), Flags: FrameFlags(b[33]), Fields: le.Uint16(b[34:]),
	}
	switch {
	case f.Kind < Response || f.Kind > Taken:
		return f, errFrameKind
	case f.Head > MaxHeadBlock || f.Body > MaxBlock:
		return f, errFrameSize
	case !f.formed():
		return f, errFrameForm
	}
	return f, nil
}

// trails reports whether the frame is the end of an answer with trailers.
func (f *Frame) trails() bool {
	return f.Kind == Block && f.Flags == Final && f.Body == 0 && f.Head > 0
}

// formed reports whether the frame has the flags and parts of its kind, and no
// others. What may follow what is for the scheduler to say, which knows the request.
func (f *Frame) formed() bool {
	bare := f.Head == 0 && f.Fields == 0
	switch f.Kind {
	case Response:
		return f.Flags&^(Final|Whole|InPage) == 0 && f.Flags&(Final|Whole) != Whole && f.Head > 0
	case Block:
		return f.Flags&^(Final|InPage) == 0 && bare || f.trails()
	case Early:
		return f.Flags == 0 && f.Body == 0
	case Fetch:
		return f.Flags == 0 && f.Body == 0 && bare
	case Accept:
		return f.Flags == 0 && f.Body == 0 && f.Head > 0
	case Text, Binary:
		return f.Flags == 0 && bare
	case Close:
		return f.Flags == Final && bare && f.Body >= CloseCode && f.Body <= MaxClose
	case Taken:
		return f.Flags == 0 && bare && f.Body == TakenBytes
	}
	return f.Flags == Final && f.Body == 0 && bare // Dropped, Failed
}

// Put encodes the head into the first ResponseHead bytes of b.
func (f *Frame) Put(b []byte) {
	_ = b[ResponseHead-1]
	le := binary.LittleEndian
	le.PutUint64(b, f.ID)
	le.PutUint64(b[8:], f.Began)
	le.PutUint32(b[16:], f.Service)
	le.PutUint32(b[20:], f.CPU)
	le.PutUint32(b[24:], f.Head)
	le.PutUint32(b[28:], f.Body)
	b[32], b[33] = byte(f.Kind), byte(f.Flags)
	le.PutUint16(b[34:], f.Fields)
}

// CutString returns what stands in a head block before the next NUL, and what
// follows it. At the end of the block rest is nil.
func CutString(block []byte) (s, rest []byte) {
	if i := bytes.IndexByte(block, 0); i >= 0 {
		return block[:i], block[i+1:]
	}
	return block, nil
}

// Op is the kind of a control message.
type Op uint8

// The control messages.
const (
	Hello   Op = 1
	Credit  Op = 2
	Promote Op = 3
	Drain   Op = 4
	Body    Op = 5
	Ping    Op = 6
	Dump    Op = 7
	Lanes   Op = 8
	Fork    Op = 9
	Term    Op = 10

	Ready  Op = 65
	Broken Op = 66
	Log    Op = 67
	Pong   Op = 68
	File   Op = 69
	Idle   Op = 70
	Stacks Op = 71
	Retire Op = 72
	Forked Op = 73
	Held   Op = 74
)

// Values of the flag table: nobody waits for the answer, and, if it still runs long
// after that, it should be ended.
const (
	FlagCancelled = 1
	FlagEnd       = 2
)

// Copy as the n of a Log says: a job wrote the text to standard error, where it is already.
const Copy = 1

// Spent and Told as the n of a Retire say: the worker reads no more packets, since its
// lifetime is over, or since it got INT or QUIT.
const (
	Spent = 1
	Told  = 2
)

// Cancelled as the n of a Credit says: look at the flag table.
const Cancelled = 1<<32 - 1

// Control is the head of a control message.
type Control struct {
	Op Op
	N  uint32
	ID uint64
}

// Append encodes the message c with its payload.
func (c Control) Append(dst, payload []byte) []byte {
	dst = append(dst, byte(c.Op), 0, 0, 0)
	dst = binary.LittleEndian.AppendUint32(dst, c.N)
	dst = binary.LittleEndian.AppendUint64(dst, c.ID)
	return append(dst, payload...)
}

// ParseControl decodes a control message.
func ParseControl(b []byte) (c Control, payload []byte, err error) {
	if len(b) < ControlHead {
		return c, nil, fmt.Errorf("control message of %d bytes is shorter than its head", len(b))
	}
	c = Control{Op: Op(b[0]), N: binary.LittleEndian.Uint32(b[4:]), ID: binary.LittleEndian.Uint64(b[8:])}
	return c, b[ControlHead:], nil
}

// The state page, in cells of eight bytes.
const (
	PageMagic     = 0x6e69726967 // "girin"
	PageLag       = 3            // of an event loop
	PageTasks     = 4
	PageStep      = 5
	PageOpened    = 6
	PageParallel  = 7 // of any worker
	PageSilent    = 8 // of an event loop
	PageThreads   = 9
	PageQuit      = 10 // of any worker; the master's to write
	PageFirstSlot = 16
	PageUnit      = 16 << 10 // bytes of a unit
	PageUnits     = 512      // how many the master offers: 8 MiB, of which only what was used takes memory
)

// PageStates is the first cell of the units' states in a state page with so
// many slots.
func PageStates(slots int) int { return PageFirstSlot + 2*slots }

// PageUnitAt is where the i-th of so many units begins in a state page.
func PageUnitAt(slots, units, i int) int {
	const kernelPage = 4096
	cells := 8 * (PageStates(slots) + units)
	return (cells+kernelPage-1)/kernelPage*kernelPage + i*PageUnit
}

// PageBytes is the size of a state page with so many slots and units.
func PageBytes(slots, units int) int { return PageUnitAt(slots, units, units) }
