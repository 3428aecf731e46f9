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

// AppendMessage appends a message, compressed if that was agreed on and makes it
// smaller.
func AppendMessage(dst []byte, opcode Opcode, data []byte, deflate bool) []byte {
	if !deflate || len(data) < compressFrom {
		return AppendFrame(dst, opcode, data)
	}
	d := deflated(data)
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
