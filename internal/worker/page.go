package worker

import (
	"fmt"
	"os"
	"runtime"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"

	"girin/internal/wire"
)

// page is the state page of one worker, as wire specifies it. The worker
// writes; the master only reads, and frees blocks.
type page struct {
	file  *os.File
	mem   []byte
	cells []uint64
	slots int
}

func newPage(slots int) (*page, error) {
	size := wire.PageBytes(slots, wire.PageBlocks)
	f, mem, err := sharedMemory("girin-page", size)
	if err != nil {
		return nil, fmt.Errorf("state page: %w", err)
	}
	p := &page{file: f, mem: mem, slots: slots}
	p.cells = unsafe.Slice((*uint64)(unsafe.Pointer(&mem[0])), size/8)
	p.cells[0], p.cells[1], p.cells[2] = wire.PageMagic, uint64(slots), wire.PageBlocks
	// The scheduler may look at a worker's slots a moment after its death, so
	// the mapping goes when nobody refers to it any more.
	runtime.AddCleanup(p, func(mem []byte) { _ = unix.Munmap(mem) }, mem)
	return p, nil
}

// slot returns what the i-th thread runs and since when; id 0: nothing.
func (p *page) slot(i int) (id, began uint64) {
	c := p.cells[wire.PageFirstSlot+2*i:]
	id = atomic.LoadUint64(&c[0])
	if id != 0 {
		began = atomic.LoadUint64(&c[1])
	}
	runtime.KeepAlive(p)
	return id, began
}

// block returns the first n bytes of the i-th block; nil: there are none.
func (p *page) block(i, n int) []byte {
	if i >= wire.PageBlocks || n > wire.PageBlock {
		return nil
	}
	at := wire.PageBlockAt(p.slots, wire.PageBlocks, i)
	return p.mem[at : at+n : at+n]
}

// free gives the i-th block back to the worker. What block returned may be
// used no longer.
func (p *page) free(i int) { atomic.StoreUint64(&p.cells[wire.PageStates(p.slots)+i], 0) }
