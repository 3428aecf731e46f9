package worker

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"girin/internal/wire"
)

func newTestArena(t *testing.T) *Arena {
	t.Helper()
	a, err := NewArena()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := a.Close(); err != nil {
			t.Error(err)
		}
	})
	return a
}

func TestArenaBlocks(t *testing.T) {
	a := newTestArena(t)
	largest := arenaClasses[len(arenaClasses)-1]
	for _, n := range []int{0, 1, 16 << 10, 16<<10 + 1, 64 << 10, 128 << 10, 128<<10 + 1, largest} {
		block, at, ok := a.Alloc(n)
		if !ok || len(block) < n || at < wire.FlagTable || at+len(block) > ArenaSize {
			t.Errorf("Alloc(%d): %d bytes at %d, %v", n, len(block), at, ok)
			continue
		}
		if cap(block) != len(block) {
			t.Errorf("Alloc(%d): appending would reach the next block", n)
		}
		a.Free(at, n)
		if _, again, _ := a.Alloc(n); again != at {
			t.Errorf("Alloc(%d) after Free: at %d, want %d", n, again, at)
		}
	}
	if _, _, ok := a.Alloc(largest + 1); ok {
		t.Error("a block larger than any was given")
	}
	if flags := a.Flags(); len(flags) != wire.FlagTable {
		t.Errorf("%d flags", len(flags))
	}
}

// Blocks in use never overlap, each other or the flags.
func TestArenaBlocksDoNotOverlap(t *testing.T) {
	a := newTestArena(t)
	random := rand.New(rand.NewPCG(1, 2))
	type held struct {
		at, n int
		block []byte
		mark  byte
	}
	var out []held
	for i := range 2000 {
		if len(out) > 0 && random.IntN(2) == 0 {
			k := random.IntN(len(out))
			h := out[k]
			if want := bytes.Repeat([]byte{h.mark}, h.n); !bytes.Equal(h.block[:h.n], want) {
				t.Fatalf("the block at %d was changed", h.at)
			}
			a.Free(h.at, h.n)
			out[k] = out[len(out)-1]
			out = out[:len(out)-1]
			continue
		}
		n := 1 + random.IntN(20<<10)
		block, at, ok := a.Alloc(n)
		if !ok {
			t.Fatal("the arena is full")
		}
		mark := byte(i%255 + 1)
		for k := range n {
			block[k] = mark
		}
		out = append(out, held{at, n, block, mark})
	}
	if bytes.ContainsFunc(a.Flags(), func(r rune) bool { return r != 0 }) {
		t.Error("a block reaches into the flags")
	}
}

func TestAFullArena(t *testing.T) {
	a := newTestArena(t)
	const n = 2 << 20
	var at []int
	for {
		_, where, ok := a.Alloc(n)
		if !ok {
			break
		}
		at = append(at, where)
	}
	if want := (ArenaSize - wire.FlagTable) / n; len(at) != want {
		t.Errorf("%d blocks, want %d", len(at), want)
	}
	a.Free(at[3], n)
	if _, where, ok := a.Alloc(n); !ok || where != at[3] {
		t.Errorf("after Free: %d, %v", where, ok)
	}
}
