package bench

import (
	"bufio"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"
)

// webSocket speaks on one connection after its handshake: a request is a message, and is answered by the next message that the
// server sends.
type webSocket struct {
	conn   net.Conn
	reader io.Reader // what the handshake has read beyond itself comes first
}

func isWebSocket(scheme string) bool { return scheme == "ws" || scheme == "wss" }

// defaultMessage is sent where a target has no body.
const defaultMessage = "girin bench"

// upgradeError is a handshake that the server refused.
type upgradeError struct{ err error }

func (e *upgradeError) Error() string { return "no WebSocket: " + e.err.Error() }
func (e *upgradeError) Unwrap() error { return e.err }

// upgrade makes a WebSocket of a connection: that of the claimed request, or of the first where none is claimed yet.
func (c *client) upgrade(conn net.Conn) (*webSocket, error) {
	q := c.req
	if q == nil {
		q = c.run.reqs[0]
	}
	header := http.Header{}
	host := ""
	for _, f := range q.Header {
		if strings.EqualFold(f.Name, "Host") {
			host = f.Value
		} else {
			header.Add(f.Name, f.Value)
		}
	}
	if err := conn.SetDeadline(time.Now().Add(c.run.opts.Timeout)); err != nil {
		return nil, err
	}
	d := ws.Dialer{Header: ws.HandshakeHeaderHTTP(header), Host: host}
	br, _, err := d.Upgrade(conn, q.url)
	if err != nil {
		var status ws.StatusError
		if errors.As(err, &status) {
			err = &upgradeError{fmt.Errorf("the server answered with status %d", int(status))}
		}
		return nil, err
	}
	s := &webSocket{conn: conn, reader: conn}
	if br != nil {
		rest := make([]byte, br.Buffered())
		_, _ = io.ReadFull(br, rest) // they are there
		ws.PutReader(br)
		s.reader = io.MultiReader(strings.NewReader(string(rest)), conn)
	}
	s.reader = bufio.NewReaderSize(s.reader, bufferLen)
	return s, conn.SetDeadline(time.Time{})
}

// Read and Write let wsutil answer pings between messages.
func (s *webSocket) Read(b []byte) (int, error)  { return s.reader.Read(b) }
func (s *webSocket) Write(b []byte) (int, error) { return s.conn.Write(b) }

// driveWebSocket sends the claimed message and those after it that are due.
func (c *client) driveWebSocket() {
	for {
		c.begin()
		if err := c.exchangeMessage(); err != nil {
			c.now = c.run.now()
			c.broke(err)
			return
		}
		if !c.finish() {
			return
		}
	}
}

// exchangeMessage sends one message, waits for one, and fills in c.resp and c.sample as reading HTTP/1.1 does.
func (c *client) exchangeMessage() error {
	if err := wsutil.WriteClientMessage(c.socket, ws.OpText, c.out); err != nil {
		return err
	}
	payload, _, err := wsutil.ReadServerData(c.socket)
	if err != nil {
		if errors.As(err, new(wsutil.ClosedError)) {
			return fmt.Errorf("%w: %w", errEOF, err)
		}
		return err
	}
	c.now = c.run.now()
	c.sample.first = c.now
	c.sample.bytes = uint32(len(payload))
	c.rec.received += int64(len(payload))
	c.resp.status = http.StatusOK // of no response: see complete
	c.resp.bodyBytes, c.resp.sum = int64(len(payload)), maphash.Bytes(c.resp.seed, payload)
	if c.resp.wanted.text {
		c.resp.keepText(payload)
	}
	return nil
}
