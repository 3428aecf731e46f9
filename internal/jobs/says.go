package jobs

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"girin/internal/jobs/job"
	"girin/internal/sched"
)

// says is what the accepted jobs that run here have said: their logs, and what they wrote to
// standard error.
type says struct {
	mu  sync.Mutex
	now map[uint64]*said // guarded by mu: by the id of a call
}

// said is what one job has said, as far as it is kept, and how its worker has ended.
type said struct {
	mu   sync.Mutex
	text []byte // guarded by mu: the last of it
	how  string // guarded by mu; "": the worker lives
}

const (
	saidMost  = 4 << 10 // bytes that are kept with a job that has failed,
	saidLines = 20      // and lines
	// saidLate is how long what a job has said may come later than its answer: on another
	// socket, but sent before.
	saidLate = 20 * time.Millisecond
)

// listen begins to keep what a call says that is about to be submitted, until stop.
func (s *says) listen(c *sched.Call) (heard *said, stop func()) {
	id, heard := c.NextID(), new(said)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.now == nil {
		s.now = map[uint64]*said{}
	}
	s.now[id] = heard
	return heard, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.now[id] == heard {
			delete(s.now, id)
		}
	}
}

func (s *says) find(id uint64) *said {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now[id]
}

// Said takes what a call has said; what is no job's is forgotten.
func (n *Node) Said(call uint64, text string) {
	s := n.says.find(call)
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.text = append(s.text, text...)
	if over := len(s.text) - 2*saidMost; over > 0 {
		s.text = append(s.text[:0], s.text[over+saidMost:]...)
	}
}

// Perished takes how the worker has ended that ran a call. It is told before the call fails.
func (n *Node) Perished(call uint64, how string) {
	if s := n.says.find(call); s != nil {
		s.mu.Lock()
		s.how = how
		s.mu.Unlock()
	}
}

// perished is how the worker of an attempt has ended; "": it has not.
func (w *workload) perished() string {
	if w.said == nil {
		return ""
	}
	w.said.mu.Lock()
	defer w.said.mu.Unlock()
	return w.said.how
}

// lastWords are the last lines that a failed attempt has said.
func (w *workload) lastWords(e job.Event) string {
	if w.said == nil || e == job.Answered || e == job.Refused {
		return ""
	}
	if w.cause == nil {
		time.Sleep(saidLate)
	}
	w.said.mu.Lock()
	text := bytes.Clone(w.said.text) // its thread may go on
	w.said.mu.Unlock()
	if trace := w.traceback(); trace != "" && !bytes.Contains(text, []byte(trace)) {
		text = append(text, trace...)
	}
	return lastLines(string(text))
}

// traceback is what a task has answered that raised.
func (w *workload) traceback() string {
	var said struct{ Traceback string }
	if !w.rec.Task || w.file != nil || json.Unmarshal(w.body.Bytes(), &said) != nil {
		return ""
	}
	return strings.TrimRight(said.Traceback, "\n")
}

// lastLines are as many lines from the end as are kept.
func lastLines(text string) string {
	text = strings.TrimRight(text, "\n")
	if len(text) > saidMost {
		text = text[len(text)-saidMost:]
		for len(text) > 0 && !utf8.RuneStart(text[0]) {
			text = text[1:]
		}
	}
	lines := strings.Split(text, "\n")
	return strings.ToValidUTF8(strings.Join(lines[max(len(lines)-saidLines, 0):], "\n"), "?")
}

// howDied is why there is no answer, with the end of its worker.
func (w *workload) howDied() string {
	how := w.perished()
	if how == "" || !errors.Is(w.cause, sched.ErrWorkerDied) {
		return w.cause.Error()
	}
	return w.cause.Error() + ": it " + how
}
