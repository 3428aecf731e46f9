package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// client is one goroutine with at most one connection and one request at a time. It claims a request, waits until it is
// due, and drives its connection until the claim after it is not due or the connection is gone.
type client struct {
	run    *run
	cursor cursor // open loop
	alarm  *alarm // open loop
	rec    recorder
	speak  func(*client) // drives the connection: raw, stream or HTTP/2

	mu   sync.Mutex // guards conn against interrupt
	conn net.Conn
	raw  syscall.RawConn
	step func(fd uintptr) bool // c.rawStep, made once: a method value allocates
	h2   *http2Conn

	stream     *http.ClientConn // that of its group; nil if it has a connection to itself
	socket     *webSocket
	eventTally eventTally

	// deadline is when the request under way times out, 0 if there is none; the monitor reads it.
	deadline atomic.Int64

	now       int64 // the clock as last read
	attempted int64 // when the claimed request's latest attempt was sent
	buf       []byte
	filled    int // bytes in buf that resp has not taken
	resp      response

	// The claimed request.
	claimed  bool
	opened   bool // its connection has carried no request before it
	closing  bool // the connection is to be closed after it
	poked    bool // it is the monitor that has it look at the socket
	began    bool // its first attempt was sent: stamps and the timeout count from there
	retried  bool
	inFlight bool   // sent, at least in part
	out      []byte // what is to be sent
	unsent   []byte // what the socket did not take at once
	err      error  // what went wrong on the connection
	req      *request
	hops     int
	sample   sample

	visitor *visitor // nil unless requests differ from time to time
	number  int      // among the clients, from 0

	preconnect int64 // how long connecting took that was done before the barrier
}

const bufferLen = 16 << 10

func newClient(r *run) (*client, error) {
	c := &client{run: r, buf: make([]byte, bufferLen)}
	c.rec = recorder{open: r.open, budget: &r.budget, targets: make([]targetTally, len(r.reqs))}
	c.resp.seed = r.seed
	c.resp.wanted = wanted{server: true, location: r.opts.Follow, capture: r.capture}
	c.step = c.rawStep
	if r.opts.Events {
		c.resp.event = func() { c.eventTally.note(c) }
	}
	if r.opts.Scenario || r.opts.Random {
		c.visitor = &visitor{random: newRandom(r.opts.Seed, r.visitors.Add(1)), sequence: &r.sequence, values: map[string]string{}}
	}
	if r.open {
		c.cursor = cursor{r.schedule, r.schedule.first}
		var err error
		c.alarm, err = newAlarm()
		return c, err
	}
	return c, nil
}

// loop runs until there is nothing left to claim.
func (c *client) loop(ctx context.Context) {
	defer c.hangUp()
	c.now = c.run.now()
	for c.claimed || c.claim() || c.rest() {
		if !c.waitDue() {
			c.abort()
			return
		}
		if c.expired() {
			c.now = c.run.now()
			c.fail(ErrTimeout, errors.New("not sent in time: no connection was free"))
			continue
		}
		if c.conn == nil && c.stream == nil && !c.connect(ctx) {
			continue
		}
		c.speak(c)
		if c.closing {
			c.hangUp() // not before: Close waits for RawConn.Read, in which the response was found whole
		}
		if c.run.stopped.Load() && c.claimed {
			c.abort()
			return
		}
	}
}

// claim takes the next request of the run; false if there is none.
func (c *client) claim() bool {
	r := c.run
	if r.stopped.Load() || !r.open && r.limit > 0 && c.now >= r.limit || c.resting() {
		return false
	}
	i := r.next.Add(1) - 1
	c.sample = sample{scheduled: c.now}
	if r.open {
		at, ok := c.cursor.at(i)
		if !ok {
			return false
		}
		c.sample.scheduled = int64(at)
		if int64(at) < c.now {
			c.sample.flags = backlogged
		}
	} else if r.opts.Requests > 0 && i >= r.opts.Requests {
		return false
	}
	c.choose(i)
	c.out = c.req.bytes
	c.claimed, c.began, c.retried, c.inFlight, c.hops = true, false, false, false, 0
	return true
}

// choose finds the request of arrival i: the one whose turn it is, or the client's next step.
func (c *client) choose(i int64) {
	if c.run.opts.Scenario {
		v := c.visitor
		c.sample.target = uint16(v.step)
		v.step = (v.step + 1) % len(c.run.reqs)
	} else {
		c.sample.target = c.run.turns[i%int64(len(c.run.turns))]
	}
	c.req = c.run.reqs[c.sample.target]
	if c.req.template == nil {
		return
	}
	filled, err := c.req.fill(c.visitor, c.run.opts.NoKeepAlive)
	if err != nil {
		c.run.giveUp(fmt.Errorf("%s: a placeholder makes no URL of it: %w", c.req.URL, err))
		return
	}
	c.req = filled
}

// waitDue sleeps until the claimed request is due; false if the run has been stopped meanwhile.
func (c *client) waitDue() bool {
	if c.run.open {
		if c.sample.scheduled > c.now {
			c.sleep()
		}
		c.run.replaceIdle()
	}
	return !c.run.stopped.Load()
}

func (c *client) sleep() {
	c.run.idle.Add(1)
	err := c.alarm.sleep(time.Duration(c.sample.scheduled - c.run.now()))
	c.run.idle.Add(-1)
	if err != nil && !errors.Is(err, os.ErrClosed) {
		c.run.giveUp(fmt.Errorf("a timer failed: %w", err))
	}
	c.now = c.run.now()
}

// connect opens a connection; if it cannot, the claimed request has failed.
func (c *client) connect(ctx context.Context) bool {
	began := c.run.now()
	err := c.open(ctx)
	c.now = c.run.now()
	if !c.began { // else it is part of the stretch since the first attempt was sent
		c.sample.connect += c.now - began
	}
	if err == nil {
		return true
	}
	if c.run.stopped.Load() {
		c.abort()
		return false
	}
	if !c.began {
		c.sample.sent = c.now
	}
	kind := kindOfDial(err)
	if kind == ErrConnect {
		c.rec.live.connectFailed.Store(c.rec.live.connectFailed.Load() + 1)
	}
	c.fail(kind, err)
	c.run.pause(ctx, c.rec.live.connectFailed.Load())
	c.now = c.run.now()
	return false
}

// open dials and puts the connection in place.
func (c *client) open(ctx context.Context) error {
	if len(c.run.groups) > 0 {
		return c.openStream(ctx)
	}
	conn, err := c.run.dial(ctx, c.dialBy())
	if err != nil {
		return err
	}
	c.mu.Lock()
	c.conn = conn
	c.mu.Unlock()
	c.opened, c.filled = true, 0
	c.raw, c.speak = nil, (*client).driveStream
	if c.run.webSocket {
		c.speak = (*client).driveWebSocket
		if c.socket, err = c.upgrade(conn); err != nil {
			c.hangUp()
		}
		return err
	}
	if c.run.opts.HTTP2 {
		c.h2, c.speak = newHTTP2Conn(conn, c.run), (*client).driveHTTP2
		return nil
	}
	if sc, ok := conn.(syscall.Conn); ok {
		c.speak = (*client).driveRaw
		c.raw, err = sc.SyscallConn()
	}
	return err
}

// dialBy is when a connection for the claimed request must stand; zero leaves it to the dialer's own limit.
func (c *client) dialBy() time.Time {
	if !c.claimed || !c.run.open && !c.began {
		return time.Time{}
	}
	return c.run.start.Add(time.Duration(c.timeoutAt()))
}

func (c *client) hangUp() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closing, c.stream = false, nil
	if c.h2 != nil {
		c.h2.close()
		c.h2 = nil
	}
	if c.conn != nil {
		c.conn.Close()
		c.conn = nil
	}
}

// interrupt wakes the client out of whatever it waits for on its connection.
func (c *client) interrupt() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.conn != nil {
		_ = c.conn.SetDeadline(time.Unix(1, 0)) // it fails on a closed connection, which wakes the client by itself
	}
}

// begin stamps the claimed request as sent. A second attempt and a redirect keep the first one's stamp: whoever waits for
// the answer has waited since then.
func (c *client) begin() {
	if !c.began {
		c.began, c.sample.sent = true, c.now
		if c.preconnect > 0 {
			c.sample.connect, c.preconnect = c.preconnect, 0
		}
	}
	c.attempted, c.poked, c.eventTally.last = c.now, false, 0
	c.sample.first = 0
	c.inFlight = true
	c.resp.reset(c.req.head && c.hops == 0)
	c.resp.wanted.text = c.req.looks && c.run.looksAtBody
	c.rec.sent += int64(len(c.out))
	if c.sample.sent <= c.run.window {
		c.rec.inTime++
	}
	c.deadline.Store(c.timeoutAt())
}

// timeoutAt is when the claimed request times out.
func (c *client) timeoutAt() int64 {
	from := c.sample.scheduled
	if !c.run.open {
		from = c.sample.sent
	}
	return from + int64(c.run.opts.Timeout)
}

func (c *client) expired() bool { return c.run.open && c.now >= c.timeoutAt() }

// received takes what a read returned. It reports whether the response is whole; otherwise c.err may be set.
func (c *client) received(n int, err error) bool {
	c.now = c.run.now()
	if n > 0 {
		return c.gotBytes(n)
	}
	if err != nil && err != io.EOF {
		c.err = err
		return false
	}
	switch err := c.resp.eof(); {
	case err == nil:
		return true
	case c.sample.first == 0:
		c.err = errEOF
	default:
		c.err = err
	}
	return false
}

func (c *client) gotBytes(n int) bool {
	if c.sample.first == 0 {
		c.sample.first = c.now
	}
	c.rec.received += int64(n)
	c.sample.bytes += uint32(n)
	c.filled += n
	taken, err := c.resp.feed(c.buf[:c.filled])
	if err != nil {
		c.err = err
		return false
	}
	c.filled = copy(c.buf, c.buf[taken:c.filled])
	if c.resp.done() && c.filled > 0 {
		c.err = malformed(fmt.Sprintf("bytes after its end: %.40q", c.buf[:c.filled]))
		return false
	}
	if c.filled == len(c.buf) {
		c.buf = append(c.buf, make([]byte, len(c.buf))...) // bounded: resp refuses heads beyond maxHead
	}
	return c.resp.done()
}

// finish records a whole response and claims the next request. It reports whether that can be sent on this connection now.
func (c *client) finish() bool {
	again := c.run.opts.Follow && isRedirect(c.resp.status) && c.redirect()
	if !again && c.claimed {
		c.complete()
	}
	c.closing = c.resp.close || c.run.opts.NoKeepAlive
	c.opened = false
	if !again && !c.claim() {
		return false
	}
	return !c.closing && !c.run.stopped.Load() && (!c.run.open || c.sample.scheduled <= c.now && !c.expired())
}

// complete records the response that has just been read.
func (c *client) complete() {
	s, r := &c.sample, &c.resp
	s.done, s.status = c.now, uint16(r.status)
	if c.run.webSocket {
		s.status = 0 // a message has none
	}
	if r.kept.timing.present {
		s.queueMS, s.appMS = r.kept.timing.queueMS, r.kept.timing.appMS
		s.flags |= timed
	}
	if r.wanted.server {
		c.rec.server, r.wanted.server = r.kept.server, false
	}
	c.rec.body += r.bodyBytes
	c.claimed = false
	c.deadline.Store(0)
	if !r.close && !c.run.opts.NoKeepAlive {
		c.rec.keptAlive++
	}
	switch {
	case c.now > c.timeoutAt(): // whole, but too late: the monitor looks only now and then
		s.kind = ErrTimeout
		c.rec.example(s.kind, c.notInTime())
	case !c.req.Expect.has(r.status):
		s.kind = ErrStatus
		c.rec.example(s.kind, fmt.Sprintf("status %d", r.status))
	default:
		if wrong := c.look(); wrong != "" {
			s.kind = ErrCheck
			c.rec.example(s.kind, wrong)
		} else {
			c.rec.targets[s.target].content.note(s.status, r.bodyBytes, r.sum)
		}
	}
	if s.kind != Succeeded {
		c.startOver()
	}
	captured := r.kept.captured
	if n := len(c.run.opts.CaptureHeaders); len(captured) > n {
		captured = captured[:n:n] // the others are for checks
		if n == 0 {
			captured = nil
		}
	}
	c.rec.add(s, captured)
}

// look makes the request's checks and captures; it returns what is wrong.
func (c *client) look() string {
	if !c.req.looks {
		return ""
	}
	a := answer{c.resp.text, func(name string) (string, bool) {
		i := slices.Index(c.resp.wanted.capture, strings.ToLower(name))
		if i < 0 || c.resp.kept.captured == nil || c.resp.kept.captured[i] == "" {
			return "", false
		}
		return c.resp.kept.captured[i], true
	}}
	if wrong := c.req.check(a); wrong != "" {
		return wrong
	}
	if c.visitor != nil {
		return c.visitor.capture(c.req.Target, a)
	}
	return ""
}

// startOver has a visitor whose step failed begin anew, as somebody else.
func (c *client) startOver() {
	if c.visitor != nil {
		c.visitor.step = 0
		clear(c.visitor.values)
	}
}

func (c *client) notInTime() string { return fmt.Sprintf("not done within %v", c.run.opts.Timeout) }

func isRedirect(status int) bool {
	switch status {
	case 301, 302, 303, 307, 308:
		return true
	}
	return false
}

// redirect prepares the claimed request for the place that the response points to; if it cannot, the request has failed.
func (c *client) redirect() bool {
	to, err := c.run.follow(c.req.url, c.resp.kept.location)
	if c.hops++; err == nil && c.hops > maxHops {
		err = errors.New("more than 10 redirects")
	}
	if err != nil {
		c.sample.status = uint16(c.resp.status)
		c.fail(ErrRedirect, err)
		return false
	}
	method := c.req.Method
	if c.resp.status < 304 && method != "HEAD" {
		method = "GET" // RFC 9110, 15.4: what browsers do
	}
	c.out = c.req.encode(to, method, c.run.opts.NoKeepAlive)
	c.inFlight = false
	return true
}

const maxHops = 10

// follow resolves a Location against the URL it came from.
func (r *run) follow(from *url.URL, location string) (*url.URL, error) {
	to, err := from.Parse(location)
	switch {
	case location == "" || err != nil:
		return nil, fmt.Errorf("redirect to %q, which is no URL", location)
	case siteOf(to) != r.site:
		return nil, fmt.Errorf("redirect to another host: %s", to)
	}
	return to, nil
}

// lost deals with a connection that broke under the claimed request. One that crossed with the server's closing an idle
// connection is sent once more, and counted.
func (c *client) lost(err error) {
	c.hangUp()
	c.err, c.unsent = nil, nil
	kind := kindOf(err)
	if c.crossed(kind) && c.req.again && !c.retried {
		c.retried, c.inFlight = true, false
		c.rec.retries++
		return
	}
	if kind == ErrTimeout {
		err = errors.New(c.notInTime())
	}
	c.fail(kind, err)
}

// crossGrace is how much longer than a round trip the news of a closed connection may take to reach this client's goroutine.
const crossGrace = 5 * time.Millisecond

// crossed reports whether the request met a connection that the server had closed already (RFC 9112, 9.3.1). Then the
// server's end or reset comes within a round trip of sending. What comes later comes from a server that had the request. An
// end that only a poke has found, with nothing from the server since about the time of sending, was there before.
func (c *client) crossed(kind ErrorKind) bool {
	if c.sample.first != 0 || c.opened || kind != ErrEOF && kind != ErrReset {
		return false
	}
	return c.poked || c.now-c.attempted <= c.run.roundTrip.Load()+int64(crossGrace)
}

// fail records that the claimed request has failed.
func (c *client) fail(kind ErrorKind, err error) {
	c.sample.kind, c.sample.done = kind, c.now
	c.claimed = false
	c.startOver()
	c.deadline.Store(0)
	c.rec.example(kind, err.Error())
	c.rec.add(&c.sample, nil)
}

// abort drops the claimed request: the run has been stopped.
func (c *client) abort() {
	if c.claimed {
		c.rec.aborted++
	}
	c.claimed = false
	c.deadline.Store(0)
}
