package sched

import (
	"errors"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"girin/internal/wire"
)

// fakeLane is a lane of so many packets. Whoever reads first gets the next.
type fakeLane struct {
	mu      *sync.Mutex
	changed *sync.Cond
	room    int
	packets [][]byte
	stopped bool
}

func newFakeLane(room int) *fakeLane {
	mu := new(sync.Mutex)
	return &fakeLane{mu: mu, changed: sync.NewCond(mu), room: room}
}

// newFakeLanes returns the lanes of auto, of which a worker may read both: they
// share a lock.
func newFakeLanes(room int) [2]*fakeLane {
	main := newFakeLane(room)
	return [2]*fakeLane{main, {mu: main.mu, changed: main.changed, room: room}}
}

func (l *fakeLane) TrySend(packet []byte) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.packets) >= l.room {
		return false
	}
	l.putLocked(packet)
	return true
}

func (l *fakeLane) Send(packet []byte) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for len(l.packets) >= l.room && !l.stopped {
		l.changed.Wait()
	}
	if l.stopped {
		return errors.New("lane stopped")
	}
	l.putLocked(packet)
	return nil
}

func (l *fakeLane) putLocked(packet []byte) {
	l.packets = append(l.packets, append([]byte(nil), packet...))
	l.changed.Broadcast()
}

func (l *fakeLane) Stop() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stopped = true
	l.changed.Broadcast()
}

func (l *fakeLane) Unread() (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, p := range l.packets {
		n += len(p)
	}
	return n
}

// read takes the next packet; nil when stop says so.
func (l *fakeLane) read(stop func() bool) []byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	for len(l.packets) == 0 {
		if stop() {
			return nil
		}
		l.changed.Wait()
	}
	if stop() {
		return nil
	}
	p := l.packets[0]
	l.packets = l.packets[1:]
	l.changed.Broadcast()
	return p
}

// tryRead takes the next packet, or nil if there is none.
func (l *fakeLane) tryRead() []byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.packets) == 0 {
		return nil
	}
	p := l.packets[0]
	l.packets = l.packets[1:]
	l.changed.Broadcast()
	return p
}

// wake makes readers look whether they shall stop.
func (l *fakeLane) wake() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.changed.Broadcast()
}

// fakeArena hands out blocks of any size and remembers which are out.
type fakeArena struct {
	mu    sync.Mutex
	flags []byte
	mem   []byte
	next  int
	out   map[int]int // offset -> length
	full  bool
}

func newFakeArena() *fakeArena {
	return &fakeArena{flags: make([]byte, wire.FlagTable), mem: make([]byte, 4<<20), out: map[int]int{}}
}

func (a *fakeArena) Flags() []byte { return a.flags }

func (a *fakeArena) Alloc(n int) ([]byte, int, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.full || a.next+n > len(a.mem) {
		return nil, 0, false
	}
	at := a.next
	a.next += n
	a.out[at] = n
	return a.mem[at : at+n], at, true
}

func (a *fakeArena) Free(at, n int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.out[at] != n {
		panic("a block was freed that is not out")
	}
	delete(a.out, at)
}

func (a *fakeArena) Size() int64 { return 256 << 20 }

func (a *fakeArena) Used() (n int64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, size := range a.out {
		n += int64(size)
	}
	return n
}

func (a *fakeArena) Blocks() int { return a.blocks() }

func (a *fakeArena) blocks() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.out)
}

// fakeWorker has slots that tests set, and notes what it is told.
type fakeWorker struct {
	pid int

	mu       sync.Mutex
	slots    [][2]uint64
	promoted []time.Time
	grants   []grant
	said     []said
	bodies   []uint64

	unheard atomic.Bool // something that it has sent was not passed on
}

type grant struct {
	id uint64
	n  uint32
}

func newFakeWorker(pid, slots int) *fakeWorker {
	return &fakeWorker{pid: pid, slots: make([][2]uint64, slots)}
}

func (w *fakeWorker) PID() int   { return w.pid }
func (w *fakeWorker) Slots() int { return len(w.slots) }

func (w *fakeWorker) Slot(i int) (id, began uint64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.slots[i][0], w.slots[i][1]
}

func (w *fakeWorker) set(i int, id uint64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.slots[i] = [2]uint64{id, uint64(clock())}
}

func (w *fakeWorker) Promote() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.promoted = append(w.promoted, time.Now())
}

func (w *fakeWorker) promotions() []time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]time.Time(nil), w.promoted...)
}

func (w *fakeWorker) Grant(id uint64, n uint32) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.grants = append(w.grants, grant{id, n})
}

func (w *fakeWorker) SendBody(id uint64, _ *os.File, _ int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.bodies = append(w.bodies, id)
}

func (w *fakeWorker) Dump(uint64) {}

func (w *fakeWorker) Say(f wire.Inbound, data []byte) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.said = append(w.said, said{f, string(data)})
}

func (w *fakeWorker) Flush() {}

func (w *fakeWorker) Heard() bool { return !w.unheard.Load() }

// said is what a fakeWorker was told of a WebSocket.
type said struct {
	f    wire.Inbound
	data string
}

// fakeAnswer notes what becomes of a call.
type fakeAnswer struct {
	mu     sync.Mutex
	frames []wire.Frame
	files  []FileBody
	body   []byte
	ends   int
	cause  error
	ended  time.Time
}

func (a *fakeAnswer) Frame(f *wire.Frame, _, body []byte) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.frames = append(a.frames, *f)
	a.body = append(a.body, body...)
	if f.Flags&wire.Final != 0 {
		a.ends++
		a.ended = time.Now()
	}
}

func (a *fakeAnswer) File(_ *wire.Frame, _ []byte, body FileBody) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.files = append(a.files, body)
	a.ends++
}

func (a *fakeAnswer) Fail(cause error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.cause = cause
	a.ends++
	a.ended = time.Now()
}

func (a *fakeAnswer) end() (ends int, cause error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.ends, a.cause
}

func clock() int64 { return time.Now().UnixNano() }

// bench is a queue with its surroundings.
type bench struct {
	*Queue
	t     *testing.T
	lane  *fakeLane
	arena *fakeArena
}

// newBench returns a started queue in a bubble of virtual time. The lane has
// room for so many packets.
func newBench(t *testing.T, room int, change func(*Config)) *bench {
	b := &bench{t: t, lane: newFakeLane(room), arena: newFakeArena()}
	cfg := Config{Lane: b.lane, Arena: b.arena, Cells: 64, Waits: 64, Window: 1 << 10, Clock: clock}
	if change != nil {
		change(&cfg)
	}
	b.Queue = New(cfg)
	b.Start()
	t.Cleanup(b.Close)
	return b
}

// call returns a registered call for GET path.
func (b *bench) call(path string) (*Call, *fakeAnswer) {
	b.t.Helper()
	a := &fakeAnswer{}
	c := &Call{Answer: a}
	if !b.Register(c) {
		b.t.Fatal("no cell is free")
	}
	b.prepare(c, path)
	return c, a
}

// prepare makes c a request for GET path.
func (b *bench) prepare(c *Call, path string) {
	c.Route = b.Route([]byte("GET"), []byte(path))
	c.Form = wire.Joined
	c.Request = append(make([]byte, wire.RequestHead), "PATH_INFO\x00"+path...)
}

// Frame passes a frame on that the worker may send.
func (b *bench) Frame(w Worker, f *wire.Frame, head, body []byte) {
	b.t.Helper()
	if err := b.Queue.Frame(w, f, head, body); err != nil {
		b.t.Errorf("the frame %+v is refused: %v", f, err)
	}
}

// refuses fails the test unless the worker must be ended for the frame, and its
// call is as it was.
func (b *bench) refuses(w Worker, f *wire.Frame, body []byte, want error) {
	b.t.Helper()
	if err := b.Queue.Frame(w, f, nil, body); err == nil || want != nil && !errors.Is(err, want) {
		b.t.Errorf("the frame %+v: %v, want %v", f, err, want)
	}
}

func (b *bench) submit(c *Call) {
	b.t.Helper()
	if err := b.Submit(c); err != nil {
		b.t.Fatal(err)
	}
}

// read takes the next packet from the lane, which must hold one.
func (b *bench) read() wire.Request {
	b.t.Helper()
	p := b.lane.tryRead()
	r, err := wire.ParseRequest(p)
	if err != nil {
		b.t.Fatal(err)
	}
	return r
}

// fakeSpool is a body in a file.
type fakeSpool struct {
	file   *os.File
	closed atomic.Int32
}

func newFakeSpool(t *testing.T) *fakeSpool {
	t.Helper()
	f, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	return &fakeSpool{file: f}
}

func (s *fakeSpool) OS() *os.File { return s.file }
func (s *fakeSpool) Close()       { s.closed.Add(1); s.file.Close() }

// inFlight counts the calls that have not ended, waited for or not. Of those lost
// are, whose cells stay until each worker has begun something since.
func (q *Queue) inFlight() (all, graves int) {
	q.each(func(c *Call, _ uint64) {
		if all++; stateOf(c.life.Load()) == lost {
			graves++
		}
	})
	return all, graves
}

// answer is what a worker sends for a quick, whole response.
func answer(id uint64, service time.Duration) *wire.Frame {
	return &wire.Frame{ID: id, Kind: wire.Response, Flags: wire.Final | wire.Whole, Service: uint32(service.Microseconds())}
}

// inBubble runs f in a bubble of virtual time.
func inBubble(f func(t *testing.T)) func(t *testing.T) {
	return func(t *testing.T) { synctest.Test(t, f) }
}

// checkEnd fails the test unless the call ended once, with cause.
func checkEnd(t *testing.T, a *fakeAnswer, cause error) {
	t.Helper()
	ends, got := a.end()
	if ends != 1 || !errors.Is(got, cause) {
		t.Errorf("ended %d times, with %v; want once, with %v", ends, got, cause)
	}
}

func checkRuns(t *testing.T, a *fakeAnswer) {
	t.Helper()
	if ends, cause := a.end(); ends != 0 {
		t.Errorf("ended with %v; want it in flight", cause)
	}
}
