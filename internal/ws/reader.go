package ws

import "encoding/binary"

// Message is what a peer said. Of Ping and Pong, Data is the payload; of Close,
// Code and Reason are (Code CodeNone: there was none).
type Message struct {
	Opcode Opcode
	Data   []byte // valid until the next call, of Release as well
	Code   int
	Reason string
}

// Reader cuts a stream of bytes into messages. Set the fields in capitals before
// its first use.
type Reader struct {
	Client   bool // it reads what a server sends: frames are not masked
	Deflate  bool // permessage-deflate was agreed on
	MaxBytes int  // of a message, after it is inflated; 0: no limit

	inFrame    bool // head is a frame whose payload has begun
	head       frame
	got        int64 // bytes of its payload
	message    Opcode
	compressed bool
	data       []byte // of the message
	control    []byte // of a control frame between its frames
	text       text
	inflated   *inflater
	closed     bool
}

// Holds is how many bytes of memory the unfinished message takes.
func (r *Reader) Holds() int { return cap(r.data) }

// Came is how many bytes of the unfinished message there are.
func (r *Reader) Came() int { return len(r.data) }

// InFrame reports whether a frame has begun and not ended.
func (r *Reader) InFrame() bool { return r.inFrame }

// InMessage reports whether a message has begun and not ended.
func (r *Reader) InMessage() bool { return r.inFrame || r.message != 0 }

// Next takes bytes from b and reports how many. A message without an opcode
// means that more bytes must come; after an error, or a Close, the stream has no
// more to say. Bytes of b are unmasked where they lie, and a message may lie in
// b: b must stay as it is until the next call.
func (r *Reader) Next(b []byte) (n int, m Message, err error) {
	r.Release()
	for !r.closed {
		if !r.inFrame {
			k, err := r.begin(b[n:])
			if k == 0 || err != nil {
				return n, Message{}, err
			}
			n += k
		}
		k, err := r.take(b[n:])
		n += k
		if err != nil {
			return n, Message{}, err
		}
		if r.got < r.head.length {
			return n, Message{}, nil
		}
		r.inFrame = false
		if m, done, err := r.ended(); done || err != nil {
			return n, m, err
		}
	}
	return len(b), Message{}, nil
}

// Release gives the last message's memory back, as the next call of Next does: who
// waits for more bytes holds none of it meanwhile.
func (r *Reader) Release() {
	if r.message == 0 {
		r.data = nil
	}
	r.inflated.release()
	r.inflated = nil
}

// begin reads a frame's head and checks it; 0: it is not whole.
func (r *Reader) begin(b []byte) (n int, err error) {
	n, err = r.head.parse(b)
	if n == 0 || err != nil {
		return 0, err
	}
	h := &r.head
	switch {
	case !h.opcode.known():
		return 0, errOpcode
	case h.masked && r.Client:
		return 0, errMasked
	case !h.masked && !r.Client:
		return 0, errNotMasked
	case h.opcode.control() && h.length > maxControl:
		return 0, errControlLong
	case h.opcode.control() && !h.final:
		return 0, errControlPiece
	case h.opcode == Continuation && r.message == 0:
		return 0, errContinuation
	case (h.opcode == Text || h.opcode == Binary) && r.message != 0:
		return 0, errInterrupted
	case h.compressed && (!r.Deflate || h.opcode.control() || h.opcode == Continuation):
		return 0, errCompressed
	}
	r.inFrame, r.got = true, 0
	if h.opcode == Text || h.opcode == Binary {
		r.message, r.compressed = h.opcode, h.compressed
	}
	if h.opcode.control() {
		r.control = r.control[:0]
	} else if r.MaxBytes > 0 && h.length > int64(r.MaxBytes)-int64(len(r.data)) {
		// Compressed data of this size could only become more; and what does not,
		// is not worth its memory.
		return 0, errTooBig
	}
	return n, nil
}

// take takes what is there of the frame's payload.
func (r *Reader) take(b []byte) (n int, err error) {
	n = int(min(int64(len(b)), r.head.length-r.got))
	b = b[:n]
	if r.head.masked {
		applyMask(b, r.head.mask, r.got)
	}
	r.got += int64(n)
	if r.head.opcode.control() {
		r.control = append(r.control, b...)
		return n, nil
	}
	if r.message == Text && !r.compressed && !r.text.add(b) {
		return n, errUTF8
	}
	if r.data == nil && r.head.final && r.got == r.head.length {
		r.data = b[:n:n] // a message that lies there whole is not copied
	} else {
		r.data = append(r.data, b...)
	}
	return n, nil
}

// ended judges a frame that is whole, and returns the message that it ends.
func (r *Reader) ended() (m Message, done bool, err error) {
	switch {
	case r.head.opcode == Close:
		m, err = parseClose(r.control)
		r.closed = true
		return m, true, err
	case r.head.opcode.control():
		return Message{Opcode: r.head.opcode, Data: r.control}, true, nil
	case !r.head.final:
		return m, false, nil
	}
	m = Message{Opcode: r.message, Data: r.data}
	r.message = 0
	if r.compressed {
		if m.Data, err = r.inflate(); err != nil {
			return m, false, err
		}
		if m.Opcode == Text && !r.text.add(m.Data) {
			return m, false, errUTF8
		}
	}
	if m.Opcode == Text && !r.text.end() {
		return m, false, errUTF8
	}
	if m.Data == nil {
		m.Data = []byte{}
	}
	return m, true, nil
}

// parseClose reads a close frame's payload (RFC 6455 sections 5.5.1 and 7.4).
func parseClose(b []byte) (m Message, err error) {
	m = Message{Opcode: Close, Code: CodeNone}
	switch {
	case len(b) == 0:
		return m, nil
	case len(b) == 1:
		return m, errCloseShort
	}
	m.Code, m.Reason = int(binary.BigEndian.Uint16(b)), string(b[2:])
	if !ValidCode(m.Code) {
		return m, errCloseCode
	}
	if t := (text{}); !t.add(b[2:]) || !t.end() {
		return m, errUTF8
	}
	return m, nil
}

// ValidCode reports whether a close frame may have this code.
func ValidCode(code int) bool {
	switch {
	case code >= 1000 && code <= 1014:
		return code != 1004 && code != CodeNone && code != CodeAbnormal
	}
	return code >= firstRegistered && code <= lastPrivate
}
