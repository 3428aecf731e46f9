package http1

import "math"

// Bounds of a chunked body's framing. They are not settings: ordinary clients
// use a hundredth of them. gunicorn and net/http allow more or the same.
const (
	maxChunkLine     = 1024     // size and extensions
	maxChunkDigits   = 16       // of the size, leading zeros included
	maxChunkPadding  = 16 << 10 // what framing may outweigh data by, see pad
	maxTrailers      = 4096     // bytes of all trailers and the final CRLF
	maxTrailerFields = 100
)

// Chunked decodes a chunked body (RFC 9112 section 7.1) as it arrives. The
// zero value is ready. It keeps no bytes: what Next takes, the caller can drop.
// Extensions and trailers are checked and discarded: WSGI has no trailers, so
// those that RFC 9110 section 6.5.1 does not allow can do no harm.
type Chunked struct {
	state   chunkState
	left    int64 // of the size being read, then of its data
	line    int   // bytes of the size line; then of all trailers
	digits  int   // of the size
	padding int64
	fields  int  // trailers so far
	named   bool // the trailer's name has begun
}

type chunkState uint8

// The states, in the order of the grammar:
//
//	chunk     = size *( BWS ";" BWS name [ BWS "=" BWS ( token / quoted ) ] ) CRLF data CRLF
//	last      = "0" extensions CRLF *( name ":" value CRLF ) CRLF
const (
	inSize chunkState = iota
	afterSize
	beforeExtName
	inExtName
	afterExtName
	beforeExtValue
	inExtValue
	inQuoted
	inEscape
	afterQuoted
	afterExtValue
	sizeLF
	inData
	dataCR
	dataLF
	beforeTrailer
	inTrailerName
	inTrailerValue
	trailerLF
	lastLF
	ended
)

// Reset makes c ready for another body.
func (c *Chunked) Reset() { *c = Chunked{} }

// Next reads from src up to the end of the next stretch of body bytes. It
// returns them as a part of src (empty if src holds framing only), how many
// bytes of src it took, and whether the body is complete, trailers included.
// Without a verdict it takes at least one byte of a src that has one, until
// the body is complete; bytes after the body are left alone.
func (c *Chunked) Next(src []byte) (data []byte, n int, done bool, err *Error) {
	for n < len(src) && c.state != ended {
		if c.state == inData {
			size := int(min(c.left, int64(len(src)-n)))
			if c.left -= int64(size); c.left == 0 {
				c.state = dataCR
			}
			return src[n : n+size], n + size, false, nil
		}
		if err := c.step(src[n]); err != nil {
			return nil, n, false, err
		}
		n++
	}
	return nil, n, c.state == ended, nil
}

// step takes one byte of framing.
func (c *Chunked) step(b byte) *Error {
	switch {
	case c.state < sizeLF:
		if c.line++; c.line > maxChunkLine {
			return errChunkLine
		}
		if b == '\n' {
			return errBareLF
		}
		if c.state <= afterSize {
			return c.sizeByte(b)
		}
		return c.extByte(b)
	case c.state == sizeLF:
		if b != '\n' {
			return errChunkLineEnd
		}
		return c.begin()
	case c.state == dataCR && b == '\r':
		c.state = dataLF
		return nil
	case c.state == dataLF && b == '\n':
		*c = Chunked{padding: c.padding}
		return nil
	case c.state < beforeTrailer:
		return errChunkEnd
	}
	if c.line++; c.line > maxTrailers {
		return errTrailersLong
	}
	return c.trailerByte(b)
}

func (c *Chunked) sizeByte(b byte) *Error {
	digit, isHex := hexDigit(b)
	switch {
	case isHex && c.state == inSize:
		if c.digits++; c.digits > maxChunkDigits || c.left > math.MaxInt64>>4 {
			return errChunkHuge
		}
		c.left = c.left<<4 | int64(digit)
		return nil
	case c.digits == 0:
		return errChunkSize
	case b == ';':
		c.state = beforeExtName
		return nil
	case isOWS(b):
		c.state = afterSize
		return nil
	case b == '\r' && c.state == inSize:
		c.state = sizeLF
		return nil
	}
	return errChunkSize
}

// extByte takes one byte of extensions. They are read to the letter of the
// grammar and not skipped to the line's end: readers that disagree where that
// is have been smuggled through.
func (c *Chunked) extByte(b byte) *Error {
	if class[b]&isControl != 0 && b != '\r' {
		return errChunkExt
	}
	next := extNext[c.state][extClassOf(b)]
	if next == inSize {
		return errChunkExt
	}
	c.state = next
	return nil
}

// extNext is the grammar of extensions as a table: the state after a byte of
// each class. inSize, to which no extension leads back, means refused.
var extNext = [sizeLF][extClasses]chunkState{
	beforeExtName:  {extToken: inExtName, extSpace: beforeExtName},
	inExtName:      {extToken: inExtName, extSpace: afterExtName, extSemicolon: beforeExtName, extEquals: beforeExtValue, extCR: sizeLF},
	afterExtName:   {extSpace: afterExtName, extSemicolon: beforeExtName, extEquals: beforeExtValue},
	beforeExtValue: {extToken: inExtValue, extSpace: beforeExtValue, extQuote: inQuoted},
	inExtValue:     {extToken: inExtValue, extSpace: afterExtValue, extSemicolon: beforeExtName, extCR: sizeLF},
	inQuoted: {extToken: inQuoted, extSpace: inQuoted, extSemicolon: inQuoted, extEquals: inQuoted, extQuote: afterQuoted,
		extBackslash: inEscape, extOther: inQuoted},
	inEscape: {extToken: inQuoted, extSpace: inQuoted, extSemicolon: inQuoted, extEquals: inQuoted, extQuote: inQuoted,
		extBackslash: inQuoted, extOther: inQuoted},
	afterQuoted:   {extSpace: afterExtValue, extSemicolon: beforeExtName, extCR: sizeLF},
	afterExtValue: {extSpace: afterExtValue, extSemicolon: beforeExtName},
}

// Classes of bytes in extensions.
const (
	extOther = iota
	extToken
	extSpace
	extSemicolon
	extEquals
	extQuote
	extBackslash
	extCR
	extClasses
)

func extClassOf(b byte) int {
	switch b {
	case ' ', '\t':
		return extSpace
	case ';':
		return extSemicolon
	case '=':
		return extEquals
	case '"':
		return extQuote
	case '\\':
		return extBackslash
	case '\r':
		return extCR
	}
	if class[b]&isToken != 0 {
		return extToken
	}
	return extOther
}

// begin ends a size line: data follows, or the trailers.
func (c *Chunked) begin() *Error {
	if err := c.pad(); err != nil {
		return err
	}
	if c.left > 0 {
		c.state = inData
		return nil
	}
	c.state, c.line = beforeTrailer, 0
	return nil
}

// pad bounds what a sender can make us read for little data, as net/http does:
// 16 bytes of framing are free for each chunk, and two for each byte of data.
func (c *Chunked) pad() *Error {
	// c.line has the CR, so one more makes the CRLF after the data.
	framing := int64(c.line) + 1 - 16
	if c.left > maxChunkPadding {
		c.padding = 0 // and 2*c.left cannot overflow below
		return nil
	}
	if c.padding = max(0, c.padding+framing-2*c.left); c.padding > maxChunkPadding {
		return errChunkPadding
	}
	return nil
}

func (c *Chunked) trailerByte(b byte) *Error {
	switch c.state {
	case beforeTrailer:
		return c.trailerStart(b)
	case inTrailerName:
		return c.trailerNameByte(b)
	case inTrailerValue:
		switch {
		case b == '\r':
			c.state = trailerLF
		case b == '\n':
			return errBareLF
		case class[b]&isControl != 0:
			return errValue
		}
		return nil
	}
	if b != '\n' {
		return errValue // a CR alone
	}
	if c.state == lastLF {
		c.state = ended
	} else {
		c.state = beforeTrailer
	}
	return nil
}

func (c *Chunked) trailerStart(b byte) *Error {
	switch {
	case b == '\r':
		c.state = lastLF
		return nil
	case b == '\n':
		return errBareLF
	case isOWS(b):
		return errFold
	case c.fields == maxTrailerFields:
		return errTrailersLong
	}
	c.fields++
	c.named = false
	c.state = inTrailerName
	return c.trailerNameByte(b)
}

func (c *Chunked) trailerNameByte(b byte) *Error {
	switch {
	case class[b]&isToken != 0:
		c.named = true
		return nil
	case b == ':' && !c.named:
		return errEmptyName
	case b == ':':
		c.state = inTrailerValue
		return nil
	case b == '\n':
		return errBareLF
	case b == '\r':
		return errNoColon
	case isOWS(b):
		return errSpaceColon
	}
	return errName
}
