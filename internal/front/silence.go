package front

import "time"

// watchSilence takes a client that has closed its sending side for one that has left,
// if its answer does not move: ASGI applications are told so, and wait for it. A client
// closes both sides in the same way, and is seen to have left only by what it is sent:
// nothing, where a task waits for an event. Its peers end such connections at once.
// The returned function calls it off.
func (c *conn) watchSilence() (stop func()) {
	stopped, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		look := time.NewTicker(c.srv.times.halfClose)
		defer look.Stop()
		for got := int64(0); ; {
			select {
			case <-stopped:
				return
			case <-look.C:
			}
			var moves bool
			if moves, got = c.movesSince(got); !moves {
				c.lost()
				return
			}
		}
	}()
	return func() { close(stopped); <-done }
}

// movesSince reports whether the client takes what it has, or more of its answer has come.
func (c *conn) movesSince(before int64) (moves bool, got int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	got = c.reply.got
	return c.out.busy || got != before || !c.reply.running, got
}
