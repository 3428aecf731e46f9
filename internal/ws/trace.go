package ws

import "encoding/binary"

// Trace follows the frames that a server sends and this package did not make. It knows
// when one ends, so that another may be put after it, and the code of a close frame.
// The zero Trace stands before the first frame.
type Trace struct {
	Code int // of the close frame, CodeNone if that has none; 0: there was none yet

	head   [10]byte
	have   int    // bytes of head
	left   uint64 // bytes of the payload that have not come
	closes bool   // the payload is a close frame's
	code   []byte // as far as it has come
}

// Between reports whether no frame has begun that has not ended.
func (t *Trace) Between() bool { return t.have == 0 && t.left == 0 }

// Follow takes the bytes that follow.
func (t *Trace) Follow(b []byte) {
	for len(b) > 0 {
		if t.left == 0 {
			b = b[t.takeHead(b):]
			continue
		}
		n := min(uint64(len(b)), t.left)
		if t.closes {
			t.code = append(t.code, b[:min(n, uint64(2-len(t.code)))]...)
		}
		t.left -= n
		b = b[n:]
		t.ended()
	}
}

// takeHead takes bytes of a frame's head, of which a server's has no mask.
func (t *Trace) takeHead(b []byte) (n int) {
	size := t.headSize()
	for n < len(b) && t.have < size {
		t.head[t.have] = b[n]
		t.have++
		n++
		size = t.headSize()
	}
	if t.have < size {
		return n
	}
	switch length := t.head[1] & 0x7f; length {
	case 126:
		t.left = uint64(binary.BigEndian.Uint16(t.head[2:]))
	case 127:
		t.left = binary.BigEndian.Uint64(t.head[2:])
	default:
		t.left = uint64(length)
	}
	t.have, t.closes, t.code = 0, Opcode(t.head[0]&0x0f) == Close, nil
	t.ended()
	return n
}

func (t *Trace) headSize() int {
	if t.have < 2 {
		return 2
	}
	switch t.head[1] & 0x7f {
	case 126:
		return 4
	case 127:
		return 10
	}
	return 2
}

// ended notes the code of a close frame that is whole.
func (t *Trace) ended() {
	if t.left > 0 || !t.closes {
		return
	}
	t.closes, t.Code = false, CodeNone
	if len(t.code) == 2 {
		t.Code = int(binary.BigEndian.Uint16(t.code))
	}
}
