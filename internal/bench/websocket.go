package bench

import (
	"bufio"
	"bytes"
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
	reader *bufio.Reader // what the handshake has read beyond itself comes first
	frame  bytes.Buffer
}

func isWebSocket(scheme string) bool { return scheme == "ws" || scheme == "wss" }

// defaultMessage is sent where a target has no body.
const defaultMessage = "girin bench"

// upgradeError is a handshake that the server refused, broke off or got wrong: there was a connection.
type upgradeError struct {
	err  error
	kind ErrorKind
}

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
		return nil, refusedUpgrade(err)
	}
	from := io.Reader(conn)
	if br != nil {
		rest := make([]byte, br.Buffered())
		_, _ = io.ReadFull(br, rest) // they are there
		ws.PutReader(br)
		from = io.MultiReader(strings.NewReader(string(rest)), conn)
	}
	s := &webSocket{conn: conn, reader: bufio.NewReaderSize(from, bufferLen)}
	return s, conn.SetDeadline(time.Time{})
}

// refusedUpgrade names what went wrong with a handshake.
func refusedUpgrade(err error) error {
	var status ws.StatusError
	if errors.As(err, &status) {
		return &upgradeError{fmt.Errorf("the server answered with status %d", int(status)), ErrStatus}
	}
	kind := kindOf(err)
	if kind == ErrOther { // what is no HTTP, or does not fit the request
		kind = ErrMalformed
	}
	return &upgradeError{err, kind}
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

// send writes a message in one piece: its header by itself would be a packet, and wake the server for nothing.
func (s *webSocket) send(message []byte) error {
	s.frame.Reset()
	_ = wsutil.WriteClientMessage(&s.frame, ws.OpText, message) // into memory
	_, err := s.conn.Write(s.frame.Bytes())
	return err
}

// maxMessage bounds a message, so that no server can fill the client's memory.
const maxMessage = 64 << 20

// receive reads the server's next message. Pings before it are answered.
func (s *webSocket) receive() ([]byte, error) {
	control := wsutil.ControlFrameHandler(s, ws.StateClientSide)
	in := wsutil.Reader{Source: s, State: ws.StateClientSide, CheckUTF8: true, MaxFrameSize: maxMessage, OnIntermediate: control}
	for {
		head, err := in.NextFrame()
		switch {
		case errors.Is(err, wsutil.ErrFrameTooLarge):
			return nil, malformed(fmt.Sprintf("a message of %d bytes", head.Length))
		case err != nil:
			return nil, err
		case head.OpCode.IsControl():
			if err := control(head, &in); err != nil {
				return nil, err
			}
			continue
		}
		message, err := io.ReadAll(io.LimitReader(&in, maxMessage+1))
		if len(message) > maxMessage {
			err = malformed("an endless message")
		}
		return message, err
	}
}

// exchangeMessage sends one message, waits for one, and fills in c.resp and c.sample as reading HTTP/1.1 does.
func (c *client) exchangeMessage() error {
	if c.socket.reader.Buffered() > 0 || spoken(c.conn) {
		c.rec.unasked++
	}
	if err := c.socket.send(c.out); err != nil {
		return err
	}
	payload, err := c.socket.receive()
	switch {
	case errors.As(err, new(wsutil.ClosedError)):
		return fmt.Errorf("%w: %w", errEOF, err)
	case errors.As(err, new(ws.ProtocolError)), errors.Is(err, wsutil.ErrInvalidUTF8):
		return malformed("no WebSocket frame: " + err.Error())
	case errors.Is(err, io.EOF):
		return errEOF
	case err != nil:
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
