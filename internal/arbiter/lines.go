package arbiter

import (
	"bufio"
	"encoding/json"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"girin/internal/worker"
)

// Request is what the access log of Python's logging is told of a request that has ended.
type Request struct {
	PID               int
	Status            string // "200 OK"
	Sent              int64
	Duration          time.Duration
	Request, Response [][2]string // their fields
	Environ           map[string]string
}

// lines are what waits to be logged by Python. A process gets them in batches, each
// when it has logged the one before.
type lines struct {
	mu      sync.Mutex
	open    bool              // guarded by mu: a process takes them
	pending []json.RawMessage // guarded by mu
	bytes   int               // guarded by mu: of pending
	wake    chan struct{}     // has room for one
	lost    atomic.Uint64
}

const (
	waitingLines = 4 << 20 // bytes
	batch        = 256     // lines
)

func newLines() *lines { return &lines{wake: make(chan struct{}, 1)} }

// LogError hands a line of the error log over. It reports false if the process cannot take it.
func (a *Arbiter) LogError(pid, level int, text string) bool {
	return a.lines.add([]any{pid, level, text}) == taken
}

// LogAccess hands a request over. It reports false if there is no process that takes it;
// one that is too slow loses some (see Lost).
func (a *Arbiter) LogAccess(r *Request) bool {
	line := []any{r.PID, 0, nil, r.Status, r.Sent, r.Duration.Microseconds(), emptied(r.Request), emptied(r.Response), r.Environ}
	switch a.lines.add(line) {
	case taken:
		return true
	case full:
		a.lines.lost.Add(1)
		return true
	}
	return false
}

// Lost is how many lines were dropped because Python's logging was too slow.
func (a *Arbiter) Lost() uint64 { return a.lines.lost.Load() }

func emptied(fields [][2]string) [][2]string {
	if fields == nil {
		return [][2]string{}
	}
	return fields
}

type verdict int

const (
	closed verdict = iota
	full
	taken
)

func (l *lines) add(line []any) verdict {
	data, err := json.Marshal(line)
	if err != nil {
		return closed
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case !l.open:
		return closed
	case l.bytes+len(data) > waitingLines:
		return full
	}
	l.pending = append(l.pending, data)
	l.bytes += len(data)
	select {
	case l.wake <- struct{}{}:
	default:
	}
	return taken
}

// take returns the next lines to send.
func (l *lines) take() []json.RawMessage {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := min(len(l.pending), batch)
	next := l.pending[:n:n]
	if l.pending = l.pending[n:]; len(l.pending) == 0 {
		l.pending = nil
	}
	for _, line := range next {
		l.bytes -= len(line)
	}
	return next
}

func (l *lines) setOpen(open bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.open = open
}

// empty reports whether nothing waits.
func (l *lines) empty() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.pending) == 0
}

// connect gives the process lines to log, from now on until it ends.
func (a *Arbiter) connect(p *process) error {
	if p.logs != nil {
		return nil
	}
	ours, theirs, err := worker.StreamPair()
	if err != nil {
		return err
	}
	defer theirs.Close()
	if _, err := p.exchange(map[string]any{"op": "logs_to"}, []*os.File{theirs}, limits{giveUp: a.closing}); err != nil {
		ours.Close()
		return err
	}
	p.logs, p.logged = ours, make(chan struct{})
	a.lines.setOpen(true)
	go a.pump(p)
	return nil
}

// pump sends lines until the process closes its end. What comes back is the access log's.
func (a *Arbiter) pump(p *process) {
	defer close(p.logged)
	defer a.lines.setOpen(false)
	r := bufio.NewReader(p.logs)
	for {
		next := a.lines.take()
		if len(next) == 0 {
			select {
			case <-a.lines.wake:
				continue
			case <-p.proc.Done():
				return
			}
		}
		p.logging.Store(true)
		if !logBatch(p.logs, r, next, a.master.Load().Access) {
			return
		}
		p.logging.Store(false)
	}
}

func logBatch(c *net.UnixConn, r *bufio.Reader, next []json.RawMessage, access func(string)) bool {
	if send(c, map[string]any{"lines": next}, nil) != nil {
		return false
	}
	var back struct {
		Access string `json:"access"`
	}
	if receive(r, &back) != nil {
		return false
	}
	if back.Access != "" {
		access(back.Access)
	}
	return true
}

// flush waits a moment until what was handed over is logged.
func (a *Arbiter) flush(p *process) {
	if p.logs == nil {
		return
	}
	for late := time.Now().Add(flushLimit); time.Now().Before(late) && !(a.lines.empty() && !p.logging.Load()); time.Sleep(time.Millisecond) {
		select {
		case <-a.closing:
			return
		case <-p.proc.Done():
			return
		default:
		}
	}
}

// flushLimit is how long lines may take to be logged when the process is about to end.
const flushLimit = time.Second
