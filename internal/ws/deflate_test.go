package ws

import (
	"bytes"
	"compress/flate"
	"errors"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
)

// compressedPiece is a client's compressed message, by the standard library.
func compressedPiece(s string) []byte {
	var b bytes.Buffer
	w, _ := flate.NewWriter(&b, 9)
	_, _ = io.WriteString(w, s)
	_ = w.Flush()
	frame := AppendMasked(nil, Text, bytes.TrimSuffix(b.Bytes(), tail[:4]), mask)
	frame[0] |= bitCompressed
	return frame
}

func TestCompressedMessages(t *testing.T) {
	for _, want := range []string{"", "Hello", strings.Repeat("a", 100_000)} {
		got, err := readAll(&Reader{Deflate: true}, compressedPiece(want), 11)
		if err != nil || len(got) != 1 || string(got[0].Data) != want {
			t.Errorf("%d bytes: %v, %v", len(want), got, err)
		}
	}
	// A fragmented one, with a final block of its own (RFC 7692 section 7.2.3).
	var b bytes.Buffer
	w, _ := flate.NewWriter(&b, 9)
	_, _ = io.WriteString(w, strings.Repeat("again ", 50))
	_ = w.Close()
	b.WriteByte(0)
	half := b.Len() / 2
	first := piece(Text, false, string(b.Bytes()[:half]))
	first[0] |= bitCompressed
	got, err := readAll(&Reader{Deflate: true}, append(first, piece(Continuation, true, string(b.Bytes()[half:]))...), 5)
	if err != nil || len(got) != 1 || string(got[0].Data) != strings.Repeat("again ", 50) {
		t.Errorf("%v, %v", got, err)
	}
}

func TestCompressedMessagesThatAreNone(t *testing.T) {
	bomb := compressedPiece(strings.Repeat("0", 10<<20))
	broken := piece(Text, true, "\xff\xff\xff\xff")
	broken[0] |= bitCompressed
	latin := compressedPiece("\xff" + strings.Repeat("x", 1000))
	continued := piece(Continuation, true, "x")
	continued[0] |= bitCompressed
	for name, test := range map[string]struct {
		frames []byte
		err    error
	}{
		"bomb": {bomb, errTooBig}, "broken": {broken, errInflate}, "not UTF-8": {latin, errUTF8},
		"a compressed continuation": {append(piece(Text, false, "x"), continued...), errCompressed},
	} {
		if _, err := readAll(&Reader{Deflate: true, MaxBytes: 1 << 20}, test.frames, 1<<20); !errors.Is(err, test.err) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// What a server sends is read by a client that is ours and inflates by the
// standard library.
func TestWhatIsWrittenIsReadAgain(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	for _, deflate := range []bool{false, true} {
		client := &Reader{Client: true, Deflate: deflate}
		for range 300 {
			data := make([]byte, r.IntN(1<<r.IntN(18)))
			for i := range data {
				data[i] = "abcdefgh"[r.IntN(8)]
			}
			p := Piece{Opcode: Binary, Last: true}
			if deflate {
				p.Window = 8 + r.IntN(8)
			}
			b := p.Append(nil, data)
			if p.Window == 15 && len(data) > 2000 && len(b) >= len(data) {
				t.Fatalf("%d bytes became %d", len(data), len(b))
			}
			if b[0]&bitCompressed != 0 {
				checkInflates(t, b, data)
			}
			got, err := readAll(client, b, 1+r.IntN(5000))
			if err != nil || len(got) != 1 || !bytes.Equal(got[0].Data, data) {
				t.Fatalf("%d bytes: %v", len(data), err)
			}
		}
	}
}

func checkInflates(t *testing.T, b, want []byte) {
	t.Helper()
	var head frame
	n, err := head.parse(b)
	if err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(flate.NewReader(io.MultiReader(bytes.NewReader(b[n:]), bytes.NewReader(tail))))
	if err != nil || !bytes.Equal(got, want) {
		t.Fatalf("the standard library inflates %d bytes of %d: %v", len(got), len(want), err)
	}
}

// A message in pieces, of which a client sees one; and what the answer says.
func TestPiecesOfACompressedMessage(t *testing.T) {
	answer, window := Negotiate("permessage-deflate; server_max_window_bits=9, permessage-deflate")
	if want := "server_max_window_bits=9"; window != 9 || !strings.HasSuffix(answer, want) {
		t.Fatalf("%q, %d", answer, window)
	}
	var b []byte
	text := strings.Repeat("a message in pieces ", 300)
	for i, opcode := range []Opcode{Text, Continuation, Continuation} {
		p := Piece{Opcode: opcode, Last: i == 2, Window: window}
		b = p.Append(b, []byte(text[i*2000:(i+1)*2000]))
	}
	got, err := readAll(&Reader{Client: true, Deflate: true}, b, 100)
	if err != nil || len(got) != 1 || string(got[0].Data) != text {
		t.Errorf("%v, %v", len(got), err)
	}
}

func TestALongReasonIsCutBetweenCharacters(t *testing.T) {
	b := AppendClose(nil, CodeInternal, strings.Repeat("한", 100))
	got, err := readAll(&Reader{Client: true}, b, 1)
	if err != nil || len(got) != 1 || got[0].Code != CodeInternal || got[0].Reason != strings.Repeat("한", 41) {
		t.Errorf("%v, %v", got, err)
	}
}

func TestHandshake(t *testing.T) {
	if got := Accept("dGhlIHNhbXBsZSBub25jZQ=="); got != "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" { // RFC 6455 section 1.3
		t.Error(got)
	}
	for key, want := range map[string]bool{"dGhlIHNhbXBsZSBub25jZQ==": true, "": false, "c2hvcnQ=": false, "not base64!!": false} {
		if ValidKey(key) != want {
			t.Errorf("%q", key)
		}
	}
	for offer, want := range map[string]bool{
		"permessage-deflate":                                                        true,
		"permessage-deflate; client_max_window_bits":                                true,
		"permessage-deflate; client_max_window_bits=10":                             true,
		"x-webkit-deflate-frame, permessage-deflate":                                true,
		"permessage-deflate; server_max_window_bits=10, permessage-deflate":         true,
		"permessage-deflate; server_max_window_bits=15; server_no_context_takeover": true,
		`permessage-deflate; server_max_window_bits="15"`:                           true,
		"permessage-deflate; server_max_window_bits=10":                             true,
		"permessage-deflate; server_max_window_bits":                                false,
		"permessage-deflate; server_max_window_bits=7":                              false,
		"permessage-deflate; client_max_window_bits=16":                             false,
		"permessage-deflate; unknown":                                               false,
		"permessage-deflate; client_max_window_bits=10; client_max_window_bits=10":  false,
		"permessage-deflate; server_no_context_takeover=1":                          false,
		"": false,
	} {
		if _, window := Negotiate(offer); window > 0 != want {
			t.Errorf("%q: %v", offer, !want)
		}
	}
}

func BenchmarkEcho(b *testing.B) {
	message := AppendMasked(nil, Binary, make([]byte, 64), mask)
	in, out := make([]byte, len(message)), make([]byte, 0, 100)
	r := new(Reader)
	b.ReportAllocs()
	for b.Loop() {
		copy(in, message)
		_, m, _ := r.Next(in)
		p := Piece{Opcode: m.Opcode, Last: true}
		out = p.Append(out[:0], m.Data)
	}
}

// Who waits for the next message holds nothing of the last one.
func TestNothingIsHeldBetweenMessages(t *testing.T) {
	large := bytes.Repeat([]byte("x"), 1<<20)
	for name, frames := range map[string][]byte{
		"compressed":       compressedPiece(string(large)),
		"not compressed":   AppendMasked(nil, Text, large, mask),
		"small, and alone": AppendMasked(nil, Text, []byte("x"), mask),
	} {
		r := Reader{Deflate: true}
		for came := false; !came; {
			part := frames[:min(len(frames), 1000)]
			n, m, err := r.Next(part)
			if frames = frames[n:]; err != nil || n == 0 {
				t.Fatalf("%s: %d, %v", name, n, err)
			}
			came = m.Opcode == Text
		}
		if r.Release(); r.Holds() != 0 || r.inflated != nil {
			t.Errorf("%s: %d bytes are held, and the inflater: %t", name, r.Holds(), r.inflated != nil)
		}
	}
}
