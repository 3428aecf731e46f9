package sched

import (
	"bytes"
	"testing"
	"time"

	"girin/internal/wire"
)

func TestAReservedBodyIsNotCopied(t *testing.T) {
	b := newBench(t, 10, nil)
	w := newFakeWorker(1, 1)
	b.Attach(w)
	c, _ := b.call("/post")
	environ := bytes.Clone(c.Request[wire.RequestHead:])
	c.Body = b.Reserve(c, 10_000)
	copy(c.Body, bytes.Repeat([]byte("b"), 10_000))
	b.submit(c)
	r := b.read()
	if r.Flags&wire.InArena == 0 || int(r.Environ) != len(environ) || r.Body != 10_000 {
		t.Fatalf("the packet says %+v", r)
	}
	if got := b.arena.mem[r.At:]; !bytes.HasPrefix(got, environ) || got[len(environ)] != 'b' || &got[len(environ)] != &c.Body[0] {
		t.Error("the block does not hold the environ and the body where it was read")
	}
	b.Frame(w, answer(r.ID, time.Millisecond), nil, nil)
	if n := b.arena.blocks(); n != 0 {
		t.Errorf("%d blocks are out", n)
	}
}

func TestAReservationThatIsNotUsedIsGivenBack(t *testing.T) {
	b := newBench(t, 10, nil)
	c, _ := b.call("/post")
	if b.Reserve(c, 1000) == nil {
		t.Fatal("no room")
	}
	b.Unreserve(c)
	b.Unreserve(c)
	b.arena.out[-1] = int(b.reservedMost()) // by heads, say
	if b.Reserve(c, 1) != nil {
		t.Error("more was reserved than may be")
	}
	delete(b.arena.out, -1)
	b.arena.full = true
	if b.Reserve(c, 1) != nil {
		t.Error("a full arena had room")
	}
	if n := b.arena.blocks(); n != 0 {
		t.Errorf("%d blocks are out", n)
	}
}
