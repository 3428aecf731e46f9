package front

// parts are small parts of an answer that wait for Server.Rest: what a worker has written
// together goes to its client in one piece. It has room only while it holds some.
type parts struct {
	room   *scratch
	bytes  []byte
	listed bool // in Server.unflushed
}

// sendPartsLocked writes what belongs together after what was gathered, or gathers it too.
func (c *conn) sendPartsLocked(head, body, end []byte, gathers bool) {
	p := &c.parts
	if p.room != nil && len(p.bytes)+len(head)+len(body)+len(end) > len(p.room) {
		c.flushPartsLocked()
	}
	if p.room == nil {
		if !gathers {
			c.writeLocked(head, body, end)
			return
		}
		p.room = scratches.Get().(*scratch)
		p.bytes = p.room[:0]
	}
	p.bytes = append(append(append(p.bytes, head...), body...), end...)
	switch {
	case !gathers:
		c.flushPartsLocked()
	case !p.listed:
		p.listed = true
		c.srv.unflushed.add(partsOf{c})
	}
}

// flushPartsLocked writes what was gathered.
func (c *conn) flushPartsLocked() {
	p := &c.parts
	if room, bytes := p.take(); room != nil {
		c.writeLocked(bytes, nil, nil)
		scratches.Put(room)
	}
}

func (p *parts) take() (room *scratch, bytes []byte) {
	room, bytes = p.room, p.bytes
	p.room, p.bytes = nil, nil
	return room, bytes
}

// partsOf is a connection as Server.Rest sees it.
type partsOf struct{ c *conn }

func (p partsOf) flush() {
	p.c.mu.Lock()
	defer p.c.unlockAnswer()
	p.c.parts.listed = false
	p.c.flushPartsLocked()
}
