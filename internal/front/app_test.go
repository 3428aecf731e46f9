package front

import (
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"girin/internal/http1"
	"girin/internal/logs"
	"girin/internal/sched"
	"girin/internal/wire"
)

// app stands for workers and the application: a function that gets each
// request in a goroutine of its own. It is the scheduler's lane, arena and
// only worker.
type app struct {
	queue  *sched.Queue
	server atomic.Pointer[Server] // set by tests whose application looks at it
	run    func(*appCall)

	mu      sync.Mutex
	memory  []byte              // guarded by mu: the arena
	used    int                 // guarded by mu
	out     int                 // guarded by mu: blocks that were not given back
	running map[uint64]*appCall // guarded by mu
	most    int                 // guarded by mu: the most that ran at once
	begun   int                 // guarded by mu
	done    sync.WaitGroup
}

// appCall is one request as the application sees it.
type appCall struct {
	app     *app
	id      uint64
	environ map[string]string
	scope   []byte // of ASGI, as it came
	pairs   int    // how many the environ block had
	body    []byte
	fetched chan []byte
	pipe    chan *os.File // a streamed body, if it has one
	granted chan uint32   // credit, or wire.Cancelled
	said    chan []byte   // messages of a WebSocket's client
}

const slots = 1000

func (a *app) TrySend(packet []byte) bool { a.begin(bytes.Clone(packet)); return true }
func (a *app) Send(packet []byte) error   { a.begin(bytes.Clone(packet)); return nil }
func (a *app) Stop()                      {}
func (a *app) Unread() int                { return 0 }

func (a *app) Flags() []byte { return a.memory[:wire.FlagTable] }
func (a *app) Free(int, int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.out--
}

func (a *app) Used() int64 { return 0 }
func (a *app) Size() int64 { return 256 << 20 }
func (a *app) Blocks() int { return a.blocks() }

func (a *app) blocks() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.out
}

func (a *app) Alloc(n int) ([]byte, int, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	at := a.used
	a.used += n
	a.out++
	return a.memory[at:a.used], at, a.used <= len(a.memory)
}

func (a *app) PID() int               { return 1 }
func (a *app) Slots() int             { return slots }
func (a *app) Slot(int) (_, _ uint64) { return 0, 0 }
func (a *app) Promote()               {}
func (a *app) Dump(uint64)            {}
func (a *app) Flush()                 {}
func (a *app) Heard() bool            { return true }

// Say tells of a WebSocket's end as of any other answer's.
func (a *app) Say(f wire.Inbound, data []byte) {
	if f.Kind == wire.Gone {
		a.Grant(f.ID, wire.Cancelled)
		return
	}
	a.mu.Lock()
	c := a.running[f.ID]
	a.mu.Unlock()
	if c != nil {
		c.said <- bytes.Clone(data)
	}
}

func (a *app) Grant(id uint64, n uint32) {
	a.mu.Lock()
	c := a.running[id]
	a.mu.Unlock()
	switch {
	case c == nil:
	case n == wire.Cancelled: // which is said again for each part that comes after it
		select {
		case c.granted <- n:
		default:
		}
	default:
		c.granted <- n
	}
}

// streamOf returns another descriptor of f's, which may be closed meanwhile.
func streamOf(f *os.File) *os.File {
	raw, err := f.SyscallConn()
	if err != nil {
		panic(err)
	}
	copied := -1
	if controlErr := raw.Control(func(fd uintptr) { copied, err = syscall.Dup(int(fd)) }); controlErr != nil || err != nil {
		empty, _ := os.Open(os.DevNull) // it was closed: nobody wants it
		return empty
	}
	return os.NewFile(uintptr(copied), "stream")
}

// flagged reports whether the page says that nobody waits for the request. It is memory
// that two processes share, which the race detector does not know.
//
//go:norace
func (a *app) flagged(id uint64) bool { return a.Flags()[id&(wire.FlagTable-1)] != 0 }

func (a *app) SendBody(id uint64, f *os.File, length int64) {
	a.mu.Lock()
	c := a.running[id]
	a.mu.Unlock()
	if c.pipe != nil {
		c.pipe <- streamOf(f)
		return
	}
	b, err := io.ReadAll(io.NewSectionReader(f, 0, length))
	if err != nil {
		b = []byte(err.Error())
	}
	c.fetched <- b
}

func (a *app) begin(packet []byte) {
	head, err := wire.ParseRequest(packet)
	if err != nil {
		panic(err)
	}
	rest := packet[wire.RequestHead:]
	if head.Flags&wire.InArena != 0 {
		rest = a.memory[head.At:][:head.Environ+head.Body]
	}
	c := &appCall{app: a, id: head.ID, fetched: make(chan []byte, 1), granted: make(chan uint32, 100), said: make(chan []byte, 1000)}
	if head.Flags&wire.Streamed != 0 {
		c.pipe = make(chan *os.File, 1)
	}
	c.environ, c.pairs = decodeEnviron(head.Form, rest[:head.Environ])
	c.body, c.scope = bytes.Clone(rest[head.Environ:]), bytes.Clone(rest[:head.Environ])
	a.mu.Lock()
	a.running[c.id] = c
	a.most = max(a.most, len(a.running))
	a.begun++
	a.mu.Unlock()
	a.done.Go(func() {
		if head.Flags&wire.Spooled != 0 {
			c.frame(wire.Fetch, 0, nil, nil)
			if !c.fetch() {
				c.dropped()
				return
			}
		}
		a.run(c)
	})
}

// fetch waits for the spooled body, and reports whether somebody waits for the answer.
func (c *appCall) fetch() bool {
	for {
		select {
		case c.body = <-c.fetched:
			return true
		case n := <-c.granted:
			if n == wire.Cancelled {
				return false
			}
		}
	}
}

// decodeEnviron reads a request's environ; of a scope, which has another form, nothing.
func decodeEnviron(form wire.Form, b []byte) (env map[string]string, pairs int) {
	var all []string
	switch form {
	case wire.ASGIJoined, wire.ASGILengths:
		return nil, 0
	}
	if form == wire.Joined {
		all = strings.Split(string(b), "\x00")
	} else {
		for len(b) > 0 {
			n := binary.LittleEndian.Uint32(b)
			all = append(all, string(b[4:4+n]))
			b = b[4+n:]
		}
	}
	env = map[string]string{}
	for i := 0; i+1 < len(all); i += 2 {
		env[all[i]] = all[i+1]
	}
	return env, len(all) / 2
}

func (c *appCall) frame(kind wire.Kind, flags wire.FrameFlags, head, body []byte) {
	fields := 0
	if head != nil {
		fields = bytes.Count(head, []byte{0}) / 2
	}
	f := wire.Frame{
		ID: c.id, Kind: kind, Flags: flags, CPU: wire.NotMeasured,
		Head: uint32(len(head)), Body: uint32(len(body)), Fields: uint16(fields),
	}
	if flags&wire.Final != 0 {
		c.app.mu.Lock()
		delete(c.app.running, c.id)
		c.app.mu.Unlock()
	}
	if err := c.app.queue.Frame(c.app, &f, head, body); err != nil {
		panic(err)
	}
}

func headBlock(status string, fields []string) []byte {
	return []byte(strings.Join(append([]string{status}, fields...), "\x00"))
}

// answer gives a whole response. Fields are names and values in turn.
func (c *appCall) answer(status, body string, fields ...string) {
	c.frame(wire.Response, wire.Final|wire.Whole, headBlock(status, fields), []byte(body))
}

func (c *appCall) start(status string, fields ...string) {
	c.frame(wire.Response, 0, headBlock(status, fields), nil)
}
func (c *appCall) block(body []byte) { c.frame(wire.Block, 0, nil, body) }
func (c *appCall) end()              { c.frame(wire.Block, wire.Final, nil, nil) }
func (c *appCall) dropped()          { c.frame(wire.Dropped, wire.Final, nil, nil) }
func (c *appCall) fail()             { c.frame(wire.Failed, wire.Final, nil, nil) }

// cancelled waits until nobody waits for the answer any more.
func (c *appCall) cancelled(t *testing.T) {
	t.Helper()
	for {
		select {
		case n := <-c.granted:
			if n == wire.Cancelled {
				return
			}
		case <-time.After(10 * time.Second):
			t.Error("the request was not cancelled")
			return
		}
	}
}

// answerEnviron shows the environ, a line for each variable.
func answerEnviron(c *appCall) {
	var b strings.Builder
	for key, value := range c.environ {
		b.WriteString(key + "=" + value + "\n")
	}
	c.answer("200 OK", b.String(), "Content-Type", "text/plain")
}

// served is a running front with an application.
type served struct {
	*Server
	app  *app
	addr string
	log  *logText
}

// serveApp starts a front for an application on a loopback port.
func serveApp(t *testing.T, run func(*appCall), change ...func(*Config)) *served {
	t.Helper()
	s := newServed(t, run, change...)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.addr = l.Addr().String()
	s.Serve(l, 0)
	return s
}

// newServed is serveApp without a listener.
func newServed(t *testing.T, run func(*appCall), change ...func(*Config)) *served {
	t.Helper()
	a := &app{run: run, memory: make([]byte, wire.FlagTable+(8<<20)), used: wire.FlagTable, running: map[uint64]*appCall{}}
	clock := func() int64 { return time.Now().UnixNano() }
	a.queue = sched.New(sched.Config{Lane: a, Arena: a, Cells: 4096, Waits: 100, Window: AnswerWindow, Clock: clock})
	errorLog, out := openLog(t)
	cfg := Config{
		Queue: a.queue, Asked: Asked{Limits: http1.DefaultLimits(), MaxBody: 1 << 20, KeepAlive: time.Minute}, MaxConns: 1000,
		SpoolDir: t.TempDir(), Log: errorLog, Clock: clock, Ready: func() bool { return true }, Name: "girin",
		HTTP2: HTTP2Options{MaxStreams: 100, Window: 65535, MaxFrame: 16384, MaxHeaderList: 65536},
	}
	for _, f := range change {
		f(&cfg)
	}
	s := &served{Server: New(cfg), app: a, log: out}
	a.queue.Start()
	a.queue.Attach(a)
	s.Start()
	t.Cleanup(func() {
		ctx, cancel := testContext(t, 10*time.Second)
		defer cancel()
		if err := s.Shutdown(ctx); err != nil {
			t.Errorf("Shutdown: %v", err)
		}
		a.queue.Close()
		if queued, spooled := s.queued.Load(), s.spool.Bytes(); queued != 0 || spooled != 0 {
			t.Errorf("%d bytes are still counted as queued, %d as spooled", queued, spooled)
		}
		a.done.Wait()
		if n := a.blocks(); n != 0 {
			t.Errorf("%d blocks of the arena are still taken", n)
		}
	})
	return s
}

// logText is a log that a test reads while it is written.
type logText struct {
	mu      sync.Mutex
	text    strings.Builder // guarded by mu
	written chan struct{}   // guarded by mu: closed by the next write
}

func (l *logText) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	close(l.written)
	l.written = make(chan struct{})
	return l.text.Write(p)
}

func (l *logText) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// wait waits until the log tells.
func (l *logText) wait(t *testing.T, what string) {
	t.Helper()
	limit := time.After(10 * time.Second)
	for {
		l.mu.Lock()
		text, written := l.text.String(), l.written
		l.mu.Unlock()
		if strings.Contains(text, what) {
			return
		}
		select {
		case <-written:
		case <-limit:
			t.Fatalf("the log does not tell %q:\n%s", what, text)
		}
	}
}

// openLog returns a log of all levels, and what is in it.
func openLog(t *testing.T) (*logs.ErrorLog, *logText) {
	t.Helper()
	out := &logText{written: make(chan struct{})}
	l, err := logs.OpenError(logs.ErrorOptions{Target: logs.Target{Path: "-"}, Stderr: out})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l, out
}

// dup opens a file once more, with the offset that it has.
func dup(f *os.File) (*os.File, error) {
	fd, err := syscall.Dup(int(f.Fd()))
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), f.Name()), nil
}

// heap is how many bytes are in use.
func heap() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
