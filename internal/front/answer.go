package front

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"time"

	"girin/internal/http1"
	"girin/internal/sched"
	"girin/internal/wire"
)

var _ sched.Answer = (*stream)(nil)

// Frame gets a part of the answer (sched.Answer). What a worker may send before
// the client reads it is bounded by the window that it was given.
func (st *stream) Frame(f *wire.Frame, head, body []byte) {
	st.add(part{frame: *f, head: bytes.Clone(head), body: bytes.Clone(body)})
}

// File gets an answer whose body is a part of a file (sched.Answer).
func (st *stream) File(f *wire.Frame, head []byte, body sched.FileBody) {
	if st.srv.filesFull() {
		body.File.Close()
		st.add(part{cause: sched.ErrNoDescriptor})
		return
	}
	st.srv.held.Add(1)
	st.add(part{frame: *f, head: bytes.Clone(head), file: &body})
}

// Fail ends the answer without the application (sched.Answer).
func (st *stream) Fail(cause error) { st.add(part{cause: cause}) }

func (st *stream) add(p part) {
	st.carrier.unread.add(st.srv, len(p.body))
	if st.call.Window != 0 && !st.begun.Swap(true) {
		st.carrier.unread.widen() // it may have become a small window long ago
	}
	st.mu.Lock()
	st.parts = append(st.parts, p)
	st.mu.Unlock()
	select {
	case st.wake <- struct{}{}:
	default:
	}
}

// pop takes the next part, if there is one.
func (st *stream) pop() (p part, ok bool) {
	st.mu.Lock()
	defer st.mu.Unlock()
	if len(st.parts) == 0 {
		return p, false
	}
	p, st.parts = st.parts[0], st.parts[1:]
	return p, true
}

// answer passes the answer on until it ends. When the client leaves it tells
// the worker so and waits for the end all the same. Not when the server has
// stopped: then nothing may come any more.
func (st *stream) answer() {
	defer st.srv.cfg.Queue.Release(&st.call)
	defer st.carrier.unread.leave(st)
	left := st.r.Context().Done()
	for {
		if p, ok := st.pop(); ok {
			st.pass(&p)
			st.carrier.unread.add(st.srv, -len(p.body)) // not before: it waits for the client
			if p.ends() {
				return
			}
			continue
		}
		select {
		case <-st.wake:
		case <-left:
			left = nil
			st.lost()
		case <-st.srv.stop:
			return
		}
	}
}

// lost notes that the client takes no more.
func (st *stream) lost() {
	if !st.gone {
		st.gone = true
		st.srv.cfg.Queue.Cancel(&st.call)
	}
}

// pass passes a part on.
func (st *stream) pass(p *part) {
	if p.file != nil {
		defer st.srv.held.Add(-1)
		defer p.file.File.Close()
	}
	switch {
	case st.gone:
	case p.cause != nil:
		st.fail(p.cause)
	case p.frame.Kind == wire.Early:
		st.early(p)
	default:
		st.frame(p)
	}
}

// frame passes on what has a head, a body, or both.
func (st *stream) frame(p *part) {
	r := &st.reply
	if p.frame.Kind == wire.Response && !st.head(p) {
		return
	}
	r.got += int64(len(p.body))
	body, tooLong := st.fit(p.body)
	if !r.noBody {
		r.sent += int64(len(body))
		st.write(body)
		st.sendFile(p.file)
	}
	switch {
	case tooLong:
		st.lied("its response is longer than its Content-Length; the rest was cut")
	case !p.ends():
		st.flush()
		st.grant()
	case r.remain > 0 && !r.noBody && p.file == nil:
		st.lied("its response is shorter than its Content-Length")
		st.cut = true
	}
}

// head passes on the head of a response, and reports whether it was one.
func (st *stream) head(p *part) bool {
	if p.file != nil {
		p.frame.Body = 0
		st.reply.file = p.file.Length
	}
	buf := scratches.Get().(*scratch)
	defer scratches.Put(buf)
	b, fault := st.appendHead(st.headEncoder(), buf[:0], &p.frame, p.head)
	if fault != "" {
		st.lied(fault)
		if !p.ends() {
			st.srv.cfg.Queue.Cancel(&st.call)
		}
		st.fail(errNonconforming)
		st.gone = true // what else may come is not for the client
		return false
	}
	st.reply.started = true
	st.writeHead(b)
	return true
}

// writeHead sends the head that b has in the form of HTTP/1.1.
func (st *stream) writeHead(b []byte) {
	header := st.w.Header()
	clear(header)
	addFields(header, b)
	if _, ok := header["Content-Type"]; !ok {
		header["Content-Type"] = nil // or net/http would guess one
	}
	if st.srv.draining.Load() {
		header.Set("Connection", "close") // to net/http it means GOAWAY
	}
	st.w.WriteHeader(st.reply.status)
}

// addFields adds the fields of a head in the form of HTTP/1.1.
func addFields(header http.Header, b []byte) {
	_, b, _ = bytes.Cut(b, crlf) // the status line
	for {
		var line []byte
		line, b, _ = bytes.Cut(b, crlf)
		name, value, ok := bytes.Cut(line, []byte(": "))
		if !ok {
			return
		}
		header.Add(string(name), string(value))
	}
}

// early passes on an informational response (RFC 8297).
func (st *stream) early(p *part) {
	if st.reply.started {
		return
	}
	b, ok := st.appendEarly(st.headEncoder(), nil, &p.frame, p.head)
	status, _ := wire.CutString(p.head)
	code, valid := http1.StatusCode(status)
	if !ok || !valid || code != 103 {
		return
	}
	header := st.w.Header()
	addFields(header, b)
	st.w.WriteHeader(code)
	clear(header)
}

// fail tells the client what went wrong: with a status if the head is not sent
// yet, else by resetting the stream.
func (st *stream) fail(cause error) {
	if st.reply.started {
		st.srv.cfg.Log.Debugf("response cut: %v", cause)
		st.cut = true
		return
	}
	status, reason := st.srv.verdictOf(cause)
	if status == 503 {
		st.refused(status, reason)
	}
	st.send(status, plainText, []byte(reason+"\n"))
}

// write writes in steps, each of which the client must take in time.
func (st *stream) write(b []byte) {
	for len(b) > 0 && !st.gone {
		_ = st.control.SetWriteDeadline(time.Now().Add(writeLimit))
		n, err := st.w.Write(b[:min(len(b), writeStep)])
		b = b[n:]
		if err != nil {
			st.lost()
			return
		}
		st.carrier.unread.moved.Store(st.srv.cfg.Clock())
	}
}

func (st *stream) flush() {
	if st.gone {
		return
	}
	_ = st.control.SetWriteDeadline(time.Now().Add(writeLimit))
	if err := st.control.Flush(); err != nil {
		st.lost()
	}
}

// grant lets the worker send as much again as the client has taken.
func (st *stream) grant() {
	r := &st.reply
	if n := r.got - r.granted; n >= st.creditStep() && !st.gone {
		r.granted += n
		st.srv.cfg.Queue.Grant(&st.call, int(n))
	}
}

// sendFile copies a file that is the body.
func (st *stream) sendFile(body *sched.FileBody) {
	if body == nil {
		return
	}
	from := io.NewSectionReader(body.File, body.Offset, body.Length)
	for left := body.Length; left > 0 && !st.gone; {
		_ = st.control.SetWriteDeadline(time.Now().Add(writeLimit))
		n, err := io.CopyN(st.w, from, min(left, writeStep))
		left -= n
		st.reply.sent += n
		switch {
		case errors.Is(err, io.EOF):
			st.lied("its file became shorter than its Content-Length")
			st.cut = true
			return
		case err != nil:
			st.lost()
		}
	}
}
