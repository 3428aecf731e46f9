package front

import "girin/internal/http1"

// reply is the response that an exchange is giving, and what outlives it of its record.
type reply struct {
	response

	sentHead []byte // the fields that the application gave, for a record
	record   record
}

// response is what begins anew with each.
type response struct {
	running bool // from Submit until nothing more will be passed on
	given   bool // since then, until the client's side has it all
	started bool // its head is with the transport
	last    bool // the connection ends with it
	keep    bool // the client would take another response
	head    bool // the request was HEAD
	whole   bool // the request was read to its end

	noBody   bool
	stays    bool // what waits of it stays in memory: it would be in a file if there were room
	upgraded bool // it became a WebSocket; status is then the code that it ended with
	chunked  bool // of HTTP/1.1: its transport frames it
	minor    int  // of the request's version
	status   int
	remain   int64  // body bytes still to come; -1: no length is declared
	file     int64  // length of the file that is the body; 0: there is none
	got      int64  // body bytes that came from the worker
	granted  int64  // of those, how many the worker may send again
	sent     int64  // body bytes that went to the client
	trailers []byte // of HTTP/1.1: fields after the last chunk

	noted []http1.Field // variables of the environ as the application left them, for a record
}

// begin starts the response to the request that x has read.
func (r *reply) begin(x *exchange) {
	keep := x.req.KeepAlive && x.srv.asked.Load().KeepAlive > 0
	r.response = response{
		running: true, last: !keep, keep: keep, head: x.isHead, whole: x.body.whole,
		minor: x.req.Minor, remain: -1,
	}
	r.sentHead = r.sentHead[:0]
}

// fit cuts a body to what its declared length leaves.
func (x *exchange) fit(body []byte) (fitting []byte, cut bool) {
	r := &x.reply
	if r.remain < 0 {
		return body, false
	}
	if int64(len(body)) > r.remain && !r.noBody {
		body, cut = body[:r.remain], true
	}
	r.remain -= int64(len(body))
	return body, cut
}

// grantLocked lets the worker send as much again as the client has taken, or as may wait
// in memory.
func (x *exchange) grantLocked() {
	r := &x.reply
	step := x.creditStep()
	if !r.running || r.got-r.granted < step {
		return
	}
	taken, waiting := r.got, int64(x.to.waitingLocked())
	if !r.stays || waiting > staysMost-x.srv.queuedAnswers() {
		taken -= waiting
	}
	if n := taken - r.granted; n >= step {
		r.granted += n
		x.srv.cfg.Queue.Grant(&x.call, int(n))
	}
}

// What waits for slow clients may be so much in all. Beyond it an answer's
// window is small: its thread, not the master's memory, waits for the client.
// What the kernel has taken of an answer does not count.
const (
	// AnswerWindow is how much of an answer is taken from its worker before the
	// client reads any of it.
	AnswerWindow = 1 << 20

	queuedMost = 64 << 20
	// staysMost is what may wait in memory, of all clients, of answers that would be in files
	// if there were room for these. One may have no more of it than it leaves to others;
	// beyond that it holds its thread.
	staysMost   = queuedMost / 2
	smallWindow = 16 << 10
)

// window is how much of the next answer may be taken from its worker at once;
// 0: as much as usual.
func (s *Server) window() uint32 {
	if s.queuedAnswers() > queuedMost {
		return smallWindow
	}
	return 0
}

// queuedAnswers is what waits for clients, without what waits for those of WebSockets:
// they have a limit of their own, see webSocket.boundLocked.
func (s *Server) queuedAnswers() int64 { return s.queued.Load() - s.sockets.Load() }

// creditStep is how much a client must have taken before the worker is told. It is a
// quarter of the window: who has the rest goes on meanwhile, and is told seldom. Only
// a small window is used up first.
func (x *exchange) creditStep() int64 {
	window := int64(x.call.Window)
	if window == 0 {
		window = AnswerWindow
	}
	return max(window/4, min(window, smallWindow))
}
