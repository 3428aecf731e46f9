package worker

import (
	"fmt"
	"os"
	"runtime"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"girin/internal/wire"
)

// page is the state page of one worker, as wire specifies it. The worker
// writes; the master only reads, frees units, and writes one cell (quit).
type page struct {
	file  *os.File
	mem   []byte
	cells []uint64
	room  int // for so many slots; how many there are the class says
}

func newPage(room int) (*page, error) {
	size := wire.PageBytes(room, wire.PageUnits)
	f, mem, err := sharedMemory("girin-page", size)
	if err != nil {
		return nil, fmt.Errorf("state page: %w", err)
	}
	p := &page{file: f, mem: mem, room: room}
	p.cells = unsafe.Slice((*uint64)(unsafe.Pointer(&mem[0])), size/8)
	p.cells[0], p.cells[1], p.cells[2] = wire.PageMagic, uint64(room), wire.PageUnits
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

// loop returns how long the worker's event loop was held up at most of late, and its tasks.
func (p *page) loop() (lag time.Duration, tasks int) {
	lag = time.Duration(atomic.LoadUint64(&p.cells[wire.PageLag]))
	tasks = int(atomic.LoadUint64(&p.cells[wire.PageTasks]))
	runtime.KeepAlive(p)
	return lag, tasks
}

// stepping is since when a step of a request has held the worker's event loop; 0: none does.
func (p *page) stepping() int64 {
	since := int64(atomic.LoadUint64(&p.cells[wire.PageStep]))
	runtime.KeepAlive(p)
	return since
}

// opened is how many of the WebSockets that the worker was given it has begun.
func (p *page) opened() uint64 {
	n := atomic.LoadUint64(&p.cells[wire.PageOpened])
	runtime.KeepAlive(p)
	return n
}

// parallel reports whether the worker's Python has no GIL.
func (p *page) parallel() bool {
	n := atomic.LoadUint64(&p.cells[wire.PageParallel])
	runtime.KeepAlive(p)
	return n != 0
}

// quit says that the worker is told to end at once.
func (p *page) quit() {
	atomic.StoreUint64(&p.cells[wire.PageQuit], 1)
	runtime.KeepAlive(p)
}

// silent is since when the worker's event loop has owed a sign of life; 0: it owes none.
func (p *page) silent() int64 {
	since := int64(atomic.LoadUint64(&p.cells[wire.PageSilent]))
	runtime.KeepAlive(p)
	return since
}

// threads is how many calls want a thread of an event loop's process, and how many it has
// at most.
func (p *page) threads() (wanted, there int) {
	n := atomic.LoadUint64(&p.cells[wire.PageThreads])
	runtime.KeepAlive(p)
	return int(n >> 32), int(n & (1<<32 - 1))
}

// body returns n bytes from the i-th unit on; not ok: they reach out of the
// page.
func (p *page) body(i uint32, n int) (_ []byte, ok bool) {
	if i >= wire.PageUnits {
		return nil, false
	}
	at := wire.PageUnitAt(p.room, wire.PageUnits, int(i))
	if n > len(p.mem)-at {
		return nil, false
	}
	return p.mem[at : at+n : at+n], true
}

// free gives the units from the i-th on back to the worker. What body returned
// may be used no longer.
func (p *page) free(i uint32) { atomic.StoreUint64(&p.cells[wire.PageStates(p.room)+int(i)], 0) }
