package wire

import (
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"flag"
	"os"
	"reflect"
	"testing"
)

var update = flag.Bool("update", false, "write the bytes in testdata/golden.json anew")

const goldenFile = "testdata/golden.json"

// golden holds frames as values and as bytes. The shim's tests read the same
// file, so both sides agree on each byte. Text is latin-1: a letter, a byte.
type golden struct {
	Requests []*goldenRequest `json:"requests"`
	Frames   []*goldenFrame   `json:"frames"`
	Controls []*goldenControl `json:"controls"`
	Inbound  []*goldenInbound `json:"inbound"`
}

type goldenInbound struct {
	Name string      `json:"name"`
	ID   uint64      `json:"id"`
	Kind InboundKind `json:"kind"`
	Code uint16      `json:"code"`
	Data string      `json:"data"`
	Hex  string      `json:"hex"`
}

type goldenRequest struct {
	Name    string      `json:"name"`
	Form    Form        `json:"form"`
	Flags   uint8       `json:"flags"`
	Base    uint8       `json:"base"`
	Window  uint32      `json:"window"`
	ID      uint64      `json:"id"`
	At      uint64      `json:"at"`
	Environ [][2]string `json:"environ"`
	Body    string      `json:"body"`
	Hex     string      `json:"hex"` // with InArena: only the head
}

type goldenFrame struct {
	Name    string   `json:"name"`
	ID      uint64   `json:"id"`
	Began   uint64   `json:"began"`
	Service uint32   `json:"service"`
	CPU     uint32   `json:"cpu"`
	Kind    Kind     `json:"kind"`
	Flags   uint8    `json:"flags"`
	Head    []string `json:"head"` // status, name, value, name, value ...
	Body    string   `json:"body"`
	Hex     string   `json:"hex"`
}

type goldenControl struct {
	Name    string `json:"name"`
	Op      Op     `json:"op"`
	N       uint32 `json:"n"`
	ID      uint64 `json:"id"`
	Payload string `json:"payload"`
	Hex     string `json:"hex"`
}

func latin1(s string) []byte {
	var b []byte
	for _, r := range s {
		b = append(b, byte(r))
	}
	return b
}

func (g *goldenRequest) encode() []byte {
	var block []byte
	for _, pair := range g.Environ {
		key, value := string(latin1(pair[0])), latin1(pair[1])
		if g.Form == Lengths {
			block = AppendLengths(block, key, value)
		} else {
			block = AppendJoined(block, key, value)
		}
	}
	if g.Form == Joined {
		block = block[1:] // AppendJoined separates each pair from what is before
	}
	body := latin1(g.Body)
	packet := make([]byte, RequestHead)
	r := g.value()
	r.Environ, r.Body = uint32(len(block)), uint32(len(body))
	r.Put(packet)
	if r.Flags&InArena != 0 {
		return packet
	}
	return append(append(packet, block...), body...)
}

func (g *goldenRequest) value() Request {
	return Request{Form: g.Form, Flags: RequestFlags(g.Flags), Base: g.Base, Window: g.Window, ID: g.ID, At: g.At}
}

func (g *goldenFrame) encode() []byte {
	var block []byte
	for i, text := range g.Head {
		if i > 0 {
			block = append(block, 0)
		}
		block = append(block, latin1(text)...)
	}
	body := latin1(g.Body)
	f := g.value()
	f.Head, f.Body, f.Fields = uint32(len(block)), uint32(len(body)), uint16(len(g.Head)/2)
	frame := make([]byte, ResponseHead)
	f.Put(frame)
	return append(append(frame, block...), body...)
}

func (g *goldenFrame) value() Frame {
	return Frame{ID: g.ID, Began: g.Began, Service: g.Service, CPU: g.CPU, Kind: g.Kind, Flags: FrameFlags(g.Flags)}
}

func (g *goldenControl) encode() []byte {
	return Control{Op: g.Op, N: g.N, ID: g.ID}.Append(nil, latin1(g.Payload))
}

func readGolden(t *testing.T) *golden {
	t.Helper()
	text, err := os.ReadFile(goldenFile)
	if err != nil {
		t.Fatal(err)
	}
	g := new(golden)
	if err := json.Unmarshal(text, g); err != nil {
		t.Fatalf("%s: %v", goldenFile, err)
	}
	return g
}

func TestGolden(t *testing.T) {
	g := readGolden(t)
	check := func(name string, got []byte, want *string) {
		if text := hex.EncodeToString(got); *update {
			*want = text
		} else if text != *want {
			t.Errorf("%s:\n got %s\nwant %s", name, text, *want)
		}
	}
	for _, r := range g.Requests {
		check(r.Name, r.encode(), &r.Hex)
	}
	for _, f := range g.Frames {
		check(f.Name, f.encode(), &f.Hex)
	}
	for _, c := range g.Controls {
		check(c.Name, c.encode(), &c.Hex)
	}
	for _, in := range g.Inbound {
		f := Inbound{ID: in.ID, Kind: in.Kind, Code: in.Code}
		check(in.Name, f.Append(nil, latin1(in.Data)), &in.Hex)
	}
	if *update {
		text, err := json.MarshalIndent(g, "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(goldenFile, append(text, '\n'), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func TestGoldenParses(t *testing.T) {
	g := readGolden(t)
	for _, want := range g.Requests {
		b := unhex(t, want.Hex)
		got, err := ParseRequest(b)
		if err != nil {
			t.Fatalf("%s: %v", want.Name, err)
		}
		if got.Flags&InArena == 0 && len(b) != RequestHead+int(got.Environ+got.Body) {
			t.Errorf("%s: the head's lengths do not add up to the packet", want.Name)
		}
		got.Environ, got.Body = 0, 0
		if got != want.value() {
			t.Errorf("%s: got %+v, want %+v", want.Name, got, want.value())
		}
	}
	for _, want := range g.Frames {
		b := unhex(t, want.Hex)
		got, err := ParseFrame(b)
		if err != nil {
			t.Fatalf("%s: %v", want.Name, err)
		}
		head, body := b[ResponseHead:ResponseHead+got.Head], b[ResponseHead+got.Head:]
		if texts := headTexts(head); !reflect.DeepEqual(texts, want.Head) {
			t.Errorf("%s: head %q, want %q", want.Name, texts, want.Head)
		}
		if string(body) != string(latin1(want.Body)) {
			t.Errorf("%s: body %q, want %q", want.Name, body, want.Body)
		}
		got.Head, got.Body, got.Fields = 0, 0, 0
		if got != want.value() {
			t.Errorf("%s: got %+v, want %+v", want.Name, got, want.value())
		}
	}
	for _, want := range g.Controls {
		got, payload, err := ParseControl(unhex(t, want.Hex))
		if err != nil {
			t.Fatalf("%s: %v", want.Name, err)
		}
		if got != (Control{Op: want.Op, N: want.N, ID: want.ID}) || string(payload) != string(latin1(want.Payload)) {
			t.Errorf("%s: got %+v with %q", want.Name, got, payload)
		}
	}
}

// headTexts splits a head block into latin-1 texts as the golden file has them.
func headTexts(block []byte) []string {
	var texts []string
	for rest := block; len(block) > 0 && rest != nil; {
		var s []byte
		s, rest = CutString(rest)
		runes := make([]rune, len(s))
		for i, c := range s {
			runes[i] = rune(c)
		}
		texts = append(texts, string(runes))
	}
	return texts
}

func unhex(t *testing.T, text string) []byte {
	t.Helper()
	b, err := hex.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestParseRefuses(t *testing.T) {
	frame := make([]byte, ResponseHead)
	(&Frame{Kind: Response}).Put(frame)
	tests := []struct {
		name   string
		change func(b []byte)
	}{
		{"kind 0", func(b []byte) { b[32] = 0 }},
		{"a kind after the last", func(b []byte) { b[32] = byte(Fetch) + 1 }},
		{"a head of 4 GiB", func(b []byte) { binary.LittleEndian.PutUint32(b[24:], 1<<32-1) }},
		{"a body of 4 GiB", func(b []byte) { binary.LittleEndian.PutUint32(b[28:], 1<<32-1) }},
	}
	for _, test := range tests {
		b := append([]byte(nil), frame...)
		test.change(b)
		if f, err := ParseFrame(b); err == nil {
			t.Errorf("%s: accepted as %+v", test.name, f)
		}
	}
	if _, err := ParseRequest(make([]byte, RequestHead-1)); err == nil {
		t.Error("a request shorter than its head was accepted")
	}
	if _, _, err := ParseControl(make([]byte, ControlHead-1)); err == nil {
		t.Error("a control message shorter than its head was accepted")
	}
}

// FuzzParseFrame checks that what parses has bounded lengths and that encoding
// it again gives the same bytes.
func FuzzParseFrame(f *testing.F) {
	b := make([]byte, ResponseHead)
	(&Frame{ID: 1, Kind: Response, Flags: Final | Whole}).Put(b)
	f.Add(b)
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) < ResponseHead {
			return
		}
		frame, err := ParseFrame(b)
		if err != nil {
			return
		}
		if frame.Head > MaxHeadBlock || frame.Body > MaxBlock {
			t.Fatalf("lengths out of bounds: %+v", frame)
		}
		again := make([]byte, ResponseHead)
		frame.Put(again)
		if string(again) != string(b[:ResponseHead]) {
			t.Fatalf("%x became %x", b[:ResponseHead], again)
		}
	})
}

// FuzzParseRequest checks that what the master could have sent is encoded again
// as the same bytes.
func FuzzParseRequest(f *testing.F) {
	b := make([]byte, RequestHead)
	(&Request{Form: Joined, Flags: Quick | InArena, ID: 1 << 40, Window: 5, At: 9}).Put(b)
	f.Add(b)
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := ParseRequest(b)
		if err != nil {
			if len(b) >= RequestHead {
				t.Fatal(err)
			}
			return
		}
		again := make([]byte, RequestHead)
		r.Put(again)
		again[3] = b[3] // reserved
		if string(again) != string(b[:RequestHead]) {
			t.Fatalf("%x became %x", b[:RequestHead], again)
		}
	})
}
