package sched

import (
	"encoding/binary"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing/synctest"
	"time"

	"girin/internal/wire"
)

// cluster is a queue under auto, the processes that serve it, and who starts
// them, in virtual time and without Python.
type cluster struct {
	cluster clusterSize
	queue   *Queue
	lanes   [2]*fakeLane
	arena   *fakeArena
	machine *machine
	running sync.WaitGroup // goroutines of workers

	mu        sync.Mutex
	jobs      []*autoJob
	workers   []*autoWorker // that read
	booting   int
	started   int
	target    int
	reloads   int
	resizes   []time.Time
	decisions []string
	faults    []string
	closed    bool
	begun     time.Time           // when a job last began
	computing map[*autoWorker]int // jobs that compute, as auto knew they would
}

// clusterSize is what a cluster starts from.
type clusterSize struct {
	Cores, Workers, Most int
	Threads              int // of a worker
	Waiting              int // Auto.Threads
	Boot                 time.Duration
	Waits                int
	Memory               int  // MiB; 0: nothing is known of it
	Loops                bool // the workers are event loops
	NoGIL                bool // their Python is free-threaded
	Single               bool // clients come back to what one process keeps
}

// phase is a part of what a request does.
type phase struct {
	Compute time.Duration
	Sleep   time.Duration
	Block   time.Duration // waits, and holds its event loop
	Thread  time.Duration // waits in one of the loop's threads
	Stop    time.Duration // its process is stopped, and tells nothing
	Pool    *pool         // held during Hold
	Hold    time.Duration // in the pool
}

// pool is connections to a database: who gets none within its patience fails.
type pool struct {
	free     chan struct{}
	patience time.Duration
	failed   atomic.Int64
	held     atomic.Int64
}

func newPool(n int, patience time.Duration) *pool {
	return &pool{free: make(chan struct{}, n), patience: patience}
}

// autoJob is one request.
type autoJob struct {
	route  string
	phases []phase
	steady bool // it computes in one go
	answer fakeAnswer
	asked  time.Time
	left   atomic.Bool // its client
	runs   atomic.Int32
	taker  atomic.Pointer[autoWorker]
	kind   kind // as it was placed
	ended  chan struct{}
	waits  chan struct{} // closed when it first waits without holding its loop
	failed bool          // its answer is a 500

	promoted atomic.Bool // another has led since it began, and may have read
}

// Frame and Fail end the job.
func (j *autoJob) Frame(f *wire.Frame, head, body []byte) {
	j.answer.Frame(f, head, body)
	close(j.ended)
}

func (j *autoJob) File(*wire.Frame, []byte, FileBody) {}

func (j *autoJob) Fail(cause error) {
	j.answer.Fail(cause)
	if n, _ := j.answer.end(); n == 1 {
		close(j.ended)
	}
}

func newCluster(size clusterSize) *cluster {
	s := &cluster{
		cluster: size, lanes: newFakeLanes(256), arena: newFakeArena(), machine: newMachine(size.Cores),
		computing: map[*autoWorker]int{}, target: size.Workers,
	}
	waits := size.Waits
	if waits == 0 {
		waits = 10_000
	}
	s.queue = New(Config{
		Lane: s.lanes[0], Arena: s.arena, Cells: wire.FlagTable, Waits: waits, Window: 1 << 10, Clock: clock, Alone: true,
		Auto: &Auto{
			Compute: s.lanes[1], Cores: size.Cores, Workers: size.Workers, Most: size.Most, Threads: size.Waiting,
			MemoryLeft: s.memoryLeft, Resize: s.resize, Decided: s.decided,
		},
	})
	if size.Single {
		s.queue.Single()
	}
	if size.Loops {
		s.queue.Loops(size.Workers)
	}
	s.queue.Start()
	s.mu.Lock()
	defer s.mu.Unlock()
	for range size.Workers {
		s.startLocked()
	}
	return s
}

// close ends everything and returns what was wrong.
func (s *cluster) close() []string {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	for s.kill(0) {
	}
	time.Sleep(s.cluster.Boot + time.Second)
	s.running.Wait()
	time.Sleep(2 * graveEvery)
	if all, _ := s.queue.inFlight(); all != 0 {
		s.fault("%d calls have not ended, and all workers have", all)
	}
	if n := s.arena.blocks(); n != 0 {
		s.fault("%d blocks are not given back", n)
	}
	s.queue.Close()
	synctest.Wait()
	return s.faults
}

func (s *cluster) fault(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.faults) < 20 {
		s.faults = append(s.faults, fmt.Sprintf(format, args...))
	}
}

func (s *cluster) decided(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.decisions = append(s.decisions, text)
}

// resize is what the scheduler asks of the supervisor.
func (s *cluster) resize(n int, _ string) {
	if n < s.cluster.Workers || n > s.cluster.Most {
		s.fault("%d workers were asked for, not %d to %d", n, s.cluster.Workers, s.cluster.Most)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.resizes = append(s.resizes, time.Now())
	s.target = n
	s.reconcileLocked()
}

// resized is when another size was asked for.
func (s *cluster) resized() []time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.resizes)
}

// reconcileLocked starts what is missing and drains what is too much.
func (s *cluster) reconcileLocked() {
	if s.closed {
		return
	}
	for range s.target - len(s.workers) - s.booting {
		s.booting++
		generation := s.reloads
		time.AfterFunc(s.cluster.Boot, func() {
			s.mu.Lock()
			defer s.mu.Unlock()
			if generation == s.reloads {
				s.booting--
			}
			if !s.closed && generation == s.reloads {
				s.startLocked()
			}
		})
	}
	for len(s.workers) > s.target {
		s.drainLocked(s.workers[0])
	}
}

// startLocked makes a worker that is ready.
func (s *cluster) startLocked() {
	s.started++
	w := &autoWorker{
		fakeWorker: newFakeWorker(s.started, s.cluster.Threads), cluster: s, process: newProcess(s.cluster.NoGIL),
		free: make(chan int, s.cluster.Threads), pool: make(chan struct{}, loopThreads), stop: make(chan struct{}), dead: make(chan struct{}),
	}
	for i := range s.cluster.Threads {
		w.free <- i
	}
	s.workers = append(s.workers, w)
	s.running.Go(w.lead)
	s.queue.Attach(w)
}

// drainLocked lets a worker finish what it runs.
func (s *cluster) drainLocked(w *autoWorker) {
	s.workers = slices.DeleteFunc(s.workers, func(o *autoWorker) bool { return o == w })
	s.queue.Detach(w)
	close(w.stop)
	w.stopped.Store(true)
	s.lanes[0].wake()
	s.running.Go(func() {
		for range s.cluster.Threads {
			select {
			case <-w.free:
			case <-w.dead:
			}
		}
		w.requests.Wait()
		s.queue.Died(w)
	})
}

// kill ends the i-th worker wherever its threads are.
func (s *cluster) kill(i int) bool {
	s.mu.Lock()
	if len(s.workers) == 0 {
		s.mu.Unlock()
		return false
	}
	w := s.workers[i%len(s.workers)]
	s.workers = slices.DeleteFunc(s.workers, func(o *autoWorker) bool { return o == w })
	s.mu.Unlock()
	w.killed.Store(true)
	w.stopped.Store(true)
	close(w.dead)
	s.lanes[0].wake()
	<-w.leaderGone()
	w.requests.Wait()
	s.queue.Died(w)
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.computing, w)
	s.reconcileLocked()
	return true
}

// reload brings in as many new workers when they have booted, and then drains
// the old ones.
func (s *cluster) reload() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reloads++
	s.booting = s.target
	generation := s.reloads
	time.AfterFunc(s.cluster.Boot, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if generation != s.reloads || s.closed {
			return
		}
		s.booting = 0
		old := slices.Clone(s.workers)
		for range s.target {
			s.startLocked()
		}
		for _, w := range old {
			s.drainLocked(w)
		}
	})
}

// ask submits a request on a call of its own.
func (s *cluster) ask(route string, phases ...phase) (*Call, *autoJob) {
	j := &autoJob{route: route, phases: phases, asked: time.Now(), ended: make(chan struct{}), waits: make(chan struct{}), steady: len(phases) == 1}
	c := &Call{Form: wire.Joined, Answer: j, Route: s.queue.Route([]byte("GET"), []byte(route))}
	c.Request = make([]byte, wire.RequestHead, wire.MaxPacket)
	s.mu.Lock()
	c.Body = binary.LittleEndian.AppendUint32(nil, uint32(len(s.jobs)))
	s.jobs = append(s.jobs, j)
	s.mu.Unlock()
	if !s.queue.Register(c) {
		s.fault("no cell is free")
	}
	if err := s.queue.Submit(c); err != nil {
		s.fault("submit: %v", err)
	}
	s.queue.Release(c)
	return c, j
}

// client asks again and again until stop is closed; it returns when the last is
// answered.
func (s *cluster) client(stop <-chan struct{}, route string, phases func() []phase) {
	for {
		select {
		case <-stop:
			return
		default:
			_, j := s.ask(route, phases()...)
			<-j.ended
		}
	}
}

// clients runs n clients for a time.
func (s *cluster) clients(n int, d time.Duration, route string, phases ...phase) (done func()) {
	stop := make(chan struct{})
	time.AfterFunc(d, func() { close(stop) })
	var all sync.WaitGroup
	for range n {
		all.Go(func() { s.client(stop, route, func() []phase { return phases }) })
	}
	return all.Wait
}

// every asks at a steady rate for a time, whatever becomes of it.
func (s *cluster) every(gap, d time.Duration, route string, phases ...phase) (done func()) {
	var all sync.WaitGroup
	all.Go(func() {
		for range d / gap {
			_, j := s.ask(route, phases...)
			all.Go(func() { <-j.ended })
			time.Sleep(gap)
		}
	})
	return all.Wait
}

func (s *cluster) job(packet []byte) (wire.Request, *autoJob) {
	r, err := wire.ParseRequest(packet)
	if err != nil {
		s.fault("packet: %v", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return r, s.jobs[binary.LittleEndian.Uint32(packet[wire.RequestHead:][r.Environ:])]
}

// count is how many processes there are, how many of them read the compute lane,
// and how many were asked for.
func (s *cluster) count() (workers, compute, target int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, w := range s.workers {
		if lanes := w.lane.Load(); lanes == computeLane || lanes&computeLane != 0 && !s.cluster.Loops { // else it looks at what is new
			compute++
		}
	}
	return len(s.workers), compute, s.target
}

// readers are the workers that read.
func (s *cluster) readers() []*autoWorker {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.workers)
}

// autoWorker is a worker process with a GIL, leader and followers.
type autoWorker struct {
	*fakeWorker
	cluster  *cluster
	process  *process
	lane     atomic.Uint32 // what Select said
	free     chan int      // slots
	pool     chan struct{} // threads of an event loop that are taken
	stop     chan struct{} // closed: read no more
	dead     chan struct{} // closed: do nothing more
	stopped  atomic.Bool
	killed   atomic.Bool
	stepping atomic.Int64
	lightly  atomic.Bool  // what computes are steps of the loop, none of them long
	threads  atomic.Int64 // calls that want one of the threads that loopThreads says
	shared   atomic.Bool  // it reads both lanes, or runs something that it did not read alone
	requests sync.WaitGroup
	hasGIL   bool        // of the leader: it has waited for the GIL
	gil      atomic.Bool // a module has turned it on

	gone     chan struct{} // guarded by inlineMu: see leaderGone
	inlineMu sync.Mutex
	inline   chan struct{} // guarded by inlineMu: closed to promote
	leads    *autoJob      // guarded by inlineMu: whose channel that is
}

// memoryLeft is what the workers that are not there would take.
func (s *cluster) memoryLeft() (int64, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return int64(s.cluster.Memory-len(s.workers)*workerMemory) << 20, s.cluster.Memory != 0
}

const workerMemory = 40 // MiB

func (w *autoWorker) Background(bool) {}
func (w *autoWorker) Memory() int64   { return workerMemory << 20 }
func (w *autoWorker) Stepping() int64 { return w.stepping.Load() }
func (w *autoWorker) Silent() int64   { return 0 }
func (w *autoWorker) Parallel() bool  { return w.process.free && !w.gil.Load() }

// Beside takes what computes for a thread's, unless that is said to be the loop's own.
func (w *autoWorker) Beside() time.Duration {
	if w.lightly.Load() {
		return 0
	}
	return w.CPU()
}

// loopThreads is how many threads a loop has for what blocks.
const loopThreads = 40

func (w *autoWorker) Threads() (wanted, there int) { return int(w.threads.Load()), loopThreads }
func (w *autoWorker) Opened() uint64               { return 0 }
func (w *autoWorker) CPU() time.Duration           { return w.cluster.machine.used(w.process) }
func (w *autoWorker) Runnable() bool               { return w.cluster.machine.runnable(w.process) }

func (w *autoWorker) Select(lanes uint32) {
	w.lane.Store(lanes)
	w.cluster.lanes[0].wake()
}

// Promote takes leadership from a leader that runs something.
func (w *autoWorker) Promote() {
	w.inlineMu.Lock()
	defer w.inlineMu.Unlock()
	if w.inline != nil && !w.cluster.cluster.Loops {
		close(w.inline)
		w.inline = nil
		w.leads.promoted.Store(true)
		w.cluster.promoted(w)
	}
}

// leaderGone is closed when nobody reads any more.
func (w *autoWorker) leaderGone() chan struct{} {
	w.inlineMu.Lock()
	defer w.inlineMu.Unlock()
	if w.gone == nil {
		w.gone = make(chan struct{})
	}
	return w.gone
}

// lead reads and hands over what is known to be slow.
func (w *autoWorker) lead() {
	defer close(w.leaderGone())
	for {
		var slot int
		select {
		case slot = <-w.free:
		case <-w.stop:
			return
		case <-w.dead:
			return
		}
		packet := w.read()
		if packet == nil {
			w.free <- slot
			return
		}
		r, j := w.cluster.job(packet)
		promoted, done := make(chan struct{}), make(chan struct{})
		inline := r.Flags&wire.Slow == 0 || w.cluster.cluster.Loops
		if inline {
			w.inlineMu.Lock()
			w.inline, w.leads = promoted, j
			w.inlineMu.Unlock()
		}
		w.requests.Go(func() {
			defer close(done)
			w.run(slot, &r, j)
		})
		if inline {
			select {
			case <-done:
			case <-promoted:
			case <-j.waits:
			case <-w.dead:
			}
			w.inlineMu.Lock()
			w.inline = nil
			w.inlineMu.Unlock()
		}
	}
}

// read takes the next packet of the lanes that are selected.
func (w *autoWorker) read() []byte {
	lanes := w.cluster.lanes
	lanes[0].mu.Lock()
	defer lanes[0].mu.Unlock()
	for {
		if w.stopped.Load() {
			return nil
		}
		switch l := w.unreadLocked(); {
		case l == nil:
			lanes[0].changed.Wait()
		case w.awaitGILLocked():
		default:
			p := l.packets[0]
			l.packets = l.packets[1:]
			l.changed.Broadcast()
			return p
		}
	}
}

// unreadLocked is the first of the lanes that are selected that holds a packet.
func (w *autoWorker) unreadLocked() *fakeLane {
	for i, l := range w.cluster.lanes {
		if w.lane.Load()>>i&1 == 1 && len(l.packets) > 0 {
			return l
		}
	}
	return nil
}

// awaitGILLocked lets another thread of the process that computes go on for its switch
// interval, and reports whether there was one; meanwhile others may have read.
func (w *autoWorker) awaitGILLocked() bool {
	if w.hasGIL || w.process.free || !w.Runnable() {
		w.hasGIL = false
		return false
	}
	w.cluster.lanes[0].mu.Unlock()
	w.pause(500 * time.Microsecond)
	w.cluster.lanes[0].mu.Lock()
	w.hasGIL = true
	return true
}

// run runs a request in a slot and gives the slot back.
func (w *autoWorker) run(slot int, r *wire.Request, j *autoJob) {
	if other := j.taker.Swap(w); other != nil {
		w.cluster.fault("a request of %s was taken twice", j.route)
	}
	if !w.pause(5 * time.Microsecond) {
		return
	}
	w.set(slot, r.ID)
	f, lives := w.serve(r, j)
	if !lives {
		return
	}
	w.set(slot, 0)
	w.free <- slot
	if w.pause(5 * time.Microsecond) { // finished, but not sent
		head := "200"
		if j.failed {
			head = "500"
		}
		if err := w.cluster.queue.Frame(w, f, []byte(head), nil); err != nil {
			w.cluster.fault("the frame %+v is refused: %v", f, err)
		}
	}
}

func (w *autoWorker) serve(r *wire.Request, j *autoJob) (f *wire.Frame, lives bool) {
	s := w.cluster
	if s.dropped(r.ID) {
		return &wire.Frame{ID: r.ID, Kind: wire.Dropped, Flags: wire.Final}, true
	}
	j.runs.Add(1)
	began := time.Now()
	s.mu.Lock()
	s.begun = began
	s.mu.Unlock()
	if c := s.queue.find(r.ID); c != nil {
		j.kind = c.kind
	}
	f = &wire.Frame{ID: r.ID, Kind: wire.Response, Flags: wire.Final | wire.Whole, CPU: wire.NotMeasured, Began: uint64(began.UnixNano())}
	cpu := time.Duration(0)
	for _, p := range j.phases {
		ok := true
		switch {
		case p.Compute > 0:
			cpu += p.Compute
			ok = w.compute(p.Compute, j)
		case p.Pool != nil:
			ok = w.hold(p, j)
		case p.Thread > 0:
			ok = w.inThread(p, j)
		case p.Stop > 0:
			ok = w.pause(p.Stop)
		case p.Block > 0:
			w.stepping.Store(clock())
			noticed := min(p.Block, 40*time.Millisecond)
			if ok = w.pause(noticed); ok && noticed < p.Block { // as a worker notices what goes on
				s.queue.Held(s.queue.Route([]byte("GET"), []byte(j.route)), noticed)
				ok = w.pause(p.Block - noticed)
			}
			w.stepping.Store(0)
			cpu += p.Block
		default:
			if s.cluster.Loops && p.Sleep > 0 {
				close(j.waits)
			}
			ok = w.pause(p.Sleep)
		}
		if !ok {
			return nil, false
		}
	}
	if r.Flags&wire.MeasureCPU != 0 {
		f.CPU = uint32(cpu.Microseconds())
	}
	f.Service = uint32(time.Since(began).Microseconds())
	return f, true
}

// compute takes CPU time, and notes if more compute than should.
func (w *autoWorker) compute(d time.Duration, j *autoJob) bool {
	s := w.cluster
	counts := j.kind == computing && j.steady && d >= 5*time.Millisecond && !s.sharing()
	if counts {
		s.mu.Lock()
		s.computing[w]++
		all, here := 0, s.computing[w]
		for _, n := range s.computing {
			all += n
		}
		s.mu.Unlock()
		if all > s.cluster.Cores {
			s.fault("%d requests compute on %d cores", all, s.cluster.Cores)
		}
		if w.lane.Load() != computeLane || j.promoted.Load() {
			w.shared.Store(true)
		}
		if here > 1 && !w.process.free && !w.shared.Load() {
			s.fault("%d requests compute in one process", here)
		}
	}
	lives := s.machine.compute(w.process, d, w.dead)
	if counts {
		s.mu.Lock()
		if s.computing[w]--; s.computing[w] == 0 {
			w.shared.Store(false)
		}
		s.mu.Unlock()
	}
	return lives
}

// promoted notes that another leads while something runs.
func (s *cluster) promoted(w *autoWorker) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.computing[w] > 0 {
		w.shared.Store(true)
	}
}

// sharing reports whether computing requests may share processes just now.
func (s *cluster) sharing() bool {
	a := s.queue.auto
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.extra > 0
}

// hold waits for a connection of the pool and keeps it for a while.
func (w *autoWorker) hold(p phase, j *autoJob) bool {
	select {
	case p.Pool.free <- struct{}{}:
		p.Pool.held.Add(1)
		defer func() { <-p.Pool.free }()
		return w.pause(p.Hold)
	case <-time.After(p.Pool.patience):
		p.Pool.failed.Add(1)
		j.failed = true
		return true
	case <-w.dead:
		return false
	}
}

// inThread waits in one of the loop's threads, once one is free.
func (w *autoWorker) inThread(p phase, j *autoJob) bool {
	w.threads.Add(1)
	defer w.threads.Add(-1)
	close(j.waits)
	select {
	case w.pool <- struct{}{}:
		defer func() { <-w.pool }()
		return w.pause(p.Thread)
	case <-w.dead:
		return false
	}
}

// pause passes time, and reports whether the worker still lives.
func (w *autoWorker) pause(d time.Duration) bool {
	select {
	case <-w.dead:
		return false
	case <-time.After(d):
		return !w.killed.Load()
	}
}

// dropped looks at the flag table, as a worker does.
func (s *cluster) dropped(id uint64) bool {
	s.queue.mu.Lock() // which orders it with the writes in this process
	defer s.queue.mu.Unlock()
	return s.arena.flags[id&(wire.FlagTable-1)] != 0
}

// Loop is the worker's event loop, if it has one.
func (w *autoWorker) Loop() (lag time.Duration, tasks int) { return 0, 0 }
