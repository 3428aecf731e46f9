package ws

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

var mask = [4]byte{0x12, 0xfe, 0x55, 0x80}

// piece is a client's frame.
func piece(opcode Opcode, final bool, payload string) []byte {
	b := AppendMasked(nil, opcode, []byte(payload), mask)
	if !final {
		b[0] &^= bitFinal
	}
	return b
}

// readAll reads bytes that come in steps, until an error or a close.
func readAll(r *Reader, b []byte, step int) (all []Message, err error) {
	b = slices.Clone(b)
	var unread []byte
	for len(b) > 0 || len(unread) > 0 {
		k := min(step, len(b))
		unread = append(unread, b[:k]...)
		b = b[k:]
		for {
			n, m, err := r.Next(unread)
			unread = unread[n:]
			if err != nil {
				return all, err
			}
			if m.Opcode == 0 {
				break
			}
			m.Data = slices.Clone(m.Data)
			all = append(all, m)
			if m.Opcode == Close {
				return all, nil
			}
		}
		if k == 0 {
			return all, nil // it wants more than there is
		}
	}
	return all, nil
}

func text1(s string) Message { return Message{Opcode: Text, Data: []byte(s)} }

func TestMessages(t *testing.T) {
	long := strings.Repeat("κόσμε", 20_000)
	for name, test := range map[string]struct {
		frames [][]byte
		want   []Message
		err    error
	}{
		"text":              {[][]byte{piece(Text, true, "Hello")}, []Message{text1("Hello")}, nil},
		"empty":             {[][]byte{piece(Text, true, ""), piece(Binary, true, "")}, []Message{text1(""), {Opcode: Binary, Data: []byte{}}}, nil},
		"16 bits of length": {[][]byte{piece(Text, true, long[:60_000])}, []Message{text1(long[:60_000])}, nil},
		"64 bits of length": {[][]byte{piece(Text, true, long)}, []Message{text1(long)}, nil},
		"fragments":         {[][]byte{piece(Text, false, "He"), piece(Continuation, false, "l"), piece(Continuation, true, "lo")}, []Message{text1("Hello")}, nil},
		"a ping between fragments": {
			[][]byte{piece(Text, false, "He"), piece(Ping, true, "p"), piece(Continuation, true, "llo")},
			[]Message{{Opcode: Ping, Data: []byte("p")}, text1("Hello")}, nil,
		},
		"a character in two fragments": {[][]byte{piece(Text, false, "κ"[:1]), piece(Continuation, true, "κ"[1:])}, []Message{text1("κ")}, nil},
		"a pong":                       {[][]byte{piece(Pong, true, "x")}, []Message{{Opcode: Pong, Data: []byte("x")}}, nil},
		"close":                        {[][]byte{piece(Close, true, "\x03\xe8bye")}, []Message{{Opcode: Close, Code: 1000, Reason: "bye"}}, nil},
		"close without code":           {[][]byte{piece(Close, true, "")}, []Message{{Opcode: Close, Code: CodeNone}}, nil},
		"nothing after close":          {[][]byte{piece(Close, true, "\x0f\xa0"), piece(Text, true, "x")}, []Message{{Opcode: Close, Code: 4000}}, nil},

		"close of one byte":           {[][]byte{piece(Close, true, "\x03")}, nil, errCloseShort},
		"close code 1005":             {[][]byte{piece(Close, true, "\x03\xed")}, nil, errCloseCode},
		"close code 999":              {[][]byte{piece(Close, true, "\x03\xe7")}, nil, errCloseCode},
		"close code 2999":             {[][]byte{piece(Close, true, "\x0b\xb7")}, nil, errCloseCode},
		"close reason not UTF-8":      {[][]byte{piece(Close, true, "\x03\xe8\xff")}, nil, errUTF8},
		"long ping":                   {[][]byte{piece(Ping, true, strings.Repeat("p", 126))}, nil, errControlLong},
		"fragmented ping":             {[][]byte{piece(Ping, false, "p")}, nil, errControlPiece},
		"continuation first":          {[][]byte{piece(Continuation, true, "x")}, nil, errContinuation},
		"continuation after its end":  {[][]byte{piece(Text, true, "x"), piece(Continuation, true, "x")}, []Message{text1("x")}, errContinuation},
		"text within text":            {[][]byte{piece(Text, false, "x"), piece(Text, true, "x")}, nil, errInterrupted},
		"opcode 3":                    {[][]byte{piece(3, true, "x")}, nil, errOpcode},
		"opcode 11":                   {[][]byte{piece(11, true, "x")}, nil, errOpcode},
		"reserved bit":                {[][]byte{append([]byte{0x90 | 1}, piece(Text, true, "x")[1:]...)}, nil, errReserved},
		"compressed without deflate":  {[][]byte{append([]byte{0xc1}, piece(Text, true, "x")[1:]...)}, nil, errCompressed},
		"not masked":                  {[][]byte{AppendFrame(nil, Text, []byte("x"))}, nil, errNotMasked},
		"length 5 in two bytes":       {[][]byte{{0x81, 0x80 | 126, 0, 5}}, nil, errLength},
		"length 500 in eight":         {[][]byte{{0x81, 0x80 | 127, 0, 0, 0, 0, 0, 0, 1, 0xf4}}, nil, errLength},
		"negative length":             {[][]byte{{0x81, 0x80 | 127, 0x80, 0, 0, 0, 0, 0, 1, 0xf4}}, nil, errLength},
		"text that is not UTF-8":      {[][]byte{piece(Text, true, "\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80")}, nil, errUTF8},
		"text that ends in the midst": {[][]byte{piece(Text, true, "κ"[:1])}, nil, errUTF8},
		"too big":                     {[][]byte{piece(Binary, true, strings.Repeat("x", 200_001))}, nil, errTooBig},
		"too big in pieces":           {[][]byte{piece(Binary, false, long[:150_000]), piece(Continuation, true, long[:150_000])}, nil, errTooBig},
	} {
		for _, step := range []int{1 << 20, 1, 7} {
			r := &Reader{MaxBytes: 200_000}
			got, err := readAll(r, bytes.Join(test.frames, nil), step)
			if !errors.Is(err, test.err) || len(got) != len(test.want) {
				t.Errorf("%s, in steps of %d: %d messages and %v, want %d and %v", name, step, len(got), err, len(test.want), test.err)
				continue
			}
			for i, m := range got {
				w := test.want[i]
				if m.Opcode != w.Opcode || !bytes.Equal(m.Data, w.Data) && w.Opcode != Close || m.Code != w.Code || m.Reason != w.Reason {
					t.Errorf("%s, in steps of %d: %v", name, step, m)
				}
			}
		}
	}
}

// A byte that no text can have is found when it comes, not at the message's end.
func TestInvalidTextIsFoundAtOnce(t *testing.T) {
	for name, payload := range map[string]string{"wrong byte": "abc\xff", "surrogate": "\xed\xa0", "too high": "\xf4\x90", "overlong": "\xe0\x80"} {
		r := new(Reader)
		b := piece(Text, false, payload+strings.Repeat("x", 100))
		if _, _, err := r.Next(b[:6+len(payload)]); !errors.Is(err, errUTF8) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestTextInPiecesIsJudgedAsInOne(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	alphabet := []string{"a", "é", "한", "😀", "\xff", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xc0\xaf", "\xe2\x82"}
	for range 20_000 {
		var s string
		for range r.IntN(6) {
			k := len(alphabet)
			if r.IntN(2) == 0 {
				k = 4
			}
			s += alphabet[r.IntN(k)]
		}
		var checked text
		ok := true
		for rest := s; rest != ""; {
			k := 1 + r.IntN(len(rest))
			ok = ok && checked.add([]byte(rest[:k]))
			rest = rest[k:]
		}
		if ok = ok && checked.end(); ok != utf8.ValidString(s) {
			t.Fatalf("%q: %v", s, ok)
		}
	}
}

func TestMaskingIsWhatTheBytesSay(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	room := make([]byte, 200)
	for range 2000 {
		from, n, at := r.IntN(20), r.IntN(150), int64(r.IntN(9))
		b := room[from : from+n]
		want := make([]byte, n)
		for i := range b {
			b[i] = byte(r.Uint32())
			want[i] = b[i] ^ mask[(at+int64(i))&3]
		}
		if applyMask(b, mask, at); !bytes.Equal(b, want) {
			t.Fatalf("%d bytes from byte %d, at %d", n, at, from)
		}
	}
}

func TestAnIdleReaderHoldsNothing(t *testing.T) {
	r := &Reader{Deflate: true}
	if _, err := readAll(r, piece(Binary, true, strings.Repeat("x", 100_000)), 1000); err != nil {
		t.Fatal(err)
	}
	if _, _, err := r.Next(nil); err != nil || r.Holds() != 0 || r.InMessage() {
		t.Errorf("%v, it holds %d bytes", err, r.Holds())
	}
}

// FuzzReader gives a reader any bytes in any steps: what it takes must be the
// same however they come, and it must never hold more than it may.
func FuzzReader(f *testing.F) {
	for _, seed := range [][]byte{
		piece(Text, true, "Hello"), piece(Close, true, "\x03\xe8bye"), append(piece(Text, false, "a"), piece(Continuation, true, "b")...),
		compressedPiece(strings.Repeat("abc", 400)),
	} {
		f.Add(seed, 3, true)
	}
	f.Fuzz(func(t *testing.T, b []byte, step int, deflate bool) {
		const limit = 5000
		if step < 1 {
			step = 1
		}
		once, errOnce := readAll(&Reader{MaxBytes: limit, Deflate: deflate}, b, len(b)+1)
		r := &Reader{MaxBytes: limit, Deflate: deflate}
		steps, errSteps := readAll(r, b, step)
		if len(once) != len(steps) || !errors.Is(errOnce, errSteps) {
			t.Fatalf("%d messages and %v at once, %d and %v in steps", len(once), errOnce, len(steps), errSteps)
		}
		for i := range once {
			if once[i].Opcode != steps[i].Opcode || !bytes.Equal(once[i].Data, steps[i].Data) || len(once[i].Data) > limit {
				t.Fatalf("message %d: %v, %v", i, once[i], steps[i])
			}
		}
		if r.Holds() > 2*limit+512 {
			t.Fatalf("it holds %d bytes", r.Holds())
		}
	})
}
