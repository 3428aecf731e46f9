package job

import (
	"cmp"
	"encoding/json"
	"time"

	"girin/internal/offload"
)

// Status is where an accepted job stands. It is in the store, and changed only by
// compare-and-swap, as the table below says.
//
//	queued ─begin→ running ─answered→ done | failed
//	  │ ▲             │ died, may run twice, attempts are left
//	  │ └─────────────┤
//	  │               ├ died, must not run twice → lost
//	  │               └ died, no attempt is left → dead
//	  └ cancel → cancelled ← cancel, and its runner has let go
type Status string

// The states of a job.
const (
	Queued    Status = "queued"
	Running   Status = "running"
	Done      Status = "done"      // it was answered
	Failed    Status = "failed"    // it took too long, or a task raised
	Lost      Status = "lost"      // who ran it died, and it must not run twice
	Cancelled Status = "cancelled" //
	Dead      Status = "dead"      // it was tried as often as it may be
)

// Ended reports whether nothing will happen to it any more.
func (s Status) Ended() bool { return s != Queued && s != Running }

// Event is what happens to an accepted job.
type Event uint8

// The events.
const (
	Begin     Event = iota // a runner wants to begin
	Answered               // the application has answered
	Raised                 // the answer counts as a failure: a task's 5xx, a timeout
	Died                   // its worker or runner has gone
	Refused                // its runner could not begin after all
	Withdrawn              // somebody cancels it
	LetGo                  // its runner ends it because it was cancelled
	Retried                // a person wants it again
	events
)

// Record is what the store has of an accepted job.
type Record struct {
	ID        ID              `json:"-"`
	Sequence  uint64          `json:"-"` // of its message, where that is known
	Position  int             `json:"-"` // among those that wait, where that is known
	Status    Status          `json:"status"`
	Version   string          `json:"version"`
	Format    int             `json:"format,omitempty"` // of its message; 0: of one from before that was noted
	Route     string          `json:"route"`
	Once      bool            `json:"once,omitempty"` // it must not run twice
	Retries   int             `json:"retries"`
	Backoff   time.Duration   `json:"backoff,omitempty"` // before the second attempt; longer before each after it
	Attempt   int             `json:"attempt"`           // of these, how many were begun
	Again     int             `json:"again,omitempty"`   // how often a person has had it run again
	Task      bool            `json:"task,omitempty"`
	Cancel    bool            `json:"cancel,omitempty"` // while it runs
	Principal []byte          `json:"principal,omitempty"`
	Unique    string          `json:"unique,omitempty"` // under what the key of a unique task is kept
	Open      bool            `json:"open,omitempty"`   // a task whose name its maker may give to whom it likes, to see what becomes of it
	Node      string          `json:"node,omitempty"`
	Host      string          `json:"host,omitempty"`
	Reason    string          `json:"reason,omitempty"`
	Log       string          `json:"log,omitempty"`  // the last lines of the last attempt, if that has failed
	Code      int             `json:"code,omitempty"` // of the answer
	Fields    int             `json:"fields,omitempty"`
	Head      []byte          `json:"head,omitempty"` // its block
	Size      int64           `json:"size,omitempty"`
	Large     bool            `json:"large,omitempty"` // the result is an object
	Small     []byte          `json:"small,omitempty"` // or all of it is here
	Body      int64           `json:"body,omitempty"`  // bytes of the request's, if it is an object
	Priority  string          `json:"priority,omitempty"`
	Class     string          `json:"class,omitempty"`    // of its route; "": that of its priority
	Mount     string          `json:"mount,omitempty"`    // of the application, where the job was made
	After     time.Time       `json:"after,omitzero"`     // not before then
	Timeout   time.Duration   `json:"timeout,omitempty"`  // of an attempt, beside the server's own
	Meta      json.RawMessage `json:"meta,omitempty"`     // what a task's maker wants to have back
	Callback  string          `json:"callback,omitempty"` // where its end is told
	Hook      uint64          `json:"hook,omitempty"`     // the change of which revision its end is, if that is to be told
	Progress  float64         `json:"progress,omitempty"`
	Text      string          `json:"text,omitempty"`
	Created   time.Time       `json:"created"`
	Began     time.Time       `json:"began,omitzero"`
	Ended     time.Time       `json:"ended,omitzero"`
}

// Next returns the status after an event; not ok: the event changes nothing, or is late.
func (r *Record) Next(e Event) (to Status, ok bool) {
	switch r.Status {
	case Queued:
		switch e {
		case Begin:
			return Running, true
		case Withdrawn:
			return Cancelled, true
		}
	case Running:
		switch e {
		case Begin, Died: // Begin: it is delivered again, so who ran it has gone
			return r.afterDeath(), true
		case Answered:
			return Done, true
		case Raised:
			if r.Once {
				return Failed, true
			}
			return r.again(Failed), true
		case Refused:
			return Queued, true
		case Withdrawn:
			return Running, !r.Cancel
		case LetGo:
			return Cancelled, true
		}
	case Failed, Lost, Dead, Cancelled:
		if e == Retried {
			return Queued, true
		}
	}
	return r.Status, false
}

func (r *Record) afterDeath() Status {
	switch {
	case r.Cancel:
		return Cancelled
	case r.Once:
		return Lost
	}
	return r.again(Dead)
}

// again is Queued while attempts are left.
func (r *Record) again(otherwise Status) Status {
	if r.Attempt <= r.Retries && !r.Cancel {
		return Queued
	}
	return otherwise
}

// Apply changes the record by an event; false: it does not concern it any more.
func (r *Record) Apply(e Event, now time.Time) bool {
	to, ok := r.Next(e)
	if !ok {
		return false
	}
	switch {
	case e == Begin && to == Running:
		r.Attempt, r.Began, r.Reason, r.Code, r.Small = r.Attempt+1, now, "", 0, nil
	case e == Refused:
		r.Attempt--
	case e == Withdrawn && to == Running:
		r.Cancel = true
	case e == Retried:
		r.Again++
		r.Attempt, r.Cancel, r.Reason, r.Code, r.Small, r.Ended = 0, false, "", 0, nil, time.Time{}
	}
	if to == Queued {
		r.Node, r.Host, r.Progress, r.Text = "", "", 0, ""
	}
	if r.Status = to; to.Ended() {
		r.Ended = now
	}
	return true
}

// Line is the class of jobs that this one waits among.
func (r *Record) Line() string { return cmp.Or(r.Class, r.Priority, offload.Usual) }

// Wait is how long the next attempt is put off: Backoff, and four times as long each time.
func (r *Record) Wait() time.Duration {
	wait := r.Backoff
	if wait == 0 {
		wait = time.Second
	}
	for range max(r.Attempt-1, 0) {
		if wait *= backoffFactor; wait >= longestBackoff {
			return longestBackoff
		}
	}
	return wait
}

const (
	backoffFactor  = 4
	longestBackoff = 10 * time.Minute
)
