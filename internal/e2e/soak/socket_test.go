package soak

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"github.com/gorilla/websocket"
)

// socket opens a WebSocket on a connection of its own; nil: what failed is noted.
func (c *client) socket(what, target string) *websocket.Conn {
	c.close()
	if !c.connect() {
		return nil
	}
	d := websocket.Dialer{NetDial: func(string, string) (net.Conn, error) { return c.nc, nil }, EnableCompression: c.rand.IntN(2) == 0}
	ws, res, err := d.Dial("ws://localhost"+target, nil)
	switch {
	case err == nil:
		return ws
	case res != nil && res.StatusCode == 502:
		c.outcomes.fail("502 for a socket")
	case res != nil:
		c.outcomes.bad("%s: status %d", what, res.StatusCode)
	default:
		c.judge(what, err)
	}
	c.close()
	return nil
}

// judgeSocket notes how a socket ended before its time: its worker was killed, which
// costs it, or replaced, which does not.
func (c *client) judgeSocket(what string, err error) {
	var closed *websocket.CloseError
	switch {
	case !errors.As(err, &closed):
		c.judge(what, err)
	case closed.Code == websocket.CloseServiceRestart:
		c.outcomes.left.Add(1)
	case closed.Code == websocket.CloseInternalServerErr, closed.Code == websocket.CloseAbnormalClosure:
		c.outcomes.fail(fmt.Sprint("socket: ", closed.Code))
	default:
		c.outcomes.bad("%s: %v", what, err)
	}
	c.close()
}

// messageOf reads a message, which must be a seed's bytes. It reports whether there
// was one; the end of the socket is noted.
func (c *client) messageOf(what string, ws *websocket.Conn, seed, size int) bool {
	_, message, err := ws.ReadMessage()
	if err != nil {
		c.judgeSocket(what, err)
		return false
	}
	if err := contentOf(seed, size)(bytes.NewReader(message)); err != nil {
		c.outcomes.bad("%s: %v", what, err)
		c.close()
		return false
	}
	c.outcomes.checked.Add(1)
	return true
}

func (c *client) messageSize() (seed, size int) {
	return c.rand.IntN(seeds), [...]int{0, 10, 4000, 9000, 70_000, 500_000}[c.rand.IntN(6)]
}

// echo sends messages, reads them back, and closes.
func (c *client) echo() {
	ws := c.socket("echo", "/echo")
	if ws == nil {
		return
	}
	type message struct{ seed, size int }
	var all []message
	for range 1 + c.rand.IntN(8) {
		seed, size := c.messageSize()
		all = append(all, message{seed, size})
	}
	var writing sync.WaitGroup
	defer writing.Wait()
	writing.Go(func() {
		for _, m := range all {
			body, _ := io.ReadAll(&content{seed: m.seed, size: m.size})
			if ws.WriteMessage(websocket.BinaryMessage, body) != nil {
				return // who reads notes why
			}
		}
	})
	for _, m := range all {
		if !c.messageOf("echo", ws, m.seed, m.size) {
			return
		}
	}
	writing.Wait()
	_ = ws.WriteMessage(websocket.CloseMessage, websocket.FormatCloseMessage(websocket.CloseNormalClosure, "done"))
	if _, _, err := ws.ReadMessage(); !websocket.IsCloseError(err, websocket.CloseNormalClosure) {
		c.judgeSocket("echo, at its end", err)
	}
	c.close()
}

// listen reads messages slowly, and may leave in the middle.
func (c *client) listen() {
	seed, size := c.messageSize()
	const count = 30
	ws := c.socket("listen", fmt.Sprintf("/say?seed=%d&size=%d&count=%d", seed, size, count))
	if ws == nil {
		return
	}
	leaves := c.rand.IntN(2 * count)
	for i := range count {
		if i == leaves {
			c.abort()
			return
		}
		if !c.messageOf("listen", ws, seed, size) {
			return
		}
		if c.rand.IntN(8) == 0 {
			time.Sleep(time.Duration(c.rand.IntN(100)) * time.Millisecond)
		}
	}
	if _, _, err := ws.ReadMessage(); !websocket.IsCloseError(err, websocket.CloseNormalClosure) {
		c.judgeSocket("listen, at its end", err)
	}
	c.close()
}

// leaveSocket leaves at any moment of the handshake or of messages both ways.
func (c *client) leaveSocket() {
	if c.rand.IntN(3) == 0 {
		c.close()
		if c.connect() {
			shake := head("GET", "/echo", "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: c29ha3Nva3Nva3Nva3Nvaw==")
			_, _ = c.nc.Write(shake[:c.rand.IntN(len(shake)+1)])
			time.Sleep(time.Duration(c.rand.IntN(3000)) * time.Microsecond)
			c.abort()
		}
		return
	}
	ws := c.socket("leave", "/echo")
	if ws == nil {
		return
	}
	for range c.rand.IntN(4) {
		seed, size := c.messageSize()
		body, _ := io.ReadAll(&content{seed: seed, size: size})
		if c.rand.IntN(3) == 0 { // in the middle of a message
			if w, err := ws.NextWriter(websocket.BinaryMessage); err == nil {
				_, _ = w.Write(body[:len(body)/2])
			}
			break
		}
		_ = ws.SetWriteDeadline(time.Now().Add(100 * time.Millisecond)) // nobody reads what comes back
		if ws.WriteMessage(websocket.BinaryMessage, body) != nil {
			break
		}
	}
	time.Sleep(time.Duration(c.rand.IntN(5000)) * time.Microsecond)
	c.abort()
}
