package jobs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"girin/internal/jobs/job"
	"girin/internal/offload"
	"girin/internal/wire"
)

// Task is a function of the application that is to be called.
type Task struct {
	Task     string          `json:"task"` // module:name
	Args     json.RawMessage `json:"args,omitempty"`
	Kwargs   json.RawMessage `json:"kwargs,omitempty"`
	Retries  int             `json:"retries,omitempty"`
	Backoff  float64         `json:"backoff,omitempty"` // s
	Timeout  float64         `json:"timeout,omitempty"` // s, of an attempt; 0: only the server's own
	Delay    float64         `json:"delay,omitempty"`   // s
	Priority string          `json:"priority,omitempty"`
	Unique   string          `json:"unique,omitempty"` // there is at most one with this that has not ended
	Meta     json.RawMessage `json:"meta,omitempty"`   // given back in each status inside
}

func (t *Task) check() error {
	module, name, ok := strings.Cut(t.Task, ":")
	switch {
	case !ok || module == "" || name == "" || strings.ContainsAny(t.Task, "\x00/ "):
		return fmt.Errorf("%q is not of the form module:name", t.Task)
	case module == "__main__":
		return fmt.Errorf("%q is of a script: workers import a task by the name of its module, and __main__ is another module there", t.Task)
	case t.Priority != "" && !slices.Contains(offload.Priorities, t.Priority):
		return fmt.Errorf("the priority %q is none of high, mid, low", t.Priority)
	case t.Timeout < 0 || t.Timeout > 1e6 || t.Delay < 0 || t.Delay > 6*86400:
		return errors.New("timeout or delay is out of range: a job may wait for six days")
	case len(t.Meta) > metaMost:
		return fmt.Errorf("meta has more than %d bytes", metaMost)
	case t.Retries < 0 || t.Retries > 1000 || t.Backoff < 0 || t.Backoff > 86400:
		return errors.New("retries or backoff is out of range")
	}
	return nil
}

// metaMost is what a job's record keeps for whoever made it.
const metaMost = 64 << 10

// addTask accepts a job that calls a function, as a request that no client can make.
func (n *Node) addTask(w http.ResponseWriter, r *http.Request) {
	var t Task
	d := json.NewDecoder(http.MaxBytesReader(w, r.Body, inlineMost))
	d.DisallowUnknownFields()
	err := d.Decode(&t)
	if err == nil {
		err = t.check()
	}
	if err != nil {
		plain(w, http.StatusUnprocessableEntity, err.Error())
		return
	}
	rec, err := n.storeTask(r.Context(), &t, job.NewID(), true)
	if err != nil {
		n.refuse(w, err)
		return
	}
	writeJSON(w, http.StatusAccepted, statusOf(rec))
}

// storeTask accepts a task. Open: nobody can guess its name, and so whoever knows it may see it.
func (n *Node) storeTask(ctx context.Context, t *Task, id job.ID, open bool) (*job.Record, error) {
	if err := n.full(inlineMost); err != nil {
		return nil, err
	}
	s := n.store.Load()
	rec := &job.Record{
		ID: id, Status: job.Queued, Version: anyVersion, Format: job.Format, Route: "TASK " + t.Task, Task: true, Open: open, Mount: n.mount(), Retries: t.Retries,
		Backoff: time.Duration(t.Backoff * float64(time.Second)), Created: n.now().UTC(),
		Priority: t.Priority, Meta: t.Meta, Timeout: time.Duration(t.Timeout * float64(time.Second)),
	}
	if t.Delay > 0 {
		rec.After = n.now().UTC().Add(time.Duration(t.Delay * float64(time.Second)))
	}
	ctx, cancel := context.WithTimeout(ctx, storeLimit)
	defer cancel()
	var mine ownKey
	if t.Unique != "" {
		rec.Unique = t.uniqueName()
		var was *job.Record
		var err error
		if was, mine, err = n.unique(ctx, s, rec); was != nil || err != nil {
			return was, err
		}
	}
	if err := s.accept(ctx, rec, n.taskMessage(t)); err != nil {
		mine.forget(err)
		return nil, err
	}
	n.took()
	return rec, nil
}

// mount is where the application is mounted, if the server was told so.
func (n *Node) mount() string {
	for _, pair := range n.base(0) {
		if pair[0] == "SCRIPT_NAME" {
			return pair[1]
		}
	}
	return ""
}

// taskMessage is a task as a request.
func (n *Node) taskMessage(t *Task) []byte {
	body, _ := json.Marshal(struct {
		Args   json.RawMessage `json:"args,omitempty"`
		Kwargs json.RawMessage `json:"kwargs,omitempty"`
	}{t.Args, t.Kwargs})
	m := job.Message{Form: wire.Lengths, Window: 1 << 20, Body: body}
	for _, p := range [][2]string{
		{"REQUEST_METHOD", "TASK"}, {"PATH_INFO", "/" + t.Task}, {"RAW_URI", "/" + t.Task}, {"QUERY_STRING", ""}, {"SERVER_PROTOCOL", "HTTP/1.1"}, {"REMOTE_ADDR", ""},
		{"CONTENT_TYPE", "application/json"}, {"CONTENT_LENGTH", strconv.Itoa(len(body))}, {"girin.task", t.Task},
	} {
		m.Environ = wire.AppendLengths(m.Environ, p[0], []byte(p[1]))
	}
	m.Environ = job.WithPairs(m.Form, m.Environ, n.base(0))
	return m.Append(nil)
}
