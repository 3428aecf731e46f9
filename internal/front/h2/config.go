package h2

import (
	"fmt"

	"golang.org/x/net/http2"
)

// Config bounds a connection.
type Config struct {
	MaxStreams    int // requests at once, those counted whose client left and whose call runs on
	Window        int // bytes that a client may send on a stream before they are consumed
	ConnWindow    int // the same for all streams together
	MaxFrame      int // bytes of a frame that the client may send, 16,384 to 16,777,215
	MaxHeaderList int // bytes of a head, as RFC 9113 section 6.5.2 counts them
	// Connect says that extended CONNECT is offered (RFC 8441).
	Connect bool
	// Clock is a monotonic clock in nanoseconds.
	Clock func() int64
	// Open makes what takes a new stream's request, and the stream, whose
	// memory is the request's. Serve calls it with the lock; nil: the stream is
	// refused.
	Open func() (Request, *Stream)
	// Rested says that no request of a stream is read on any more, and no stream has a
	// place. Serve or EndDiscards calls it with the lock; nil: nobody asks.
	Rested func()
}

// Request takes one stream's request. Serve calls Field for each field of the
// head, Head, Data for the body as it comes, and End when it is complete; all
// without the lock.
type Request interface {
	// Field takes a field of the head or, after Head, a trailer. Both slices
	// stay as they are.
	Field(name, value []byte)
	// Head says that the head is complete. ends: there is no body, and End
	// does not follow. tooLarge: it is beyond MaxHeaderList, and fields are
	// missing.
	Head(ends, tooLarge bool)
	// Data takes a part of the body, which is valid until it returns. It
	// says how much was consumed; for the rest Stream.Consumed is called later, or
	// Stream.Kept and Stream.Reopen.
	Data(p []byte) (consumed int)
	// End says that the body is complete.
	End()

	// Unread is how many bytes of the body are to be read on, and dropped, when the
	// answer is complete before the body; 0: none. It has the lock.
	Unread() int64
	// Gone says that the client takes no answer any more. It has the lock.
	Gone()
	// Moved says that n bytes that were queued have been taken for the client,
	// or dropped with the stream. It has the lock.
	Moved(n int)
	// Sent says that the answer is complete and was passed on. It has the
	// lock.
	Sent()
	// Released says that the stream is over (see Stream.Done): nothing refers
	// to the request any more. It has the lock.
	Released()
}

// Output takes a connection's bytes. Its methods are called with the lock and
// never block.
type Output interface {
	// Write takes bytes; they are its own only until it returns.
	Write(p []byte)
	// Waiting is how many of them the client's system has not taken.
	Waiting() int
}

// Error is a connection's end that the client caused, or that it is told of.
type Error struct {
	Code   http2.ErrCode
	Reason string
}

func (e *Error) Error() string { return fmt.Sprintf("%v: %s", e.Code, e.Reason) }

func fault(reason string) *Error { return &Error{http2.ErrCodeProtocol, reason} }

// Verdicts on what clients send.
var (
	errPreface  = fault("it does not begin with HTTP/2's preface")
	errSettings = fault("its first frame is not SETTINGS")
	errStreamID = fault("a stream's number is not the next one")
	errIdle     = fault("a frame for a stream that was not opened")
	errPush     = fault("a client pushes")
	errPadding  = fault("more padding than frame")

	errFrameSize   = &Error{http2.ErrCodeFrameSize, "a frame of a wrong length"}
	errCompression = &Error{http2.ErrCodeCompression, "a header block that cannot be decoded"}
	errWindow      = &Error{http2.ErrCodeFlowControl, "more bytes than the window allows"}
	errOverflow    = &Error{http2.ErrCodeFlowControl, "a window beyond 2^31-1"}
	errStreamOver  = &Error{http2.ErrCodeStreamClosed, "a frame for a stream that is closed"}

	errFlood  = &Error{http2.ErrCodeEnhanceYourCalm, "too many frames that do nothing"}
	errResets = &Error{http2.ErrCodeEnhanceYourCalm, "too many streams were reset"}
	errBlock  = &Error{http2.ErrCodeEnhanceYourCalm, "a header block without end"}
)
