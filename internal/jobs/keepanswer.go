package jobs

import (
	"bytes"
	"errors"

	"girin/internal/sched"
	"girin/internal/wire"
)

// keptInMemory is how much of an answer is in memory before it is stored.
const keptInMemory = 1 << 20

// resultMost is how long a result may be.
const resultMost = 1 << 30

// Frame collects the answer (sched.Answer).
func (w *workload) Frame(f *wire.Frame, head, body []byte) {
	w.mu.Lock()
	if f.Kind == wire.Response {
		w.head, w.fields = append([]byte(nil), head...), int(f.Fields)
	}
	if f.Kind == wire.Response || f.Kind == wire.Block {
		w.keepLocked(body)
		w.ungranted += len(body)
	}
	broken, credit := w.broken, 0
	if w.ungranted >= int(w.call.Window/4) { // not for each part: who writes tiny ones need not read what it is told
		credit, w.ungranted = w.ungranted, 0
	}
	w.mu.Unlock()
	switch {
	case f.Flags&wire.Final != 0:
		w.end(nil)
	case broken != nil:
		w.r.n.queue.Cancel(&w.call)
	case credit > 0:
		w.r.n.queue.Grant(&w.call, credit)
	}
}

func (w *workload) keepLocked(body []byte) {
	if w.size += int64(len(body)); w.size > resultMost {
		w.broken = errors.New("its answer is longer than 1 GiB")
	}
	if w.broken != nil {
		return
	}
	if w.file == nil && w.size > keptInMemory {
		if w.file, w.broken = w.r.n.cfg.File(); w.broken == nil {
			_, w.broken = w.file.Write(w.body.Bytes())
			w.body = bytes.Buffer{}
		}
	}
	switch {
	case w.broken != nil:
	case w.file != nil:
		_, w.broken = w.file.Write(body)
	default:
		w.body.Write(body)
	}
}

// File takes an answer that is a file (sched.Answer).
func (w *workload) File(f *wire.Frame, head []byte, body sched.FileBody) {
	defer body.File.Close()
	w.mu.Lock()
	w.head, w.fields = append([]byte(nil), head...), int(f.Fields)
	buf := make([]byte, 256<<10)
	for at := int64(0); at < body.Length && w.broken == nil; {
		n, err := body.File.ReadAt(buf[:min(int64(len(buf)), body.Length-at)], body.Offset+at)
		w.keepLocked(buf[:n])
		if at += int64(n); err != nil && at < body.Length {
			w.broken = err
		}
	}
	w.mu.Unlock()
	w.end(nil)
}

// Fail takes the end without an answer (sched.Answer).
func (w *workload) Fail(cause error) { w.end(cause) }

func (w *workload) end(cause error) {
	w.endsOnce.Do(func() {
		w.cause = cause
		close(w.ended)
	})
}
