package jobs

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"

	"girin/internal/guard"
	"girin/internal/jobs/job"
	"girin/internal/sched"
	"girin/internal/wire"
)

// storeLimit is how long the engine may take to store something; what is large takes longer.
const storeLimit = 10 * time.Second

func limitFor(size int64) time.Duration { return storeLimit + time.Duration(size/slowest)*time.Second }

// slowest is how many bytes are stored in a second at least, each part with an fsync.
const slowest = 8 << 20

// work runs an accepted job, and returns when it has ended. What became of it is stored while
// the slot goes on, as before says, but not beside what became of the one before.
func (r *runner) work(m *nats.Msg, before *sync.WaitGroup) {
	id, ok := idOf(m.Subject)
	s := r.n.store.Load()
	message, err := job.ParseMessage(m.Data)
	if !ok || s == nil || err != nil {
		r.unread("an accepted one", err)
		_ = m.NakWithDelay(lease)
		return
	}
	select {
	case <-r.stop:
		_ = m.Nak()
		return
	default:
	}
	r.claiming(id, 1)
	rec := r.claim(s, m, id)
	if rec == nil {
		r.claiming(id, -1)
		return
	}
	r.n.counts.pulled.Add(1)
	r.n.counts.in.Add(int64(len(m.Data)))
	if rec.Attempt > 1 {
		r.n.counts.redelivered.Add(1)
	}
	w := &workload{r: r, s: s, rec: rec.Record, known: rec, data: m.Data, ended: make(chan struct{})}
	w.m.Store(m)
	r.mu.Lock()
	r.works[id] = w
	r.mu.Unlock()
	r.claiming(id, -1)
	stop := w.keepLease()
	refused := w.begin(&message)
	if refused == nil {
		w.await()
	}
	before.Wait()
	before.Go(func() {
		r.n.cfg.Guard.Keep(guard.Part{Name: "the end of an accepted job", Run: func() { w.finish(refused) }})
		w.close()
		stop()
		r.mu.Lock()
		if r.works[id] == w { // else it was put back into the queue, and another slot has begun it
			delete(r.works, id)
		}
		r.mu.Unlock()
	})
	if refused != nil {
		before.Wait() // or the slot would take it again at once
	}
}

// claiming notes that one slot more, or one less, is about to run a job.
func (r *runner) claiming(id job.ID, slots int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.claims[id] += slots; r.claims[id] == 0 {
		delete(r.claims, id)
	}
}

// claim begins a job in its record, which it returns. nil: it is not begun, and what becomes
// of the message is settled.
func (r *runner) claim(s *store, m *nats.Msg, id job.ID) *stored {
	left := false
	ctx, cancel := context.WithTimeout(r.n.ctx, storeLimit)
	defer cancel()
	rec, changed, err := s.change(ctx, change{id: id, event: job.Begin, known: s.young.take(ctx, id), is: func(was *job.Record) bool {
		left = r.isLeft(was, m)
		return !left
	}, note: func(rec *job.Record) {
		switch rec.Status {
		case job.Running:
			rec.Node, rec.Host = r.n.name, host()
		case job.Queued, job.Lost, job.Dead:
			rec.Reason = runnerGone
		}
	}})
	switch {
	case errors.Is(err, errNoJob):
		r.orphan(ctx, s, m, id)
	case err != nil:
		r.n.cfg.Log.Debugf("jobs: %v", err)
		_ = m.NakWithDelay(time.Second)
	case left:
	case !changed && !s.hasEndedNow(ctx, id): // it is run again just now
		_ = m.NakWithDelay(time.Second)
	case !changed: // it has ended, and whoever noted that may have died before it let go of the message
		s.letGo(ctx, &rec.Record, m.Data)
		_ = m.Ack()
	case rec.Status == job.Queued:
		_ = m.NakWithDelay(rec.Wait())
	case rec.Status != job.Running:
		r.n.cfg.Log.Warningf("Job %s (%s) is %s: whoever ran it has gone", id, rec.Route, rec.Status)
		r.n.counts.ended(rec.Status)
		ctx, cancel := context.WithTimeout(r.n.ctx, storeLimit) // of the other most may be over
		defer cancel()
		s.letGo(ctx, &rec.Record, m.Data)
		_ = m.Ack()
	default:
		return &rec
	}
	return nil
}

// runnerGone is why a job has ended, or begins anew, of whose runner nobody hears any more.
const runnerGone = "the server that ran it has gone"

// isLeft reports whether a message is not to be begun now: it is too early, or it was
// delivered again although its runner lives, as after a new start of the engine.
func (r *runner) isLeft(was *job.Record, m *nats.Msg) bool {
	early := was.After.Sub(r.n.now())
	switch {
	case was.Status == job.Queued && early > 0:
		_ = m.NakWithDelay(early)
		return true
	case was.Status != job.Running:
		return false
	}
	r.mu.Lock()
	own, claims := r.works[was.ID], r.claims[was.ID]
	r.mu.Unlock()
	switch {
	case own != nil:
		own.m.Store(m) // by which it is acknowledged from now on
		return true
	case was.Node == r.n.name && claims > 1, r.n.beats.runs(was): // another slot is about to, or another node does
		_ = m.NakWithDelay(lease / 3)
		return true
	}
	return false
}

// orphan leaves a message that has no record: its client was told that it was not stored,
// unless the record is about to come. That is looked for soon, since both are stored at the
// same time, and for as long as storing may take.
func (r *runner) orphan(ctx context.Context, s *store, m *nats.Msg, id job.ID) {
	meta, err := m.Metadata()
	if err != nil {
		_ = m.NakWithDelay(time.Second)
		return
	}
	// How often it came says little alone: slots that ask for something else pass it on, too.
	if meta.NumDelivered > orphanMost && r.n.now().Sub(meta.Timestamp) > aboutToBe {
		if _, err := s.getNow(ctx, id); errors.Is(err, errNoJob) {
			_ = m.Ack()
			return
		}
	}
	_ = m.NakWithDelay(orphanWait(meta.NumDelivered))
}

// orphanMost is how often a record is looked for: in all for longer than aboutToBe.
const orphanMost = 20

// orphanWait is how long after it was looked for so often it is looked for again.
func orphanWait(looked uint64) time.Duration {
	return min(10*time.Millisecond<<min(max(looked, 1)-1, 10), time.Second)
}

// workload is one accepted job that this node runs.
type workload struct {
	r     *runner
	s     *store
	m     atomic.Pointer[nats.Msg] // which is acknowledged
	data  []byte                   // of the message
	rec   job.Record
	known *stored // the record as it was last seen
	call  sched.Call
	ended chan struct{}
	late  bool // it ran longer than its own timeout
	said  *said
	deaf  func() // ends said

	mu        sync.Mutex
	cause     error
	head      []byte
	fields    int
	body      bytes.Buffer
	file      *os.File // what outgrows body
	size      int64
	ungranted int // bytes of it for which its worker was given no credit yet
	broken    error
	endsOnce  sync.Once
}

// close lets go of what a workload has here.
func (w *workload) close() {
	if w.file != nil {
		w.file.Close()
	}
	if w.deaf != nil {
		w.deaf()
	}
}

// begin submits the job's call.
func (w *workload) begin(m *job.Message) error {
	q := w.r.n.queue
	request, err := job.ParseRequest(m.Form, m.Environ)
	if err != nil {
		return err
	}
	pairs := [][2]string{{"girin.job.id", w.rec.ID.String()}, {"girin.job.attempt", strconv.Itoa(w.rec.Attempt)}}
	environ := job.WithPairs(m.Form, m.Environ, pairs)
	w.call = sched.Call{
		Answer: w, Route: q.Route([]byte(request.Method), []byte(request.Path)), Form: m.Form, Window: m.Window, Body: m.Body, Limit: w.rec.Timeout, Admitted: true,
	}
	w.call.Request = append(make([]byte, wire.RequestHead, wire.RequestHead+len(environ)+len(m.Body)), environ...)
	if w.rec.Body > 0 {
		file, err := w.fetchBody()
		if err != nil {
			return err
		}
		w.call.Spool, w.call.Length = spooled{file}, w.rec.Body
	}
	if !q.Register(&w.call) {
		err = sched.ErrQueueFull
	} else {
		w.said, w.deaf = w.r.n.says.listen(&w.call)
		if err = q.Submit(&w.call); err != nil {
			q.Release(&w.call)
		}
	}
	if err != nil && w.call.Spool != nil {
		w.call.Spool.Close()
	}
	return err
}

func (w *workload) fetchBody() (*os.File, error) {
	file, err := w.r.n.cfg.File()
	if err != nil {
		return nil, err
	}
	body, err := read(w.r.n.ctx, w.s.objects, bodyName(w.rec.ID), w.rec.Body)
	if err = w.s.confirm(w.r.n.ctx, bodyName(w.rec.ID), err); err == nil {
		_, err = io.Copy(file, body)
		_ = body.Close()
	}
	if err != nil {
		file.Close()
		return nil, fmt.Errorf("its body cannot be read: %w", err)
	}
	return file, nil
}

// lastResort is how much later than the queue, which ends the thread as well, a timeout is
// seen to: the queue does not look where the server has none.
const lastResort = 5 * time.Second

// await waits for the end of the call, and cancels it when its record says so.
func (w *workload) await() {
	q := w.r.n.queue
	defer q.Release(&w.call)
	changed, stop := w.r.n.hub.watch(w.rec.ID)
	defer stop()
	kill := w.r.n.ctx.Done()
	var over <-chan time.Time // the node has ended, and no worker is left that takes the call
	late := time.NewTimer(cmp.Or(w.rec.Timeout, keepLongest) + lastResort)
	defer late.Stop()
	for {
		select {
		case <-late.C:
			w.late = true
			q.Cancel(&w.call)
		case <-w.ended:
			return
		case <-kill:
			kill, over = nil, time.After(endMoment)
			q.Cancel(&w.call)
		case <-over:
			w.end(sched.ErrStopped)
		case later := <-changed:
			if w.learn(later); w.known.Cancel && w.known.Node == w.r.n.name && !w.rec.Cancel {
				w.rec.Cancel = true
				q.Cancel(&w.call)
			}
		}
	}
}

// learn takes what the record says now.
func (w *workload) learn(later stored) {
	ctx, cancel := context.WithTimeout(context.Background(), storeLimit)
	defer cancel()
	if w.r.n.look(ctx, w.rec.ID, &later) && later.revision > w.known.revision {
		w.known = &later
	}
}

// keepLease says now and then that the job runs.
func (w *workload) keepLease() (stop func()) {
	quit := make(chan struct{})
	var done sync.WaitGroup
	done.Go(func() {
		t := time.NewTicker(lease / 3)
		defer t.Stop()
		for {
			select {
			case <-quit:
				return
			case <-t.C:
				_ = w.m.Load().InProgress()
			}
		}
	})
	return func() { close(quit); done.Wait() }
}
