package worker

import (
	"encoding/binary"
	"errors"
	"io"
	"os"

	"girin/internal/wire"
)

// responseBuffer holds many small frames and one whole window of a large one.
const responseBuffer = 256 << 10

// wholeBody is up to where a body is waited for, to pass it on in one part.
const wholeBody = 64 << 10

// readResponses reads frames and passes them on. A frame whose body is not
// there yet is passed on in parts.
func (w *Worker) readResponses() error {
	src, err := newSocketReader(w.response, &w.listens)
	if err != nil {
		return err
	}
	r := frameReader{src: src, rest: w.cfg.Rest, buf: make([]byte, 16<<10)}
	if r.rest == nil {
		r.rest = func() {}
	}
	defer r.rest()
	for {
		f, head, err := r.next()
		if err != nil {
			return ended(err)
		}
		if err := w.passBody(&r, &f, head); err != nil {
			return ended(err)
		}
	}
}

// passBody passes on a frame's head and its body, as the bytes come.
func (w *Worker) passBody(r *frameReader, f *wire.Frame, head []byte) error {
	injectFault(head)
	if f.Flags&wire.InPage != 0 {
		return w.passPlaced(r, f, head)
	}
	final := f.Flags & wire.Final
	left := int(f.Body)
	for {
		body := r.body(left)
		left -= len(body)
		f.Flags &^= wire.Final
		if left == 0 {
			f.Flags |= final
		}
		if f.Flags&wire.Final != 0 && f.Kind != wire.Close || f.Kind == wire.Accept {
			w.answered.Add(1) // of a WebSocket its beginning counts: it may last for days
		}
		if err := w.cfg.Receiver.Frame(w, f, head, body); err != nil {
			return err
		}
		r.consume(len(body))
		if left == 0 {
			return nil
		}
		f.Kind, f.Flags, head = wire.Block, 0, nil
		if err := r.fill(1); err != nil {
			return err
		}
	}
}

var errPlace = errors.New("response frame names an impossible place")

// passPlaced passes on a frame whose body lies in the state page.
func (w *Worker) passPlaced(r *frameReader, f *wire.Frame, head []byte) error {
	place := binary.LittleEndian.Uint32(r.body(wire.FramePlace))
	r.consume(wire.FramePlace)
	body, ok := w.page.body(place, int(f.Body))
	if !ok {
		return errPlace
	}
	f.Flags &= wire.Final | wire.Whole
	if f.Flags&wire.Final != 0 {
		w.answered.Add(1)
	}
	err := w.cfg.Receiver.Frame(w, f, head, body)
	w.page.free(place)
	return err
}

// ended turns the ways in which a worker's stream may end into none.
func ended(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, io.ErrUnexpectedEOF) || isReset(err) {
		return nil
	}
	return err
}

// frameReader cuts a stream into frames. What it returns is valid until the
// next call.
type frameReader struct {
	src  io.Reader
	rest func() // called before it reads
	buf  []byte
	r, w int // buf[r:w] is unread
}

// next returns the next frame's head and head block, which it consumes; of its
// body, what belongs in the first part is there.
func (r *frameReader) next() (f wire.Frame, head []byte, err error) {
	if err := r.fill(wire.ResponseHead); err != nil {
		return f, nil, err
	}
	f, err = wire.ParseFrame(r.buf[r.r:])
	if err != nil {
		return f, nil, err
	}
	n, body := wire.ResponseHead+int(f.Head), int(f.Body)
	if f.Flags&wire.InPage != 0 {
		body = wire.FramePlace
	}
	if err := r.fill(n + min(body, wholeBody)); err != nil {
		return f, nil, err
	}
	head = r.buf[r.r+wire.ResponseHead : r.r+n]
	r.r += n
	return f, head, nil
}

// body returns what is there of the next n bytes.
func (r *frameReader) body(n int) []byte {
	return r.buf[r.r:min(r.r+n, r.w)]
}

func (r *frameReader) consume(n int) { r.r += n }

// fill reads until n bytes are unread. The buffer grows to responseBuffer when
// reads fill it, and beyond only for a head block.
func (r *frameReader) fill(n int) error {
	if r.r == r.w {
		r.r, r.w = 0, 0
	}
	for r.w-r.r < n {
		if r.r+n > len(r.buf) || r.w == len(r.buf) {
			r.makeRoom(n)
		}
		r.rest()
		m, err := r.src.Read(r.buf[r.w:])
		r.w += m
		if err != nil && r.w-r.r < n {
			return err
		}
		if r.w == len(r.buf) && len(r.buf) < responseBuffer {
			r.makeRoom(2 * len(r.buf))
		}
	}
	return nil
}

// makeRoom moves what is unread to the front, of a larger buffer if n bytes
// do not fit in this one.
func (r *frameReader) makeRoom(n int) {
	buf := r.buf
	if n > len(buf) {
		buf = make([]byte, max(n, min(2*len(buf), responseBuffer)))
	}
	r.w = copy(buf, r.buf[r.r:r.w])
	r.r, r.buf = 0, buf
}
