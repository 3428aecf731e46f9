package bench

import (
	"errors"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strings"
)

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
	c.closing = c.resp.close || c.run.opts.NoKeepAlive || !c.uploaded()
	c.opened, c.answered = false, c.now
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
