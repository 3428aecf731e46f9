package worker

import (
	"fmt"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"girin/internal/proc"
	"girin/internal/wire"
)

const (
	// ArenaSize is what the arena may grow to, where files may be as large. The file
	// is sparse: only what was used takes memory.
	ArenaSize = 256 << 20
	// ArenaLeast is what it must have.
	ArenaLeast = 16 << 20
	// arenaUnit is the smallest block: a packet's overflow.
	arenaUnit = 16 << 10
	// arenaLargest is the largest: a body of 1 MiB with the largest head that the
	// limits allow.
	arenaLargest = 4 << 20
	// arenaReady is how many single units are kept apart: to split a large block
	// for each and to merge it again would cost more than the rest.
	arenaReady = 64
	// What was not needed at once for so long is given back to the kernel, but for
	// a little.
	arenaTidy = 10 * time.Second
	arenaWarm = 4 << 20 / arenaUnit
)

// Arena is memory that the master and all workers map: the flag table and,
// after it, blocks for requests that do not fit in a packet.
type Arena struct {
	file *os.File
	mem  []byte

	mu     sync.Mutex
	row    *buddies    // guarded by mu
	ready  []int32     // guarded by mu: single units that are free, and not the row's
	blocks int         // guarded by mu: that are out
	warm   []bool      // guarded by mu: units that take memory
	warmed int         // guarded by mu: how many do
	peak   int         // guarded by mu: how many were used at most since the last tidying
	tidies *time.Timer // guarded by mu; nil: there is little to give back
	closed bool        // guarded by mu
}

// NewArena makes an arena of ArenaSize bytes, or where a file may not have as many, of
// as many as it may.
func NewArena() (*Arena, error) {
	units := int(min(proc.LargestFile(), ArenaSize) / arenaUnit)
	if units < ArenaLeast/arenaUnit {
		return nil, fmt.Errorf("what workers share takes a file of %d MiB: %w", ArenaLeast>>20, unix.EFBIG)
	}
	f, mem, err := sharedMemory("girin-arena", units*arenaUnit)
	if err != nil {
		return nil, fmt.Errorf("arena: %w", err)
	}
	return &Arena{
		file: f, mem: mem, row: newBuddies(units, flagUnits),
		ready: make([]int32, 0, arenaReady), warm: make([]bool, units),
	}, nil
}

// flagUnits are taken by the flag table.
const flagUnits = wire.FlagTable / arenaUnit

// Flags is the flag table: a byte per request cell.
func (a *Arena) Flags() []byte { return a.mem[:wire.FlagTable] }

// Alloc returns a block of at least n bytes and its offset, or false if the
// arena has no room for it or n is larger than any block.
func (a *Arena) Alloc(n int) (block []byte, at int, ok bool) {
	if n > arenaLargest {
		return nil, 0, false
	}
	units := unitsOf(n)
	a.mu.Lock()
	defer a.mu.Unlock()
	first, ok := a.takeLocked(units)
	if !ok {
		return nil, 0, false
	}
	a.blocks++
	for i := first; i < first+units; i++ {
		if !a.warm[i] {
			a.warm[i] = true
			a.warmed++
		}
	}
	a.peak = max(a.peak, a.usedLocked())
	at = first * arenaUnit
	end := at + units*arenaUnit
	return a.mem[at:end:end], at, true
}

func unitsOf(n int) int { return max((n+arenaUnit-1)/arenaUnit, 1) }

func (a *Arena) takeLocked(units int) (at int, ok bool) {
	if last := len(a.ready) - 1; units == 1 && last >= 0 {
		at = int(a.ready[last])
		a.ready = a.ready[:last]
		return at, true
	}
	if at, ok = a.row.take(units); ok || len(a.ready) == 0 {
		return at, ok
	}
	a.mergeReadyLocked()
	return a.row.take(units)
}

// mergeReadyLocked gives the units that were kept apart to the row.
func (a *Arena) mergeReadyLocked() {
	for _, at := range a.ready {
		a.row.give(int(at), 1)
	}
	a.ready = a.ready[:0]
}

// Free gives back the block that Alloc(n) placed at at.
func (a *Arena) Free(at, n int) {
	units := unitsOf(n)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.blocks--
	if units == 1 && len(a.ready) < cap(a.ready) {
		a.ready = append(a.ready, int32(at/arenaUnit))
	} else {
		a.row.give(at/arenaUnit, units)
	}
	if a.tidies == nil && a.warmed-a.usedLocked() > arenaWarm {
		a.tidyLaterLocked()
	}
}

// usedLocked is how many units are out.
func (a *Arena) usedLocked() int { return a.row.used - flagUnits - len(a.ready) }

// Size is how many bytes it has for blocks.
func (a *Arena) Size() int64 { return int64(len(a.mem)) - wire.FlagTable }

// Used is how many bytes are in blocks that are out.
func (a *Arena) Used() int64 {
	a.mu.Lock()
	defer a.mu.Unlock()
	return int64(a.usedLocked()) * arenaUnit
}

// Blocks is how many blocks are out.
func (a *Arena) Blocks() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.blocks
}

// Memory is how much memory blocks take, those that are out and those that were.
func (a *Arena) Memory() int64 {
	a.mu.Lock()
	defer a.mu.Unlock()
	return int64(a.warmed) * arenaUnit
}

func (a *Arena) tidyLaterLocked() {
	if !a.closed {
		a.tidies = time.AfterFunc(arenaTidy, a.tidy)
	}
}

// tidy gives memory back that was not needed since it was last here.
func (a *Arena) tidy() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.tidies = nil
	if a.closed {
		return
	}
	excess := a.warmed - max(a.peak, arenaWarm)
	a.peak = a.usedLocked()
	a.mergeReadyLocked()
	for k := orders - 1; k >= 0 && excess > 0; k-- {
		excess -= a.coolLocked(k, excess)
	}
	if a.warmed-a.usedLocked() > arenaWarm {
		a.tidyLaterLocked()
	}
}

// coolLocked gives the memory of free blocks of an order back, of so many units at
// least if there are as many, and returns of how many it was. What it has in hands
// is taken, so that the lock is free meanwhile.
func (a *Arena) coolLocked(k, most int) (cooled int) {
	for at := int(a.row.first[k]); at != 0 && cooled < most; {
		next := int(a.row.next[at])
		if n := a.warmIn(at, 1<<k); n > 0 {
			a.row.unlink(at, k)
			a.row.used += 1 << k
			a.mu.Unlock()
			forget(a.mem[at*arenaUnit : (at+1<<k)*arenaUnit])
			a.mu.Lock()
			clear(a.warm[at : at+1<<k])
			a.warmed -= n
			cooled += n
			a.row.give(at, 1<<k)
			next = int(a.row.first[k]) // the list may be another one by now
		}
		at = next
	}
	return cooled
}

func (a *Arena) warmIn(at, units int) (n int) {
	for _, is := range a.warm[at : at+units] {
		if is {
			n++
		}
	}
	return n
}

// Close unmaps the arena. No block may be used any more.
func (a *Arena) Close() error {
	a.mu.Lock()
	a.closed = true
	if a.tidies != nil {
		a.tidies.Stop()
	}
	a.mu.Unlock()
	if err := unix.Munmap(a.mem); err != nil {
		return err
	}
	return a.file.Close()
}
