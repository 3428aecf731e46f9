package jobs

import (
	"context"
	"encoding/json"
	"errors"
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
)

// sweeper removes what was abandoned.
func (n *Node) sweeper() {
	t := time.NewTicker(sweepLook)
	defer t.Stop()
	for swept := int64(0); ; {
		select {
		case <-n.ctx.Done():
			return
		case <-t.C:
		}
		now, reached := n.cfg.Clock(), n.beats.reached()
		due := reached + int64(abandonedFor)
		if swept > reached {
			due = swept + int64(sweepEvery)
		}
		if !n.up.Load() || n.guest() || now < due {
			continue
		}
		swept = now
		ctx, cancel := context.WithTimeout(n.ctx, sweepLimit)
		if err := n.sweep(ctx, abandonedFor); err != nil && n.ctx.Err() == nil {
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
	old := n.now().Add(-age)
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

// sweepRecords looks for jobs that wait and have no message, and for messages of jobs that have
// ended: an engine that is killed may know after its return that one was taken, and have it still.
func (s *store) sweepRecords(ctx context.Context, old time.Time) (swept int, err error) {
	// Messages are looked for first: a job's record is stored before its message.
	info, err := s.stream.Info(ctx, jetstream.WithSubjectFilter("girin."+s.n.names.app+".jobs.>"))
	if err != nil {
		return 0, err
	}
	messages := map[job.ID]string{} // whatever version they are for: one may be on its way to another
	for subject := range info.State.Subjects {
		if id, ok := idOf(subject); ok {
			messages[id] = subject
		}
	}
	odd, err := s.list(ctx, recordsMost, func(r *job.Record) bool {
		_, has := messages[r.ID]
		return !has && r.Status == job.Queued && r.Created.Before(old) || has && r.Status.Ended() && r.Ended.Before(old)
	})
	for i := range odd {
		id, done := odd[i].ID, false
		if subject, has := messages[id]; has {
			done, err = s.sweepMessage(ctx, subject, old)
		} else {
			done, err = s.sweepRecord(ctx, id, old)
		}
		if err != nil {
			return swept, err
		}
		if done {
			swept++
		}
	}
	return swept, err
}

// sweepMessage takes out what a job that has ended was made of; not what a person has run again.
func (s *store) sweepMessage(ctx context.Context, subject string, old time.Time) (done bool, err error) {
	m, err := s.stream.GetLastMsgForSubject(ctx, subject)
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return false, nil
	}
	if err != nil || m.Time.After(old) {
		return false, err
	}
	err = s.stream.DeleteMsg(ctx, m.Sequence)
	return err == nil, err
}

// sweepRecord does away with a job that waits and has no message, if that has been so for long.
func (s *store) sweepRecord(ctx context.Context, id job.ID, old time.Time) (done bool, err error) {
	e, err := s.records.Get(ctx, id.String())
	if errors.Is(err, jetstream.ErrKeyNotFound) {
		return false, nil
	}
	var r stored
	if err != nil || r.read(id, e) != nil || r.Status != job.Queued || e.Created().After(old) {
		return false, err
	}
	if kept, err := s.objects.GetBytes(ctx, messageName(id)); err == nil { // who wanted it to run again has died
		return true, s.publish(ctx, &r.Record, kept)
	}
	if r.Attempt == 0 && s.n.now().Sub(r.Created) < waitLongest {
		done = s.takeBack(&r.Record, r.revision)
	} else { // it was whole, and its message has expired, however young what was noted of it since
		_, done, err = s.change(ctx, change{id: id, event: job.Withdrawn, known: &r, note: func(r *job.Record) { r.Reason = "it has waited for more than seven days" }})
	}
	if done {
		s.dropBody(ctx, &r.Record)
	}
	return done, err
}

// sweepObjects looks for parts of objects that were never whole, and for objects of jobs that are
// not there or have no use for them. What there is, the stream says, and not the library's list:
// a server of a cluster that has just come back answers that, too, and may know less.
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
	for subject := range maps.Clone(parts) {
		if !strings.HasPrefix(subject, prefix+"M.") {
			continue
		}
		delete(parts, subject)
		var o jetstream.ObjectInfo
		m, err := stream.GetLastMsgForSubject(ctx, subject)
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			if info, failed := stream.Info(ctx, jetstream.WithSubjectFilter(subject)); failed == nil && len(info.State.Subjects) == 0 {
				continue // it was dropped meanwhile, its parts first
			}
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
	r, err := s.get(ctx, id)
	return errors.Is(err, errNoJob) || err == nil && r.Status == job.Done
}
