package front

import (
	"fmt"
	"strconv"

	"girin/internal/http1"
	"girin/internal/sched"
	"girin/internal/wire"
)

// This file gives an exchange's answer, whichever version of HTTP carries it.
// All is under the connection's lock, and nothing waits.

// frameLocked passes a frame of the application's on to the client.
func (x *exchange) frameLocked(f *wire.Frame, head, body []byte) {
	r := &x.reply
	final := f.Flags&wire.Final != 0
	switch {
	case !r.running:
		return
	case x.to.goneLocked():
		if final {
			x.endLocked()
		}
		return
	}
	buf := scratches.Get().(*scratch)
	defer scratches.Put(buf)
	b := buf[:0]
	switch f.Kind {
	case wire.Early:
		x.earlyLocked(b, f, head)
		return
	case wire.Response:
		var fault string
		if b, fault = x.appendHead(x.to, b, f, head); fault != "" {
			x.faultLocked(f, fault)
			return
		}
		r.started = true
	case wire.Block:
		if final && len(head) > 0 {
			x.trailersLocked(f, head)
		}
	}
	x.bodyLocked(b, body, final)
}

// bodyLocked passes on a part of the body, after what b has of a head.
func (x *exchange) bodyLocked(b, body []byte, final bool) {
	r := &x.reply
	r.got += int64(len(body))
	body, long := x.fit(body)
	if r.noBody {
		body = nil
	}
	r.sent += int64(len(body))
	short := final && r.remain > 0 && !r.noBody
	x.to.sendLocked(b, body, final && !short)
	switch {
	case short:
		x.lied("its response is shorter than its Content-Length")
		x.cutLocked()
	case final:
		x.endLocked()
	default:
		x.grantLocked()
		if r.got-r.granted >= x.creditStep() {
			x.to.outrunLocked()
		}
	}
	if long {
		x.lied("its response is longer than its Content-Length; the rest was cut")
	}
}

// earlyLocked passes on an informational response (RFC 8297); HTTP/1.0 has
// none.
func (x *exchange) earlyLocked(b []byte, f *wire.Frame, head []byte) {
	if x.reply.minor == 0 || x.reply.started {
		return
	}
	if b, ok := x.appendEarly(x.to, b, f, head); ok {
		x.to.sendLocked(b, nil, false)
	}
}

// fileLocked passes on an answer whose body is a part of a file. No Python
// thread waits for it any more.
func (x *exchange) fileLocked(f *wire.Frame, head []byte, body sched.FileBody) {
	r := &x.reply
	sending := false
	defer func() {
		if !sending {
			body.File.Close()
		}
	}()
	switch {
	case !r.running:
		return
	case x.to.goneLocked():
		x.endLocked()
		return
	case x.srv.filesFull():
		x.failLocked(sched.ErrNoDescriptor)
		return
	}
	f.Body = 0
	r.file = body.Length
	buf := scratches.Get().(*scratch)
	defer scratches.Put(buf)
	b, fault := x.appendHead(x.to, buf[:0], f, head)
	if fault == "" && !r.noBody && r.remain != body.Length {
		fault = fmt.Sprintf("its file has %d bytes and its Content-Length does not say so", body.Length)
	}
	if fault != "" {
		x.faultLocked(f, fault)
		return
	}
	r.started = true
	if r.noBody || body.Length == 0 {
		x.to.sendLocked(b, nil, true)
		x.endLocked()
		return
	}
	sending = true
	x.srv.held.Add(1)
	x.to.sendFileLocked(b, &fileBody{x: x, file: body.File, at: body.Offset, left: body.Length})
	x.endLocked()
}

// failLocked tells the client what went wrong: with a status if the head is
// not sent yet, else by cutting the answer.
func (x *exchange) failLocked(cause error) {
	r := &x.reply
	switch {
	case !r.running:
		return
	case x.to.goneLocked():
		x.endLocked()
		return
	case r.started:
		x.srv.cfg.Log.Debugf("response cut: %v", cause)
		x.cutLocked()
		return
	}
	status, reason := x.srv.verdictOf(cause)
	if status == 503 {
		x.refused(status, reason)
	}
	r.last = !(status == 500 && r.keep && !x.call.InFlight()) // its call is free for the next request
	if status != 500 {
		reason += "\n"
	}
	x.ownLocked(status, plainText, []byte(reason))
}

// ownLocked gives a response of the front's own.
func (x *exchange) ownLocked(status int, contentType string, body []byte) {
	r := &x.reply
	r.started, r.status, r.noBody = true, status, r.head
	buf := scratches.Get().(*scratch)
	defer scratches.Put(buf)
	line := append(strconv.AppendInt(nil, int64(status), 10), ' ')
	b := x.to.appendStatus(buf[:0], status, append(line, http1.StatusText(status)...))
	b = x.to.appendServer(b)
	b = x.to.appendDate(b)
	if status == errSocketVersion.Status {
		if !x.streamed { // RFC 9110 section 15.5.22
			b = x.to.appendField(b, []byte("Upgrade"), []byte("websocket"), http1.KindUpgrade)
			b = x.to.appendField(b, []byte("Connection"), []byte("Upgrade"), http1.KindConnection)
		}
		b = x.to.appendField(b, []byte("Sec-WebSocket-Version"), []byte("13"), http1.KindOther)
	}
	if status == 503 {
		b = x.to.appendField(b, []byte("Retry-After"), []byte("1"), http1.KindOther)
	}
	b = x.to.appendField(b, []byte("Content-Type"), []byte(contentType), http1.KindContentType)
	b = x.to.appendLength(b, int64(len(body)))
	b = x.to.appendEnd(b, false)
	if r.noBody {
		body = nil
	}
	r.sent = int64(len(body))
	x.to.sendLocked(b, body, true)
	x.endLocked()
}

// faultLocked answers for an application that broke the rules.
func (x *exchange) faultLocked(f *wire.Frame, fault string) {
	x.lied(fault)
	if f.Flags&wire.Final == 0 {
		x.srv.cfg.Queue.Cancel(&x.call)
	}
	x.failLocked(errNonconforming)
}

// lied logs a fault of the application's.
func (x *exchange) lied(fault string) {
	name := "?"
	if route := x.call.Route; route != nil {
		name = route.Name()
	}
	x.srv.cfg.Log.Errorf("application error in %s: %s", name, fault)
}

// cutLocked ends an answer that is not whole.
func (x *exchange) cutLocked() {
	x.reply.last = true
	x.to.cutLocked()
	x.endLocked()
}

// endLocked ends the answer: nothing more will be passed on.
func (x *exchange) endLocked() {
	if !x.reply.running {
		return
	}
	x.reply.running, x.reply.given = false, true
	x.releaseRequest()
	x.to.givenLocked()
}

// panickedLocked ends the exchange in which the front itself failed, and not
// the worker on whose goroutine it happened.
func (x *exchange) panickedLocked(p any) {
	x.srv.panicked(p)
	x.to.abortLocked()
}
