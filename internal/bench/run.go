package bench

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"hash/maphash"
	"math"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// run is one run: what its clients share.
type run struct {
	opts     Options
	open     bool
	site     site
	reqs     []*request
	turns    []uint16 // which request's turn it is, by arrival modulo its length
	schedule *schedule
	limit    int64 // closed loop: no request begins at or after it; 0 is no limit
	window   int64 // requests sent until then were sent within the schedule
	capture  []string
	seed     maphash.Seed
	tls      *tls.Config
	cancel   context.CancelCauseFunc

	start   time.Time // the barrier; set before clients loop
	remote  string    // the address that the first dial found
	network string

	next    atomic.Int64 // arrivals claimed
	stopped atomic.Bool  // the run ends early: nothing new is sent, what is in flight is dropped
	budget  atomic.Int64 // samples that may still be kept
	idle    atomic.Int64 // open loop: clients that wait for their request to be due
	// roundTrip is how long the quickest TCP connection took to open, in nanoseconds.
	roundTrip atomic.Int64
	tlsName   atomic.Pointer[string]

	groups      []streamGroup // of clients that share a connection; empty if none do
	visitors    atomic.Uint64
	sequence    atomic.Int64 // of {{seq}}
	looksAtBody bool         // some check or capture does
	webSocket   bool         // requests are messages

	mu      sync.Mutex // guards clients
	clients []*client
	wg      sync.WaitGroup
	ctx     context.Context // of the whole run
}

// Run makes the requests that o asks for and says what happened. An error means that there is no result: o is wrong, or no
// connection could be made at all. If ctx ends, or the server goes away, the result is what there is, marked Partial.
func Run(ctx context.Context, o Options) (*Result, error) {
	r, err := newRun(o)
	if err != nil {
		return nil, &OptionError{err}
	}
	if o.Warmup > 0 {
		if err := warmUp(ctx, o); err != nil {
			return nil, err
		}
	}
	ctx, r.cancel = context.WithCancelCause(ctx)
	defer r.cancel(nil)
	r.ctx = ctx
	defer r.closeGroups()
	if err := r.gather(ctx); err != nil {
		return nil, err
	}
	m := newMonitor(r)
	r.start = time.Now()
	m.begin()
	for _, c := range r.clients {
		c.claim() // one each, so that the first round is everybody's
	}
	for _, c := range r.clients {
		r.launch(c)
	}
	done := make(chan struct{})
	go func() { r.wg.Wait(); close(done) }()
	m.watch(ctx, done)
	return r.result(m), nil
}

// warmUp makes the load for Options.Warmup; of a rate that changes, at what it begins with.
func warmUp(ctx context.Context, o Options) error {
	o.Duration, o.Warmup, o.Requests, o.MaxSamples = o.Warmup, 0, 0, chunkLen
	if o.Rate.open() {
		o.Rate.From = max(o.Rate.From, 1)
		o.Rate.To = o.Rate.From
	}
	o.Seed ^= 0x7761726d // not the arrivals that are measured
	res, err := Run(ctx, o)
	if err == nil && res.Partial {
		err = fmt.Errorf("the warm-up ended early: %s", res.PartialReason)
	}
	return err
}

// newRun checks the options and makes everything ready but connections.
func newRun(o Options) (*run, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	r := &run{opts: o, open: o.Rate.open(), seed: maphash.MakeSeed()}
	if r.site, r.reqs, err = prepare(o); err != nil {
		return nil, err
	}
	r.webSocket = isWebSocket(r.reqs[0].url.Scheme)
	if r.webSocket && (o.HTTP2 || o.Follow) {
		return nil, errors.New("a WebSocket speaks HTTP/1.1 to begin with, and follows no redirects")
	}
	r.turns = rotation(r.reqs, o.Seed)
	r.budget.Store(int64(o.MaxSamples))
	for _, name := range o.CaptureHeaders {
		r.capture = append(r.capture, strings.ToLower(name))
	}
	for _, q := range r.reqs {
		r.looksAtBody = r.looksAtBody || q.looksAtBody()
		for _, name := range q.fieldsLookedAt() {
			if !slices.Contains(r.capture, name) {
				r.capture = append(r.capture, name)
			}
		}
	}
	r.network, r.remote = cmp.Or(o.Network, "tcp"), cmp.Or(o.ConnectTo, r.site.address())
	if o.UnixSocket != "" {
		r.network, r.remote = "unix", o.UnixSocket
	}
	if r.site.tls {
		r.tls = &tls.Config{ServerName: r.site.host, InsecureSkipVerify: o.Insecure, RootCAs: o.RootCAs, Certificates: o.Certificates,
			NextProtos: []string{"http/1.1"}}
		if o.HTTP2 {
			r.tls.NextProtos = []string{"h2"}
		}
	}
	if o.Streams > 1 {
		r.groups = make([]streamGroup, (o.Clients+o.Streams-1)/o.Streams)
	}
	r.limit, r.window = int64(o.Duration), math.MaxInt64
	if r.open {
		r.schedule = newSchedule(o)
		r.window = r.scheduleLength()
	}
	return r, nil
}

// scheduleLength is how long the schedule lasts: its duration, or its last arrival and the gap after it.
func (r *run) scheduleLength() int64 {
	length := int64(math.MaxInt64)
	if n := r.opts.Requests; n > 0 {
		length = int64(r.opts.Rate.timeOf(float64(n), r.opts.Duration))
	}
	if r.opts.Duration > 0 {
		length = min(length, int64(r.opts.Duration))
	}
	return length
}

func (r *run) now() int64 { return int64(time.Since(r.start)) }

// gather makes the first clients and their connections, so that all can send at once when the barrier falls. In the open
// loop it is one; the others come as they are needed, since idle connections would hold up servers with a thread each.
func (r *run) gather(ctx context.Context) error {
	n := r.opts.Clients
	if r.open {
		n = 1
	}
	r.start = time.Now() // for stamps of connecting; Run sets it again
	for i := range n {
		c, err := newClient(r)
		if err != nil {
			return err
		}
		c.number = i
		r.clients = append(r.clients, c)
	}
	if err := r.clients[0].preopen(ctx); err != nil {
		return err
	}
	// From here on the address is known: no client need ask the name server again.
	if conn := r.clients[0].conn; conn != nil && conn.RemoteAddr() != nil && r.network != "unix" {
		r.remote = conn.RemoteAddr().String()
	}
	slots := make(chan struct{}, 128)
	for _, c := range r.clients[1:] {
		if c.resting() {
			continue // it connects when its stage comes
		}
		r.wg.Go(func() {
			slots <- struct{}{}
			_ = c.preopen(ctx) // it tries again, and counts it, with its first request
			<-slots
		})
	}
	r.wg.Wait()
	return context.Cause(ctx)
}

// preopen connects before the barrier.
func (c *client) preopen(ctx context.Context) error {
	began := c.run.now()
	err := c.open(ctx)
	c.preconnect = c.run.now() - began
	if err != nil {
		c.preconnect = 0
	}
	return err
}

// dial opens a connection, with TLS where the site has it, within the time limit and until by, if that is not zero.
func (r *run) dial(ctx context.Context, by time.Time) (net.Conn, error) {
	limit := time.Now().Add(r.opts.Timeout)
	if !by.IsZero() && by.Before(limit) {
		limit = by
	}
	d, began := net.Dialer{Deadline: limit}, time.Now()
	conn, err := d.DialContext(ctx, r.network, r.remote)
	if err == nil {
		r.noteRoundTrip(time.Since(began))
	}
	if err != nil || r.tls == nil {
		return conn, err
	}
	ctx, cancel := context.WithDeadline(ctx, limit)
	defer cancel()
	tc := tls.Client(conn, r.tls)
	if err := tc.HandshakeContext(ctx); err != nil {
		conn.Close()
		return nil, &tlsError{err}
	}
	state := tc.ConnectionState()
	if r.opts.HTTP2 && state.NegotiatedProtocol != "h2" {
		conn.Close()
		return nil, &tlsError{errors.New("the server does not offer HTTP/2")}
	}
	name := tls.VersionName(state.Version) + "," + tls.CipherSuiteName(state.CipherSuite)
	r.tlsName.CompareAndSwap(nil, &name)
	return tc, nil
}

// noteRoundTrip keeps the least that opening a connection has taken. The first, which may have asked a name server, is one
// of many.
func (r *run) noteRoundTrip(took time.Duration) {
	for {
		old := r.roundTrip.Load()
		if old != 0 && old <= int64(took) || r.roundTrip.CompareAndSwap(old, max(1, int64(took))) {
			return
		}
	}
}

// launch starts a client's goroutine.
func (r *run) launch(c *client) {
	r.wg.Go(func() { c.loop(r.ctx) })
}

// replaceIdle is called by a client that is about to send. If no other waits for the next arrival, another client is added.
func (r *run) replaceIdle() {
	if r.idle.Load() > 0 || r.stopped.Load() {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.clients) >= r.opts.Clients {
		return
	}
	c, err := newClient(r)
	if err != nil {
		return // no descriptors left: it goes on with the clients that there are, and says how many in the result
	}
	c.number = len(r.clients)
	r.clients = append(r.clients, c)
	r.launch(c)
}

// snapshot returns the clients that there are now.
func (r *run) snapshot() []*client {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.clients[:len(r.clients):len(r.clients)]
}

// pause waits after a connection could not be made, longer the more often that was, up to 100 ms.
func (r *run) pause(ctx context.Context, failures int64) {
	t := time.NewTimer(time.Millisecond << min(failures, 7))
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// giveUp ends the run early.
func (r *run) giveUp(reason error) { r.cancel(reason) }
