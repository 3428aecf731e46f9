package front

import (
	"errors"
	"os"
	"sync"
	"sync/atomic"

	"girin/internal/http1"
	"girin/internal/sched"
)

// bodyPipe is a request body that comes while the application runs. Until that
// first reads nothing is read of the client, and one that waits for 100 Continue
// gets none.
//
//	awaited ─OS→ open ─finish→ finished     the worker reads to its end
//	   │           │              │
//	   └───────────┴────Close─────┴→ closed   nobody reads it (any more)
type bodyPipe struct {
	srv  *Server
	r, w *os.File
	told func()        // called when it is awaited no longer
	all  *atomic.Int64 // how many of its kind there are; nil: they are not counted

	mu      sync.Mutex
	changed sync.Cond
	stage   pipeStage // guarded by mu
}

type pipeStage uint8

const (
	pipeAwaited pipeStage = iota
	pipeOpen
	pipeFinished
	pipeClosed
)

// pipeEnds is how many descriptors a pipe takes.
const pipeEnds = 2

func (s *Server) newBodyPipe(told func()) (*bodyPipe, error) {
	if s.filesFull() {
		return nil, sched.ErrNoDescriptor
	}
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	s.held.Add(pipeEnds)
	p := &bodyPipe{srv: s, r: r, w: w, told: told}
	p.changed.L = &p.mu
	return p, nil
}

// OS returns the end for the worker, which reads from now on (sched.Spool).
func (p *bodyPipe) OS() *os.File {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.enterLocked(pipeOpen)
	return p.r
}

// Close says that nobody reads any more (sched.Spool).
func (p *bodyPipe) Close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.stage != pipeClosed {
		p.enterLocked(pipeClosed)
		p.r.Close()
		p.w.Close()
		p.srv.held.Add(-pipeEnds)
		if p.all != nil {
			p.all.Add(-1)
		}
	}
}

// enterLocked enters a stage, open only once.
func (p *bodyPipe) enterLocked(to pipeStage) {
	was := p.stage
	p.stage = max(was, to)
	if was == pipeAwaited {
		p.changed.Broadcast()
		p.told()
	}
}

// awaited reports whether the application may still begin to read.
func (p *bodyPipe) awaited() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.stage == pipeAwaited
}

// awaitReader waits until the application reads; false: it never will.
func (p *bodyPipe) awaitReader() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.stage == pipeAwaited {
		p.changed.Wait()
	}
	return p.stage == pipeOpen
}

// awaitReader waits until the application reads; false: it never will. Nothing is
// read of the client meanwhile, but that it leaves is noticed: it may wait for long,
// and what nobody waits for takes no place in the queue.
func (c *conn) awaitReader(p *bodyPipe) bool {
	for watch := hasLeft; c.raw != nil && p.awaited(); {
		err := c.raw.Read(watch)
		_ = c.nc.SetReadDeadline(noDeadline)
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded): // told, or nudged by the sweeper
		case err == nil && !c.resetNow():
			// It has closed its sending side: see halfClosed.
			watch = wasReset
			stop := c.srv.afterHalfClose(func() { c.srv.cfg.Queue.CancelQueued(&c.call) })
			defer stop()
		default:
			c.lost() // with which the pipe will be closed
			return p.awaitReader()
		}
	}
	return p.awaitReader()
}

// resetNow reports whether the connection was reset.
func (c *conn) resetNow() (reset bool) {
	err := c.raw.Control(func(fd uintptr) { reset = wasReset(fd) })
	return err != nil || reset
}

// finish says that all of the body is in the pipe.
func (p *bodyPipe) finish() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.stage == pipeOpen {
		p.stage = pipeFinished
		p.w.Close()
	}
}

// streamsBody reports whether the body of the request shall come while the
// application runs. A small one comes before.
func (x *exchange) streamsBody() bool {
	switch {
	case x.req.ContentLength == 0 && !x.req.Chunked:
		return false
	case x.req.ContentLength > 0 && x.req.ContentLength <= maxInline && !x.req.Expect100:
		return false
	case x.call.Remote:
		return false // it goes as one message
	case x.srv.asgi.Load():
		return true
	}
	return x.srv.cfg.Stream.Match(x.req.Method, x.req.Path)
}

// submitStreamed hands the request to the scheduler with only its head, and then
// passes the body on as the application reads it. It reports false if the
// connection has ended.
func (c *conn) submitStreamed() bool {
	if limit := c.srv.asked.Load().MaxBody; limit > 0 && c.req.ContentLength > limit {
		return c.refuse(errTooLarge)
	}
	pipe, err := c.srv.newBodyPipe(func() { _ = c.nc.SetReadDeadline(longAgo) })
	if err != nil {
		return c.refuse(errNoFile)
	}
	c.body.discard(c.srv)
	c.body.pending.Store(true)
	c.call.Spool, c.call.Length, c.call.Streamed = pipe, max(c.req.ContentLength, 0), true
	if !c.submit() {
		pipe.Close()
	}
	if !c.awaitReader(pipe) {
		return c.leaveBody()
	}
	if c.req.Expect100 && c.in.empty() {
		c.sendContinueUnlessAnswered()
	}
	return c.passBody(pipe)
}

// passBody passes the body on as it comes and is read.
func (c *conn) passBody(pipe *bodyPipe) bool {
	c.stage.enter(stageBody)
	c.body.chunks.Reset()
	for left := c.req.ContentLength; ; {
		data, done, verdict := c.bodyParts(&left)
		if came, limit := c.body.came.Add(int64(len(data))), c.srv.asked.Load().MaxBody; limit > 0 && came > limit {
			verdict = errTooLarge
		}
		if verdict != nil {
			return c.refuseRunning(verdict)
		}
		if done {
			c.body.pending.Store(false) // before the application can have it all
		}
		if err := c.feed(pipe, data); err != nil && !done {
			return c.leaveBody()
		}
		c.srv.cfg.Queue.Fed(&c.call)
		if done {
			pipe.finish()
			return c.bodyPassed()
		}
		c.makeRoomForBody()
		if verdict, ok := c.moreOfBody(); !ok {
			return verdict != nil && c.refuseRunning(verdict)
		}
	}
}

// feed waits until the application has room for what came. That time is not the
// client's.
func (c *conn) feed(pipe *bodyPipe, data []byte) error {
	began := c.srv.had.now()
	_, err := pipe.w.Write(data)
	if err != nil || c.srv.had.now()-began < int64(c.srv.times.sweep) {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.reply.running {
		c.stage.enter(stageBody)
		c.evicted.Store(false) // if it was: it is not late
	}
	return nil
}

// bodyPassed notes that the whole request was read.
func (c *conn) bodyPassed() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.body.whole, c.reply.whole = true, true
	if c.reply.running {
		c.stage.enter(stageBusy)
	}
	return true
}

// moreOfBody reads more. Not ok: there is no more, and a verdict says what the
// client is told.
func (c *conn) moreOfBody() (verdict *http1.Error, ok bool) {
	switch err := c.unlessNudged(c.in.fill()); {
	case err == nil:
		return nil, true
	case errors.Is(err, os.ErrDeadlineExceeded):
		return errSlowBody, false
	case isEOF(err) && !c.hungUp():
		return errShortBody, false
	default:
		c.gone(err)
		return nil, false
	}
}

// refuseRunning refuses a request that the application has begun.
func (c *conn) refuseRunning(verdict *http1.Error) bool {
	c.Fail(verdict)
	c.srv.cfg.Queue.Cancel(&c.call)
	return c.leaveBodyOf(c.unreadAfter(verdict))
}

var errShortBody = &http1.Error{Status: 400, Reason: "the request body ended too early"}

// leaveBody ends a connection whose client still sends a body that nobody wants:
// the response said so, and is all that the client gets.
func (c *conn) leaveBody() bool { return c.leaveBodyOf(c.unread()) }

func (c *conn) leaveBodyOf(rest int64) bool {
	rest -= c.discardWhileAnswering(rest)
	c.waitOutput()
	c.linger(rest)
	return false
}
