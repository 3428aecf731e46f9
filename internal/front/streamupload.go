package front

import (
	"sync"

	"girin/internal/http1"
	"girin/internal/sched"
)

// upload is the body of a stream of HTTP/2 that comes while the application runs, as
// bodyPipe is HTTP/1.1's. The connection reads for all its streams and waits for none: so
// what comes waits here, as much as the stream's window allows, until a goroutine has
// passed it on to the worker. The stream's window opens again as that happens. The
// connection's is open meanwhile, so that one application that does not read holds up no
// other stream, unless all bodies together take more than they may (inlinedMost).
//
// All is guarded by the connection's mu.
type upload struct {
	st   *stream // of this body until over
	h    *streams
	pipe *bodyPipe

	changed  sync.Cond
	waits    []byte // came, and is not with the worker
	early    int    // bytes that are still to be passed on and for which the windows are open: they came before it began
	withheld int    // bytes for which the connection's window is not open again
	feeding  bool   // the application is waited for, not the client
	whole    bool   // no more will come
	over     bool   // nobody wants any of it; st may be another request's
}

// beginUploads submits requests whose bodies are to come while the application runs. Those
// of which all has come by now, as of most small ones, go as others do.
func (h *streams) beginUploads() {
	for i, st := range h.begins {
		h.begins[i] = nil
		st.beginUpload()
	}
	h.begins = h.begins[:0]
}

// beginUpload hands the request to the scheduler with what came of its body.
func (st *stream) beginUpload() {
	u := st.prepareUpload()
	if u == nil {
		return
	}
	s, c := st.srv, st.h.c
	if err := s.cfg.Queue.Submit(&st.call); err != nil { // after it the stream may be another request's
		u.pipe.Close()
		c.mu.Lock()
		u.endLocked()
		c.mu.Unlock()
		st.Fail(err)
		return
	}
	s.done.Add(1) // not from zero: the connection's goroutine still counts
	go func() {
		defer s.done.Done()
		u.feed()
	}()
}

// prepareUpload makes the call ready; nil: there is none any more.
func (st *stream) prepareUpload() *upload {
	c := st.h.c
	c.mu.Lock()
	defer c.mu.Unlock()
	if !st.streams || st.submitted || st.frames.Closed() {
		return nil // all of it has come, or nobody wants it
	}
	st.streams = false
	if st.body.spool != nil {
		return nil // there was no memory for it, so it comes before
	}
	pipe, err := st.srv.newUploadPipe()
	if err != nil {
		st.verdict = errNoFile
		st.refuseLocked(errNoFile)
		st.h.conn.Flush()
		return nil
	}
	u := &upload{st: st, h: st.h, pipe: pipe, waits: st.body.inline, early: len(st.body.inline), feeding: true}
	u.changed.L = &c.mu
	st.body.inline = nil // its bytes count on
	st.uncountLocked()
	st.upload, st.submitted = u, true
	st.call.Spool, st.call.Length, st.call.Streamed = pipe, max(st.req.ContentLength, 0), true
	st.reply.begin(&st.exchange)
	return u
}

// newUploadPipe makes a pipe for a stream. All of them may take half of the descriptors:
// the streams of a few connections could fill the rest, too, and nobody else would be
// accepted.
func (s *Server) newUploadPipe() (*bodyPipe, error) {
	if most := s.cfg.MaxFiles; most > 0 && (s.uploads.Load()+1)*pipeEnds > int64(max(most/2, pipeEnds)) {
		return nil, sched.ErrNoDescriptor
	}
	p, err := s.newBodyPipe(func() {})
	if err == nil {
		p.all = &s.uploads
		s.uploads.Add(1)
	}
	return p, err
}

// came takes what the client sent. It waits for nobody: the window bounds it.
func (u *upload) came(p []byte) (consumed int) {
	s, c := u.h.c.srv, u.h.c
	c.mu.Lock()
	defer c.mu.Unlock()
	if u.over {
		return len(p)
	}
	u.waits = append(u.waits, p...)
	if s.inlined.Add(int64(len(p))) > inlinedMost {
		u.withheld += len(p) // it waits with all of its connection
	} else {
		u.st.frames.Kept(len(p))
	}
	u.changed.Signal()
	return 0
}

// ended notes that the body is whole.
func (u *upload) ended() {
	u.h.c.mu.Lock()
	defer u.h.c.mu.Unlock()
	if u.over {
		return
	}
	st := u.st
	u.whole, st.body.whole, st.reply.whole = true, true, true
	st.takenLocked()
	u.changed.Signal()
}

// feed passes the body on as the application reads it. It ends when all is passed on, or
// with the call, which closes the pipe.
func (u *upload) feed() {
	if u.pipe.awaitReader() {
		u.askForBody()
		var spare []byte
		for u.pass(&spare) {
		}
	}
	u.h.c.mu.Lock()
	defer u.h.c.mu.Unlock()
	u.endLocked()
	u.h.conn.Flush()
}

// pass passes on what waits, and reports whether more may come.
func (u *upload) pass(spare *[]byte) bool {
	data, last, wanted := u.next(*spare)
	if !wanted {
		return false // and its application must not take it for whole: the pipe stays open
	}
	if len(data) > 0 {
		_, err := u.pipe.w.Write(data)
		u.passed(len(data))
		if err != nil {
			return false
		}
	}
	if last {
		u.pipe.finish()
	}
	*spare = data
	return !last
}

// askForBody sends 100 Continue to a client that waits for it.
func (u *upload) askForBody() {
	u.h.c.mu.Lock()
	defer u.h.c.mu.Unlock()
	st := u.st
	if u.over || !st.req.Expect100 || st.body.came.Load() > 0 || u.whole || !st.reply.running || st.reply.started {
		return
	}
	st.frames.BeginHead(100)
	st.frames.EndHead(false)
	u.h.conn.Flush()
}

// next waits for what is to be passed on, and takes all of it. What comes meanwhile may
// use the spare memory, unless nothing waits: a slow client keeps none.
func (u *upload) next(spare []byte) (data []byte, last, wanted bool) {
	u.h.c.mu.Lock()
	defer u.h.c.mu.Unlock()
	u.feeding = false
	for len(u.waits) == 0 && !u.whole && !u.over {
		spare = nil
		u.changed.Wait()
	}
	if u.over {
		return nil, false, false
	}
	data, u.waits = u.waits, spare[:0]
	u.feeding = true
	return data, u.whole, true
}

// passed lets the client send again what the worker has, or will not have.
func (u *upload) passed(n int) {
	s, c := u.h.c.srv, u.h.c
	c.mu.Lock()
	defer c.mu.Unlock()
	defer s.inlined.Add(-int64(n))
	if u.over {
		return
	}
	s.cfg.Queue.Fed(&u.st.call)
	early := min(n, u.early)
	u.early -= early
	u.openLocked()
	u.st.frames.Reopen(n - early)
	u.h.conn.Flush()
}

// openLocked opens the connection's window again for what was withheld.
func (u *upload) openLocked() {
	u.st.frames.Kept(u.withheld)
	u.withheld = 0
}

// endLocked forgets what nobody wants. The pipe is the queue's to close. The stream's
// window opens for it: the answer may still be long, and its client may look at that only
// when it has sent all.
func (u *upload) endLocked() {
	if u.over {
		return
	}
	u.openLocked()
	u.st.frames.Reopen(len(u.waits) - min(u.early, len(u.waits)))
	u.over = true
	u.h.c.srv.inlined.Add(-int64(len(u.waits)))
	u.waits = nil
	u.changed.Signal()
}

func (st *stream) dropUploadLocked() {
	if st.upload != nil {
		st.upload.endLocked()
	}
}

// refuseRunningLocked refuses a request that the application has begun.
func (st *stream) refuseRunningLocked(verdict *http1.Error) {
	r := &st.reply
	if !r.running || st.frames.Closed() {
		return
	}
	st.takenLocked()
	st.late = verdict == errSlowBody
	st.upload.endLocked()
	if !verdict.Malformed {
		st.failLocked(verdict)
		st.srv.cfg.Queue.Cancel(&st.call)
		return
	}
	if !r.started {
		r.status = verdict.Status
	}
	st.frames.Blame(codeProtocol)
	st.Gone()
}

// takeUpload takes bytes of a body that comes while the application runs.
func (st *stream) takeUpload(p []byte) (consumed int) {
	total := st.body.came.Add(int64(len(p)))
	st.verdict = st.req.Received(total, false)
	if limit := st.srv.asked.Load().MaxBody; limit > 0 && total > limit {
		st.verdict = errTooLarge
	}
	if st.verdict != nil {
		st.refuse(st.verdict)
		return len(p)
	}
	return st.upload.came(p)
}

// outgrows reports whether a body that is to come while the application runs cannot wait
// for its end, with n bytes more.
func (st *stream) outgrows(n int) bool {
	return st.streams && (st.body.came.Load()+int64(n) > maxInline || st.srv.inlined.Load() >= inlinedMost)
}

// awaitedLocked is what the stream waits for, for the sweeper: a client whose body still
// comes may also leave its answer unread.
func (st *stream) awaitedLocked() uint8 {
	if st.upload != nil && st.awaits == awaitsBody && st.answerWaitsLocked() {
		return awaitsAnswer
	}
	return st.awaits
}

func (st *stream) answerWaitsLocked() bool {
	return st.frames.Queued() > 0 || st.file != nil || st.spill != nil
}
