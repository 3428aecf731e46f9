package worker

import (
	"fmt"
	"os"
	"sync"

	"golang.org/x/sys/unix"

	"girin/internal/wire"
)

// The arena's blocks come in three sizes: a packet's overflow, a body of
// 64 KiB with its head, and the largest head that the limits allow.
var arenaClasses = [...]int{16 << 10, 128 << 10, 2 << 20}

// keptLarge is how many free blocks of the largest class keep their memory:
// getting it anew costs as much as reading the body.
const keptLarge = 32

// ArenaSize is what the arena may grow to. The file is sparse: only what was
// used takes memory.
const ArenaSize = 256 << 20

// Arena is memory that the master and all workers map: the flag table and,
// after it, blocks for requests that do not fit in a packet.
type Arena struct {
	file *os.File
	mem  []byte

	mu   sync.Mutex
	next int                      // guarded by mu: the first byte never used
	free [len(arenaClasses)][]int // guarded by mu: offsets by class
}

// NewArena makes an arena of ArenaSize bytes.
func NewArena() (*Arena, error) {
	f, mem, err := sharedMemory("girin-arena", ArenaSize)
	if err != nil {
		return nil, fmt.Errorf("arena: %w", err)
	}
	return &Arena{file: f, mem: mem, next: wire.FlagTable}, nil
}

// Flags is the flag table: a byte per request cell.
func (a *Arena) Flags() []byte { return a.mem[:wire.FlagTable] }

// Alloc returns a block of at least n bytes and its offset, or false if the
// arena is full or n larger than any block.
func (a *Arena) Alloc(n int) (block []byte, at int, ok bool) {
	class := arenaClass(n)
	if class < 0 {
		return nil, 0, false
	}
	size := arenaClasses[class]
	a.mu.Lock()
	defer a.mu.Unlock()
	if free := a.free[class]; len(free) > 0 {
		at = free[len(free)-1]
		a.free[class] = free[:len(free)-1]
	} else if a.next+size <= len(a.mem) {
		at = a.next
		a.next += size
	} else {
		return nil, 0, false
	}
	return a.mem[at : at+size : at+size], at, true
}

// Free gives back the block that Alloc(n) placed at at.
func (a *Arena) Free(at, n int) {
	class := arenaClass(n)
	last := len(arenaClasses) - 1
	if class == last && a.freeBlocks(class) >= keptLarge {
		forget(a.mem[at : at+arenaClasses[class]])
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.free[class] = append(a.free[class], at)
}

func (a *Arena) freeBlocks(class int) int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.free[class])
}

func arenaClass(n int) int {
	for i, size := range arenaClasses {
		if n <= size {
			return i
		}
	}
	return -1
}

// Close unmaps the arena. No block may be used any more.
func (a *Arena) Close() error {
	if err := unix.Munmap(a.mem); err != nil {
		return err
	}
	return a.file.Close()
}
