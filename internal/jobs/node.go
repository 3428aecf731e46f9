package jobs

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"girin/internal/guard"
	"girin/internal/jobs/job"
	"girin/internal/jobs/webhook"
	"girin/internal/offload"
	"girin/internal/sched"
)

// Logger gets what happens to jobs.
type Logger interface {
	Debugf(format string, args ...any)
	Infof(format string, args ...any)
	Warningf(format string, args ...any)
	Errorf(format string, args ...any)
}

// Config of a Node.
type Config struct {
	App       string // which application's jobs
	Version   string // of the application; only nodes of the same one run its jobs
	Routes    offload.Routes
	Tasks     bool          // the application hands over functions
	Slots     int           // jobs of the queues that this node runs at once; 0: none
	MaxJobs   int           // accepted ones that may wait
	MaxBytes  int64         // that may be stored of accepted ones, and of their results; 0: as many as there is room for
	Auth      Auth          // by what a client shows that a job is its own
	Replicas  int           // how many of the engine's servers keep each message; 0: as many as do so now
	Keep      time.Duration // how long a result is there
	MoveAfter time.Duration // for how long a version must have had no server before its jobs are moved; 0: never
	Retry     int           // how often a job is run again whose runner has gone

	Connect []nats.Option // how the engine is reached
	URL     string
	Own     bool            // the engine is this server's
	Hooks   *webhook.Sender // tells others of jobs' ends; nil: nobody

	Room  func(more int64) bool      // there is room on the disk for so many bytes more
	Bases func() []map[string]string // the environs that requests of a listener share
	File  func() (*os.File, error)   // makes one without a name, for what is too large for memory
	Clock func() int64               // CLOCK_MONOTONIC, ns
	Wall  func() time.Time           // nil: the system's
	Rest  func()                     // is called when there is no more of an answer at present; nil: nobody minds
	Log   Logger
	Guard *guard.Guard
}

// Node is this server among those that share an engine. New allocates, Start connects.
type Node struct {
	cfg         Config
	name        string // of this run
	names       names
	queue       *sched.Queue
	origin      *origin
	runner      *runner
	beats       *beats
	recordsMost int // see trim
	chores      *chores
	outbox      *outbox
	counts      counts
	says        says

	oldestAt atomic.Int64 // when the first of them was accepted, Unix ns; 0: there is none
	watchers atomic.Int64 // who are told events
	besides  atomic.Int64 // clients that wait for the ends of their jobs, or watch them
	boards   boards

	hookHosts hookHosts
	behind    atomic.Int64 // that this server's clock is, ns: see now
	fill      fill
	version   atomic.Pointer[string]
	bases     atomic.Pointer[[][][2]string] // see base

	nc        *nats.Conn
	js        jetstream.JetStream
	store     atomic.Pointer[store] // nil: there is none yet
	hub       hub
	up        atomic.Bool           // the engine answers, and has the streams
	said      atomic.Bool           // that it does not
	unreached atomic.Pointer[error] // why it was not, the last time; nil: nothing was tried again yet
	draining  atomic.Bool

	ctx  context.Context
	stop context.CancelFunc
	done sync.WaitGroup
	kick chan struct{} // connected, or not any more

	served   http.Handler       // for clients
	unfollow context.CancelFunc // of the goroutine of connect
	named    bool               // of the same: it was looked whether jobs of this name are there
}

// New returns a node.
func New(cfg Config) *Node {
	if cfg.Rest == nil {
		cfg.Rest = func() {}
	}
	n := &Node{cfg: cfg, name: job.NewID().String(), names: namesOf(cfg.App), kick: make(chan struct{}, 1)}
	n.version.Store(&cfg.Version)
	n.ctx, n.stop = context.WithCancel(context.Background())
	n.origin = newOrigin(n)
	n.runner = newRunner(n)
	n.beats = newBeats(n)
	n.chores, n.recordsMost = newChores(), recordsMost
	n.outbox = newOutbox(n)
	n.fill.look = make(chan struct{}, 1)
	n.served = n.handlers()
	n.hub.waiting = map[job.ID][]chan stored{}
	n.boards.init()
	return n
}

// Remote is what the node is to the queue that it serves.
func (n *Node) Remote() sched.Remote { return n.origin }

// Start connects, in the background, and serves from then on.
func (n *Node) Start(queue *sched.Queue, more ...nats.Option) error {
	n.queue = queue
	options := append([]nats.Option{
		nats.Name("girin " + n.name), nats.MaxReconnects(-1), nats.CustomReconnectDelay(reconnectPause),
		nats.IgnoreAuthErrorAbort(), // the key may come there later than here
		nats.RetryOnFailedConnect(true), nats.FlusherTimeout(time.Second), nats.PingInterval(5 * time.Second), nats.MaxPingsOutstanding(2),
		nats.ConnectHandler(func(*nats.Conn) { n.changed() }),
		nats.ReconnectErrHandler(func(_ *nats.Conn, err error) {
			if !errors.Is(err, nats.ErrNoServers) { // which says less than what follows it
				n.unreached.Store(&err)
			}
		}),
		nats.ReconnectHandler(func(*nats.Conn) { n.changed() }),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) { n.lose(err) }),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { n.cfg.Log.Warningf("jobs: %v", err) }),
	}, append(n.cfg.Connect, more...)...)
	nc, err := nats.Connect(n.cfg.URL, options...)
	if err != nil {
		return fmt.Errorf("jobs: %w", err)
	}
	n.nc = nc
	if n.js, err = jetstream.New(nc); err != nil {
		return fmt.Errorf("jobs: %w", err)
	}
	if _, err := nc.Subscribe(n.names.node(n.name, ">"), n.hear); err != nil {
		return fmt.Errorf("jobs: %w", err)
	}
	if _, err := nc.Subscribe(n.names.alive, n.beats.hear); err != nil {
		return fmt.Errorf("jobs: %w", err)
	}
	n.launch("the jobs' connection", n.connect)
	n.launch("the jobs' heartbeat", n.beats.run)
	n.launch("what jobs leave to do", n.chores.run)
	n.launch("what jobs have to say", n.outbox.run)
	n.launch("the count of the jobs", n.count)
	n.launch("the janitor of the jobs", n.janitor)
	n.launch("the board of the jobs", n.drawBoards)
	n.launch("who sweeps up what was abandoned", n.sweeper)
	for i := range hookers {
		if n.cfg.Hooks != nil {
			n.launch("teller "+strconv.Itoa(i)+" of the ends of jobs", n.tellHooks)
		}
	}
	n.runner.start()
	return nil
}

const reconnectWait = 100 * time.Millisecond

// reconnectPause is how long the engine is left alone that could not be reached so often: it may
// be started anew, and else its log has a line for each time.
func reconnectPause(often int) time.Duration {
	if often > reconnectQuickly {
		return time.Second
	}
	return reconnectWait
}

const reconnectQuickly = 50

func (n *Node) launch(what string, run func()) {
	n.done.Go(func() { n.cfg.Guard.Keep(guard.Part{Name: what, Run: run}) })
}

// Close leaves: what runs here for others is cancelled, and they hear of it. An engine that
// is silent is waited for a while, and not beyond the end of ctx.
func (n *Node) Close(ctx context.Context) {
	n.runner.drain()
	if n.queue != nil {
		n.queue.TakeBack() // and others begin it
	}
	n.stop()
	n.runner.close(ctx)
	n.chores.close()
	n.outbox.close()
	awaitFor(ctx, &n.done)
	if n.nc != nil {
		n.beats.bye(ctx)
		n.nc.Close()
	}
}

// Version is that of the application, whose jobs this node runs.
func (n *Node) Version() string { return *n.version.Load() }

// SetVersion says that another version of the application is served from now on.
func (n *Node) SetVersion(version string) {
	if n.Version() != version {
		n.version.Store(&version)
		n.cfg.Log.Infof("Jobs: this node serves version %s now", version)
		n.changed()
	}
}

// Drain stops pulling, runs here what waits for others, and returns when what was begun
// here has ended, or with ctx.
func (n *Node) Drain(ctx context.Context) {
	n.draining.Store(true)
	n.hub.all() // who watches a job would keep this server for as long as that runs
	n.runner.drain()
	n.origin.homeAll()
	ended := make(chan struct{})
	go func() { // ends with the slots, for which Close waits
		n.runner.done.Wait()
		close(ended)
	}()
	select {
	case <-ended:
	case <-ctx.Done():
	}
}

func (n *Node) changed() {
	select {
	case n.kick <- struct{}{}:
	default:
	}
}

// connect makes the streams whenever the engine is there anew: those in memory have gone
// with the one before.
func (n *Node) connect() {
	n.changed()
	again := time.NewTimer(time.Hour)
	defer again.Stop()
	for {
		select {
		case <-n.ctx.Done():
			return
		case <-n.kick:
		case <-again.C:
		}
		if !n.nc.IsConnected() {
			if err := n.whyUnreached(); err != nil && n.said.CompareAndSwap(false, true) {
				n.cfg.Log.Warningf("The engine of the jobs cannot be reached (%v)%s: %s until it can", err, hintOf(err), n.meanwhile())
			}
			again.Reset(time.Second)
			continue
		}
		n.beats.send(false) // what runs here goes on, however long the streams take
		if err := n.prepare(); err != nil {
			if n.ctx.Err() == nil && n.said.CompareAndSwap(false, true) {
				n.cfg.Log.Errorf("The engine of the jobs cannot be used (%v): %s until it can", err, n.meanwhile())
			}
			again.Reset(reconnectWait)
			continue
		}
		n.beats.all()
		if !n.up.Swap(true) {
			n.said.Store(false)
			n.cfg.Log.Infof("Jobs: connected as %s, version %s of %s, %d at once", host(), n.Version(), n.cfg.App, n.cfg.Slots)
		}
		n.beats.send(false) // others may keep jobs to themselves until they know of this node
		n.runner.wake()
	}
}

// whyUnreached is why there is no connection; nil: there may be one in a moment. Where nobody
// listens the library does not say so, which is so of an own engine while it starts.
func (n *Node) whyUnreached() error {
	err := n.nc.LastError()
	if why := n.unreached.Load(); err == nil && why != nil && !n.cfg.Own {
		err = *why
	}
	return err
}

// lose is told that the connection has gone: what nobody has begun runs here.
func (n *Node) lose(err error) {
	if n.up.Swap(false) && n.ctx.Err() == nil {
		n.said.Store(true)
		n.cfg.Log.Warningf("The engine of the jobs does not answer (%v): %s until it does", err, n.meanwhile())
	}
	n.origin.homeAll()
	n.changed()
}

// meanwhile is what this node does without the engine.
func (n *Node) meanwhile() string {
	if n.guest() {
		return "this server runs no jobs"
	}
	return "requests run here"
}

// hintOf is what a person may look at who reads that the engine cannot be reached.
func hintOf(err error) string {
	var certificate *tls.CertificateVerificationError
	switch {
	case errors.Is(err, nats.ErrAuthorization):
		return ", it does not take this server's --offload-key or --offload-creds"
	case errors.As(err, &certificate):
		return ", its certificate is not one of --offload-tls-ca, or not one for this name or time"
	}
	return ""
}

func host() string {
	name, err := os.Hostname()
	if err != nil {
		return "?"
	}
	return name
}
