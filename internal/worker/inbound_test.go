package worker

import (
	"bytes"
	"encoding/binary"
	"io"
	"os"
	"sync"
	"syscall"
	"testing"

	"girin/internal/wire"
)

// newListened returns a worker that is spoken to, and the end of the socket at which it hears that.
func newListened(t *testing.T) (w *Worker, hears *os.File) {
	t.Helper()
	ours, theirs, err := StreamPair()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ours.Close(); theirs.Close() })
	w = &Worker{}
	if err := w.inbound.open(ours); err != nil {
		t.Fatal(err)
	}
	return w, theirs
}

// Whatever the socket takes at once, and whoever writes: each frame arrives whole, and those of
// one sender in their order.
func TestWhatIsSaidArrivesWholeAndInOrder(t *testing.T) {
	const senders, frames = 4, 60
	w, theirs := newListened(t)
	sizes := [...]int{0, 100, 70_000, 400_000}
	var saying sync.WaitGroup
	for id := range senders {
		saying.Go(func() {
			for i := range frames {
				w.Say(wire.Inbound{ID: uint64(id), Kind: wire.BinaryCame, Code: uint16(i)}, bytes.Repeat([]byte{byte(id)}, sizes[i%len(sizes)]))
				w.Flush()
			}
		})
	}
	var next [senders]int
	head := make([]byte, wire.InboundHead)
	for range senders * frames {
		if _, err := io.ReadFull(theirs, head); err != nil {
			t.Fatal(err)
		}
		id, i := binary.LittleEndian.Uint64(head), int(binary.LittleEndian.Uint16(head[18:]))
		data := make([]byte, binary.LittleEndian.Uint32(head[8:]))
		if _, err := io.ReadFull(theirs, data); err != nil {
			t.Fatal(err)
		}
		if i != next[id] || len(data) != sizes[i%len(sizes)] || bytes.Count(data, []byte{byte(id)}) != len(data) {
			t.Fatalf("frame %d of %d has %d bytes; awaited was %d", i, id, len(data), next[id])
		}
		next[id]++
	}
	saying.Wait()
	w.inbound.wait.Wait()
}

// Who reads no more is sent nothing more.
func TestNothingIsKeptForAWorkerThatIsGone(t *testing.T) {
	w, theirs := newListened(t)
	theirs.Close()
	for range 2 {
		w.Say(wire.Inbound{Kind: wire.TextCame}, make([]byte, 100))
		w.Flush()
	}
	if !w.inbound.ended || w.inbound.buf != nil || w.inbound.rest != nil {
		t.Errorf("%d bytes are kept", len(w.inbound.buf)+len(w.inbound.rest))
	}
}

// A kernel that is short of memory for a moment, as within a control group's limit, cuts no
// worker off.
func TestWhatIsSaidWaitsForTheKernelsMemory(t *testing.T) {
	w, theirs := newListened(t)
	lacks := []syscall.Errno{syscall.ENOBUFS, syscall.ENOMEM, syscall.ENOBUFS}
	w.inbound.try = func(fd uintptr) bool {
		if len(lacks) > 0 {
			w.inbound.errno, lacks = lacks[0], lacks[1:]
			return true
		}
		return w.inbound.tryWrite(fd)
	}
	for range 2 {
		w.Say(wire.Inbound{Kind: wire.TextCame}, make([]byte, 100))
		w.Flush()
	}
	w.inbound.wait.Wait()
	if w.inbound.ended || w.inbound.writing {
		t.Fatal("nothing more will be said")
	}
	if _, err := io.ReadFull(theirs, make([]byte, 2*(wire.InboundHead+100))); err != nil {
		t.Fatal(err)
	}
}
