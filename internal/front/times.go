package front

import (
	"sync/atomic"
	"time"
)

// How long clients may take.
const (
	headLimit      = 20 * time.Second
	handshakeLimit = 10 * time.Second // for the whole handshake
	lingerLimit    = 2 * time.Second
	drainLimit     = 2 * time.Second // idle, while the server stops
	bodyLimit      = 20 * time.Second
	bodyRate       = 500              // bytes that buy a second more
	writeLimit     = 60 * time.Second // for none of what waits for the client

	sweepEvery     = 250 * time.Millisecond
	sweepLeast     = 50 * time.Millisecond
	halfCloseGrace = 200 * time.Millisecond
	closingLimit   = 5 * time.Second  // of a WebSocket: for its client's close frame
	farewellAfter  = time.Second      // of HTTP/2: between the first and the last farewell
	discardLimit   = 30 * time.Second // for the rest of a body that nobody wants, and more for what comes
	discardLongest = time.Hour        // and no more than that, whatever comes
	silentLimit    = 5 * time.Second  // with nothing of it coming
)

// times are the limits of a server. Tests shorten all of them by one factor; a handshake's by
// hurriedHandshake at most, as it computes whatever is tested.
type times struct {
	head, proxy, handshake, linger, drain, body, bodySecond,
	write, sweep, halfClose, farewell, closing, discard, discards, silent, ping, pong, leave time.Duration
}

const hurriedHandshake = 20

func newTimes(hurry int, o SocketOptions) times {
	by := time.Duration(max(hurry, 1))
	sweep := sweepEvery
	if o.PingInterval > 0 {
		sweep = min(sweep, max(o.PingInterval/2, sweepLeast)) // else a short interval is a long one
	}
	return times{
		head: headLimit / by, proxy: proxyLimit / by, handshake: handshakeLimit / min(by, hurriedHandshake), linger: lingerLimit / by,
		drain: drainLimit / by, body: bodyLimit / by, bodySecond: time.Second / by,
		write: writeLimit / by, sweep: sweep / by, halfClose: halfCloseGrace / by, farewell: farewellAfter / by,
		closing: closingLimit / by, discard: discardLimit / by, discards: discardLongest / by, silent: silentLimit / by,
		ping: o.PingInterval / by, pong: o.PingTimeout / by, leave: o.Drain / by,
	}
}

// limitOf is how long c may stay in its stage; 0: for ever.
func (s *Server) limitOf(c *conn) time.Duration {
	t := &s.times
	switch c.stage.now() {
	case stageNew:
		return s.unlessDraining(c, t.head)
	case stageIdle:
		if s.asked.Load().KeepAlive == 0 {
			return minIdle
		}
		return s.unlessDraining(c, s.asked.Load().KeepAlive)
	case stageProxy:
		return t.proxy
	case stageHandshake:
		return t.handshake
	case stageHead:
		return t.head
	case stageBody:
		return t.bodyTime(c.body.came.Load())
	case stageLinger:
		return s.untilDrained(c.stage.since, t.linger)
	case stageClosing:
		return t.closing
	}
	return 0
}

// bodyTime is how long a body may take of which so many bytes have come.
func (t *times) bodyTime(came int64) time.Duration {
	return t.body + t.bought(came)
}

// slow reports whether a body of which so many bytes have come has no place while others
// are kept out for it: after times.body, at less than four times bodyRate.
func (t *times) slow(age, came int64) bool {
	return age > int64(t.body) && int64(t.bought(came)) < 4*age
}

// bought is how much more time a client has for so many bytes that it has sent.
func (t *times) bought(n int64) time.Duration {
	return time.Duration(n/bodyRate)*t.bodySecond + time.Duration(n%bodyRate)*t.bodySecond/bodyRate
}

// unlessDraining is the limit of a stage in which the client owes nothing: while
// the server stops it is short, and begins then.
func (s *Server) unlessDraining(c *conn, limit time.Duration) time.Duration {
	if s.drainBegan == 0 {
		return limit
	}
	idle := max(s.drainBegan-c.stage.since, 0) // when the draining began
	return min(limit, time.Duration(idle)+s.untilDrained(c.stage.since, s.times.drain))
}

// untilDrained is a limit for what began at that time. While the server stops it is at
// most half of what was left then: the other half is the workers', and whoever comes next.
func (s *Server) untilDrained(since int64, limit time.Duration) time.Duration {
	if s.drainUntil == 0 {
		return limit
	}
	return min(limit, time.Duration(max(s.drainUntil-max(since, s.drainBegan), 0)/2))
}

// afterHalfClose runs f if the request is still queued some time after its
// client closed its sending side. The returned function calls it off.
func (s *Server) afterHalfClose(f func()) (stop func() bool) {
	return time.AfterFunc(s.times.halfClose, f).Stop
}

// fairClock tells the time that clients have had, in ns: a time in which this
// process did not run, because others did or it was stopped, is not theirs.
type fairClock struct {
	clock func() int64
	most  int64 // that may pass between two ticks
	had   atomic.Int64
	last  atomic.Int64 // tick, of clock
}

func (f *fairClock) start(clock func() int64, every time.Duration) {
	f.clock, f.most = clock, 2*int64(every)
	f.last.Store(clock())
	f.had.Store(int64(time.Hour)) // 0 stands for never
}

// now is the time.
func (f *fairClock) now() int64 { return f.had.Load() + min(f.clock()-f.last.Load(), f.most) }

// tick is now, by the sweeper.
func (f *fairClock) tick() int64 {
	now := f.now()
	f.last.Store(f.clock())
	f.had.Store(now)
	return now
}
