package bench

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
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
	answered  int64 // when the connection's latest response was whole
	buf       []byte
	filled    int // bytes in buf that resp has not taken
	resp      response

	// The claimed request.
	claimed   bool
	opened    bool // its connection has carried no request before it
	closing   bool // the connection is to be closed after it
	poked     bool // it is the monitor that has it look at the socket
	preceded  bool // the server had sent something before the request went out
	began     bool // its first attempt was sent: stamps and the timeout count from there
	retried   bool
	inFlight  bool       // sent, at least in part
	out       []byte     // what is to be sent
	unsent    []byte     // what the socket did not take at once
	upload    chan error // of the goroutine that sends the rest of a request; nil if there is none
	uploadErr error      // why the last one ended
	err       error      // what went wrong on the connection
	req       *request
	hops      int
	refusals  int // HTTP/2: by servers that said so
	sample    sample

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
	c.claimed, c.began, c.retried, c.inFlight, c.hops, c.refusals = true, false, false, false, 0, 0
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

// begin stamps the claimed request as sent. A second attempt and a redirect keep the first one's stamp: whoever waits for
// the answer has waited since then.
func (c *client) begin() {
	if !c.began {
		c.began, c.sample.sent = true, c.now
		if c.preconnect > 0 {
			c.sample.connect, c.preconnect = c.preconnect, 0
		}
	}
	c.attempted, c.poked, c.preceded, c.eventTally.last = c.now, false, false, 0
	c.sample.first, c.uploadErr = 0, nil
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
