package front

import (
	"errors"
	"os"
	"sync"

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

func (s *Server) newBodyPipe() (*bodyPipe, error) {
	if s.filesFull() {
		return nil, sched.ErrNoDescriptor
	}
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	s.held.Add(pipeEnds)
	p := &bodyPipe{srv: s, r: r, w: w}
	p.changed.L = &p.mu
	return p, nil
}

// OS returns the end for the worker, which reads from now on (sched.Spool).
func (p *bodyPipe) OS() *os.File {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.stage == pipeAwaited {
		p.stage = pipeOpen
		p.changed.Broadcast()
	}
	return p.r
}

// Close says that nobody reads any more (sched.Spool).
func (p *bodyPipe) Close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.stage != pipeClosed {
		p.stage = pipeClosed
		p.r.Close()
		p.w.Close()
		p.srv.held.Add(-pipeEnds)
		p.changed.Broadcast()
	}
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
func (c *conn) streamsBody() bool {
	switch {
	case c.req.ContentLength == 0 && !c.req.Chunked:
		return false
	case c.req.ContentLength > 0 && c.req.ContentLength <= maxInline && !c.req.Expect100:
		return false
	case c.srv.asgi.Load():
		return true
	}
	return c.srv.cfg.Stream.Match(c.req.Method, c.req.Path)
}

// submitStreamed hands the request to the scheduler with only its head, and then
// passes the body on as the application reads it. It reports false if the
// connection has ended.
func (c *conn) submitStreamed() bool {
	if limit := c.srv.cfg.MaxBody; limit > 0 && c.req.ContentLength > limit {
		return c.refuse(errTooLarge)
	}
	pipe, err := c.srv.newBodyPipe()
	if err != nil {
		return c.refuse(errNoFile)
	}
	c.body.discard(c.srv)
	c.body.pending.Store(true)
	c.call.Spool, c.call.Length, c.call.Streamed = pipe, max(c.req.ContentLength, 0), true
	if !c.submit() {
		pipe.Close()
	}
	if !pipe.awaitReader() {
		return c.leaveBody()
	}
	if c.req.Expect100 && c.in.empty() {
		c.sendContinue()
	}
	return c.passBody(pipe)
}

// passBody passes the body on as it comes and is read.
func (c *conn) passBody(pipe *bodyPipe) bool {
	c.stage.enter(stageBody)
	c.body.chunks.Reset()
	for left := c.req.ContentLength; ; {
		data, done, verdict := c.bodyParts(&left)
		if came, limit := c.body.came.Add(int64(len(data))), c.srv.cfg.MaxBody; limit > 0 && came > limit {
			verdict = errTooLarge
		}
		if verdict != nil {
			return c.refuseRunning(verdict)
		}
		if done {
			c.body.pending.Store(false) // before the application can have it all
		}
		if _, err := pipe.w.Write(data); err != nil && !done {
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
	return c.leaveBody()
}

var errShortBody = &http1.Error{Status: 400, Reason: "the request body ended too early"}

// leaveBody ends a connection whose client still sends a body that nobody wants:
// the response said so, and is all that the client gets.
func (c *conn) leaveBody() bool {
	c.waitOutput()
	c.linger()
	return false
}
