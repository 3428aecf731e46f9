package bench

import (
	"errors"
	"net"
	"os"
	"time"
)

// uploadAside is the length from which on a request is written beside reading where a write may wait (TLS). On plain sockets
// it is what the socket does not take at once.
const uploadAside = 64 << 10

// uploadGrace is how long an answer waits for the end of its request's sending: the news of it may be a little late.
const uploadGrace = 20 * time.Millisecond

// sendAside writes what is left of a request while the client reads: a server may answer before it has read all, with 413
// say, and then read no more. hangUp waits for the end.
func (c *client) sendAside(rest []byte) {
	conn, done := c.conn, make(chan error, 1)
	c.upload = done
	go func() { done <- c.writeAll(conn, rest) }()
}

// writeAll writes until everything is sent, the connection fails or the request's time is up. The monitor's pokes, which end
// a write that waits, are not for it.
func (c *client) writeAll(conn net.Conn, rest []byte) error {
	for {
		n, err := conn.Write(rest)
		rest = rest[n:]
		poked := errors.Is(err, os.ErrDeadlineExceeded) && !c.run.stopped.Load() && c.run.now() < c.deadline.Load()
		if err == nil || !poked {
			return err
		}
		if err := conn.SetWriteDeadline(time.Time{}); err != nil {
			return err
		}
	}
}

// uploaded reports whether the answered request was sent whole, so that its connection can carry another.
func (c *client) uploaded() bool {
	if c.upload == nil {
		return true
	}
	grace := time.NewTimer(uploadGrace)
	defer grace.Stop()
	defer func() { c.now = c.run.now() }()
	select {
	case err := <-c.upload:
		c.upload = nil
		return err == nil
	case <-grace.C:
		return false
	}
}

// endUpload waits for the writer of a closed connection. What kept it from sending may say more than what reading found,
// since the system tells a reset only once.
func (c *client) endUpload() {
	if c.upload != nil {
		c.uploadErr, c.upload = <-c.upload, nil
	}
}
