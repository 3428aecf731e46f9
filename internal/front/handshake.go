package front

import (
	"bytes"
	"strings"
	"time"

	"girin/internal/http1"
	"girin/internal/ws"
)

// SocketOptions are what a server allows WebSockets.
type SocketOptions struct {
	Off          bool          // who asks for one makes a plain request
	PingInterval time.Duration // after so long without a byte the client is asked; 0: never
	PingTimeout  time.Duration // for an answer to that; 0: for ever
	MaxMessage   int           // bytes; 0: no limit
	MaxQueue     int           // bytes that the application has not received before no more is read
	Drain        time.Duration // over which sockets are closed when the server stops
	Deflate      bool
}

// asksForSocket reports whether the request would become a WebSocket. Who names no
// Upgrade in Connection asks for nothing (RFC 9110 section 7.8).
func (c *conn) asksForSocket() bool {
	return c.upgrades() && c.srv.asgi.Load() && namesSocket(&c.req)
}

// upgrades reports whether the request may become something else than one of HTTP.
func (c *conn) upgrades() bool { return c.req.Upgrades && !c.srv.cfg.Sockets.Off }

// awaitInterface waits until it is known which interface the application has, which decides what
// becomes of a handshake: the worker of one that was passed on before could not make it a
// WebSocket any more. Where nobody will know it, because the server stops, it goes on.
func (c *conn) awaitInterface() {
	select {
	case <-c.srv.spoken.c:
		return
	default:
	}
	c.stage.enter(stageBusy)
	<-c.srv.spoken.c
}

// listHas reports whether fields of a kind, which are lists, have a token.
func listHas(fields []http1.Field, kind http1.Kind, token string) bool {
	for i := range fields {
		if fields[i].Kind != kind {
			continue
		}
		for part := range bytes.SplitSeq(fields[i].Value, []byte(",")) {
			if strings.EqualFold(string(bytes.TrimSpace(part)), token) {
				return true
			}
		}
	}
	return false
}

var (
	errSocketVersion = &http1.Error{Status: 426, Reason: "the version of WebSocket must be 13"}
	errSocketMethod  = &http1.Error{Status: 400, Reason: "a WebSocket begins with GET of HTTP/1.1 without a body"}
	errSocketKey     = &http1.Error{Status: 400, Reason: "Sec-WebSocket-Key is not one value of 16 bytes"}
)

// newSocket checks a handshake (RFC 6455 section 4.2.1).
func (c *conn) newSocket() (*webSocket, *http1.Error) {
	req := &c.req
	if string(req.Method) != "GET" || req.Minor == 0 || req.ContentLength != 0 || req.Chunked {
		return nil, errSocketMethod
	}
	keys, version, extensions := 0, "", ""
	s := &webSocket{c: c, share: c.srv.opened.Add(1)}
	s.serve = s.tryServe
	for i := range req.Fields {
		f := &req.Fields[i]
		switch strings.ToLower(string(f.Name)) {
		case "sec-websocket-version":
			version = string(f.Value)
		case "sec-websocket-key":
			if keys++; c.over == nil && !ws.ValidKey(string(f.Value)) {
				return nil, errSocketKey
			}
			s.accept = ws.Accept(string(f.Value))
		case "sec-websocket-extensions":
			extensions += "," + string(f.Value)
		}
	}
	switch {
	case version != "13":
		return nil, errSocketVersion
	case keys != 1 && c.over == nil: // HTTP/2 has :protocol in its place
		return nil, errSocketKey
	}
	if c.srv.cfg.Sockets.Deflate {
		s.deflate, s.window = ws.Negotiate(extensions)
	}
	s.reader.Deflate, s.reader.MaxBytes = s.window > 0, c.srv.cfg.Sockets.MaxMessage
	return s, nil
}

// appendHandshake appends the head that accepts a handshake, without the
// application's fields.
func (s *webSocket) appendHandshake(b []byte) []byte {
	to := s.c.to
	if s.c.over != nil {
		b = to.appendStatus(b, 101, nil)
	} else {
		b = http1.AppendStatusLine(b, 1, []byte("101 Switching Protocols"))
		b = append(b, "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "...)
		b = append(append(b, s.accept...), crlf...)
	}
	if s.window > 0 {
		b = to.appendField(b, []byte("Sec-WebSocket-Extensions"), []byte(s.deflate), http1.KindOther)
	}
	return b
}
