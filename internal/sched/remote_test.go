package sched

import (
	"os"
	"slices"
	"sync"
	"testing"

	"girin/internal/wire"
)

// fakeRemote takes calls, or does not, and notes what it is told.
type fakeRemote struct {
	mu        sync.Mutex
	refuses   bool
	placed    []RemoteCall
	withdrawn []uint64
}

func (r *fakeRemote) Place(c RemoteCall) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.refuses {
		return false
	}
	c.Environ, c.Body = slices.Clone(c.Environ), slices.Clone(c.Body)
	r.placed = append(r.placed, c)
	return true
}

func (r *fakeRemote) Withdraw(id uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.withdrawn = append(r.withdrawn, id)
}

// told notes what an answer is told.
type told struct {
	frames int
	fails  []error
}

func (a *told) Frame(*wire.Frame, []byte, []byte)        { a.frames++ }
func (a *told) File(_ *wire.Frame, _ []byte, b FileBody) { b.File.Close() }
func (a *told) Fail(cause error)                         { a.fails = append(a.fails, cause) }

type remoteRig struct {
	q      *Queue
	lane   *fakeLane
	arena  *fakeArena
	remote *fakeRemote
	answer *told
	call   *Call
}

func newRemoteRig(t *testing.T) *remoteRig {
	t.Helper()
	r := &remoteRig{lane: newFakeLane(10), arena: newFakeArena(), remote: new(fakeRemote), answer: new(told)}
	r.q = New(Config{
		Lane: r.lane, Arena: r.arena, Cells: 8, Waits: 8, Window: 1 << 20, Remote: r.remote, Clock: func() int64 { return 1 },
		Refused: func(what string) { t.Errorf("refused: %s", what) },
	})
	r.call = &Call{Answer: r.answer, Route: r.q.Route([]byte("GET"), []byte("/x")), Form: wire.Joined, Remote: true}
	if !r.q.Register(r.call) {
		t.Fatal("no cell")
	}
	return r
}

func (r *remoteRig) submit(t *testing.T, body []byte) uint64 {
	t.Helper()
	r.call.Request = append(make([]byte, wire.RequestHead), "REQUEST_METHOD\x00GET"...)
	r.call.Body = body
	if err := r.q.Submit(r.call); err != nil {
		t.Fatal(err)
	}
	return r.call.id()
}

func wholeFrame(id uint64) *wire.Frame {
	return &wire.Frame{ID: id, Kind: wire.Response, Flags: wire.Final | wire.Whole, CPU: wire.NotMeasured}
}

func TestACallThatTheRemoteTakesIsAnsweredByIt(t *testing.T) {
	for _, size := range []int{0, 100, 100_000} { // in the packet, and in the arena
		r := newRemoteRig(t)
		body := make([]byte, size)
		id := r.submit(t, body)
		if len(r.remote.placed) != 1 || r.remote.placed[0].ID != id || string(r.remote.placed[0].Environ) != "REQUEST_METHOD\x00GET" || len(r.remote.placed[0].Body) != size {
			t.Fatalf("%+v", r.remote.placed)
		}
		if r.lane.tryRead() != nil {
			t.Error("a worker gets it as well")
		}
		if err := r.q.Frame(newFakeWorker(1, 0), wholeFrame(id), []byte("200 OK"), nil); err != nil || r.answer.frames != 1 || r.call.InFlight() {
			t.Errorf("%v: %+v", err, r.answer)
		}
		if n := r.arena.blocks(); n != 0 {
			t.Errorf("%d blocks are left", n)
		}
	}
}

func TestACallThatTheRemoteDoesNotTakeRunsHere(t *testing.T) {
	r := newRemoteRig(t)
	r.remote.refuses = true
	r.submit(t, nil)
	if r.lane.tryRead() == nil {
		t.Error("no worker gets it")
	}
	home := newRemoteRig(t)
	id := home.submit(t, nil)
	home.q.Home(id)
	if home.lane.tryRead() == nil {
		t.Error("no worker gets it that came home")
	}
	home.q.Home(id + serialOne)
	home.q.Lost(id+serialOne, ErrWorkerDied)
	if len(home.answer.fails) != 0 || home.q.InFlight() != 1 {
		t.Errorf("another's end is told: %+v", home.answer)
	}
}

func TestARemoteCallEndsOnce(t *testing.T) {
	for name, end := range map[string]func(r *remoteRig, id uint64){
		"lost":                   func(r *remoteRig, id uint64) { r.q.Lost(id, ErrWorkerDied) },
		"lost twice":             func(r *remoteRig, id uint64) { r.q.Lost(id, ErrWorkerDied); r.q.Lost(id, ErrLost) },
		"cancelled, then lost":   func(r *remoteRig, id uint64) { r.q.Cancel(r.call); r.q.Lost(id, ErrCancelled) },
		"cancelled, comes home":  func(r *remoteRig, id uint64) { r.q.Cancel(r.call); r.q.Home(id) },
		"begun, cancelled, lost": func(r *remoteRig, id uint64) { r.begin(id); r.q.Cancel(r.call); r.q.Lost(id, ErrCancelled) },
	} {
		t.Run(name, func(t *testing.T) {
			r := newRemoteRig(t)
			id := r.submit(t, nil)
			end(r, id)
			if len(r.answer.fails) != 1 || r.call.InFlight() || r.q.InFlight() != 0 {
				t.Errorf("%+v, in flight %v", r.answer, r.call.InFlight())
			}
			if r.lane.tryRead() != nil {
				t.Error("a worker gets it")
			}
		})
	}
}

func (r *remoteRig) begin(id uint64) {
	f := &wire.Frame{ID: id, Kind: wire.Response, Fields: 0, CPU: wire.NotMeasured}
	_ = r.q.Frame(newFakeWorker(1, 0), f, []byte("200 OK"), nil)
}

func TestTheRemoteHearsWhoseClientHasLeft(t *testing.T) {
	r := newRemoteRig(t)
	id := r.submit(t, nil)
	r.q.Cancel(r.call)
	if !slices.Equal(r.remote.withdrawn, []uint64{id}) {
		t.Errorf("%v", r.remote.withdrawn)
	}
}

func TestTheRemoteGetsABodyOfItsOwn(t *testing.T) {
	r := newRemoteRig(t)
	file, err := os.CreateTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := file.WriteString("body"); err != nil {
		t.Fatal(err)
	}
	r.call.Spool, r.call.Length = osFile{file}, 4
	id := r.submit(t, nil)
	body := r.q.RemoteBody(id)
	r.q.Lost(id, ErrWorkerDied)
	r.q.keeper.close()
	text := make([]byte, 4)
	if _, err := body.ReadAt(text, 0); err != nil || string(text) != "body" {
		t.Errorf("%v: %q", err, text)
	}
	body.Close()
	if r.q.RemoteBody(id) != nil {
		t.Error("it is there although the call has ended")
	}
}

type osFile struct{ *os.File }

func (f osFile) OS() *os.File { return f.File }
func (f osFile) Close()       { f.File.Close() }

// Who waits for something else than a worker keeps nobody out.
func TestCallsBesideTheQueueDoNotFillIt(t *testing.T) {
	r := newRemoteRig(t)
	r.submit(t, nil)
	r.q.waited.Store(8) // as many as there are places
	if !r.q.Full() {
		t.Fatal("it is not full")
	}
	done := r.q.Beside()
	if r.q.Full() {
		t.Error("one that waits beside it counts")
	}
	done()
	if done(); !r.q.Full() {
		t.Error("one that is back does not count")
	}
	r.q.waited.Store(1)
}
