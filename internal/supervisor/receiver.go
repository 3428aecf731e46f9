package supervisor

import (
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"girin/internal/sched"
	"girin/internal/wire"
	"girin/internal/worker"
)

// WorkerLog takes lines in a worker's name.
type WorkerLog interface {
	Line(level, pid int, text string) // Python's logging levels
}

// Receiver passes what workers send on to the scheduler and the log.
type Receiver struct {
	Queue *sched.Queue
	Out   WorkerLog
	Said  func(call uint64, text string) // is told what jobs say; nil: nobody asks

	mu   sync.Mutex
	told map[string]time.Time // guarded by mu: when a route was last said to hold its loop
}

// Frame passes a response frame on.
func (r *Receiver) Frame(w *worker.Worker, f *wire.Frame, head, body []byte) error {
	return r.Queue.Frame(w, f, head, body)
}

// File passes an answer on whose body is a file.
func (r *Receiver) File(w *worker.Worker, f *wire.Frame, head []byte, body *os.File, offset, length int64) error {
	return r.Queue.File(w, f, head, sched.FileBody{File: body, Offset: offset, Length: length})
}

// Log passes a line on.
func (r *Receiver) Log(w *worker.Worker, level int, call uint64, text string) {
	if call != 0 && r.Said != nil {
		r.Said(call, text)
	}
	if level != wire.Copy {
		r.Out.Line(level, w.PID(), text)
	}
}

// stacksLevel is Python's CRITICAL.
const stacksLevel = 50

// Stacks logs a worker's stacks.
func (r *Receiver) Stacks(w *worker.Worker, text string) { r.Out.Line(stacksLevel, w.PID(), text) }

const (
	warningLevel = 30 // Python's WARNING
	heldFor      = 100 * time.Millisecond
	heldEvery    = time.Minute
	heldMost     = 1000 // routes that are remembered
)

// Held notes which route has held its worker's event loop up; for long, it logs that and
// where it stood: of a route once a minute.
func (r *Receiver) Held(w *worker.Worker, held time.Duration, what, stack string) {
	name := "Something that is no request"
	if method, path, ok := strings.Cut(what, " "); ok {
		route := r.Queue.Route([]byte(method), []byte(path))
		r.Queue.Held(route, held)
		name = route.Name()
	}
	if held >= heldFor && r.mayTell(name, time.Now()) {
		r.Out.Line(warningLevel, w.PID(), fmt.Sprintf("%s held the loop for %.2f s\n%s", name, held.Seconds(), strings.TrimRight(stack, "\n")))
	}
}

func (r *Receiver) mayTell(name string, now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if last, known := r.told[name]; known && now.Sub(last) < heldEvery {
		return false
	}
	if r.told == nil || len(r.told) >= heldMost {
		r.told = map[string]time.Time{}
	}
	r.told[name] = now
	return true
}
