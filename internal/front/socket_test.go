package front

import (
	"bytes"
	"encoding/binary"
	"testing"

	"girin/internal/wire"
	"girin/internal/ws"
)

// An application that says that it has received more than it was sent changes nothing
// of what is counted for others.
func TestNoMoreIsTakenThanWasSent(t *testing.T) {
	srv := &Server{}
	c := &conn{exchange: exchange{srv: srv}}
	s := &webSocket{c: c, state: socketOpen}
	s.unread.Store(wire.MessageCost)
	srv.messages.Store(5 * wire.MessageCost)
	body := binary.LittleEndian.AppendUint32(nil, 1<<31)
	s.frameLocked(&wire.Frame{Kind: wire.Taken, Body: uint32(len(body))}, nil, body)
	if all, its := srv.messages.Load(), s.unread.Load(); all != 4*wire.MessageCost || its != 0 {
		t.Errorf("%d bytes are counted, %d of the socket", all, its)
	}
}

// What an application receives when its socket is over was counted off with it: what
// is counted of all sockets must not fall below what there is.
func TestAMessageIsCountedOffOnce(t *testing.T) {
	srv := &Server{}
	c := &conn{exchange: exchange{srv: srv}}
	for state, left := range map[socketState]int64{socketOpen: 0, socketClosing: 0, socketOver: wire.MessageCost} {
		s := &webSocket{c: c, state: state}
		s.unread.Store(wire.MessageCost)
		srv.messages.Store(wire.MessageCost)
		body := binary.LittleEndian.AppendUint32(nil, wire.MessageCost)
		s.frameLocked(&wire.Frame{Kind: wire.Taken, Body: uint32(len(body))}, nil, body)
		if counted := srv.messages.Load(); counted != left || s.unread.Load() != left {
			t.Errorf("in state %d %d bytes are counted, %d of the socket; want %d", state, counted, s.unread.Load(), left)
		}
	}
}

// What was taken may be told with the answer to it.
func TestAMessageSaysWhatWasTaken(t *testing.T) {
	srv := &Server{}
	s := &webSocket{c: &conn{exchange: exchange{srv: srv}}, state: socketClosing} // where it reaches nobody
	s.unread.Store(3 * wire.MessageCost)
	srv.messages.Store(3 * wire.MessageCost)
	s.frameLocked(&wire.Frame{Kind: wire.Text, Service: 2 * wire.MessageCost}, nil, nil)
	s.frameLocked(&wire.Frame{Kind: wire.Binary}, nil, nil)
	if left := srv.messages.Load(); left != wire.MessageCost || s.unread.Load() != left {
		t.Errorf("%d bytes are counted, %d of the socket", left, s.unread.Load())
	}
}

// Pings that come while something is being written are all answered, unless they are
// many: then those that came last are.
func TestPingsThatComeTogetherAreAllAnswered(t *testing.T) {
	s := &webSocket{c: &conn{exchange: exchange{srv: &Server{}}}, state: socketOpen}
	s.c.out.busy = true
	ping := func(i int) []byte { return bytes.Repeat([]byte{byte(i)}, 125) }
	var answers []byte
	for i := range 10 {
		s.pongLocked(ping(i))
		answers = ws.AppendFrame(answers, ws.Pong, ping(i))
	}
	if !bytes.Equal(s.pongs, answers) {
		t.Errorf("%d bytes answer 10 pings, want %d", len(s.pongs), len(answers))
	}
	for i := range 1000 {
		s.pongLocked(ping(i))
		if len(s.pongs) > mostPongs+127 || !bytes.HasSuffix(s.pongs, ping(i)) {
			t.Fatalf("%d bytes answer %d pings more", len(s.pongs), i+1)
		}
	}
}
