package ws

import "unicode/utf8"

// AppendFrame appends an uncompressed frame that is a whole message, or a
// control frame, as a server sends it. A control frame's payload must be at most
// 125 bytes.
func AppendFrame(dst []byte, opcode Opcode, payload []byte) []byte {
	return append(appendHead(dst, bitFinal|byte(opcode), len(payload), nil), payload...)
}

// AppendMasked is AppendFrame for a client.
func AppendMasked(dst []byte, opcode Opcode, payload []byte, mask [4]byte) []byte {
	dst = appendHead(dst, bitFinal|byte(opcode), len(payload), &mask)
	at := len(dst)
	dst = append(dst, payload...)
	applyMask(dst[at:], mask, 0)
	return dst
}

// Piece is a part of a message that is sent: all of it, or a fragment.
type Piece struct {
	Opcode Opcode // Continuation, unless it is the first
	Last   bool
	Window int // 0: it is not compressed; else bits, see Negotiate. The same for each piece
}

// AppendHead appends the head of a frame whose payload has n bytes.
func (p *Piece) AppendHead(dst []byte, n int) []byte {
	first := byte(p.Opcode)
	if p.Last {
		first |= bitFinal
	}
	if p.Window > 0 && p.Opcode != Continuation {
		first |= bitCompressed
	}
	return appendHead(dst, first, n, nil)
}

// Append appends the frame, and compresses data where the piece says so: also what
// becomes larger by that, since there are clients that expect no other.
func (p *Piece) Append(dst, data []byte) []byte {
	if p.Window == 0 {
		return append(p.AppendHead(dst, len(data)), data...)
	}
	d := deflated(data, p.Window, p.Last)
	defer d.release()
	return append(p.AppendHead(dst, len(d.b)), d.b...)
}

// AppendClose appends a close frame; code CodeNone: without a code. A reason that
// is too long is cut, between two characters.
func AppendClose(dst []byte, code int, reason string) []byte {
	if code == CodeNone {
		return append(dst, bitFinal|byte(Close), 0)
	}
	for len(reason) > maxControl-2 {
		_, n := utf8.DecodeLastRuneInString(reason)
		reason = reason[:len(reason)-n]
	}
	dst = append(dst, bitFinal|byte(Close), byte(2+len(reason)), byte(code>>8), byte(code))
	return append(dst, reason...)
}
