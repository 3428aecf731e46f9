package front

import (
	"errors"
	"slices"
	"time"
)

// spillAfter is how long an answer that its client has not taken holds a thread
// before the rest of it goes to a file. A client that is only a little slower than
// memory, as any on the same machine, is spared the way over a file.
const spillAfter = 2 * time.Millisecond

// outrunLocked has it looked soon whether the client is slow.
func (c *conn) outrunLocked() {
	o := &c.out
	if o.spilling || o.spill != nil || !o.busy || c.srv.cfg.SpoolResponse <= 0 {
		return
	}
	o.spilling = true
	time.AfterFunc(spillAfter, c.spillIfOutrun)
}

func (c *conn) spillIfOutrun() {
	c.mu.Lock()
	defer c.mu.Unlock()
	o, r := &c.out, &c.reply
	o.spilling = false
	if c.dead || !o.busy || !r.running || o.spill != nil || r.got-r.granted < c.creditStep() {
		return
	}
	o.spillLocked()
}

// spillLocked has all but the next step of what waits written to a file, and all
// that follows until the client has caught up.
func (o *output) spillLocked() {
	c := o.c
	s := c.srv.newSpill(&c.mu, c.spilledLocked)
	if s == nil {
		c.stayLocked()
		return
	}
	kept := o.at + min(o.waiting(), writeStep) // drain may be writing that
	s.tail = o.queue[kept:]
	o.queue, o.at = slices.Clone(o.queue[o.at:kept]), 0
	o.spill = s
	s.moveOn()
	c.grantLocked()
}

// spilledLocked goes on when bytes have gone to the file, or cannot.
func (c *conn) spilledLocked() {
	if s := c.out.spill; s != nil && s.full {
		c.stayLocked()
	}
	c.grantLocked()
	c.changed.Broadcast()
}

// stayLocked lets an answer go on that should be in a file and cannot.
func (x *exchange) stayLocked() {
	x.reply.stays = true
	x.grantLocked()
}

// sendSpillLocked sends a step of what was spilled. When all of it is sent, what
// still follows is in memory again.
func (c *conn) sendSpillLocked() {
	o := &c.out
	s := o.spill
	switch {
	case s.unread() > 0:
		if err := c.passSpillUnlocked(s); err != nil && !c.dead {
			c.giveUpLocked(err)
		}
	case s.moving:
		c.changed.Wait()
	default:
		o.spill = nil
		o.queue, o.at = s.end(), 0
		c.grantLocked()
	}
}

// passSpillUnlocked sends the file's next bytes by sendfile(2), or passes them to
// the queue. They are not sealed any more: what was spilled was.
func (c *conn) passSpillUnlocked(s *spill) (err error) {
	if c.raw != nil && c.srv.cfg.SendFile && !s.copied {
		left := s.unread()
		s.use(func(at int64) (n int64) {
			n, err = c.trySendUnlocked(&fileBody{file: s.file.OS(), at: at, left: left})
			return n
		})
		if !errors.Is(err, errNoSendFile) {
			return err
		}
		s.copied = true
	}
	buf := largeInputs.Get().(*[largeInput]byte)
	defer largeInputs.Put(buf)
	n, err := s.fill(buf[:])
	if !c.dead {
		c.out.queue = append(c.out.queue, buf[:n]...)
		c.srv.queued.Add(int64(n))
	}
	return err
}
