package jobs

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"girin/internal/jobs/job"
)

// Status is what is told of a job.
type Status struct {
	ID       string    `json:"id"`
	Status   string    `json:"status"`
	Position int       `json:"position,omitempty"` // among those that wait, from 1
	Route    string    `json:"route,omitempty"`
	Attempt  int       `json:"attempt,omitempty"`
	Code     int       `json:"code,omitempty"`
	Progress float64   `json:"progress,omitempty"`
	Text     string    `json:"text,omitempty"`
	Node     string    `json:"node,omitempty"`
	Reason   string    `json:"reason,omitempty"`
	Log      string    `json:"log,omitempty"` // inside: the last lines of an attempt that has failed
	Created  time.Time `json:"created"`
	Began    time.Time `json:"began,omitzero"`
	Ended    time.Time `json:"ended,omitzero"`
	URL      string    `json:"url"`
	Result   string    `json:"result"`

	Meta json.RawMessage `json:"meta,omitempty"`
	Body []byte          `json:"body,omitempty"` // inside, if asked for: of a small result
}

func (n *Node) status(ctx context.Context, r *job.Record) Status {
	s := statusOf(r)
	if r.Status == job.Queued {
		s.Position = n.position(ctx, r)
	}
	return s
}

// told is what clients hear: not how this server's machines are called, nor what a task has
// raised, nor what its maker noted, with Django its arguments.
func (n *Node) told(ctx context.Context, r *job.Record) Status {
	s := n.status(ctx, r)
	s.Node, s.Meta = "", nil
	if s.Reason != "" && r.Task && r.Code >= http.StatusInternalServerError {
		s.Reason = taskFailed
	}
	return s
}

func statusOf(r *job.Record) Status {
	return Status{
		ID: r.ID.String(), Status: string(r.Status), Route: r.Route, Attempt: r.Attempt, Code: r.Code, Progress: r.Progress, Text: r.Text,
		Node: r.Host, Reason: r.Reason, Created: r.Created, Began: r.Began, Ended: r.Ended, URL: jobPath(r), Result: jobPath(r) + "/result", Meta: r.Meta,
	}
}

// position counts the messages before a job's that nobody has pulled; 0: it is not known.
func (n *Node) position(ctx context.Context, r *job.Record) int {
	s := n.store.Load()
	if r.Position != 0 || s == nil {
		return r.Position
	}
	line := s.delivered(ctx, r)
	if !line.known {
		return 0
	}
	m, err := s.stream.GetLastMsgForSubject(ctx, n.names.jobSubject(r))
	if err != nil {
		return 0
	}
	return line.position(m.Sequence)
}

func (n *Node) writeStatus(w http.ResponseWriter, r *http.Request, status int, rec *job.Record) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	if status == http.StatusAccepted {
		w.Header().Set("Retry-After", "1")
	}
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(n.told(r.Context(), rec))
}
