package front

import (
	"context"
	"errors"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"girin/internal/http1"
	"girin/internal/logs"
	"girin/internal/sched"
)

// Config of a Server.
type Config struct {
	Queue        *sched.Queue
	Limits       http1.Limits
	MaxBody      int64         // bytes; 0: no limit
	KeepAlive    time.Duration // how long a connection may be idle; 0: one request each
	MaxConns     int
	SpoolDir     string // "": the system's temporary directory
	HealthPath   string // "": none
	ServerTiming bool
	SendFile     bool
	Trust        Trust
	Proxy        ProxyProtocol
	TLS          *TLS // nil: cleartext
	HTTP2        HTTP2Options
	ScriptName   string // the mount point, or ""
	Access       *logs.AccessLog
	Log          *logs.ErrorLog
	Clock        func() int64 // CLOCK_MONOTONIC, ns
	Ready        func() bool  // a worker is ready
}

// Server accepts connections and serves them.
type Server struct {
	cfg      Config
	pid      int
	date     http1.Date
	second   atomic.Int64 // Unix time; the sweeper keeps it
	draining atomic.Bool
	spooled  atomic.Int64           // bytes in spool files
	fault    atomic.Pointer[[]byte] // see ShowFault
	queued   atomic.Int64           // response bytes that wait for slow clients

	mu        sync.Mutex
	conns     map[*conn]struct{} // guarded by mu
	listeners []*listener        // guarded by mu
	empty     chan struct{}      // guarded by mu: closed when the last connection goes, while draining

	trustedLimits http1.Limits // Config.Limits, for peers that Config.Trust has
	scriptByField bool         // such peers may tell SCRIPT_NAME
	http2         *http2Server

	stop   chan struct{}
	once   sync.Once // closes stop
	done   sync.WaitGroup
	warned warned
}

// listener is a socket that accepts, and what its requests have in common.
type listener struct {
	net.Listener
	base uint8 // index of its base environ
	unix bool
}

// New returns a server; Serve and Start launch it.
func New(cfg Config) *Server {
	s := &Server{cfg: cfg, pid: os.Getpid(), conns: map[*conn]struct{}{}, stop: make(chan struct{})}
	s.trustedLimits, s.scriptByField = cfg.Trust.limits(cfg.Limits), cfg.Trust.mayScriptName()
	s.http2 = newHTTP2Server(s)
	return s
}

// Start launches the sweeper.
func (s *Server) Start() {
	s.second.Store(time.Now().Unix())
	s.http2.start()
	s.done.Add(1)
	go s.sweeper()
}

// Serve accepts connections from l until it is closed. base is the index of
// the base environ of its requests.
func (s *Server) Serve(l net.Listener, base uint8) {
	ln := &listener{Listener: l, base: base, unix: l.Addr().Network() == "unix"}
	s.mu.Lock()
	s.listeners = append(s.listeners, ln)
	s.mu.Unlock()
	s.done.Add(1)
	go s.accept(ln)
}

// accept passes connections to goroutines of their own. Without descriptors it
// waits; the listener stays.
func (s *Server) accept(l *listener) {
	defer s.done.Done()
	for {
		nc, err := l.Accept()
		if err != nil {
			if errors.Is(err, net.ErrClosed) {
				return
			}
			s.cfg.Log.Warningf("accept on %s: %v", l.Addr(), err)
			if !s.pause(acceptPause) {
				return
			}
			continue
		}
		s.admit(nc, l)
	}
}

// acceptPause is how long accepting rests when it fails: without descriptors
// it would fail at once again.
const acceptPause = 50 * time.Millisecond

// pause waits, and reports whether the server goes on.
func (s *Server) pause(d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-s.stop:
		return false
	}
}

// admit starts a connection's goroutine. At the limit of connections the one
// that has been idle longest goes; if none is idle the new one is refused.
func (s *Server) admit(nc net.Conn, l *listener) {
	c := newConn(s, nc, l)
	s.mu.Lock()
	full := s.cfg.MaxConns > 0 && len(s.conns) >= s.cfg.MaxConns
	if !full {
		s.conns[c] = struct{}{}
	}
	s.mu.Unlock()
	if full && !s.evict() {
		nc.Close()
		return
	}
	if full {
		s.mu.Lock()
		s.conns[c] = struct{}{}
		s.mu.Unlock()
	}
	s.done.Add(1)
	go func() {
		defer s.done.Done()
		c.serve()
	}()
}

func (s *Server) forget(c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, c)
	if s.empty != nil && len(s.conns) == 0 {
		close(s.empty)
		s.empty = nil
	}
}

// Draining reports whether the server stops.
func (s *Server) Draining() bool { return s.draining.Load() }

// Shutdown closes the listeners, lets running requests finish and idle
// connections go, and returns when there are none. If ctx ends first, it closes
// those that are left.
func (s *Server) Shutdown(ctx context.Context) error {
	s.draining.Store(true)
	s.http2.drain()
	s.closeListeners()
	empty := make(chan struct{})
	s.mu.Lock()
	if len(s.conns) == 0 {
		close(empty)
	} else {
		s.empty = empty
	}
	s.mu.Unlock()
	var err error
	select {
	case <-empty:
	case <-ctx.Done():
		err = context.Cause(ctx)
		s.closeConns()
	}
	s.once.Do(func() { close(s.stop) })
	s.done.Wait()
	s.http2.close()
	return err
}

func (s *Server) closeListeners() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range s.listeners {
		l.Close()
	}
	s.listeners = nil
}

func (s *Server) closeConns() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		c.transport().Close()
		c.abandon()
	}
}

// Conns is the number of connections.
func (s *Server) Conns() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.conns)
}
