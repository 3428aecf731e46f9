package wire

import "encoding/binary"

// Inbound is the head of a frame that the master sends on the response socket: what
// came for a WebSocket that a worker has accepted, or one that it shall open; and credit.
type Inbound struct {
	ID     uint64
	Length uint32 // of the bytes that follow
	Kind   InboundKind
	Code   uint16 // of Gone
}

// InboundKind of such a frame.
type InboundKind uint8

// The kinds of inbound frames.
const (
	Open       InboundKind = 1
	TextCame   InboundKind = 3
	BinaryCame InboundKind = 4
	Gone       InboundKind = 5
	Credited   InboundKind = 6
)

// InboundHead is the size of the head. MessageCost is what a message counts for beside
// its own bytes, so that empty ones are bounded as well. CreditBytes are those of a Credited.
const (
	InboundHead = 20
	MessageCost = 256
	CreditBytes = 4
)

// Append appends the frame.
func (f *Inbound) Append(dst, data []byte) []byte {
	le := binary.LittleEndian
	dst = le.AppendUint64(dst, f.ID)
	dst = le.AppendUint32(dst, uint32(len(data)))
	dst = le.AppendUint32(dst, 0)
	dst = append(dst, byte(f.Kind), 0)
	dst = le.AppendUint16(dst, f.Code)
	return append(dst, data...)
}
