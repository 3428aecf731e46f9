package jobs

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"girin/internal/jobs/job"
	"girin/internal/wire"
)

func (n *Node) showResult(w http.ResponseWriter, r *http.Request, rec *job.Record) {
	if !rec.Status.Ended() {
		w.Header().Set("Retry-After", "1")
		plain(w, http.StatusConflict, "the job has not ended")
		return
	}
	n.writeResult(w, r, rec)
}

// statusOfEnd is the answer of a job that has none of the application's.
var statusOfEnd = map[job.Status]int{
	job.Failed: http.StatusGatewayTimeout, job.Lost: http.StatusBadGateway, job.Dead: http.StatusBadGateway, job.Cancelled: http.StatusGone,
}

// showClient is showResult for a client: what a task has raised is the application's own business.
func (n *Node) showClient(w http.ResponseWriter, r *http.Request, rec *job.Record) {
	if rec.Task && rec.Status.Ended() && rec.Code >= http.StatusInternalServerError {
		writeProblem(w, rec, rec.Code, taskFailed)
		return
	}
	n.showResult(w, r, rec)
}

const taskFailed = "the task raised an exception"

// writeProblem says why there is no result (RFC 9457).
func writeProblem(w http.ResponseWriter, rec *job.Record, status int, why string) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]any{
		"title": "the job is " + string(rec.Status), "status": status, "detail": why, "instance": jobPath(rec),
	})
}

// writeResult answers as the application has.
func (n *Node) writeResult(w http.ResponseWriter, r *http.Request, rec *job.Record) {
	if rec.Code == 0 {
		writeProblem(w, rec, statusOfEnd[rec.Status], rec.Reason)
		return
	}
	s := n.store.Load()
	body, err := s.result(r.Context(), rec)
	if err != nil {
		n.refuse(w, err)
		return
	}
	defer func() { _ = body.Close() }()
	h := w.Header()
	_, rest := wire.CutString(rec.Head)
	for range rec.Fields {
		var name, value []byte
		name, rest = wire.CutString(rest)
		value, rest = wire.CutString(rest)
		if len(name) > 0 && name[0] != ':' && !strings.EqualFold(string(name), "Content-Length") {
			h.Add(string(name), string(value))
		}
	}
	if rec.Code != http.StatusOK || rec.Size > inlineMost {
		if rec.Code != http.StatusNoContent && rec.Code != http.StatusNotModified {
			h.Set("Content-Length", strconv.FormatInt(rec.Size, 10))
		}
		w.WriteHeader(rec.Code)
		_, _ = io.Copy(w, body)
		return
	}
	if h.Get("Etag") == "" {
		h.Set("Etag", fmt.Sprintf("%q", rec.ID.String()+"-"+strconv.Itoa(rec.Attempt)))
	}
	text, err := io.ReadAll(body)
	if err != nil {
		n.refuse(w, err)
		return
	}
	modified := rec.Ended
	if h.Get("Last-Modified") != "" {
		modified = time.Time{} // the application's own stays
	}
	if h["Content-Type"] == nil {
		h["Content-Type"] = nil // it is not guessed
	}
	http.ServeContent(w, r, "", modified, newBytes(text)) // Range, If-None-Match
}
