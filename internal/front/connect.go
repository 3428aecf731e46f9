package front

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"slices"

	"girin/internal/http1"
)

// WebSockets over HTTP/2 (RFC 8441): a stream of extended CONNECT becomes a conn of its
// own. Its handshake is judged, handed over, answered and logged as that of HTTP/1.1 is,
// as if it had begun with GET; only what HTTP/2 has other words for differs: there is no
// key, and 200 accepts.

var (
	errProtocol       = &http1.Error{Status: 501, Reason: "of extended CONNECT only websocket is supported"}
	errSocketBody     = &http1.Error{Status: 400, Reason: "a WebSocket begins without a body"}
	errSocketPath     = &http1.Error{Status: 400, Reason: "this path has no WebSocket"}
	errSocketTrailers = &http1.Error{Status: 400, Reason: "a WebSocket ends without trailers"}

	errFaulty = &http1.Error{Status: 500, Reason: "the application cannot be loaded"}
)

// connect makes the stream a WebSocket.
func (st *stream) connect(ends bool) *http1.Error {
	s, c := st.srv, st.h.c
	switch {
	case !bytes.EqualFold(st.req.Protocol, []byte("websocket")):
		return errProtocol
	case ends || st.req.ContentLength > 0:
		return errSocketBody
	case s.isCheck(st.req.Path):
		return errSocketPath
	case s.fault.Load() != nil:
		return errFaulty
	case s.cfg.Queue.Full():
		return errOverload
	}
	k := newConnected(st)
	if !s.enrollConnected(k) {
		return errBusy
	}
	c.mu.Lock()
	st.carries = k.over
	st.takenLocked()
	if st.frames.Closed() {
		k.over.lost()
	}
	c.mu.Unlock()
	s.done.Add(1) // not from zero: the connection's goroutine still counts
	go func() {
		defer s.done.Done()
		k.serveConnected()
	}()
	return nil
}

// endCarried goes on when the client ends its side of a WebSocket. Trailers cannot do that
// (RFC 9113 section 8.5).
func (st *stream) endCarried() {
	if st.verdict == nil {
		st.carries.ended()
		return
	}
	st.h.c.mu.Lock()
	defer st.h.c.mu.Unlock()
	st.frames.Blame(codeProtocol)
	st.carries.lost()
}

// newConnected makes the conn that a stream carries.
func newConnected(st *stream) *conn {
	sc := &streamConn{h: st.h, st: st}
	sc.changed.L = &sc.mu
	k := &conn{exchange: exchange{srv: st.srv, peer: st.peer, streamed: true, req: st.req}, ls: st.h.c.ls, nc: sc, over: sc}
	k.req.Method, k.req.Fields = []byte("GET"), slices.Clone(st.req.Fields)
	k.req.ContentLength, k.req.Chunked, k.req.KeepAlive, k.req.Expect100 = 0, false, false, false
	k.changed.L = &k.mu
	k.textHead, k.to = textHead{&k.exchange}, onStream{k, st}
	k.call.Answer, k.call.Base = k, k.ls.base
	k.stage.enter(stageBusy)
	k.in.init(k)
	k.out.init(k)
	return k
}

// enrollConnected counts a WebSocket among the connections. It reports false if there may
// be no more: nobody can wait here, as in enroll.
func (s *Server) enrollConnected(k *conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closing || s.cfg.MaxConns > 0 && len(s.conns) >= s.cfg.MaxConns {
		return false
	}
	s.conns[k] = struct{}{}
	return true
}

// serveConnected serves the one request of a stream's conn.
func (c *conn) serveConnected() {
	defer c.finish()
	c.reply.record.keep(&c.exchange)
	if !c.srv.cfg.Queue.Register(&c.call) {
		c.refuse(errBusy)
		return
	}
	defer c.srv.cfg.Queue.Release(&c.call)
	c.awaitInterface()
	serve := c.serveSocket
	if !c.srv.asgi.Load() {
		c.addHandshake()
		serve = c.serveTunnel
	}
	if serve() {
		c.waitReply()
	}
}

// addHandshake adds to the request what HTTP/1.1 would have: libraries that answer a
// handshake themselves ask for it. Of the answer to the key nothing is passed on.
func (c *conn) addHandshake() {
	var key [16]byte
	_, _ = rand.Read(key[:])
	fields := slices.DeleteFunc(c.req.Fields, func(f http1.Field) bool { return bytes.EqualFold(f.Name, keyName) })
	c.req.Fields = append(fields,
		http1.Field{Name: []byte("connection"), Value: []byte("Upgrade"), Kind: http1.KindConnection},
		http1.Field{Name: []byte("upgrade"), Value: []byte("websocket"), Kind: http1.KindUpgrade},
		http1.Field{Name: keyName, Value: base64.StdEncoding.AppendEncode(nil, key[:]), Kind: http1.KindOther},
	)
}

var keyName, acceptName = []byte("sec-websocket-key"), []byte("sec-websocket-accept")

// sendTextHead sends the head that such a library has written. Without a status there is
// none that could be sent.
func (c *conn) sendTextHead(status int, head []byte) {
	b := c.to.appendStatus(nil, status, nil)
	_, lines, _ := bytes.Cut(head, crlf)
	for line := range bytes.SplitSeq(lines, crlf) {
		name, value, _ := bytes.Cut(line, []byte(":"))
		value = bytes.TrimSpace(value)
		if kind := http1.KindOf(name); http1.ValidFieldName(name) && http1.ValidFieldValue(value) &&
			!http1.IsHopByHop(kind) && !bytes.EqualFold(name, acceptName) {
			b = c.to.appendField(b, name, value, kind)
		}
	}
	c.over.sendHead(b)
}

// onStream is the transport of a stream's conn: its heads are HTTP/2's.
type onStream struct {
	*conn
	headEncoder
}

var _ transport = onStream{}

// appendStatus begins a head. 200 accepts a handshake, where HTTP/1.1 has 101: an answer
// of another kind, as of an application that has no WebSocket there, must not have it.
func (o onStream) appendStatus(b []byte, code int, status []byte) []byte {
	switch {
	case code == 101:
		code = 200
	case code/100 == 2:
		code = 400
		o.reply.status, o.reply.noBody = code, false
	}
	return o.headEncoder.appendStatus(b, code, status)
}

// sendLocked passes on a head and a part of the body, whose end is the stream's.
func (o onStream) sendLocked(head, body []byte, _ bool) {
	if len(head) > 0 {
		o.over.sendHead(head)
	}
	o.writeLocked(nil, body, nil)
}

// sendFileLocked passes on a head, and has the file written after it.
func (o onStream) sendFileLocked(head []byte, body *fileBody) {
	o.over.sendHead(head)
	o.conn.sendFileLocked(nil, body)
}
