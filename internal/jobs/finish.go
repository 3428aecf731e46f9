package jobs

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"girin/internal/http1"
	"girin/internal/jobs/job"
	"girin/internal/sched"
	"girin/internal/wire"
)

// unstoredMost is how long it is tried to store the end of a job.
const unstoredMost = time.Hour

// finish stores what has become of a job, and says that the message is done with. refused
// is why it was not begun.
//
// While the engine does not answer it goes on trying, and its slot lets no other job end: were
// that given up, the job would pass for one whose runner has died, and be run again or be lost
// though it was answered.
func (w *workload) finish(refused error) {
	e, reason := w.outcome(refused)
	w.r.n.counts.attempts[e].Add(1)
	ctx, cancel := context.WithTimeout(context.Background(), unstoredMost)
	defer cancel()
	defer context.AfterFunc(w.r.n.ctx, func() { time.AfterFunc(askLimit, cancel) })() // the end does not wait for long
	late := time.AfterFunc(limitFor(w.size), func() {
		w.r.n.cfg.Log.Warningf("Job %s (%s) has ended, and the engine does not take that: it is tried until it does", w.rec.ID, w.rec.Route)
	})
	defer late.Stop()
	code, large, small := 0, false, []byte(nil)
	if e == job.Answered || e == job.Raised && w.cause == nil {
		status, _ := wire.CutString(w.head)
		code, _ = http1.StatusCode(status)
		var err error
		if small, large, err = w.s.keep(ctx, &w.rec, w.result(), w.size); err != nil && ctx.Err() == nil {
			w.r.n.cfg.Log.Errorf("Job %s: its result cannot be stored: %v", w.rec.ID, err)
			e, reason, code = job.Died, "its result could not be stored", 0
		}
	}
	words := w.lastWords(e)
	rec, changed, err := w.s.change(ctx, change{id: w.rec.ID, event: e, is: w.counts, known: w.known, note: func(r *job.Record) {
		r.Reason, r.Code, r.Log = reason, code, words
		if code != 0 {
			r.Head, r.Fields, r.Size, r.Large, r.Small = w.head, w.fields, w.size, large, small
		}
	}})
	switch {
	case err != nil:
		w.r.n.cfg.Log.Errorf("Job %s (%s) has ended and that cannot be stored: %v", w.rec.ID, w.rec.Route, err)
	case !changed:
		w.r.n.cfg.Log.Warningf("Job %s (%s): another attempt counts than the one that has ended here", w.rec.ID, w.rec.Route)
	default:
		w.settle(ctx, &rec.Record)
	}
}

// settle lets go of what a job had, whose end is stored.
func (w *workload) settle(ctx context.Context, rec *job.Record) {
	if rec.Status == job.Queued {
		_ = w.m.Load().NakWithDelay(rec.Wait())
		return
	}
	ctx, cancel := context.WithTimeout(ctx, storeLimit)
	defer cancel()
	w.s.letGo(ctx, rec, w.data)
	w.r.n.counts.ended(rec.Status)
	w.tellEnd(rec)
	_ = w.m.Load().Ack()
}

// letGo drops what a job had that has ended, or keeps what it was made of if that may be wanted
// again. What was cancelled before it began is not.
func (s *store) letGo(ctx context.Context, r *job.Record, message []byte) {
	switch {
	case r.Status == job.Done:
		s.dropBody(ctx, r)
	case r.Attempt > 0:
		s.keepMessage(ctx, r, message)
	default:
		s.dropBody(ctx, r)
	}
}

// keepMessage stores what a job was made of that has ended badly: a person may want it again.
func (s *store) keepMessage(ctx context.Context, r *job.Record, message []byte) {
	if err := putObject(ctx, s.objects, messageName(r.ID), bytes.NewReader(message)); err != nil {
		s.n.cfg.Log.Warningf("Job %s cannot be run again: %v", r.ID, err)
	}
}

// counts reports whether this attempt is the one that the record is about.
func (w *workload) counts(r *job.Record) bool {
	return r.Attempt == w.rec.Attempt && r.Again == w.rec.Again && r.Node == w.r.n.name
}

func (w *workload) tellEnd(r *job.Record) {
	if r.Status == job.Done || r.Status == job.Cancelled {
		w.r.n.cfg.Log.Debugf("Job %s (%s) is %s", r.ID, r.Route, r.Status)
		return
	}
	w.r.n.cfg.Log.Errorf("Job %s (%s) is %s after %d attempts: %s", w.rec.ID, r.Route, r.Status, r.Attempt, r.Reason)
}

// outcome is what the end of the call means for the job.
func (w *workload) outcome(refused error) (e job.Event, reason string) {
	status, _ := wire.CutString(w.head)
	switch {
	case errors.Is(refused, jetstream.ErrObjectNotFound):
		return job.Died, refused.Error() // it is not there the next time either
	case refused != nil:
		time.Sleep(reconnectWait) // the slot would take it again at once
		return job.Refused, refused.Error()
	case w.rec.Cancel:
		return job.LetGo, "somebody cancelled it"
	case w.broken != nil:
		return job.Died, w.broken.Error()
	case w.late:
		w.cause = sched.ErrTimeout
		return job.Raised, fmt.Sprintf("it ran longer than its timeout of %v", w.rec.Timeout)
	case errors.Is(w.cause, sched.ErrTimeout):
		return job.Raised, "it ran longer than it may"
	case w.rec.Task && w.isUnknown(status):
		return job.Refused, "no server knows this task yet"
	case errors.Is(w.cause, sched.ErrAppFailed):
		w.cause = nil
		w.head, w.fields, w.size, w.body, w.file = []byte("500 Internal Server Error"), 0, 0, bytes.Buffer{}, nil
		return w.answered(), "the application failed"
	case errors.Is(w.cause, sched.ErrUnread):
		return job.Refused, "its server ended before it was begun"
	case w.cause != nil:
		return job.Died, w.howDied()
	case len(status) > 0 && status[0] == '5':
		return w.answered(), w.failure(string(status))
	}
	return job.Answered, ""
}

// answered is what an answer of 5xx is: of a request the answer, of a task a failure.
func (w *workload) answered() job.Event {
	if w.rec.Task {
		return job.Raised
	}
	return job.Answered
}

func (w *workload) result() io.ReaderAt {
	if w.file != nil {
		return w.file
	}
	return bytes.NewReader(w.body.Bytes())
}
