package front

import (
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"girin/internal/sched"
	"girin/internal/wire"
)

// File gets an answer whose body is a part of a file (sched.Answer). No Python
// thread waits for it any more.
func (c *conn) File(f *wire.Frame, head []byte, body sched.FileBody) {
	c.mu.Lock()
	defer c.unlockAnswer()
	if !c.reply.running || c.dead {
		body.File.Close()
		c.endLocked()
		return
	}
	if c.srv.filesFull() {
		body.File.Close()
		c.failLocked(sched.ErrNoDescriptor)
		return
	}
	f.Body = 0
	c.reply.file = body.Length
	b, fault := c.appendHead(nil, f, head)
	if fault != "" {
		body.File.Close()
		c.faultLocked(f, fault)
		return
	}
	r := &c.reply
	if r.noBody {
		body.Length = 0
	} else if r.remain != body.Length {
		body.File.Close()
		c.faultLocked(f, fmt.Sprintf("its file has %d bytes and its Content-Length does not say so", body.Length))
		return
	}
	r.started = true
	c.sendLocked(b, nil, nil)
	c.out.file = &body
	c.srv.held.Add(1)
	if !c.out.busy {
		c.out.busy = true
		c.stage.enter(stageWrite)
		c.startDrain()
	}
}

// fileStep is how much of a file is sent between looks at the deadline.
const fileStep = 1 << 20

// sendFileLocked sends the file that follows what was queued: by sendfile(2)
// where the connection is cleartext. The lock is free while it waits.
func (c *conn) sendFileLocked() {
	body := c.out.file
	c.out.file = nil
	defer c.srv.held.Add(-1)
	defer body.File.Close()
	if _, err := body.File.Seek(body.Offset, io.SeekStart); err != nil {
		c.lied("its file cannot be read: " + err.Error())
		c.out.cut, c.reply.last = true, true
		return
	}
	for left := body.Length; left > 0 && !c.dead; {
		n, err := c.copyUnlocked(body.File, min(left, fileStep))
		left -= n
		c.reply.sent += n
		switch {
		case errors.Is(err, io.EOF):
			c.lied("its file became shorter than its Content-Length")
			c.out.cut, c.reply.last = true, true
			return
		case n > 0 && errors.Is(err, errWriteTimeout):
		case err != nil:
			c.lostLocked()
			return
		}
	}
}

// copyUnlocked is writeUnlocked for a file's next n bytes.
func (c *conn) copyUnlocked(f *os.File, n int64) (int64, error) {
	c.mu.Unlock()
	defer c.mu.Lock()
	_ = c.nc.SetWriteDeadline(time.Now().Add(writeLimit))
	return io.CopyN(c.nc, f, n)
}
