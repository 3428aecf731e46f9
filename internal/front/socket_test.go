package front

import (
	"encoding/binary"
	"testing"

	"girin/internal/wire"
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
