package bench

import (
	"bytes"
	"errors"
	"fmt"
	"hash/maphash"
)

// Limits of a response, so that no server can fill the client's memory or hold it forever.
const (
	maxHead          = 64 << 10 // bytes of a head, or of a trailer section
	maxChunkLine     = 4 << 10  // bytes of a chunk-size line with extensions
	maxInformational = 16       // 1xx responses before the real one
)

// malformed is the error of a response that breaks RFC 9112 or the limits above.
type malformed string

func (m malformed) Error() string { return "malformed response: " + string(m) }

// errTruncated is the error of a response that ends before its length.
var errTruncated = errors.New("the connection ended in the middle of the response")

// response reads one HTTP/1.1 response from bytes as they come. It keeps no bytes: body bytes are counted and hashed, of the
// head only what the fields below say is kept.
type response struct {
	seed   maphash.Seed // the same for all clients of a run, so that sums compare
	wanted wanted
	noBody bool // the request was HEAD

	state     readState
	scanned   int    // head or line bytes that were searched for their end
	chunks    bool   // the body is chunked
	trailer   int    // bytes of trailers so far
	remaining uint64 // body or chunk bytes to come
	hash      maphash.Hash
	informal  int

	text      []byte // the body's beginning, if wanted
	event     func() // is called for each event in the body; nil if nobody wants to know
	lineLen   int    // of the line that is not yet whole
	inEvent   bool
	status    int
	close     bool // the connection cannot be used again
	bodyBytes int64
	sum       uint64 // of the body; valid when done
	kept      kept
}

// wanted says which fields of the head are kept.
type wanted struct {
	server, location bool
	capture          []string // lower case
	text             bool     // up to maxText of the body
}

// kept is what wanted asked for, and Server-Timing, which costs nothing where it is not sent.
type kept struct {
	server, location string
	captured         []string // parallel to wanted.capture; nil if none was there
	timing           serverTiming
}

type readState uint8

const (
	inHead readState = iota
	inBody           // Content-Length bytes, or a chunk's
	inBodyToEOF
	inChunkLine
	inChunkEnd // the line break after a chunk's bytes
	inTrailer
	isDone
)

// reset makes r ready for the next response.
func (r *response) reset(noBody bool) {
	r.noBody = noBody
	r.state, r.scanned, r.chunks, r.trailer, r.remaining, r.informal = inHead, 0, false, 0, 0, 0
	r.status, r.close, r.bodyBytes, r.sum = 0, false, 0, 0
	r.kept = kept{}
	r.text, r.lineLen, r.inEvent = r.text[:0], 0, false
}

// feed reads from b and returns how many bytes it took; the caller presents the rest again, with more behind it. A head,
// a chunk line or a trailer line is taken as a whole or not at all.
func (r *response) feed(b []byte) (taken int, err error) {
	for r.state != isDone {
		n, err := r.advance(b[taken:])
		if err != nil {
			return taken, err
		}
		if n == 0 {
			break
		}
		taken += n
	}
	return taken, nil
}

// advance takes one piece of b; none if it is not complete.
func (r *response) advance(b []byte) (int, error) {
	switch r.state {
	case inHead:
		return r.takeHead(b)
	case inBody:
		return r.takeBody(b), nil
	case inBodyToEOF:
		r.addBody(b)
		return len(b), nil
	default:
		return r.takeLine(b)
	}
}

// eof tells r that the connection has ended; nil if that is how this response ends.
func (r *response) eof() error {
	if r.state != inBodyToEOF {
		return errTruncated
	}
	r.close = true
	r.finish()
	return nil
}

func (r *response) done() bool { return r.state == isDone }

// finish ends the response.
func (r *response) finish() {
	if r.bodyBytes > 0 && r.sum == 0 {
		r.sum = r.hash.Sum64()
	}
	r.state = isDone
}

func (r *response) takeBody(b []byte) int {
	n := len(b)
	if uint64(n) > r.remaining {
		n = int(r.remaining)
	}
	r.remaining -= uint64(n)
	if r.wanted.text && r.remaining == 0 && r.bodyBytes == 0 && !r.chunks {
		r.keepText(b[:n])
	}
	if r.event != nil && r.remaining == 0 && r.bodyBytes == 0 && !r.chunks {
		r.countEvents(b[:n])
	}
	if r.remaining == 0 && r.bodyBytes == 0 && !r.chunks {
		r.bodyBytes, r.sum = int64(n), maphash.Bytes(r.seed, b[:n]) // whole in one piece: the usual case
	} else {
		r.addBody(b[:n])
	}
	if r.remaining > 0 {
		return n
	}
	if r.chunks {
		r.state = inChunkEnd
	} else {
		r.finish()
	}
	return n
}

func (r *response) addBody(b []byte) {
	if r.bodyBytes == 0 {
		r.hash.SetSeed(r.seed)
	}
	r.bodyBytes += int64(len(b))
	r.hash.Write(b)
	if r.event != nil {
		r.countEvents(b)
	}
	if r.wanted.text {
		r.keepText(b)
	}
}

func (r *response) keepText(b []byte) {
	r.text = append(r.text, b[:min(len(b), maxText-len(r.text))]...)
}

// takeHead takes a head once its empty line is there. Informational responses are passed over (RFC 9110, 15.2).
func (r *response) takeHead(b []byte) (int, error) {
	n := headEnd(b, &r.scanned)
	if n > maxHead || n == 0 && len(b) > maxHead {
		return 0, malformed(fmt.Sprintf("the head has no end within %d bytes", maxHead))
	}
	if n == 0 {
		if err := plausible(b); err != nil {
			return 0, err
		}
		return 0, nil
	}
	r.scanned = 0
	h := head{length: -1}
	if err := h.parse(b[:n], r); err != nil {
		return 0, err
	}
	if h.status < 200 && h.status != 101 {
		if r.informal++; r.informal > maxInformational {
			return 0, malformed("endless informational responses")
		}
		r.kept = kept{}
		return n, nil
	}
	return n, r.frame(h)
}

// plausible refuses what cannot become a response, so that a server that speaks something else is named at once and not
// when the request times out.
func plausible(b []byte) error {
	const want = "HTTP/1."
	n := min(len(b), len(want))
	if string(b[:n]) != want[:n] {
		return malformed(fmt.Sprintf("it begins with %.40q", b))
	}
	return nil
}

// headEnd returns the length of the head at the beginning of b with its empty line, or 0. from is where to go on searching.
func headEnd(b []byte, from *int) int {
	for {
		i := bytes.IndexByte(b[*from:], '\n')
		if i < 0 {
			return 0
		}
		next := *from + i + 1 // beginning of the next line
		switch {
		case next < len(b) && b[next] == '\n':
			return next + 1
		case next+1 < len(b) && b[next] == '\r' && b[next+1] == '\n':
			return next + 2
		case next+1 >= len(b):
			return 0 // not enough to tell: look at this line break again
		}
		*from = next
	}
}

// frame decides how the body is delimited (RFC 9112, 6.3).
func (r *response) frame(h head) error {
	r.status, r.close = h.status, h.close
	switch {
	case h.status == 101:
		return malformed("101 Switching Protocols, which was not asked for")
	case h.chunked && h.length >= 0:
		return malformed("both Content-Length and Transfer-Encoding")
	case r.noBody || h.status == 204 || h.status == 304:
		r.finish()
	case h.chunked:
		r.chunks, r.state = true, inChunkLine
	case h.length == 0:
		r.finish()
	case h.length > 0:
		r.remaining, r.state = uint64(h.length), inBody
	default:
		r.close, r.state = true, inBodyToEOF
	}
	return nil
}
