package ws

import (
	"bytes"
	"errors"
	"io"
	"sync"

	"github.com/klauspost/compress/flate"
)

// tail is what a compressed message leaves out at its end (RFC 7692 section
// 7.2.1), and an empty last block, after which the inflater stops.
var tail = []byte{0, 0, 0xff, 0xff, 1, 0, 0, 0xff, 0xff}

// keptBuffer is the largest buffer that is kept for the next message.
const keptBuffer = 64 << 10

// inflater inflates one message. Its memory is back in the pool when the message
// has been passed on.
type inflater struct {
	flate  io.ReadCloser
	source bytes.Reader
	end    bytes.Reader
	out    bytes.Buffer
}

var inflaters = sync.Pool{New: func() any { return &inflater{flate: flate.NewReader(nil)} }}

// inflate inflates the message that was collected.
func (r *Reader) inflate() ([]byte, error) {
	i := inflaters.Get().(*inflater)
	r.inflated = i
	i.source.Reset(r.data)
	i.end.Reset(tail)
	if err := i.flate.(flate.Resetter).Reset(io.MultiReader(&i.source, &i.end), nil); err != nil {
		return nil, errInflate
	}
	limit := int64(1<<62 - 1)
	if r.MaxBytes > 0 {
		limit = int64(r.MaxBytes)
	}
	i.out.Reset()
	n, err := io.Copy(&i.out, io.LimitReader(i.flate, limit+1))
	switch {
	case n > limit:
		return nil, errTooBig
	case err != nil && !errors.Is(err, io.EOF):
		return nil, errInflate
	}
	return i.out.Bytes(), nil
}

// release gives the memory back. There may be none.
func (i *inflater) release() {
	if i == nil {
		return
	}
	i.source.Reset(nil)
	if i.out.Cap() > keptBuffer {
		i.out = bytes.Buffer{}
	}
	inflaters.Put(i)
}

// compressed is a message's compressed bytes, in memory of a pool.
type compressed struct{ b []byte }

var compressors = sync.Pool{New: func() any { return new(compressed) }}

func (c *compressed) Write(b []byte) (int, error) {
	c.b = append(c.b, b...)
	return len(b), nil
}

// deflated compresses a message, or a piece of one, by itself. No window lives on
// after it, on either side, so that 10,000 idle connections hold none. Nothing in it
// refers back further than the window, as it is compressed in parts of that size.
func deflated(data []byte, window int, last bool) *compressed {
	c := compressors.Get().(*compressed)
	c.b = c.b[:0]
	for {
		part := data[:min(len(data), 1<<window)]
		data = data[len(part):]
		// It cannot fail: c takes everything. Without an end it flushes.
		_ = flate.StatelessDeflate(c, part, false, nil)
		if len(data) == 0 {
			break
		}
	}
	if len(c.b) == 0 { // it makes nothing of no bytes
		c.b = append(append(c.b, 0), tail[:4]...)
	}
	if last {
		c.b = bytes.TrimSuffix(c.b, tail[:4])
	}
	return c
}

func (c *compressed) release() {
	if cap(c.b) > keptBuffer {
		c.b = nil
	}
	compressors.Put(c)
}
