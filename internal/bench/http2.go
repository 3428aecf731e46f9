package bench

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/net/http2"
)

// http2Conn speaks HTTP/2 on one connection through net/http's transport, with one request at a time as in HTTP/1.1, so that
// a client means the same in both.
type http2Conn struct {
	transport *http.Transport
}

// newHTTP2Conn hands conn to a transport of its own, which may use no other.
func newHTTP2Conn(conn net.Conn, r *run) *http2Conn {
	taken := false
	give := func(context.Context, string, string) (net.Conn, error) {
		if taken {
			return nil, errUnprocessed // the transport asks for another connection: that is the client's to make
		}
		taken = true
		return conn, nil
	}
	t := &http.Transport{Protocols: new(http.Protocols), DisableCompression: true, MaxResponseHeaderBytes: maxHead}
	if _, ok := conn.(*tls.Conn); ok {
		t.DialTLSContext = give
		t.Protocols.SetHTTP2(true)
	} else {
		t.DialContext = give
		t.Protocols.SetUnencryptedHTTP2(true)
	}
	return &http2Conn{t}
}

func (h *http2Conn) close() { h.transport.CloseIdleConnections() }

// driveHTTP2 sends the claimed request and those after it that are due.
func (c *client) driveHTTP2() {
	for {
		c.begin()
		if err := c.exchangeHTTP2(); err != nil {
			c.now = c.run.now()
			c.broke(err)
			return
		}
		c.now = c.run.now()
		if !c.finish() {
			return
		}
	}
}

// exchangeHTTP2 makes one request and fills in c.resp and c.sample as reading HTTP/1.1 does.
func (c *client) exchangeHTTP2() error {
	var first atomic.Int64 // set by the transport's goroutine
	ctx := c.run.ctx
	if c.stream != nil { // others' streams go on when this one's time is up
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, c.run.start.Add(time.Duration(c.timeoutAt())))
		defer cancel()
	}
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GotFirstResponseByte: func() { first.Store(c.run.now()) },
	})
	req, err := http.NewRequestWithContext(ctx, c.req.Method, c.req.url.String(), bytes.NewReader(c.req.Body))
	if err != nil {
		return err
	}
	setHeader(req, c.req)
	res, err := c.roundTripHTTP2(req)
	switch {
	case err != nil && unprocessed(err):
		return fmt.Errorf("%w: %w", errUnprocessed, err)
	case err != nil && strings.Contains(err.Error(), "server sent GOAWAY and closed the connection"):
		return fmt.Errorf("%w: %w", errEOF, err)
	case err != nil:
		return err
	}
	defer res.Body.Close()
	c.sample.first = first.Load()
	if res.ProtoMajor != 2 {
		return errors.New("the server answered in " + res.Proto)
	}
	if !isStatus(res.StatusCode) {
		return malformed(fmt.Sprintf("status %d", res.StatusCode))
	}
	c.resp.status = res.StatusCode
	head := c.resp.keepHTTP2(res.Header)
	if err := c.resp.readHTTP2(res.Body, c.buf); err != nil {
		return err
	}
	c.rec.received += head + c.resp.bodyBytes
	c.sample.bytes = uint32(head + c.resp.bodyBytes)
	return nil
}

// roundTripHTTP2 makes a request on the client's own connection, or on a stream of its group's.
func (c *client) roundTripHTTP2(req *http.Request) (*http.Response, error) {
	if c.stream != nil {
		return c.stream.RoundTrip(req)
	}
	return c.h2.transport.RoundTrip(req)
}

// errUnprocessed is the error of a request that the server certainly has not begun (RFC 9113, 8.7): it was sent as the server
// said that it will take no more on this connection, or not at all.
var errUnprocessed = fmt.Errorf("%w, and did not take the request", errEOF)

// unprocessed tells such errors of net/http, which has no names for them.
func unprocessed(err error) bool {
	var stream http2.StreamError
	if errors.As(err, &stream) {
		return stream.Code == http2.ErrCodeRefusedStream
	}
	text := err.Error()
	return strings.Contains(text, "graceful shutdown GOAWAY") || strings.Contains(text, "client conn not usable")
}

func setHeader(req *http.Request, r *request) {
	req.Header.Set("User-Agent", "girin-bench")
	req.Header.Set("Accept", "*/*")
	if u := r.url.User; u != nil {
		password, _ := u.Password()
		req.SetBasicAuth(u.Username(), password)
	}
	for _, f := range r.Header {
		req.Header.Del(f.Name)
	}
	for _, f := range r.Header {
		if strings.EqualFold(f.Name, "Host") {
			req.Host = f.Value
		} else {
			req.Header.Add(f.Name, f.Value)
		}
	}
}

// keepHTTP2 keeps what is wanted of a header and returns about how long it would be in HTTP/1.1.
func (r *response) keepHTTP2(header http.Header) (size int64) {
	for name, values := range header {
		for _, v := range values {
			size += int64(len(name) + len(v) + len(": \r\n"))
		}
	}
	r.kept.server = header.Get("Server")
	for _, v := range header.Values("Server-Timing") {
		r.kept.timing.add([]byte(v))
	}
	for i, name := range r.wanted.capture {
		for _, v := range header.Values(name) {
			r.capture(i, []byte(v))
		}
	}
	return size
}

// readHTTP2 reads a body to its end.
func (r *response) readHTTP2(body io.Reader, buf []byte) error {
	for {
		n, err := body.Read(buf)
		if n > 0 {
			r.addBody(buf[:n])
		}
		if err == io.EOF {
			r.finish()
			return nil
		}
		if errors.Is(err, io.ErrUnexpectedEOF) {
			return errTruncated
		}
		if err != nil {
			return err
		}
	}
}
