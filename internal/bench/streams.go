package bench

import (
	"context"
	"net/http"
	"sync"
)

// streamGroup is the clients that share one HTTP/2 connection, each with a stream at a time.
type streamGroup struct {
	mu   sync.Mutex // guards conn
	conn *http.ClientConn
}

// openStream joins the client's group, and makes its connection if there is none that works.
func (c *client) openStream(ctx context.Context) error {
	r := c.run
	g := c.group()
	g.mu.Lock()
	defer g.mu.Unlock()
	c.opened = g.conn == nil || g.conn.Err() != nil
	if c.opened {
		raw, err := r.dial(ctx, c.dialBy())
		if err != nil {
			return err
		}
		h2 := newHTTP2Conn(raw, r)
		scheme := "http"
		if r.tls != nil {
			scheme = "https"
		}
		conn, err := h2.transport.NewClientConn(ctx, scheme, r.site.address())
		if err != nil {
			raw.Close()
			return err
		}
		g.conn = conn // the other closes itself: its streams have yet to learn how it ended
	}
	c.stream, c.speak = g.conn, (*client).driveHTTP2
	return nil
}

func (c *client) group() *streamGroup { return &c.run.groups[c.number/c.run.opts.Streams] }

// leaveGroup has the client's group make another connection: this one takes no more requests. It is not closed, since it
// still answers those that it has taken; with the last of them it closes itself.
func (c *client) leaveGroup() {
	g := c.group()
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.conn == c.stream {
		g.conn = nil
	}
}

// closeGroups closes what clients share; they have all ended.
func (r *run) closeGroups() {
	for i := range r.groups {
		if conn := r.groups[i].conn; conn != nil {
			conn.Close()
		}
	}
}
