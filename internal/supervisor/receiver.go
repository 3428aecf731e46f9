package supervisor

import (
	"os"

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
func (r *Receiver) Log(w *worker.Worker, level int, text string) { r.Out.Line(level, w.PID(), text) }

// stacksLevel is Python's CRITICAL.
const stacksLevel = 50

// Stacks logs a worker's stacks.
func (r *Receiver) Stacks(w *worker.Worker, text string) { r.Out.Line(stacksLevel, w.PID(), text) }
