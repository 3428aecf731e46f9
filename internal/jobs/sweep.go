package jobs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"girin/internal/jobs/job"
)

// A server or an engine that dies while a job is being stored leaves parts of that behind: a
// record without its message, which would pass for a job that waits; a body, whole or not, that
// takes room and is no job's. Nobody was told that such a job is accepted.

const (
	// abandonedFor is after what time nobody goes on with what was not stored whole.
	abandonedFor = 15 * time.Minute
	// sweepEvery is how often it is looked for, beside once after the engine was away.
	sweepEvery = time.Hour
	sweepLook  = time.Minute
	sweepLimit = time.Minute
	// listedAtOnce is how many subjects the engine lists at one moment.
	listedAtOnce = 100_000
)

// sweeper removes what was abandoned.
func (n *Node) sweeper() {
	t := time.NewTicker(sweepLook)
	defer t.Stop()
	for since, due := int64(0), int64(0); ; {
		select {
		case <-n.ctx.Done():
			return
		case <-t.C:
		}
		now, reached := n.cfg.Clock(), n.beats.reached()
		if reached != since {
			since, due = reached, reached+int64(abandonedFor)
		}
		if !n.up.Load() || n.guest() || now < due {
			continue
		}
		ctx, cancel := context.WithTimeout(n.ctx, sweepLimit)
		due = now + int64(sweepEvery)
		if err := n.sweep(ctx, abandonedFor); err != nil && n.ctx.Err() == nil {
			due = now + int64(abandonedFor)
			n.cfg.Log.Debugf("jobs: %v", err)
		}
		cancel()
	}
}

// sweep removes what nobody has gone on with for so long.
func (n *Node) sweep(ctx context.Context, age time.Duration) error {
	s := n.store.Load()
	if s == nil {
		return nil
	}
	old, err := s.ago(ctx, age)
	if err != nil {
		return err
	}
	swept, err := s.sweepRecords(ctx, old)
	for _, bucket := range []string{"bodies", "results"} {
		more, failed := s.sweepObjects(ctx, bucket, old)
		swept, err = swept+more, errors.Join(err, failed)
	}
	if swept > 0 {
		n.cfg.Log.Infof("Jobs: %d parts of jobs that were never stored whole, or have ended, are removed", swept)
	}
	return err
}

// ago is what time it was so long ago by the engine's clock, by which what is stored is dated: this
// server's may have been set since the two were compared. Of several servers of a cluster the one
// counts whose clock is the furthest behind.
func (s *store) ago(ctx context.Context, age time.Duration) (old time.Time, err error) {
	for _, name := range []string{s.n.names.jobs, "KV_" + s.n.bucket("jobs"), "OBJ_" + s.n.bucket("bodies"), "OBJ_" + s.n.bucket("results")} {
		stream, err := s.n.js.Stream(ctx, name)
		if err != nil {
			return old, err
		}
		if at := stream.CachedInfo().TimeStamp.Add(-age); old.IsZero() || at.Before(old) {
			old = at
		}
	}
	return old, nil
}

// sweepRecords looks for jobs that wait and have no message, and for messages of jobs that have
// ended, or are none: an engine that is killed may know after its return that one was taken, and
// have it still. What it finds is looked at once more, each by itself: of the lists one may be of
// a server that lags behind, and neither is of one moment.
func (s *store) sweepRecords(ctx context.Context, old time.Time) (swept int, err error) {
	// Messages are looked for first: a job's record is stored before its message.
	info, err := s.stream.Info(ctx, jetstream.WithSubjectFilter("girin."+s.n.names.app+".jobs.>"))
	if err != nil {
		return 0, err
	}
	waiting := map[job.ID]bool{} // whether nothing is known why
	for subject := range info.State.Subjects {
		if id, ok := idOf(subject); ok {
			waiting[id] = true
		}
	}
	odd, err := s.list(ctx, recordsMost, func(r *job.Record) bool {
		_, has := waiting[r.ID]
		if has && !r.Status.Ended() {
			waiting[r.ID] = false
		}
		return !has && r.Status == job.Queued && r.Created.Before(old)
	})
	if err != nil {
		return 0, err
	}
	sweep := func(id job.ID, how func(context.Context, job.ID, time.Time) (int, error)) {
		if ctx.Err() != nil {
			return
		}
		gone, failed := how(ctx, id, old)
		swept, err = swept+gone, errors.Join(err, failed)
	}
	for i := range odd {
		sweep(odd[i].ID, s.sweepRecord)
	}
	for id, unexplained := range waiting {
		if unexplained {
			sweep(id, s.sweepMessages)
		}
	}
	return swept, errors.Join(err, ctx.Err())
}

// sweepMessages takes out what a job was made of that has ended or is none; not what a person has
// run again, which is another message. Neither can be begun: whoever has it asks the record first.
func (s *store) sweepMessages(ctx context.Context, id job.ID, old time.Time) (swept int, err error) {
	r, err := s.getNow(ctx, id)
	ended := err == nil
	switch {
	case errors.Is(err, errNoJob):
	case err != nil:
		return 0, err
	case !r.Status.Ended() || r.Ended.After(old):
		return 0, nil
	}
	for {
		m, err := s.stream.GetLastMsgForSubject(ctx, s.n.names.anySubject(id))
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			return swept, nil
		}
		if err != nil || m.Time.After(old) {
			return swept, err
		}
		if ended && swept == 0 { // who noted its end may have died before it did so
			s.letGo(ctx, &r.Record, m.Data)
		}
		if err := purgeTo(ctx, s.stream, m); err != nil {
			return swept, err
		}
		swept++
	}
}

// sweepRecord does away with a job that waits and has no message, if that has been so for long.
func (s *store) sweepRecord(ctx context.Context, id job.ID, old time.Time) (swept int, err error) {
	r, err := s.getNow(ctx, id)
	if errors.Is(err, errNoJob) {
		return 0, nil
	}
	if err != nil || r.Status != job.Queued || r.changed.After(old) || s.hasMessage(ctx, &r.Record) {
		return 0, err
	}
	done := false
	switch kept, err := s.keptMessage(ctx, id); {
	case err == nil: // who wanted it to run again has died
		if _, err := s.uniqueAgain(ctx, &r.Record); errors.Is(err, errKeyTaken) {
			return 0, nil // until the other has ended
		} else if err != nil {
			return 0, err
		}
		return 1, s.publish(ctx, &r.Record, kept, jetstream.WithMsgID(fmt.Sprintf("again %s %d", id, r.revision))) // of several servers one does it
	case !errors.Is(err, jetstream.ErrObjectNotFound):
		return 0, err
	case r.Attempt == 0 && s.n.now().Sub(r.Created) < waitLongest:
		done = s.takeBack(&r.Record, r.revision)
	default: // it was whole, however young what was noted of it since
		_, done, err = s.change(ctx, change{id: id, event: job.Withdrawn, known: &r, note: func(r *job.Record) { r.Reason = s.whyGone(r) }})
		if err != nil {
			return 0, err
		}
	}
	if !done {
		return 0, nil
	}
	s.dropBody(ctx, &r.Record)
	return 1, nil
}

// whyGone is why a job that waits has no message.
func (s *store) whyGone(r *job.Record) string {
	if s.n.now().Sub(r.Created) < waitLongest {
		return "its request has gone from the engine"
	}
	return "it has waited for more than seven days"
}

// sweepObjects looks for parts of objects that were never whole, and for objects of jobs that are
// not there or have no use for them. What there is, the stream's leader says, and not the library:
// a server of a cluster that has just come back answers that, too, and may know less. More than
// the engine lists at once is left to its age: parts could pass for nobody's whose object is in a
// gap between two lists.
func (s *store) sweepObjects(ctx context.Context, bucket string, old time.Time) (swept int, err error) {
	stream, err := s.n.js.Stream(ctx, "OBJ_"+s.n.bucket(bucket))
	if err != nil {
		return 0, err
	}
	prefix := "$O." + s.n.bucket(bucket) + "."
	info, err := stream.Info(ctx, jetstream.WithSubjectFilter(prefix+">"))
	if err != nil {
		return 0, err
	}
	parts := info.State.Subjects
	if len(parts) > listedAtOnce {
		return 0, nil
	}
	for subject := range maps.Clone(parts) {
		if !strings.HasPrefix(subject, prefix+"M.") {
			continue
		}
		delete(parts, subject)
		var o jetstream.ObjectInfo
		m, err := s.n.lastOf(ctx, "OBJ_"+s.n.bucket(bucket), subject)
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			continue // it was dropped meanwhile, its parts first
		}
		if err == nil {
			err = json.Unmarshal(m.Data, &o)
		}
		if err != nil {
			return swept, err // of which parts it consists is not known
		}
		if o.Deleted {
			continue
		}
		delete(parts, prefix+"C."+o.NUID)
		if m.Time.Before(old) && s.useless(ctx, o.Name) && s.dropObject(ctx, o.Name) {
			swept++
		}
	}
	for subject := range parts {
		last, err := stream.GetLastMsgForSubject(ctx, subject)
		if err != nil || !last.Time.Before(old) {
			continue
		}
		if err := stream.Purge(ctx, jetstream.WithPurgeSubject(subject)); err != nil {
			return swept, err
		}
		swept++
	}
	return swept, nil
}

// useless reports whether no job needs an object of a request any more, or ever will.
func (s *store) useless(ctx context.Context, name string) bool {
	kind, text, _ := strings.Cut(name, ".")
	id, ok := job.ParseID(text)
	if !ok || kind+"." != bodyPrefix && kind+"." != messagePrefix { // a result goes by its age
		return false
	}
	r, err := s.getNow(ctx, id)
	return errors.Is(err, errNoJob) || err == nil && r.Status == job.Done
}
