package http1

import "bytes"

// Field is one field line of a head. Both are slices of the buffer given to Parse.
type Field struct {
	Name  []byte // as sent
	Value []byte // without the white space around it
	Kind  Kind
}

// Request is a request head. The zero value is ready for Parse; Reset makes it
// ready for the next one and keeps its memory. All slices lie in the buffer of
// the last call of Parse and are good as long as that buffer is unchanged.
type Request struct {
	Method, Target []byte // as sent
	Protocol       []byte // of HTTP/2's extended CONNECT, what the stream becomes; nil: it is a request
	Path, Query    []byte // still percent-encoded; Path is * for OPTIONS *, Query lacks its ?
	// Host is the authority of an absolute-form target (RFC 9112 section 3.2.2:
	// the Host field must then be ignored), else the Host field.
	Host  []byte
	Minor int // 0 or 1: later minors are served as HTTP/1.1 (RFC 9110 section 2.5)
	// Fields are all fields in order, without those dropped for an underscore.
	Fields        []Field
	ContentLength int64 // -1 when chunked, 0 when there is no body
	Chunked       bool
	KeepAlive     bool // the client will take another response on this connection
	// Expect100 is set if the client waits for 100 Continue before it sends a
	// body. It is not where there is no body, nor in HTTP/1.0.
	Expect100 bool
	Upgrades  bool // there is an Upgrade field

	// Of the reading: where the current line begins, how far its end was
	// sought, how many field lines there were, whether an earlier call had
	// too few bytes.
	pos, sought, lines int
	stage              stage
	resumed            bool

	has  seen
	conn connection
}

type stage uint8

const (
	beforeLine stage = iota // an empty line may still come
	inLine
	inFields
)

// seen remembers which fields were there, for those that may come only once.
type seen struct {
	host, contentType, contentLength, coding, absolute bool
	method, scheme, path, protocol                     bool
}

// connection is what the Connection fields asked for.
type connection struct{ close, keepAlive bool }

// Reset makes r ready for the next request.
func (r *Request) Reset() { *r = Request{Fields: r.Fields[:0]} }

// Parse reads one request head from the start of b. It returns the number of
// bytes the head took, 0 if more are needed, or a verdict. It may be called
// again with the same bytes and more, from another buffer as well; what was
// searched is not searched again, so that a head that comes byte by byte costs
// linear time. A limit is a verdict as soon as the bytes at hand exceed it. Before the
// request line one CRLF is skipped (RFC 9112 section 2.2).
//
// After a verdict r has what was read before the fault (Method may be nil), for
// the log. After either end, Reset comes before the next Parse.
func (r *Request) Parse(b []byte, l *Limits) (n int, err *Error) {
	n, err = r.parse(b, l)
	if n == 0 && err == nil {
		r.resumed = true
		return 0, nil
	}
	if r.resumed {
		// Earlier calls took slices of buffers that may be gone. Now that the
		// whole head is here it is read once more, in one go.
		r.Reset()
		n, err = r.parse(b, l)
	}
	return n, err
}

func (r *Request) parse(b []byte, l *Limits) (int, *Error) {
	if r.stage == beforeLine {
		if err := r.begin(b); err != nil || r.stage == beforeLine {
			return 0, err
		}
	}
	if r.stage == inLine {
		line, err := r.nextLine(b, l.requestLine(), errLineLong)
		if line == nil || err != nil {
			return 0, err
		}
		if err := r.requestLine(line); err != nil {
			return 0, err
		}
		r.stage = inFields
	}
	if done, err := r.fields(b, l); !done || err != nil {
		return 0, err
	}
	if err := r.finish(); err != nil {
		return 0, err
	}
	return r.pos, nil
}

// begin skips an empty line and looks at the first byte: what cannot be a
// method, such as a TLS handshake, is refused without waiting for a line's end.
func (r *Request) begin(b []byte) *Error {
	if r.pos == 0 && len(b) > 0 && b[0] == '\r' {
		if len(b) == 1 {
			return nil
		}
		if b[1] != '\n' {
			return errMethod
		}
		r.pos, r.sought = 2, 2
	}
	if len(b) == r.pos {
		return nil
	}
	switch c := b[r.pos]; {
	case c == '\r' || c == '\n':
		return errEmptyLine
	case class[c]&isMethod == 0:
		return errMethod
	}
	r.stage = inLine
	return nil
}

// nextLine returns the line at r.pos without its CRLF and moves past it, or
// nil if its end is not there yet. A line of more than limit bytes is tooLong,
// whether or not its end is there.
func (r *Request) nextLine(b []byte, limit int, tooLong *Error) ([]byte, *Error) {
	i := bytes.IndexByte(b[r.sought:], '\n')
	if i < 0 {
		r.sought = len(b)
		if len(b)-r.pos > limit+len("\r") {
			return nil, tooLong
		}
		return nil, nil
	}
	end := r.sought + i
	if end-r.pos > limit+len("\r") {
		return nil, tooLong
	}
	if end == r.pos || b[end-1] != '\r' {
		return nil, errBareLF
	}
	line := b[r.pos : end-1]
	r.pos, r.sought = end+1, end+1
	return line, nil
}

// fields reads field lines up to the empty one, and reports whether it was there.
func (r *Request) fields(b []byte, l *Limits) (done bool, err *Error) {
	most, size := l.fields(), l.fieldSize()-len("\r\n")
	for r.pos < len(b) {
		if c := b[r.pos]; c != '\r' && c != '\n' {
			if r.lines == most {
				return false, errFieldsMany
			}
			if r.pos > MaxHead {
				return false, errHeadLong
			}
		}
		line, err := r.nextLine(b, size, errFieldLong)
		if line == nil || err != nil {
			return false, err
		}
		if len(line) == 0 {
			return true, nil
		}
		r.lines++
		if err := r.field(line, l); err != nil {
			return false, err
		}
	}
	return false, nil
}
