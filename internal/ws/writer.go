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

// compressFrom is from what size on a message is compressed: below it costs
// more than it saves.
const compressFrom = 512

// Piece is a part of a message that is sent: all of it, or a fragment.
type Piece struct {
	Opcode     Opcode // Continuation, unless it is the first
	Last       bool
	Compressed bool // all of the message is; the same for each piece
}

// Compresses reports whether a message of n bytes is worth compressing.
func Compresses(n int) bool { return n >= compressFrom }

// AppendHead appends the head of a frame whose payload has n bytes.
func (p *Piece) AppendHead(dst []byte, n int) []byte {
	first := byte(p.Opcode)
	if p.Last {
		first |= bitFinal
	}
	if p.Compressed && p.Opcode != Continuation {
		first |= bitCompressed
	}
	return appendHead(dst, first, n, nil)
}

// Append appends the frame, and compresses data where the piece says so.
func (p *Piece) Append(dst, data []byte) []byte {
	if !p.Compressed {
		return append(p.AppendHead(dst, len(data)), data...)
	}
	d := deflated(data, p.Last)
	defer d.release()
	return append(p.AppendHead(dst, len(d.b)), d.b...)
}

// AppendMessage appends a message, compressed if that was agreed on and makes it
// smaller.
func AppendMessage(dst []byte, opcode Opcode, data []byte, deflate bool) []byte {
	if !deflate || !Compresses(len(data)) {
		return AppendFrame(dst, opcode, data)
	}
	d := deflated(data, true)
	defer d.release()
	if len(d.b) >= len(data) {
		return AppendFrame(dst, opcode, data)
	}
	return append(appendHead(dst, bitFinal|bitCompressed|byte(opcode), len(d.b), nil), d.b...)
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
