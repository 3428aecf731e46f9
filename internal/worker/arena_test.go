package worker

import (
	"bytes"
	"slices"
	"testing"

	"golang.org/x/sys/unix"
	"pgregory.net/rapid"

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
	for _, n := range []int{0, 1, 16 << 10, 16<<10 + 1, 64 << 10, 128 << 10, 128<<10 + 1, arenaLargest} {
		block, at, ok := a.Alloc(n)
		if !ok || len(block) < n || at < wire.FlagTable || at+len(block) > ArenaSize {
			t.Errorf("Alloc(%d): %d bytes at %d, %v", n, len(block), at, ok)
			continue
		}
		if cap(block) != len(block) {
			t.Errorf("Alloc(%d): appending would reach the next block", n)
		}
		if len(block)-n > arenaUnit {
			t.Errorf("Alloc(%d) takes %d bytes", n, len(block))
		}
		a.Free(at, n)
		if _, again, _ := a.Alloc(n); again != at {
			t.Errorf("Alloc(%d) after Free: at %d, want %d", n, again, at)
		}
		a.Free(at, n)
	}
	if _, _, ok := a.Alloc(arenaLargest + 1); ok {
		t.Error("a block larger than any was given")
	}
	if flags := a.Flags(); len(flags) != wire.FlagTable {
		t.Errorf("%d flags", len(flags))
	}
}

// Whatever is taken and given back in whatever order: blocks in use overlap neither
// each other nor the flags, the figures are right, and afterwards the arena is as it was.
func TestAnyBurstLeavesTheArenaAsItWas(t *testing.T) {
	a := newTestArena(t)
	type block struct {
		at, n int
		mem   []byte
		mark  byte
	}
	rapid.Check(t, func(r *rapid.T) {
		var out []block
		used := int64(0)
		free := func(i int) {
			b := out[i]
			if b.mem[0] != b.mark || b.mem[len(b.mem)-1] != b.mark || b.mem[len(b.mem)/2] != b.mark {
				r.Fatalf("the block of %d at %d was changed", b.n, b.at)
			}
			used -= int64(len(b.mem))
			a.Free(b.at, b.n)
			out = slices.Delete(out, i, i+1)
		}
		sizes := rapid.OneOf(
			rapid.IntRange(0, arenaUnit), rapid.IntRange(0, 200<<10), rapid.Just(144<<10), rapid.IntRange(1<<20, 1<<20+20<<10), rapid.IntRange(0, arenaLargest),
		)
		for i := range rapid.IntRange(1, 400).Draw(r, "steps") {
			if len(out) > 0 && rapid.IntRange(0, 2).Draw(r, "free") == 0 {
				free(rapid.IntRange(0, len(out)-1).Draw(r, "which"))
				continue
			}
			b := block{n: sizes.Draw(r, "size"), mark: byte(i%255 + 1)}
			var ok bool
			if b.mem, b.at, ok = a.Alloc(b.n); !ok {
				continue
			}
			b.mem[0], b.mem[len(b.mem)/2], b.mem[len(b.mem)-1] = b.mark, b.mark, b.mark
			used += int64(len(b.mem))
			out = append(out, b)
			if a.Used() != used || a.Blocks() != len(out) {
				r.Fatalf("%d bytes in %d blocks are said to be used, %d in %d are", a.Used(), a.Blocks(), used, len(out))
			}
		}
		for len(out) > 0 {
			free(len(out) - 1)
		}
		a.mu.Lock()
		defer a.mu.Unlock()
		a.mergeReadyLocked()
		if fresh := newBuddies(ArenaSize/arenaUnit, flagUnits); !slices.Equal(a.row.order, fresh.order) || a.row.used != fresh.used {
			r.Fatal("the free blocks are not those of a fresh arena")
		}
	})
	if bytes.ContainsFunc(a.Flags(), func(r rune) bool { return r != 0 }) {
		t.Error("a block reaches into the flags")
	}
}

// 140 heads of 144 KB at once once left no room for small bodies until a restart.
func TestAFullArenaHasRoomAgain(t *testing.T) {
	a := newTestArena(t)
	fill := func(n int) (at []int) {
		for {
			_, where, ok := a.Alloc(n)
			if !ok {
				return at
			}
			at = append(at, where)
		}
	}
	for _, n := range []int{144 << 10, arenaLargest, 30 << 10, 1<<20 + 500, 1} {
		at := fill(n)
		if took := int64(len(at) * unitsOf(n) * arenaUnit); took < ArenaSize/2 || a.Used() != took {
			t.Errorf("%d blocks of %d bytes fill the arena; %d bytes are used", len(at), n, a.Used())
		}
		small := fill(1) // what is between them is there for others
		if a.Used() != ArenaSize-wire.FlagTable {
			t.Errorf("beside blocks of %d bytes %d bytes are used at most", n, a.Used())
		}
		for _, where := range small {
			a.Free(where, 1)
		}
		a.Free(at[3], n)
		if _, where, ok := a.Alloc(n); !ok || where != at[3] {
			t.Errorf("after Free: %d, %v", where, ok)
		}
		for _, where := range at {
			a.Free(where, n)
		}
		if a.Used() != 0 || a.Blocks() != 0 {
			t.Errorf("%d bytes in %d blocks are used by nobody", a.Used(), a.Blocks())
		}
	}
}

// What a burst took of memory goes back to the kernel, not what is needed again and
// again.
func TestMemoryIsGivenBackLazily(t *testing.T) {
	a := newTestArena(t)
	const n = 1 << 20
	var at []int
	for range 64 {
		block, where, _ := a.Alloc(n)
		block[0], block[n-1] = 1, 1
		at = append(at, where)
	}
	for _, where := range at {
		a.Free(where, n)
	}
	a.tidy() // the burst was since the last one
	if a.Memory() != 64*n {
		t.Errorf("%d bytes are kept, want all: they were just needed", a.Memory())
	}
	_, where, _ := a.Alloc(n)
	a.tidy()
	if a.Memory() > arenaWarm*arenaUnit+n {
		t.Errorf("%d bytes are kept of what nobody needs", a.Memory())
	}
	var st unix.Stat_t
	if err := unix.Fstat(int(a.file.Fd()), &st); err != nil || st.Blocks*512 > a.Memory()+wire.FlagTable {
		t.Errorf("the kernel holds %d bytes, %d are said to be kept (%v)", st.Blocks*512, a.Memory(), err)
	}
	a.Free(where, n)
	for range 64 {
		_, _, _ = a.Alloc(n)
	}
	for _, where := range at {
		a.Free(where, n)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.tidies == nil {
		t.Error("nobody will come again")
	}
}
