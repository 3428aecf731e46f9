package ws

import (
	"encoding/binary"
	"unsafe"
)

// Opcode is the kind of a frame (RFC 6455 section 5.2).
type Opcode byte

// The opcodes. A message is Text or Binary; the rest of its frames are
// Continuation.
const (
	Continuation Opcode = 0
	Text         Opcode = 1
	Binary       Opcode = 2
	Close        Opcode = 8
	Ping         Opcode = 9
	Pong         Opcode = 10
)

// control reports whether frames of this kind speak of the connection.
func (o Opcode) control() bool { return o >= Close }

func (o Opcode) known() bool { return o <= Binary || o >= Close && o <= Pong }

const (
	bitFinal      = 0x80
	bitCompressed = 0x40 // RSV1 (RFC 7692 section 6)
	bitsReserved  = 0x30
	bitMasked     = 0x80

	maxControl = 125 // bytes of a control frame's payload
	maxHead    = 14
)

// frame is a frame's head.
type frame struct {
	opcode            Opcode
	final, compressed bool
	masked            bool
	mask              [4]byte
	length            int64
}

// parse reads a head and returns how many bytes it took; 0: more must come.
func (f *frame) parse(b []byte) (n int, err error) {
	if len(b) < 2 {
		return 0, nil
	}
	*f = frame{
		opcode: Opcode(b[0] & 15), final: b[0]&bitFinal != 0, compressed: b[0]&bitCompressed != 0,
		masked: b[1]&bitMasked != 0, length: int64(b[1] &^ bitMasked),
	}
	if b[0]&bitsReserved != 0 {
		return 0, errReserved
	}
	n = 2
	switch f.length {
	case 126:
		if len(b) < n+2 {
			return 0, nil
		}
		f.length = int64(binary.BigEndian.Uint16(b[n:]))
		n += 2
		if f.length < 126 {
			return 0, errLength
		}
	case 127:
		if len(b) < n+8 {
			return 0, nil
		}
		f.length = int64(binary.BigEndian.Uint64(b[n:]))
		n += 8
		if f.length < 1<<16 { // or negative: the first bit must be zero
			return 0, errLength
		}
	}
	if f.masked {
		if len(b) < n+4 {
			return 0, nil
		}
		n += copy(f.mask[:], b[n:n+4])
	}
	return n, nil
}

// appendHead appends a frame's head. Mask is nil where a server sends.
func appendHead(dst []byte, first byte, length int, mask *[4]byte) []byte {
	masked := byte(0)
	if mask != nil {
		masked = bitMasked
	}
	switch {
	case length < 126:
		dst = append(dst, first, masked|byte(length))
	case length < 1<<16:
		dst = append(dst, first, masked|126, byte(length>>8), byte(length))
	default:
		dst = binary.BigEndian.AppendUint64(append(dst, first, masked|127), uint64(length))
	}
	if mask != nil {
		dst = append(dst, mask[:]...)
	}
	return dst
}

// applyMask masks or unmasks b, which begins at byte at of the payload (RFC 6455
// section 5.3). Eight bytes take one step.
func applyMask(b []byte, mask [4]byte, at int64) {
	var turned [8]byte
	for i := range turned {
		turned[i] = mask[(at+int64(i))&3]
	}
	i := 0
	if len(b) >= 16 {
		for ; uintptr(unsafe.Pointer(&b[i]))&7 != 0; i++ {
			b[i] ^= turned[i&7]
		}
		var from [8]byte
		for k := range from {
			from[k] = turned[(i+k)&7&3]
		}
		key := *(*uint64)(unsafe.Pointer(&from))
		for ; i+8 <= len(b); i += 8 {
			*(*uint64)(unsafe.Pointer(&b[i])) ^= key
		}
	}
	for ; i < len(b); i++ {
		b[i] ^= turned[i&7]
	}
}
