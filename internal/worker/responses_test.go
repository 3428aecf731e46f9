package worker

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"girin/internal/wire"
	"girin/internal/worker/workertest"
)

// frames reads all frames of a stream as a worker's reader does, and tells
// what a receiver would get.
type frames struct {
	got []part
}

type part struct {
	wire.Frame
	head, body string
}

func (f *frames) Frame(_ *Worker, frame *wire.Frame, head, body []byte) error {
	f.got = append(f.got, part{*frame, string(head), string(body)})
	return nil
}

func (f *frames) File(*Worker, *wire.Frame, []byte, *os.File, int64, int64) error { return nil }
func (f *frames) Log(*Worker, int, uint64, string)                                {}
func (f *frames) Held(*Worker, time.Duration, string, string)                     {}
func (f *frames) Stacks(*Worker, string)                                          {}

// readAll reads frames as a worker's with an empty state page.
func readAll(t testing.TB, src io.Reader, size int) ([]part, error) {
	got := new(frames)
	w := &Worker{cfg: Config{Receiver: got}}
	var err error
	if w.page, err = newPage(1); err != nil {
		t.Fatal(err)
	}
	defer w.page.file.Close()
	r := frameReader{src: src, rest: func() {}, buf: make([]byte, size)}
	for {
		f, head, err := r.next()
		if err == nil {
			err = w.passBody(&r, &f, head)
		}
		if err != nil {
			return got.got, err
		}
	}
}

// whole puts the parts of one frame together again, and reports what is wrong
// with them.
func whole(parts []part) (joined []part, fault string) {
	open := false
	left := 0
	for _, p := range parts {
		switch {
		case !open:
			joined = append(joined, p)
			left = int(p.Frame.Body)
		case p.Kind != wire.Block || p.head != "":
			return nil, "a later part is no plain block"
		default:
			last := &joined[len(joined)-1]
			last.body += p.body
			last.Flags |= p.Flags
		}
		left -= len(p.body)
		if left < 0 {
			return nil, "more came than the frame has"
		}
		open = left > 0
		if open && p.Flags&wire.Final != 0 {
			return nil, "a part that is not the last is final"
		}
	}
	if open {
		return nil, "a frame is not whole"
	}
	return joined, ""
}

var sample = []part{
	{wire.Frame{ID: 1, Kind: wire.Response, Flags: wire.Final | wire.Whole, Fields: 1}, "200 OK\x00A\x00b", "hello"},
	{wire.Frame{ID: 2, Kind: wire.Early}, "103 Early Hints", ""},
	{wire.Frame{ID: 3, Kind: wire.Dropped, Flags: wire.Final}, "", ""},
	{wire.Frame{ID: 4, Kind: wire.Response}, "200 OK", ""},
	{wire.Frame{ID: 4, Kind: wire.Block}, "", "some"},
	{wire.Frame{ID: 4, Kind: wire.Block, Flags: wire.Final}, "", ""},
}

func encode(parts []part) (b []byte) {
	for _, p := range parts {
		b = workertest.AppendFrame(b, p.Frame, p.head, p.body)
	}
	return b
}

func sameParts(t *testing.T, got, want []part) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%d frames, want %d", len(got), len(want))
	}
	for i, w := range want {
		w.Frame.Head, w.Frame.Body = uint32(len(w.head)), uint32(len(w.body))
		if got[i] != w {
			t.Errorf("frame %d: %+v, want %+v", i, got[i].Frame, w.Frame)
		}
	}
}

func TestFramesArriveHoweverTheStreamIsCut(t *testing.T) {
	stream := encode(sample)
	for at := range stream {
		got, err := readAll(t, io.MultiReader(bytes.NewReader(stream[:at]), bytes.NewReader(stream[at:])), 64)
		if !errors.Is(err, io.EOF) {
			t.Fatalf("cut at %d: %v", at, err)
		}
		sameParts(t, got, sample)
	}
	for name, src := range map[string]io.Reader{
		"byte by byte": iotest.OneByteReader(bytes.NewReader(stream)),
		"by halves":    iotest.HalfReader(bytes.NewReader(stream)),
		"with its end": iotest.DataErrReader(bytes.NewReader(stream)),
	} {
		got, err := readAll(t, src, 16<<10)
		if !errors.Is(err, io.EOF) {
			t.Fatalf("%s: %v", name, err)
		}
		sameParts(t, got, sample)
	}
}

// A stream that ends within a frame passes on what was whole before.
func TestAStreamThatEndsWithinAFrame(t *testing.T) {
	stream := encode(sample[:2])
	first := len(encode(sample[:1]))
	for at := range stream {
		got, err := readAll(t, bytes.NewReader(stream[:at]), 64)
		if !errors.Is(err, io.EOF) {
			t.Fatalf("cut at %d: %v", at, err)
		}
		if want := min(at/first, 1); len(got) != want {
			t.Errorf("cut at %d: %d frames, want %d", at, len(got), want)
		}
	}
}

func TestALargeFrameComesInParts(t *testing.T) {
	const ends = 1 // bytes at the frame's start and end that tell it is whole
	for _, size := range []int{wholeBody - 1, wholeBody, wholeBody + 1, responseBuffer - 1, responseBuffer, responseBuffer + 1, 3<<20 + 17} {
		for _, flags := range []wire.FrameFlags{0, wire.Final, wire.Final | wire.Whole} {
			want := []part{
				{wire.Frame{ID: 1, Kind: wire.Response, Flags: flags}, "200 OK", "<" + strings.Repeat("b", size-2*ends) + ">"},
				{wire.Frame{ID: 2, Kind: wire.Block, Flags: wire.Final}, "", "next"},
			}
			for name, src := range map[string]io.Reader{
				"at once":   bytes.NewReader(encode(want)),
				"by halves": iotest.HalfReader(bytes.NewReader(encode(want))),
			} {
				t.Run(fmt.Sprint(size, flags, name), func(t *testing.T) {
					parts, err := readAll(t, src, 16<<10)
					if !errors.Is(err, io.EOF) {
						t.Fatal(err)
					}
					if size <= wholeBody && len(parts) != 2 {
						t.Errorf("a body of %d bytes came in %d parts", size, len(parts)-1)
					}
					got, fault := whole(parts)
					if fault != "" {
						t.Fatal(fault)
					}
					sameParts(t, got, want)
				})
			}
		}
	}
}

func TestALargeHeadBlockIsRead(t *testing.T) {
	want := []part{{wire.Frame{ID: 1, Kind: wire.Response, Flags: wire.Final}, strings.Repeat("h", 10<<20), "body"}}
	got, err := readAll(t, bytes.NewReader(encode(want)), 16<<10)
	if !errors.Is(err, io.EOF) {
		t.Fatal(err)
	}
	sameParts(t, got, want)
}

func TestImpossibleFramesEndTheStream(t *testing.T) {
	for name, f := range map[string]wire.Frame{
		"kind 0":             {},
		"an unknown kind":    {Kind: wire.Fetch + 1},
		"a head too long":    {Kind: wire.Response, Head: wire.MaxHeadBlock + 1},
		"a body too long":    {Kind: wire.Block, Body: wire.MaxBlock + 1},
		"the longest of all": {Kind: wire.Response, Head: 1<<32 - 1, Body: 1<<32 - 1},
	} {
		b := make([]byte, wire.ResponseHead)
		f.Put(b)
		got, err := readAll(t, bytes.NewReader(append(encode(sample[:1]), b...)), 64)
		if err == nil || ended(err) == nil {
			t.Errorf("%s: the stream ends as if nothing were wrong: %v", name, err)
		}
		if len(got) != 1 {
			t.Errorf("%s: %d frames came, want the one before", name, len(got))
		}
	}
}

// What follows a frame's head may be anything that a worker sends: the reader
// must neither panic nor lose its place.
func FuzzFrames(f *testing.F) {
	f.Add(encode(sample), uint8(7))
	f.Add(make([]byte, wire.ResponseHead), uint8(0))
	f.Add(append(encode([]part{{wire.Frame{Kind: wire.Response, Flags: wire.Final | wire.InPage}, "200 OK", ""}}), 1, 0, 0, 0), uint8(3))
	f.Add(encode([]part{{wire.Frame{Kind: wire.Block, Flags: wire.Final}, "", strings.Repeat("x", 1000)}}), uint8(255))
	f.Fuzz(func(t *testing.T, stream []byte, chunk uint8) {
		atOnce, err := readAll(t, bytes.NewReader(stream), 64)
		inChunks, err2 := readAll(t, &chunked{stream, int(chunk) + 1}, 64)
		if fmt.Sprint(err) != fmt.Sprint(err2) {
			t.Fatalf("at once %v, in chunks %v", err, err2)
		}
		a, b := text(atOnce), text(inChunks)
		if a != b {
			t.Fatalf("at once %q, in chunks %q", a, b)
		}
		n := 0
		for _, p := range atOnce {
			if n += len(p.head); p.Flags&wire.InPage == 0 {
				n += len(p.body)
			}
		}
		if n > len(stream) {
			t.Fatalf("%d bytes of %d", n, len(stream))
		}
	})
}

func text(parts []part) (s string) {
	for _, p := range parts {
		s += fmt.Sprint(p.ID, p.head, p.body)
	}
	return s
}

// chunked reads at most n bytes at a time.
type chunked struct {
	b []byte
	n int
}

func (c *chunked) Read(p []byte) (int, error) {
	if len(c.b) == 0 {
		return 0, io.EOF
	}
	n := copy(p[:min(len(p), c.n)], c.b)
	c.b = c.b[n:]
	return n, nil
}

// Whatever a worker sends as control message: it is refused or passed on.
func FuzzControl(f *testing.F) {
	for _, op := range []wire.Op{wire.Ready, wire.Broken, wire.Log, wire.Pong, wire.File, wire.Idle, wire.Stacks, wire.Retire, wire.Hello, 0, 255} {
		f.Add(wire.Control{Op: op, N: 3, ID: 4}.Append(nil, []byte(`{"pid": 1, "code": 3, "text": "x"}`)))
	}
	f.Fuzz(func(t *testing.T, message []byte) {
		c, payload, err := wire.ParseControl(message)
		if err != nil {
			if len(message) >= wire.ControlHead {
				t.Fatalf("a message with a whole head is refused: %v", err)
			}
			return
		}
		w := &Worker{cfg: Config{Receiver: new(frames)}, ready: make(chan struct{})}
		err = w.take(c, payload, nil)
		known := c.Op >= wire.Ready && c.Op <= wire.Retire
		if err == nil && (!known || c.Op == wire.File) {
			t.Fatalf("message %d is taken", c.Op)
		}
	})
}
