package engine

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"time"

	"girin/internal/proc"
)

// Logger gets what the engine says, and when it dies.
type Logger interface {
	Infof(format string, args ...any)
	Warningf(format string, args ...any)
	Errorf(format string, args ...any)
}

// Config of a Child.
type Config struct {
	Starter  *proc.Starter
	Path     string // the executable: girin itself
	Env      []string
	Settings Settings
	Log      Logger
}

// Child is the engine, seen from the master that keeps it.
type Child struct {
	cfg    Config
	listen string // of its settings, as they were given
	stop   context.CancelFunc
	now    context.Context // ends with kill: the engine has no more time to end
	kill   context.CancelFunc
	done   chan struct{}

	mu      sync.Mutex
	said    repeats       // guarded by mu: what engines have said that ended soon
	addr    string        // guarded by mu: where it listens; "": it does not
	started chan struct{} // guarded by mu: closed when addr is there
	pid     int           // guarded by mu
}

// Start launches the engine and keeps it; Close ends it.
func Start(cfg Config) *Child {
	ctx, stop := context.WithCancel(context.Background())
	now, kill := context.WithCancel(context.Background())
	c := &Child{cfg: cfg, listen: cfg.Settings.Listen, stop: stop, now: now, kill: kill, done: make(chan struct{}), started: make(chan struct{})}
	go c.keep(ctx)
	return c
}

// PID is the process id; 0: there is none at the moment.
func (c *Child) PID() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.pid
}

// Close ends the engine and waits for that, for a while and not beyond the end of ctx.
func (c *Child) Close(ctx context.Context) {
	c.stop()
	select {
	case <-c.done:
	case <-ctx.Done():
		c.kill()
		<-c.done
	}
}

// Dial connects to the engine, wherever it listens now (nats.CustomDialer).
func (c *Child) Dial(_, _ string) (net.Conn, error) {
	late := time.NewTimer(dialLimit)
	defer late.Stop()
	for {
		c.mu.Lock()
		addr, started := c.addr, c.started
		c.mu.Unlock()
		if addr != "" {
			return net.DialTimeout("tcp", addr, dialLimit)
		}
		select {
		case <-started:
		case <-c.done:
			return nil, errClosed
		case <-late.C:
			return nil, errors.New("the engine does not listen")
		}
	}
}

const dialLimit = 2 * time.Second

var errClosed = errors.New("the engine was ended")

// How long a new engine is waited with when one has died: longer each time, and short
// again when one has lived for a while.
const (
	againFirst = 50 * time.Millisecond
	againLast  = 2 * time.Second
	livedWell  = 10 * time.Second
)

// keep starts the engine again and again until ctx ends.
func (c *Child) keep(ctx context.Context) {
	defer close(c.done)
	pause := againFirst
	for ctx.Err() == nil {
		began := time.Now()
		err := c.live(ctx)
		if ctx.Err() != nil {
			return
		}
		if time.Since(began) > livedWell {
			pause = againFirst
			c.saidNothing()
		}
		c.say(c.cfg.Log.Errorf, fmt.Sprintf("The engine of the jobs has ended (%v): it is started again", err))
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
		pause = min(2*pause, againLast)
	}
}

// live runs one engine to its end.
func (c *Child) live(ctx context.Context) error {
	settings, err := newPipe()
	if err != nil {
		return err
	}
	defer settings.close()
	started, err := newPipe()
	if err != nil {
		return err
	}
	defer started.close()
	lines, err := newPipe()
	if err != nil {
		return err
	}
	defer lines.close()
	p, err := c.cfg.Starter.Start(proc.Spec{
		Path: c.cfg.Path, Args: []string{"engine"}, Env: c.cfg.Env, Files: []*os.File{settings.r, started.w}, Out: lines.w, Err: lines.w,
	})
	settings.r.Close()
	started.w.Close()
	lines.w.Close()
	if err != nil {
		return err
	}
	var readers sync.WaitGroup
	readers.Go(func() { c.passLines(lines.r) })
	readers.Go(func() { c.hear(started.r, p.PID()) })
	if err := json.NewEncoder(settings.w).Encode(c.cfg.Settings); err != nil {
		c.cfg.Log.Errorf("The engine of the jobs cannot be told its settings: %v", err)
	}
	select {
	case <-p.Done():
	case <-ctx.Done():
		settings.w.Close()
		defer context.AfterFunc(c.now, p.Kill)()
		p.Stop(endLimit)
	}
	c.gone()
	readers.Wait()
	c.gone() // its word that it listens may have been read after its end
	return p.Err()
}

// endLimit is how long the engine may take to end: it has nothing to write any more.
const endLimit = 3 * time.Second

// hear waits for the word that the engine listens. It keeps its port from then on, so
// that other nodes find it again.
func (c *Child) hear(r io.Reader, pid int) {
	var s Started
	if err := json.NewDecoder(r).Decode(&s); err != nil {
		c.cfg.Settings.Listen = c.listen // it died, maybe because another has its port
		return
	}
	c.cfg.Settings.Listen = s.Addr
	c.mu.Lock()
	defer c.mu.Unlock()
	c.addr, c.pid = reachable(s.Addr), pid
	close(c.started)
}

// reachable is where this machine reaches who listens on all addresses.
func reachable(addr string) string {
	host, port, err := net.SplitHostPort(addr)
	if ip := net.ParseIP(host); err == nil && ip != nil && ip.IsUnspecified() {
		return net.JoinHostPort("127.0.0.1", port)
	}
	return addr
}

func (c *Child) gone() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.addr != "" {
		c.addr, c.pid, c.started = "", 0, make(chan struct{})
	}
}

func (c *Child) passLines(r io.Reader) {
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		c.say(c.cfg.Log.Warningf, "Engine of the jobs: "+lines.Text())
	}
	_, _ = io.Copy(io.Discard, r) // after a line that is too long: the engine would wait for ever
}

// say logs a line, unless engines that end again and again have said it often.
func (c *Child) say(log func(format string, args ...any), line string) {
	c.mu.Lock()
	more, ok := c.said.again(line, time.Now())
	c.mu.Unlock()
	if ok {
		log("%s%s", line, more)
	}
}

func (c *Child) saidNothing() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.said = repeats{}
}

// pipe is both ends of a pipe; each may be closed more than once.
type pipe struct{ r, w *os.File }

func newPipe() (p pipe, err error) {
	if p.r, p.w, err = os.Pipe(); err != nil {
		return p, fmt.Errorf("the engine of the jobs: %w", err)
	}
	return p, nil
}

func (p pipe) close() {
	p.r.Close()
	p.w.Close()
}
