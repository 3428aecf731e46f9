package h2

// inflow is a window for what the client sends.
type inflow struct {
	window int64 // what it may send
	whole  int64 // what it may have sent and not be consumed
	unsent int64 // consumed, and the client not told
}

// open opens a window as far as it may be, and returns by how much.
func (f *inflow) open() uint32 {
	more := max(f.whole-f.window, 0)
	f.window += more
	return uint32(more)
}

// take counts n bytes that came, and reports whether they were allowed.
func (f *inflow) take(n int) bool {
	f.window -= int64(n)
	return f.window >= 0
}

// give counts n bytes that were consumed, and returns by how much the client is
// to be told to go on: in steps of half a window, or each small frame would be
// answered with one.
func (f *inflow) give(n int) uint32 {
	f.unsent += int64(n)
	if f.unsent < max(f.whole/2, 1) {
		return 0
	}
	more := f.unsent
	f.window += more
	f.unsent = 0
	return uint32(more)
}

// consumed lets the client send n bytes more on the connection.
func (c *Conn) consumed(n int) {
	if more := c.recv.give(n); more > 0 && !c.closed {
		_ = c.control.framer.WriteWindowUpdate(0, more)
	}
}
