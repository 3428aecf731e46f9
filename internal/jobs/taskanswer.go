package jobs

import (
	"bytes"
	"encoding/json"
	"time"
)

// unknownFor is how long a task may be unknown to whoever pulls it: while a new version of
// the application is brought in, servers of the old one do not know its tasks.
const unknownFor = time.Minute

// isUnknown reports whether the application does not know the task, and another may.
func (w *workload) isUnknown(status []byte) bool {
	from := w.rec.Created
	if w.rec.After.After(from) {
		from = w.rec.After
	}
	return bytes.HasPrefix(status, []byte("404")) && w.r.n.now().Sub(from) < unknownFor
}

// failure is why an answer is one: what a task has raised, else its status.
func (w *workload) failure(status string) string {
	var said struct{ Error string }
	if w.rec.Task && w.file == nil && json.Unmarshal(w.body.Bytes(), &said) == nil && said.Error != "" {
		return said.Error
	}
	return status
}
