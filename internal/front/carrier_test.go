package front

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"girin/internal/ws"
)

// carrier is a client's connection of HTTP/2 with WebSockets on it.
type carrier struct {
	*rawHTTP2
	t       *testing.T
	greeted chan struct{} // closed when the server's settings have come
	over    chan struct{} // closed when no frame comes any more

	mu       sync.Mutex
	changed  sync.Cond
	settings map[http2.SettingID]uint32 // guarded by mu
	window   int64                      // guarded by mu: what may be sent on the connection
	strands  map[uint32]*strand         // guarded by mu
	next     uint32                     // guarded by mu
	away     bool                       // guarded by mu: GOAWAY has come
}

// strand is one of its streams, as the connection of a client that knows HTTP/1.1 alone.
type strand struct {
	c  *carrier
	id uint32

	// Guarded by carrier.mu.
	fields   map[string]string
	came     bytes.Buffer
	took     int  // bytes that were read and for which the stream's window is not open again
	shy      bool // it does not open it
	window   int64
	ended    bool
	reset    *http2.ErrCode
	late     bool
	written  []byte // of a handshake
	asked    bool
	endedOwn bool
}

var _ net.Conn = (*strand)(nil)

// carriers are the ways to HTTP/2: by TLS, and in clear text from who is trusted.
var carriers = map[string]over{"HTTP/2 by TLS": {tls: true}, "HTTP/2 in clear text": {}}

// carry begins a connection of HTTP/2.
func (o over) carry(t *testing.T, s *served) *carrier {
	t.Helper()
	nc := s.dial(t)
	if o.tls {
		nc = tls.Client(nc, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h2"}})
	}
	return newCarrier(t, nc)
}

func newCarrier(t *testing.T, nc net.Conn) *carrier {
	c := &carrier{
		t: t, rawHTTP2: newRawHTTP2(t, nc), greeted: make(chan struct{}), over: make(chan struct{}),
		settings: map[http2.SettingID]uint32{}, window: 65535, strands: map[uint32]*strand{}, next: 1,
	}
	c.changed.L = &c.mu
	go c.take()
	t.Cleanup(func() { nc.Close(); <-c.over })
	select {
	case <-c.greeted:
	case <-time.After(10 * time.Second):
		t.Fatal("no settings came")
	}
	return c
}

// serveCarried starts a server of ASGI that speaks HTTP/2.
func (o over) serveCarried(t *testing.T, run func(*appCall), change ...func(*Config)) *served {
	change = append([]func(*Config){func(c *Config) {
		c.Limits.Connect, c.Sockets.MaxQueue, c.Sockets.Deflate = true, 64<<10, true
	}}, change...)
	if o.tls {
		change = append(change, newAuthority(t).files(t).secure(t, func(o *TLSOptions) { o.Protocols = []string{"h2", "http/1.1"} }))
	} else {
		change = append(change, trusting("127.0.0.0/8"), speakClear)
	}
	s := serveApp(t, run, change...)
	s.app.server.Store(s.Server)
	s.SpeakASGI()
	return s
}

// take takes frames until there are no more.
func (c *carrier) take() {
	defer close(c.over)
	for {
		f, err := c.framer.ReadFrame()
		c.mu.Lock()
		if err != nil {
			for _, s := range c.strands {
				s.ended = true
			}
			c.away = true
			c.changed.Broadcast()
			c.mu.Unlock()
			return
		}
		c.takeLocked(f)
		c.changed.Broadcast()
		c.mu.Unlock()
	}
}

func (c *carrier) takeLocked(f http2.Frame) {
	s := c.strands[f.Header().StreamID]
	switch f := f.(type) {
	case *http2.SettingsFrame:
		if f.IsAck() {
			return
		}
		_ = f.ForeachSetting(func(o http2.Setting) error { c.settings[o.ID] = o.Val; return nil })
		c.control(c.framer.WriteSettingsAck)
		close(c.greeted)
	case *http2.PingFrame:
		if !f.IsAck() {
			c.control(func() error { return c.framer.WritePing(true, f.Data) })
		}
	case *http2.GoAwayFrame:
		c.away = true
	case *http2.WindowUpdateFrame:
		if f.StreamID == 0 {
			c.window += int64(f.Increment)
		} else if s != nil {
			s.window += int64(f.Increment)
		}
	case *http2.MetaHeadersFrame:
		s.fields = map[string]string{}
		for _, field := range f.Fields {
			s.fields[field.Name] = field.Value
		}
		s.ended = s.ended || f.StreamEnded()
	case *http2.DataFrame:
		if n := uint32(len(f.Data())); n > 0 {
			c.control(func() error { return c.framer.WriteWindowUpdate(0, n) })
		}
		s.came.Write(f.Data())
		s.ended = s.ended || f.StreamEnded()
	case *http2.RSTStreamFrame:
		if s != nil {
			code := f.ErrCode
			s.reset = &code
		}
	}
}

// control writes a frame.
func (c *carrier) control(write func() error) {
	c.rawHTTP2.mu.Lock()
	defer c.rawHTTP2.mu.Unlock()
	_ = write()
}

// open makes a stream, without a request.
func (c *carrier) open() *strand {
	c.mu.Lock()
	defer c.mu.Unlock()
	window := int64(65535)
	if w, told := c.settings[http2.SettingInitialWindowSize]; told {
		window = int64(w)
	}
	s := &strand{c: c, id: c.next, window: window}
	c.strands[s.id] = s
	c.next += 2
	return s
}

// connect asks for a WebSocket; fields come on top.
func (c *carrier) connect(end bool, fields ...string) *strand {
	s := c.open()
	all := append([]string{":method", "CONNECT", ":protocol#", "websocket", ":path", "/chat"}, fields...)
	if err := c.send(s.id, end, all...); err != nil {
		c.t.Fatal(err)
	}
	return s
}

const version13 = "sec-websocket-version"

// await waits until something is so.
func (s *strand) await(what string, so func() bool) {
	s.c.t.Helper()
	limit := time.Now().Add(20 * time.Second)
	wake := time.AfterFunc(20*time.Second, s.c.changed.Broadcast)
	defer wake.Stop()
	s.c.mu.Lock()
	defer s.c.mu.Unlock()
	for !so() {
		if time.Now().After(limit) {
			s.c.t.Fatalf("stream %d: not in time: %s; head %v, %d bytes, ended %v, reset %v", s.id, what, s.fields, s.came.Len(), s.ended, s.reset)
		}
		s.c.changed.Wait()
	}
}

// status waits for the head's.
func (s *strand) status() string {
	s.c.t.Helper()
	s.await("a head", func() bool { return s.fields != nil || s.reset != nil || s.ended })
	s.c.mu.Lock()
	defer s.c.mu.Unlock()
	if s.fields == nil {
		return fmt.Sprintf("none, reset %v", s.reset)
	}
	return s.fields[":status"]
}

// body waits for the end, and returns what came.
func (s *strand) body() string {
	s.c.t.Helper()
	s.await("the end", func() bool { return s.ended || s.reset != nil })
	s.c.mu.Lock()
	defer s.c.mu.Unlock()
	return s.came.String()
}

// Read reads what came. The stream's window opens as it is read.
func (s *strand) Read(p []byte) (n int, err error) {
	s.c.mu.Lock()
	defer s.c.mu.Unlock()
	for s.came.Len() == 0 && !s.ended && s.reset == nil && !s.late {
		s.c.changed.Wait()
	}
	switch {
	case s.late:
		return 0, os.ErrDeadlineExceeded
	case s.came.Len() > 0:
		n, err = s.came.Read(p)
		if s.shy {
			s.took += n
		} else {
			s.c.control(func() error { return s.c.framer.WriteWindowUpdate(s.id, uint32(n)) })
		}
		return n, err
	case s.reset != nil:
		return 0, fmt.Errorf("reset with %v", *s.reset)
	}
	return 0, io.EOF
}

// Write sends p as windows allow. What comes first is a handshake of HTTP/1.1.
func (s *strand) Write(p []byte) (int, error) {
	if !s.asked {
		return len(p), s.ask(p)
	}
	for sent := 0; sent < len(p); {
		n, err := s.reserve(min(len(p)-sent, 16384))
		if err != nil {
			return sent, err
		}
		s.c.control(func() error { return s.c.framer.WriteData(s.id, false, p[sent:sent+n]) })
		sent += n
	}
	return len(p), nil
}

// reserve waits until something may be sent.
func (s *strand) reserve(most int) (int, error) {
	s.c.mu.Lock()
	defer s.c.mu.Unlock()
	for {
		n := min(int64(most), s.window, s.c.window)
		switch {
		case s.late:
			return 0, os.ErrDeadlineExceeded
		case s.reset != nil || s.ended:
			return 0, io.ErrClosedPipe
		case n > 0:
			s.window -= n
			s.c.window -= n
			return int(n), nil
		}
		s.c.changed.Wait()
	}
}

// ask turns a handshake into extended CONNECT, and the answer into HTTP/1.1's.
func (s *strand) ask(p []byte) error {
	s.written = append(s.written, p...)
	head, _, whole := bytes.Cut(s.written, []byte("\r\n\r\n"))
	if !whole {
		return nil
	}
	s.asked = true
	lines := strings.Split(string(head), "\r\n")
	fields := []string{":method", "CONNECT", ":protocol#", "websocket", ":path", strings.Fields(lines[0])[1]}
	key := ""
	for _, line := range lines[1:] {
		name, value, _ := strings.Cut(line, ": ")
		switch name = strings.ToLower(name); name {
		case "host", "connection", "upgrade":
		case "sec-websocket-key":
			key = value
		default:
			fields = append(fields, name, value)
		}
	}
	if err := s.c.send(s.id, false, fields...); err != nil {
		return err
	}
	status := s.status()
	s.c.mu.Lock()
	defer s.c.mu.Unlock()
	answer := &http.Response{StatusCode: 101, ProtoMajor: 1, ProtoMinor: 1, Header: http.Header{}}
	if status != "200" {
		_, _ = fmt.Sscan(status, &answer.StatusCode)
	} else {
		answer.Header = http.Header{"Upgrade": {"websocket"}, "Connection": {"Upgrade"}, "Sec-Websocket-Accept": {ws.Accept(key)}}
	}
	for name, value := range s.fields {
		if name[0] != ':' {
			answer.Header.Set(name, value)
		}
	}
	var text bytes.Buffer
	_ = answer.Write(&text)
	text.Write(s.came.Bytes())
	s.came = text
	return nil
}

// CloseWrite ends the client's side.
func (s *strand) CloseWrite() error {
	s.c.mu.Lock()
	defer s.c.mu.Unlock()
	if !s.endedOwn {
		s.endedOwn = true
		s.c.control(func() error { return s.c.framer.WriteData(s.id, true, nil) })
	}
	return nil
}

// Close leaves.
func (s *strand) Close() error {
	s.c.control(func() error { return s.c.framer.WriteRSTStream(s.id, http2.ErrCodeCancel) })
	return nil
}

func (s *strand) SetDeadline(t time.Time) error {
	s.c.mu.Lock()
	defer s.c.mu.Unlock()
	s.late = !t.IsZero() && time.Until(t) <= 0
	s.c.changed.Broadcast()
	return nil
}

func (s *strand) SetReadDeadline(t time.Time) error  { return s.SetDeadline(t) }
func (s *strand) SetWriteDeadline(t time.Time) error { return s.SetDeadline(t) }
func (s *strand) LocalAddr() net.Addr                { return s.c.nc.LocalAddr() }
func (s *strand) RemoteAddr() net.Addr               { return s.c.nc.RemoteAddr() }

// dialed is a dialer's way to a connection that is there.
func dialed(nc net.Conn) func(string, string) (net.Conn, error) {
	return func(string, string) (net.Conn, error) { return nc, nil }
}
