package soak

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"time"
)

// client makes one request after the other, each of another kind.
type client struct {
	server   *server
	outcomes *outcomes
	rand     *rand.Rand
	until    time.Time

	nc net.Conn // to the server, or nil
	br *bufio.Reader
	h2 *http.Transport
}

// patience is how long a client waits for an answer before it calls it lost.
const patience = 40 * time.Second

// one does one of the things that clients do.
func (c *client) one() {
	kinds := []func(){c.get, c.get, c.pipeline, c.upload, c.uploadChunked, c.file, c.slow, c.reset, c.reset, c.pause, c.halfClose, c.leaveBodyUnread, c.expect, c.events, c.idle}
	if c.server.secure {
		kinds = append(kinds, c.get2, c.upload2, c.cancel2, c.cancel2, c.slow2, c.many2, c.drop2)
	}
	if c.server.sockets {
		kinds = append(kinds, c.echo, c.echo, c.listen, c.listen, c.leaveSocket, c.leaveSocket)
	}
	kinds[c.rand.IntN(len(kinds))]()
}

func (c *client) end() {
	c.close()
	c.drop2()
}

// connect connects, if the last connection is no more.
func (c *client) connect() bool {
	if c.nc != nil {
		return true
	}
	nc, err := net.DialTimeout("tcp", c.server.addr, patience)
	if err == nil && c.server.secure {
		secure := tls.Client(nc, &tls.Config{InsecureSkipVerify: true, ServerName: "localhost"})
		_ = nc.SetDeadline(time.Now().Add(patience))
		err = secure.Handshake()
		nc = &secureConn{secure, nc.(*net.TCPConn)}
	}
	if err != nil {
		c.outcomes.bad("connect: %v", err) // no fault of a worker's is an excuse
		return false
	}
	_ = nc.SetDeadline(time.Now().Add(patience))
	c.nc, c.br = nc, bufio.NewReader(nc)
	return true
}

// secureConn can still reach the connection below.
type secureConn struct {
	*tls.Conn
	tcp *net.TCPConn
}

func (c *client) close() {
	if c.nc != nil {
		c.nc.Close()
		c.nc = nil
	}
}

// abort ends the connection with a reset.
func (c *client) abort() {
	switch nc := c.nc.(type) {
	case *net.TCPConn:
		_ = nc.SetLinger(0)
		nc.Close()
	case *secureConn:
		_ = nc.tcp.SetLinger(0)
		nc.tcp.Close()
	}
	c.nc = nil
	c.outcomes.left.Add(1)
}

// fresh says whether the next request opens a connection: if not, the server may
// have closed the idle one in the very moment.
func (c *client) send(b []byte) (fresh, ok bool) {
	fresh = c.nc == nil
	if !c.connect() {
		return fresh, false
	}
	_ = c.nc.SetDeadline(time.Now().Add(patience))
	_, err := c.nc.Write(b)
	return fresh, err == nil || !fresh
}

func head(method, target string, fields ...string) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\nHost: localhost\r\n", method, target)
	for _, field := range fields {
		b.WriteString(field + "\r\n")
	}
	b.WriteString("\r\n")
	return b.Bytes()
}

// answer reads an answer and compares it. It reports whether the connection can
// be used again.
func (c *client) answer(what, method string, fresh bool, check func(io.Reader) error) bool {
	request := &http.Request{Method: method}
	res, err := http.ReadResponse(c.br, request)
	for err == nil && res.StatusCode < 200 {
		res, err = http.ReadResponse(c.br, request)
	}
	if err != nil {
		if fresh || !closedIdle(err) {
			c.judge(what, err)
		}
		c.close()
		return false
	}
	defer res.Body.Close()
	again := c.judgeAnswer(what, res, check) && !res.Close
	if !again {
		c.close()
	}
	return again
}

// closedIdle is how it looks when the server closed an idle connection.
func closedIdle(err error) bool {
	return errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) || strings.Contains(err.Error(), "reset") || strings.Contains(err.Error(), "broken pipe")
}

// judge notes how a request failed: a killed worker's answer may break off, but
// none may be missing when patience ends.
func (c *client) judge(what string, err error) {
	var timeout net.Error
	if errors.As(err, &timeout) && timeout.Timeout() {
		c.outcomes.bad("%s: no answer in %v: %v", what, patience, err)
		return
	}
	if what == "half" && c.server.sockets {
		c.outcomes.left.Add(1) // to an ASGI application it has left, once its answer has not moved for a while
		return
	}
	c.outcomes.fail("cut: " + strings.Fields(what)[0])
}

// judgeAnswer notes what came. It reports whether the whole answer was read.
func (c *client) judgeAnswer(what string, res *http.Response, check func(io.Reader) error) bool {
	switch res.StatusCode {
	case 200:
	case 502: // its worker was killed
		text, err := io.ReadAll(res.Body)
		if reason := strings.TrimSpace(string(text)); what == "half" && reason == "the client has gone" {
			c.outcomes.left.Add(1) // it looked like one that has left, and was still in the queue
		} else {
			c.outcomes.fail("502 " + reason)
		}
		return err == nil
	default:
		text, _ := io.ReadAll(io.LimitReader(res.Body, 200))
		c.outcomes.bad("%s: status %d: %s", what, res.StatusCode, text)
		return false
	}
	err := check(res.Body)
	var off brokenOff
	switch {
	case errors.As(err, &off):
		c.judge(what, err)
		return false
	case err != nil:
		c.outcomes.bad("%s: %v", what, err)
		return false
	}
	c.outcomes.checked.Add(1)
	return true
}

// exactly checks a short answer.
func exactly(want string) func(io.Reader) error {
	return func(r io.Reader) error {
		got, err := io.ReadAll(r)
		if err != nil {
			return brokenOff{err}
		}
		if string(got) != want {
			return fmt.Errorf("%q came, not %q", got, want)
		}
		return nil
	}
}

func contentOf(seed, size int) func(io.Reader) error {
	return func(r io.Reader) error { return (&content{seed: seed, size: size}).check(r, true) }
}

// target names an answer: of a size that takes each way through the server.
func (c *client) target() (string, func(io.Reader) error) {
	seed, size := c.rand.IntN(seeds), [...]int{0, 100, 5000, 9000, 70_000, 700_000, 3_000_000}[c.rand.IntN(7)]
	path := [...]string{"/bytes", "/pieces"}[c.rand.IntN(2)]
	return fmt.Sprintf("%s?seed=%d&size=%d", path, seed, size), contentOf(seed, size)
}

func (c *client) get() {
	target, check := c.target()
	if fresh, ok := c.send(head("GET", target)); ok {
		c.answer("get "+target, "GET", fresh, check)
	}
}

func (c *client) file() {
	if fresh, ok := c.send(head("GET", "/file")); ok {
		c.answer("file", "GET", fresh, contentOf(fileSeed, fileSize))
	}
}

// pipeline sends several requests before it reads.
func (c *client) pipeline() {
	c.close() // a new one: what an idle one lost could not be told
	var all []byte
	var checks []func(io.Reader) error
	for range 2 + c.rand.IntN(4) {
		target, check := c.target()
		all = append(all, head("GET", target)...)
		checks = append(checks, check)
	}
	if _, ok := c.send(all); !ok {
		return
	}
	for _, check := range checks {
		if !c.answer("pipeline", "GET", true, check) {
			return
		}
	}
}

func (c *client) bodySize() (seed, size int) {
	return c.rand.IntN(seeds), [...]int{0, 10, 3000, 60_000, 80_000, 1_000_000, 2_500_000}[c.rand.IntN(7)]
}

func (c *client) upload() {
	seed, size := c.bodySize()
	fresh, ok := c.send(head("POST", "/digest", fmt.Sprint("Content-Length: ", size)))
	if ok {
		_, _ = io.Copy(c.nc, &content{seed: seed, size: size})
		c.answer("upload", "POST", fresh, exactly(digest(seed, size)))
	}
}

func (c *client) uploadChunked() {
	seed, size := c.bodySize()
	fresh, ok := c.send(head("POST", "/digest", "Transfer-Encoding: chunked"))
	if ok {
		_ = c.chunks(&content{seed: seed, size: size}, size)
		c.answer("chunked", "POST", fresh, exactly(digest(seed, size)))
	}
}

// chunks sends a body in chunks, the last one included if all of it was sent.
func (c *client) chunks(from io.Reader, size int) error {
	b := make([]byte, 1+c.rand.IntN(70_000))
	for sent := 0; ; {
		n, err := io.ReadFull(from, b)
		if n > 0 {
			if _, err := fmt.Fprintf(c.nc, "%x\r\n%s\r\n", n, b[:n]); err != nil {
				return err
			}
		}
		if sent += n; err != nil {
			if sent == size {
				_, err = io.WriteString(c.nc, "0\r\n\r\n")
			}
			return err
		}
	}
}

// slow reads an answer with pauses, and may leave in the middle.
func (c *client) slow() {
	c.close()
	seed, size := c.rand.IntN(seeds), 3_000_000
	if _, ok := c.send(head("GET", fmt.Sprintf("/bytes?seed=%d&size=%d", seed, size), "Connection: close")); !ok {
		return
	}
	res, err := http.ReadResponse(c.br, nil)
	if err != nil {
		c.judge("slow", err)
		c.close()
		return
	}
	want := content{seed: seed, size: size}
	for range 1 + c.rand.IntN(10) {
		if res.StatusCode != 200 {
			break // what it says is judged below
		}
		if err := want.check(io.LimitReader(res.Body, 50_000), false); err != nil {
			c.judgePart("slow", err)
			c.close()
			return
		}
		time.Sleep(time.Duration(c.rand.IntN(60)) * time.Millisecond)
	}
	if c.rand.IntN(2) == 0 {
		c.abort()
		return
	}
	c.judgeAnswer("slow", res, func(r io.Reader) error { return want.check(r, true) })
	c.close()
}

func (c *client) judgePart(what string, err error) {
	if off := (brokenOff{}); errors.As(err, &off) {
		c.judge(what, err)
		return
	}
	c.outcomes.bad("%s: %v", what, err)
}

// reset leaves at any moment: in the head, in a body that is kept in memory or
// in a file, in the queue, while it runs, while it is answered.
func (c *client) reset() {
	if !c.connect() {
		return
	}
	target, _ := c.target()
	get := head("GET", target)
	switch c.rand.IntN(6) {
	case 0: // in the head
		_, _ = c.nc.Write(get[:c.rand.IntN(len(get))])
	case 1: // as soon as it is sent
		_, _ = c.nc.Write(get)
	case 2: // while it runs, or in its answer
		_, _ = c.nc.Write(get)
		time.Sleep(time.Duration(c.rand.IntN(20)) * time.Millisecond)
	case 3: // in its answer
		_, _ = c.nc.Write(get)
		_, _ = io.CopyN(io.Discard, c.nc, int64(1+c.rand.IntN(20_000)))
	case 4: // in a body, or at its end
		size := 80_000
		_, _ = c.nc.Write(head("POST", "/digest", "Transfer-Encoding: chunked"))
		_ = c.chunks(io.LimitReader(&content{size: size}, int64(size-c.rand.IntN(2)*c.rand.IntN(size))), size)
	case 5: // in a sleep
		_, _ = c.nc.Write(head("GET", "/sleep?pause=0.05"))
		time.Sleep(time.Duration(c.rand.IntN(60)) * time.Millisecond)
	}
	c.abort()
}

// pause stands still in the head and in the body for a while.
func (c *client) pause() {
	c.close()
	all := append(head("POST", "/digest", "Content-Length: 60000"), make([]byte, 0)...)
	var body bytes.Buffer
	_, _ = io.Copy(&body, &content{seed: 5, size: 60_000})
	all = append(all, body.Bytes()...)
	if !c.connect() {
		return
	}
	for len(all) > 0 {
		n := min(len(all), 1+c.rand.IntN(30_000))
		if _, err := c.nc.Write(all[:n]); err != nil {
			break
		}
		all = all[n:]
		time.Sleep(time.Duration(c.rand.IntN(50)) * time.Millisecond)
	}
	c.answer("pause", "POST", true, exactly(digest(5, 60_000)))
}

// halfClose closes its sending side when all is said, and wants the answer.
func (c *client) halfClose() {
	c.close()
	target, check := c.target()
	if _, ok := c.send(head("GET", target)); !ok {
		return
	}
	if half, ok := c.nc.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite()
	}
	c.answer("half", "GET", true, check)
	c.close()
}

// leaveBodyUnread sends a body that the app does not read, then a request more.
func (c *client) leaveBodyUnread() {
	_, size := c.bodySize()
	fresh, ok := c.send(head("POST", "/unread", fmt.Sprint("Content-Length: ", size)))
	if ok {
		_, _ = io.Copy(c.nc, &content{size: size})
		if c.answer("unread", "POST", fresh, exactly("not read")) {
			c.get()
		}
	}
}

// expect waits for 100 Continue before it sends its body.
func (c *client) expect() {
	c.close()
	seed, size := c.rand.IntN(seeds), 90_000
	if _, ok := c.send(head("POST", "/digest", fmt.Sprint("Content-Length: ", size), "Expect: 100-continue")); !ok {
		return
	}
	res, err := http.ReadResponse(c.br, &http.Request{Method: "POST"})
	switch {
	case err != nil:
		c.judge("expect", err)
		c.close()
	case res.StatusCode != 100:
		c.judgeAnswer("expect", res, exactly(""))
		c.close()
	default:
		_, _ = io.Copy(c.nc, &content{seed: seed, size: size})
		c.answer("expect", "POST", true, exactly(digest(seed, size)))
	}
}

// events reads some of a stream that never ends, and leaves.
func (c *client) events() {
	c.close()
	if _, ok := c.send(head("GET", "/events?pause=0.02")); !ok {
		return
	}
	_, _ = io.CopyN(io.Discard, c.br, int64(100+c.rand.IntN(200)))
	c.abort()
}

// idle keeps its connection for a while, at times longer than it may.
func (c *client) idle() {
	pause := time.Duration(c.rand.IntN(1000)) * time.Millisecond
	if c.rand.IntN(8) == 0 {
		pause = 3 * time.Second
	}
	time.Sleep(min(pause, time.Until(c.until)))
	c.get()
}
