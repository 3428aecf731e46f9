package h2

import "io"

// Source is where a connection's bytes come from.
type Source interface {
	// Buffered is how many bytes there are without waiting.
	Buffered() int
	// Next waits for bytes and returns up to n of those that come next. They
	// stay as they are until the next call.
	Next(n int) ([]byte, error)
}

// input is what Serve reads from. Before it waits it passes on what there is to
// send, so that answers to what came together leave together.
type input struct {
	c   *Conn
	src Source
	err error // what reading failed with, to tell it from a malformed frame
}

var _ io.Reader = (*input)(nil)

func (in *input) Read(p []byte) (int, error) {
	b, err := in.next(len(p))
	return copy(p, b), err
}

func (in *input) next(n int) ([]byte, error) {
	if in.src.Buffered() == 0 {
		in.c.rest()
	}
	b, err := in.src.Next(n)
	if len(b) == 0 && err != nil {
		in.err = err
		return nil, err
	}
	return b, nil
}

// unreadMost is how many bytes may wait for a client before no more is read of
// it: what it asks for costs memory that it must take first.
const unreadMost = 256 << 10

// rest passes on what there is to send.
func (c *Conn) rest() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.Flush()
}

// throttle waits while the client leaves too much unread.
func (c *Conn) throttle() {
	if len(c.out) >= outputSize {
		c.Flush()
	}
	for c.wire.Waiting() > unreadMost && !c.closed {
		c.took.Wait()
	}
}
