package sched

import (
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"girin/internal/wire"
)

// TestSimulatedWorkers drives the queue with random loads, deaths and
// departures in virtual time and checks what must hold whatever happens:
//
//   - every call ends exactly once, and no application runs it twice;
//   - only calls that a dead worker had taken are lost or fail with it;
//   - nothing waits unread beside a free thread for longer than a promotion
//     takes, unless something else began meanwhile;
//   - nothing is held in the master while the lane has room.
func TestSimulatedWorkers(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		plan := drawPlan(r)
		var faults []string
		synctest.Test(t, func(t *testing.T) { faults = plan.run() })
		for _, fault := range faults {
			r.Error(fault)
		}
		if len(faults) > 0 {
			r.Fatalf("plan: %+v", plan)
		}
	})
}

// plan is what happens in one simulation.
type plan struct {
	Room    int // packets in the lane
	Clients int
	Threads []int // of each worker at the start
	Steps   []step
}

type step struct {
	After   time.Duration
	What    string
	Who     int           // client or worker
	Route   int           // of a request
	Service time.Duration // of a request
	Stream  bool          // the answer comes in two frames
}

func drawPlan(r *rapid.T) plan {
	steps := rapid.Custom(func(r *rapid.T) step {
		return step{
			After:   time.Duration(rapid.SampledFrom([]int{0, 0, 0, 50, 1000, 20_000, 300_000}).Draw(r, "after")) * time.Microsecond,
			What:    rapid.SampledFrom([]string{"submit", "submit", "submit", "submit", "submit", "submit", "cancel", "leave", "kill", "drain", "start"}).Draw(r, "what"),
			Who:     rapid.IntRange(0, 63).Draw(r, "who"),
			Route:   rapid.IntRange(0, 2).Draw(r, "route"),
			Service: time.Duration(rapid.SampledFrom([]int{50, 50, 50, 50, 50, 50, 200, 200, 900, 3000, 50_000, 500_000}).Draw(r, "service")) * time.Microsecond,
			Stream:  rapid.Bool().Draw(r, "stream"),
		}
	})
	n := rapid.SampledFrom([]int{5, 20, 80, 160}).Draw(r, "n")
	return plan{
		Room:    rapid.IntRange(1, 8).Draw(r, "room"),
		Clients: rapid.IntRange(1, 40).Draw(r, "clients"),
		Threads: rapid.SliceOfN(rapid.IntRange(1, 4), 1, 3).Draw(r, "threads"),
		Steps:   rapid.SliceOfN(steps, n, n).Draw(r, "steps"),
	}
}

// sim is a running simulation.
type sim struct {
	queue *Queue
	lane  *fakeLane
	arena *fakeArena

	clients []*Call
	jobs    []*job
	workers []*simWorker // alive and reading
	ended   sync.WaitGroup
	started int

	mu     sync.Mutex
	faults []string
	begun  time.Time // when a job last began
}

// job is one request of the simulation.
type job struct {
	step      step
	answer    fakeAnswer
	cancelled bool
	runs      atomic.Int32
	taker     atomic.Pointer[simWorker]
}

func (s *sim) fault(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = append(s.faults, fmt.Sprintf(format, args...))
}

// run carries the plan out and returns what was wrong.
func (p plan) run() []string {
	s := &sim{lane: newFakeLane(p.Room), arena: newFakeArena()}
	s.queue = New(Config{Lane: s.lane, Arena: s.arena, Cells: p.Clients + 64, Waits: 1000, Clock: clock})
	s.queue.Start()
	for range p.Clients {
		s.clients = append(s.clients, s.client())
	}
	for _, threads := range p.Threads {
		s.start(threads)
	}
	stop := make(chan struct{})
	s.ended.Go(func() { s.watch(stop) })
	for _, st := range p.Steps {
		time.Sleep(st.After)
		s.do(st)
		s.checkHeld()
	}
	s.start(2) // someone is there for what is left
	time.Sleep(3 * time.Minute)
	synctest.Wait()
	s.checkJobs()
	close(stop)
	for len(s.workers) > 0 {
		s.kill(0)
	}
	s.ended.Wait()
	time.Sleep(2 * graveEvery)
	if all, _ := s.queue.inFlight(); all != 0 {
		s.fault("%d calls have not ended, and all workers have", all)
	}
	s.queue.Close()
	return s.faults
}

func (s *sim) do(st step) {
	i := st.Who % len(s.clients)
	switch st.What {
	case "submit":
		if c := s.clients[i]; wasLost(c) { // its connection has ended
			s.queue.Release(c)
			s.clients[i] = s.client()
		}
		s.submit(s.clients[i], st)
	case "cancel":
		s.cancel(s.clients[i])
	case "leave":
		s.cancel(s.clients[i])
		s.queue.Release(s.clients[i])
		s.clients[i] = s.client()
	case "kill":
		if len(s.workers) > 0 {
			s.kill(st.Who % len(s.workers))
		}
	case "drain":
		if len(s.workers) > 0 {
			s.drain(st.Who % len(s.workers))
		}
	case "start":
		s.start(1 + st.Who%4)
	}
}

func (s *sim) client() *Call {
	c := &Call{Form: wire.Joined}
	if !s.queue.Register(c) {
		s.fault("no cell is free")
	}
	return c
}

func (s *sim) submit(c *Call, st step) {
	if waits(c) {
		return
	}
	j := &job{step: st}
	c.Answer = &j.answer
	c.Route = s.queue.Route([]byte("GET"), fmt.Appendf(nil, "/route-%c", 'a'+st.Route))
	c.Request = make([]byte, wire.RequestHead, wire.MaxPacket)
	c.Body = binary.LittleEndian.AppendUint32(nil, uint32(len(s.jobs)))
	if st.Stream {
		c.Body = append(c.Body, make([]byte, wire.MaxPacket)...)
	}
	s.mu.Lock()
	s.jobs = append(s.jobs, j)
	s.mu.Unlock()
	if err := s.queue.Submit(c); err != nil {
		s.fault("submit: %v", err)
	}
}

// wasLost reports whether the client was told that its request is lost.
func wasLost(c *Call) bool {
	if c.Answer == nil {
		return false
	}
	_, cause := c.Answer.(*fakeAnswer).end()
	return errors.Is(cause, ErrLost)
}

// waits reports whether the client waits for an answer.
func waits(c *Call) bool {
	if c.Answer == nil {
		return false
	}
	ends, _ := c.Answer.(*fakeAnswer).end()
	return ends == 0
}

func (s *sim) cancel(c *Call) {
	if !waits(c) {
		return
	}
	for _, j := range s.jobs {
		if &j.answer == c.Answer {
			j.cancelled = true
		}
	}
	s.queue.Cancel(c)
}

// job returns what a packet is about.
func (s *sim) job(packet []byte) (r wire.Request, j *job) {
	r, err := wire.ParseRequest(packet)
	if err != nil {
		s.fault("packet: %v", err)
	}
	body := packet[wire.RequestHead:]
	if r.Flags&wire.InArena != 0 {
		body = s.arena.mem[r.At:]
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return r, s.jobs[binary.LittleEndian.Uint32(body[r.Environ:])]
}

// checkHeld: when all is quiet, nothing is held while the lane has room.
func (s *sim) checkHeld() {
	synctest.Wait()
	s.lane.mu.Lock()
	free := s.lane.room - len(s.lane.packets)
	s.lane.mu.Unlock()
	if held := s.queue.main.held.Load(); held > 0 && free > 0 {
		s.fault("%d calls are held although the lane has room for %d", held, free)
	}
}

// most is how long something may wait beside a free thread: until the watcher
// looks, and looks again.
const most = 3 * time.Millisecond

// watch notes when something waits beside a free thread for too long.
func (s *sim) watch(stop chan struct{}) {
	var since time.Time
	var told bool
	for {
		select {
		case <-stop:
			return
		case <-time.After(500 * time.Microsecond):
		}
		if all, graves := s.queue.inFlight(); all == graves {
			// Nothing can go wrong; do not step through quiet minutes.
			select {
			case <-stop:
				return
			case <-time.After(100 * time.Millisecond):
			}
			since = time.Now()
		}
		if s.lane.Unread() == 0 || !s.aThreadIsFree() {
			since = time.Now()
			continue
		}
		s.mu.Lock()
		if s.begun.After(since) {
			since = s.begun
		}
		s.mu.Unlock()
		if time.Since(since) > most && !told {
			told = true
			s.fault("something waits unread beside a free thread since %v", time.Since(since))
		}
	}
}

func (s *sim) aThreadIsFree() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, w := range s.workers {
		for i := range w.Slots() {
			if id, _ := w.Slot(i); id == 0 {
				return true
			}
		}
	}
	return false
}

func (s *sim) checkJobs() {
	for i, j := range s.jobs {
		ends, cause := j.answer.end()
		taker := j.taker.Load()
		died := taker != nil && taker.killed.Load()
		switch {
		case ends != 1:
			s.fault("job %d ended %d times (%v); taken by %v", i, ends, cause, taker)
		case j.runs.Load() > 1:
			s.fault("job %d ran %d times", i, j.runs.Load())
		case cause == nil && j.runs.Load() != 1:
			s.fault("job %d was answered and ran %d times", i, j.runs.Load())
		case errors.Is(cause, ErrCancelled) && !j.cancelled:
			s.fault("job %d was dropped though its client waits", i)
		case (errors.Is(cause, ErrLost) || errors.Is(cause, ErrWorkerDied)) && !died:
			s.fault("job %d failed with %v though no dead worker had it", i, cause)
		}
	}
	if n := s.queue.InFlight(); n != 0 {
		s.fault("%d calls count as in flight", n)
	}
	if all, graves := s.queue.inFlight(); all > graves {
		s.fault("%d calls are in flight", all-graves)
	}
	if n := s.arena.blocks(); n != 0 {
		s.fault("%d blocks are not given back", n)
	}
}

// simWorker is a worker with leader and followers, as wire and the shim have
// them: the leader reads; it runs inline what is not known to be slow, and
// gives leadership up before it runs what is, or when it is told to.
type simWorker struct {
	*fakeWorker
	sim      *sim
	leader   chan struct{} // holds one token, when nobody leads
	stop     chan struct{} // closed: read no more
	dead     chan struct{} // closed: do nothing more
	killed   atomic.Bool
	stopped  atomic.Bool
	threads  sync.WaitGroup
	inlineMu sync.Mutex
	inline   *bool // of the leader that runs something: whether it still leads
}

func (s *sim) start(threads int) {
	s.started++
	w := &simWorker{
		fakeWorker: newFakeWorker(s.started, threads), sim: s,
		leader: make(chan struct{}, 1), stop: make(chan struct{}), dead: make(chan struct{}),
	}
	w.leader <- struct{}{}
	s.mu.Lock()
	s.workers = append(s.workers, w)
	s.mu.Unlock()
	s.queue.Attach(w)
	for i := range threads {
		w.threads.Go(func() { w.thread(i) })
	}
}

func (s *sim) remove(i int) *simWorker {
	s.mu.Lock()
	defer s.mu.Unlock()
	w := s.workers[i]
	s.workers = append(s.workers[:i:i], s.workers[i+1:]...)
	return w
}

// kill ends a worker wherever its threads are.
func (s *sim) kill(i int) {
	w := s.remove(i)
	w.killed.Store(true)
	w.stopped.Store(true)
	close(w.dead)
	s.lane.wake()
	w.threads.Wait()
	s.queue.Died(w)
}

// drain lets a worker finish what it runs.
func (s *sim) drain(i int) {
	w := s.remove(i)
	s.queue.Detach(w)
	w.stopped.Store(true)
	close(w.stop)
	s.lane.wake()
	s.ended.Go(func() {
		w.threads.Wait()
		s.queue.Left(w)
	})
}

// Promote takes leadership from a leader that runs something.
func (w *simWorker) Promote() {
	w.inlineMu.Lock()
	defer w.inlineMu.Unlock()
	if w.inline != nil && *w.inline {
		*w.inline = false
		w.inline = nil
		w.leader <- struct{}{}
	}
}

// pause passes time, and reports whether the worker still lives.
func (w *simWorker) pause(d time.Duration) bool {
	select {
	case <-w.dead:
		return false
	case <-time.After(d):
		return !w.killed.Load()
	}
}

func (w *simWorker) thread(i int) {
	leads := false
	for {
		if !leads {
			select {
			case <-w.dead:
				return
			case <-w.stop:
				return
			case <-w.leader:
			}
		}
		packet := w.sim.lane.read(w.stopped.Load)
		if packet == nil {
			w.leader <- struct{}{}
			return
		}
		var lives bool
		if leads, lives = w.take(i, packet); !lives {
			return
		}
	}
}

// take runs what the leader has read. It reports whether the thread still
// leads, and whether the worker still lives.
func (w *simWorker) take(i int, packet []byte) (leads, lives bool) {
	r, j := w.sim.job(packet)
	if other := j.taker.Swap(w); other != nil {
		w.sim.fault("a job was taken twice")
	}
	if !w.pause(5 * time.Microsecond) {
		return false, false
	}
	w.set(i, r.ID)
	leads = true
	if r.Flags&wire.Slow != 0 {
		leads = false
		w.leader <- struct{}{}
	} else {
		w.inlineMu.Lock()
		w.inline = &leads
		w.inlineMu.Unlock()
	}
	lives = w.serve(i, &r, j)
	w.inlineMu.Lock()
	defer w.inlineMu.Unlock()
	if leads {
		w.inline = nil
	}
	return leads, lives
}

// serve answers a request.
func (w *simWorker) serve(i int, r *wire.Request, j *job) bool {
	if w.sim.dropped(r.ID) {
		w.set(i, 0)
		w.frame(&wire.Frame{ID: r.ID, Kind: wire.Dropped, Flags: wire.Final}, nil, nil)
		return true
	}
	j.runs.Add(1)
	w.sim.mu.Lock()
	w.sim.begun = time.Now()
	w.sim.mu.Unlock()
	if !w.pause(j.step.Service) {
		return false
	}
	f := answer(r.ID, j.step.Service)
	if j.step.Stream {
		f.Flags = 0
		w.frame(f, nil, nil)
		if !w.pause(j.step.Service) {
			return false
		}
		f.Kind, f.Flags = wire.Block, wire.Final
	}
	w.set(i, 0)
	if !w.pause(5 * time.Microsecond) { // finished, but not sent
		return false
	}
	w.frame(f, nil, nil)
	return true
}

// frame sends a frame that is in order.
func (w *simWorker) frame(f *wire.Frame, head, body []byte) {
	if err := w.sim.queue.Frame(w, f, head, body); err != nil {
		w.sim.fault("the frame %+v is refused: %v", f, err)
	}
}

// dropped looks at the flag table, as a worker does.
func (s *sim) dropped(id uint64) bool {
	s.queue.mu.Lock() // which orders it with the writes in this process
	defer s.queue.mu.Unlock()
	return s.arena.flags[id&(wire.FlagTable-1)] != 0
}
