package job

import (
	"encoding/binary"
	"errors"
	"fmt"

	"girin/internal/wire"
)

// Format is the version of messages between nodes. A node takes no job of another.
const Format = 2

// Message is a request on its way to whoever runs it. As bytes it is Format, then the
// packet that a worker would get, with id 0: head, environ block, inline body.
type Message struct {
	Form    wire.Form
	Base    uint8
	Window  uint32
	Environ []byte
	Body    []byte
}

// Append encodes the message.
func (m *Message) Append(b []byte) []byte {
	var head [wire.RequestHead]byte
	(&wire.Request{
		Form: m.Form, Base: m.Base, Window: m.Window, Environ: uint32(len(m.Environ)), Body: uint32(len(m.Body)),
	}).Put(head[:])
	b = append(append(b, Format), head[:]...)
	return append(append(b, m.Environ...), m.Body...)
}

// Size is how many bytes Append needs.
func (m *Message) Size() int { return 1 + wire.RequestHead + len(m.Environ) + len(m.Body) }

// ErrFormat says that another version of Girin has made a message.
var ErrFormat = errors.New("a job of another format: its node runs another version of Girin")

// ParseMessage decodes a message, whose slices are parts of b.
func ParseMessage(b []byte) (m Message, err error) {
	switch {
	case len(b) == 0 || b[0] != Format:
		return m, ErrFormat
	case len(b) < 1+wire.RequestHead:
		return m, fmt.Errorf("a job of %d bytes is shorter than its head", len(b))
	}
	head, err := wire.ParseRequest(b[1:])
	if err != nil {
		return m, err
	}
	rest := b[1+wire.RequestHead:]
	if uint64(head.Environ)+uint64(head.Body) != uint64(len(rest)) {
		return m, errors.New("a job's length is not what its head says")
	}
	if head.Form < wire.Joined || head.Form > wire.ASGILengths {
		return m, fmt.Errorf("a job's environ has the form %d", head.Form)
	}
	return Message{
		Form: head.Form, Base: head.Base, Window: head.Window, Environ: rest[:head.Environ:head.Environ], Body: rest[head.Environ:],
	}, nil
}

// Kind of a word between two nodes about a job that a client waits for.
type Kind uint8

// The kinds of words.
const (
	Frame  Kind = 1 + iota // to the origin: a part of the answer
	Fail                   // to the origin: there is no answer, or no more of it; N says why
	Credit                 // to the runner: N bytes of the answer more than its first window may come in all
	Cancel                 // to the runner: nobody waits any more
	Count                  // to the origin, now and then: so many frames were sent before, by seq
)

// Word is what one node tells another about a job. As bytes:
//
//	 0  u8   Format
//	 1  u8   kind
//	 2  u16  attempt
//	 4  u32  seq     counts the frames of an attempt from 0: a gap shows that one was lost
//	 8  u32  n
//	12  16   id
//	28       of a Frame: the head of 36 bytes that a worker would send, with id 0, its head
//	         block, and a part of its body
type Word struct {
	Kind    Kind
	Attempt uint16
	Seq     uint32
	N       uint32
	ID      ID
	Frame   wire.Frame
	Head    []byte
	Body    []byte
}

const wordHead = 28

// Append encodes the word.
func (w *Word) Append(b []byte) []byte {
	b = append(b, Format, byte(w.Kind))
	b = binary.LittleEndian.AppendUint16(b, w.Attempt)
	b = binary.LittleEndian.AppendUint32(b, w.Seq)
	b = binary.LittleEndian.AppendUint32(b, w.N)
	b = append(b, w.ID[:]...)
	if w.Kind != Frame {
		return b
	}
	f := w.Frame
	f.ID, f.Head, f.Flags = 0, uint32(len(w.Head)), f.Flags&^wire.InPage
	if f.Kind == wire.Block { // which may have been a part of a Response
		f.Flags, f.Fields, f.Body = f.Flags&wire.Final, 0, uint32(len(w.Body))
	}
	var head [wire.ResponseHead]byte
	f.Put(head[:])
	b = append(append(b, head[:]...), w.Head...)
	return append(b, w.Body...)
}

// ParseWord decodes a word, whose slices are parts of b.
func ParseWord(b []byte) (w Word, err error) {
	switch {
	case len(b) == 0 || b[0] != Format:
		return w, ErrFormat
	case len(b) < wordHead:
		return w, fmt.Errorf("a word of %d bytes is shorter than its head", len(b))
	}
	le := binary.LittleEndian
	w = Word{Kind: Kind(b[1]), Attempt: le.Uint16(b[2:]), Seq: le.Uint32(b[4:]), N: le.Uint32(b[8:])}
	copy(w.ID[:], b[12:])
	rest := b[wordHead:]
	switch {
	case w.Kind < Frame || w.Kind > Count:
		return w, fmt.Errorf("a word of the kind %d", w.Kind)
	case w.Kind != Frame:
		return w, nil
	case len(rest) < wire.ResponseHead:
		return w, errors.New("a frame shorter than its head")
	}
	if w.Frame, err = wire.ParseFrame(rest); err != nil {
		return w, err
	}
	rest = rest[wire.ResponseHead:]
	if uint64(w.Frame.Head) > uint64(len(rest)) {
		return w, errors.New("a frame shorter than its head block")
	}
	w.Head, w.Body = rest[:w.Frame.Head], rest[w.Frame.Head:]
	if len(w.Body) > int(w.Frame.Body) || w.Frame.Flags&wire.Final != 0 && w.Frame.Kind != wire.Response && len(w.Body) != int(w.Frame.Body) {
		return w, errors.New("a frame's body is not as long as it says")
	}
	return w, nil
}
