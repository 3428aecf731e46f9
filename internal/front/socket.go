package front

import (
	"encoding/binary"
	"errors"
	"sync/atomic"

	"girin/internal/sched"
	"girin/internal/wire"
	"girin/internal/ws"
)

// webSocket is a connection's WebSocket (RFC 6455).
//
//	asked ─Accept→ open ─the app's Close, a fault, a drain→ closing ─┐
//	  │             └─the client's close frame, its end──────────────┴→ over
//	  └ an answer like any other: the connection goes on
//
// The connection's goroutine reads and hands whole messages to the worker. It stops
// where too much of them is unread, so that TCP makes the client wait. Pings, pongs
// and close frames are the front's: an application that computes loses no client.
type webSocket struct {
	c       *conn
	accept  string    // the answer to the client's key
	deflate string    // the answer to its offer of compression, or ""
	window  int       // of that; 0: nothing is compressed
	reader  ws.Reader // of the connection's goroutine
	held    int64     // what of Server.messages is the reader's; of that goroutine
	ended   bool      // there is nothing more to read; of that goroutine

	serve func(fd uintptr) bool // passed to raw.Read; made once

	messages   uint64        // that came; of that goroutine
	unfinished atomic.Uint64 // messages<<arrivalBits, and of the next one the bytes so far and one; 0: there is none
	arrival    arrival

	state    socketState // guarded by conn.mu
	piece    ws.Piece    // guarded by conn.mu: of the message that the application sends
	left     int64       // guarded by conn.mu: bytes of it that have not come
	gathered gathered    // guarded by conn.mu
	pongs    []byte      // guarded by conn.mu: frames that answer pings and have no room yet

	unread atomic.Int64  // what the application has not received, see wire.MessageCost
	paused atomic.Bool   // nothing is read: see unread
	heard  atomic.Uint32 // counts reads
	pulse  pulse
	share  uint32 // of the time over which sockets are closed when the server stops
}

type socketState uint8

const (
	socketAsked socketState = iota
	socketOpen
	socketClosing
	socketOver
)

// frameLocked takes a frame of the application's. It reports false if that is one of
// an answer in place of a WebSocket.
func (s *webSocket) frameLocked(f *wire.Frame, head, body []byte) bool {
	switch f.Kind {
	case wire.Accept:
		s.acceptLocked(f, head)
	case wire.Text, wire.Binary:
		s.beginLocked(f)
		s.sendLocked(body)
		s.takenLocked(int64(f.Service))
	case wire.Block:
		if s.state == socketAsked {
			return false
		}
		s.sendLocked(body)
	case wire.Taken:
		s.takenLocked(int64(binary.LittleEndian.Uint32(body)))
	case wire.Close:
		s.appClosedLocked(int(binary.LittleEndian.Uint16(body)), string(body[wire.CloseCode:]))
	default:
		return s.state != socketAsked
	}
	return true
}

// acceptLocked answers the handshake: from here on WebSocket is spoken.
func (s *webSocket) acceptLocked(f *wire.Frame, head []byte) {
	c, r := s.c, &s.c.reply
	if s.state != socketAsked || !r.running || c.dead {
		return
	}
	buf := scratches.Get().(*scratch)
	defer scratches.Put(buf)
	_, rest := wire.CutString(head)
	r.status, r.noBody = 101, true
	b, seen, fault := c.appendFields(c.to, s.appendHandshake(buf[:0]), f, rest)
	if fault != "" {
		c.faultLocked(f, fault)
		return
	}
	if !seen.server {
		b = c.to.appendServer(b)
	}
	if !seen.date {
		b = c.to.appendDate(b)
	}
	r.started, r.last, r.remain, r.upgraded = true, true, -1, true
	s.state = socketOpen
	c.stage.enter(stageSocket)
	c.out.becomeSocketLocked()
	c.to.sendLocked(c.to.appendEnd(b, true), nil, false)
	c.srv.cfg.Metrics.Answered(r.status, 0)
	on := r.record.on
	c.logAccess()
	r.record.on = on // it has a line for its end, too
	c.releaseRequest()
	c.changedLocked()
}

// beginLocked begins a message of the application's. Of a large one the parts come
// as the worker writes them, and go to the client as fragments.
func (s *webSocket) beginLocked(f *wire.Frame) {
	s.piece = ws.Piece{Opcode: ws.Binary, Window: s.window}
	if f.Kind == wire.Text {
		s.piece.Opcode = ws.Text
	}
	s.left = int64(f.Body)
}

func (s *webSocket) sendLocked(body []byte) {
	c := s.c
	s.left -= int64(len(body))
	if s.state != socketOpen || c.dead || s.left < 0 {
		return
	}
	r := &c.reply
	r.got += int64(len(body))
	r.sent += int64(len(body))
	s.piece.Last = s.left == 0
	s.gathered.appendLocked(s, body)
	s.piece.Opcode = ws.Continuation
}

// takenLocked notes what the application has received. What it had not when the socket
// was over does not count any more: see leaveSocket. More than it was sent it cannot have.
func (s *webSocket) takenLocked(n int64) {
	if n == 0 || s.state == socketOver {
		return
	}
	n = min(n, s.unread.Load())
	s.unread.Add(-n)
	s.c.srv.messages.Add(-n)
	if s.paused.Load() && s.hasRoom() {
		s.c.changedLocked()
	}
}

func (s *webSocket) hasRoom() bool { return s.unread.Load() <= int64(s.c.srv.cfg.Sockets.MaxQueue) }

// appClosedLocked closes for the application, which has ended the call.
func (s *webSocket) appClosedLocked(code int, reason string) {
	if s.state != socketOpen {
		return
	}
	if code != ws.CodeNone && !ws.ValidCode(code) {
		s.c.lied("it closes a WebSocket with a code that must not be sent")
		code, reason = ws.CodeInternal, ""
	}
	s.closeLocked(code, reason)
}

// closeLocked sends a close frame, after which only the client's is awaited.
func (s *webSocket) closeLocked(code int, reason string) {
	c := s.c
	s.gathered.flushLocked(s)
	s.state = socketClosing
	c.reply.status = code
	c.stage.enter(stageClosing)
	c.writeLocked(ws.AppendClose(make([]byte, 0, 128), code, reason), nil, nil)
	c.changedLocked()
}

// shutLocked closes for a reason of the server's own, and tells the application why.
func (s *webSocket) shutLocked(code int, reason string, why sched.Gone) {
	s.closeLocked(code, reason)
	s.c.srv.cfg.Queue.Leave(&s.c.call, why)
}

// failLocked is told that the application will say no more. It reports false if the
// socket was only asked for: then there is an answer to give.
func (s *webSocket) failLocked(cause error) bool {
	if s.state == socketOpen {
		code, reason := ws.CodeInternal, ""
		if errors.Is(cause, sched.ErrStopped) {
			code = ws.CodeRestart
		}
		s.closeLocked(code, reason)
	}
	return s.state != socketAsked
}

// overLocked ends the socket and, when all is written, the connection.
func (s *webSocket) overLocked() {
	c := s.c
	s.gathered.flushLocked(s)
	s.state = socketOver
	c.reply.whole = true
	c.endLocked()
}

// drainedLocked answers the pings that came while the client did not read.
func (s *webSocket) drainedLocked() {
	if len(s.pongs) > 0 && !s.c.dead {
		pongs := s.pongs
		s.pongs = nil
		s.c.writeLocked(pongs, nil, nil)
	}
}

const mostPongs = 2 << 10 // bytes of them, and one frame more

// pongLocked answers a ping. To a client that does not read only the last of many pings
// is answered (RFC 6455 section 5.5.3), so that they do not pile up.
func (s *webSocket) pongLocked(payload []byte) {
	if s.state != socketOpen {
		return
	}
	if len(s.pongs) > mostPongs {
		s.pongs = s.pongs[:0]
	}
	s.pongs = ws.AppendFrame(s.pongs, ws.Pong, payload)
	if !s.c.out.busy {
		s.drainedLocked()
	}
}
