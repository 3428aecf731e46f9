package ws

// Error is why a peer's bytes end the connection: the code of the close frame to
// answer with (RFC 6455 section 7.4.1), and a reason for it and the log.
type Error struct {
	Code   int
	Reason string
}

func (e *Error) Error() string { return e.Reason }

// The codes of close frames that this package gives or names.
const (
	CodeNormal      = 1000
	CodeGoingAway   = 1001
	CodeProtocol    = 1002
	CodeNone        = 1005 // the close frame had no code; never sent
	CodeAbnormal    = 1006 // there was no close frame; never sent
	CodeInvalid     = 1007
	CodePolicy      = 1008
	CodeTooBig      = 1009
	CodeInternal    = 1011
	CodeRestart     = 1012
	firstRegistered = 3000
	lastPrivate     = 4999
)

func protocol(reason string) *Error { return &Error{CodeProtocol, reason} }

var (
	errReserved     = protocol("reserved bits are set")
	errLength       = protocol("the length is not written in its shortest form")
	errOpcode       = protocol("unknown opcode")
	errControlLong  = protocol("a control frame is longer than 125 bytes")
	errControlPiece = protocol("a control frame is fragmented")
	errNotMasked    = protocol("a client's frame is not masked")
	errMasked       = protocol("a server's frame is masked")
	errContinuation = protocol("a continuation without a message")
	errInterrupted  = protocol("a message within a message")
	errCompressed   = protocol("a compressed frame where none may be")
	errCloseShort   = protocol("a close frame of one byte")
	errCloseCode    = protocol("a close code that must not be sent")
	errUTF8         = &Error{CodeInvalid, "text that is not UTF-8"}
	errInflate      = &Error{CodeInvalid, "compressed data that is none"}
	errTooBig       = &Error{CodeTooBig, "the message is too big"}
)
