package front

import (
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"girin/internal/front/spool"
	"girin/internal/guard"
	"girin/internal/http1"
	"girin/internal/logs"
	"girin/internal/metrics"
	"girin/internal/pattern"
	"girin/internal/sched"
)

// Config of a Server.
type Config struct {
	Queue         *sched.Queue
	Asked         // at first; Adjust changes it
	MaxConns      int
	MaxFiles      int                           // connections, spooled bodies and files that are sent; 0: no limit of their own
	SpoolDir      string                        // "": the system's temporary directory
	MemoryLeft    func() (bytes int64, ok bool) // for spool files, if the directory cannot be written
	SpoolResponse int64                         // bytes of an answer that may be in a file for its slow client; 0: none
	HealthPath    string                        // "": none
	LivenessPath  string                        // "": none
	ServerTiming  bool
	SendFile      bool
	TLS           *TLS // nil: cleartext
	HTTP2         HTTP2Options
	Rests         bool   // whoever brings answers calls Rest
	ScriptName    string // the mount point, or ""
	Name          string // of the field Server where the application gives none; "": no such field
	Sockets       SocketOptions
	Stream        pattern.Set                    // whose bodies come while the application runs; under ASGI all do
	Remote        func(method, path []byte) bool // which the queue's Remote is asked for first; nil: none
	// Refuses says of those by their head why the Remote does not take one, nor anybody else; "": it may.
	Refuses func(method, path, prefer []byte, length int64) string
	// Limit is how long the application may take for one of those; 0: no less than for others.
	Limit   func(method, path []byte) time.Duration
	Access  *logs.AccessLog
	Metrics *metrics.Server // nil: nothing is counted
	Log     *logs.ErrorLog
	Clock   func() int64 // CLOCK_MONOTONIC, ns
	Ready   func() bool  // a worker is ready
	Guard   *guard.Guard // nil: a panic of a part ends the process
	Hurry   int          // of tests: all limits on clients are so many times shorter; 0: as they are
}

// Server accepts connections and serves them.
type Server struct {
	cfg      Config
	times    times
	had      fairClock
	pid      int
	date     http1.Date
	nameLine []byte       // the field Server, or nil
	second   atomic.Int64 // Unix time; the sweeper keeps it
	draining atomic.Bool
	asgi     atomic.Bool // see SpeakASGI
	wsgi     atomic.Bool // see SpeakWSGI
	spoken   told        // one of the two, or that nobody is waited for any more
	leaving  atomic.Bool // no connection gets a further request; always while draining
	spool    *spool.Store
	held     atomic.Int64           // descriptors of connections, spooled bodies and files that are sent
	fault    atomic.Pointer[[]byte] // see ShowFault
	queued   atomic.Int64           // response bytes that wait for slow clients
	sockets  atomic.Int64           // of these, what waits for clients of WebSockets
	heads    atomic.Int64           // bytes of buffers that hold large heads
	inlined  atomic.Int64           // bytes of bodies that are read into memory
	uploads  atomic.Int64           // bodies of streams that come while the application runs
	opened   atomic.Uint32          // counts WebSockets
	messages atomic.Int64           // bytes of WebSockets' messages that are not whole, or that no application has received

	mu         sync.Mutex
	conns      map[*conn]struct{} // guarded by mu
	left       sync.Cond          // a connection has gone, or the server stops
	shares     bool               // guarded by mu: another server accepts from the listeners as well
	accepting  int                // guarded by mu: listeners
	empty      chan struct{}      // guarded by mu: closed when nothing is left, while draining
	drainBegan int64              // guarded by mu: ns, of had
	drainUntil int64              // guarded by mu: the same; 0: it has no end
	closing    bool               // guarded by mu: no connection is taken any more
	listeners  []*listener        // guarded by mu

	asked     atomic.Pointer[asked]  // never nil
	mount     atomic.Pointer[[]byte] // where the application is mounted; never nil
	unflushed unflushed

	stop     chan struct{}
	once     sync.Once // closes stop
	done     sync.WaitGroup
	warned   warned
	clocks   proxyClocks
	refusals refusals
}

// listener is a socket that accepts, and what its requests have in common.
type listener struct {
	net.Listener
	base    uint8 // index of its base environ
	unix    bool
	left    atomic.Bool // it goes on elsewhere: what waits to be accepted is for another server
	silent  int         // of accept: how often it waited in vain
	retired atomic.Bool // it alone is to close
	refused time.Time   // set before draining: since when nobody new begins
}

// New returns a server; Serve and Start launch it.
func New(cfg Config) *Server {
	s := &Server{
		cfg: cfg, times: newTimes(cfg.Hurry, cfg.Sockets), pid: os.Getpid(), nameLine: nameLine(cfg.Name),
		conns: map[*conn]struct{}{}, stop: make(chan struct{}), spoken: told{c: make(chan struct{})},
	}
	s.left.L = &s.mu
	s.had.start(cfg.Clock, s.times.sweep)
	s.Adjust(cfg.Asked)
	s.Mount(cfg.ScriptName)
	s.spool = spool.Open(spool.Config{
		Dir: cfg.SpoolDir, MemoryLeft: cfg.MemoryLeft, Take: s.takeFile, Give: s.giveFile, Warn: cfg.Log.Warningf,
	})
	return s
}

// Mount says where the application is mounted, which its own process may know better
// than what the server was started with.
func (s *Server) Mount(scriptName string) {
	mount := []byte(scriptName)
	s.mount.Store(&mount)
}

// SpeakASGI says that the application speaks ASGI: from now on requests are packed so.
// Those that came before are packed for WSGI; a worker reads both.
func (s *Server) SpeakASGI() {
	s.asgi.Store(true)
	s.spoken.tell()
}

// SpeakWSGI says that it speaks WSGI. Until one of the two is known requests are packed for
// WSGI, and heads may be as long as for ASGI.
func (s *Server) SpeakWSGI() {
	s.wsgi.Store(true)
	s.spoken.tell()
}

// told is a channel that is closed once.
type told struct {
	c    chan struct{}
	once sync.Once // closes c
}

func (t *told) tell() { t.once.Do(func() { close(t.c) }) }

// Start launches the sweeper.
func (s *Server) Start() {
	s.second.Store(time.Now().Unix())
	s.done.Add(1)
	go func() {
		defer s.done.Done()
		s.cfg.Guard.Keep(guard.Part{Name: "the sweeper of connections", Run: s.sweeper, Sound: s.sound})
	}()
}

// Serve accepts connections from l until it is closed. base is the index of
// the base environ of its requests.
func (s *Server) Serve(l net.Listener, base uint8) {
	ln := &listener{Listener: l, base: base, unix: l.Addr().Network() == "unix"}
	s.mu.Lock()
	ln.share(s.shares)
	if s.draining.Load() {
		s.mu.Unlock()
		l.Close()
		return
	}
	s.listeners = append(s.listeners, ln)
	s.accepting++
	s.mu.Unlock()
	s.done.Add(1)
	go func() {
		defer s.done.Done()
		defer s.accepted(ln)
		s.cfg.Guard.Keep(guard.Part{Name: "accepting on " + l.Addr().String(), Run: func() { s.accept(ln) }, Sound: s.sound})
	}()
}

// sound reports whether no part holds the server's lock for ever.
func (s *Server) sound() bool {
	for range 100 {
		if s.mu.TryLock() {
			s.mu.Unlock()
			return true
		}
		time.Sleep(time.Millisecond)
	}
	return false
}

// Conns is the number of connections.
func (s *Server) Conns() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.conns)
}
