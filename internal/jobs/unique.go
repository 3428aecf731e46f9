package jobs

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"girin/internal/jobs/job"
)

// uniqueName is under what the key of a unique task is kept.
func (t *Task) uniqueName() string {
	sum := sha256.Sum256([]byte("unique\x00" + t.Task + "\x00" + t.Unique))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// unique finds the job with the task's key that has not ended; nil: rec is to be it, and the key
// is mine.
func (n *Node) unique(ctx context.Context, s *store, rec *job.Record) (was *job.Record, mine ownKey, err error) {
	mine = ownKey{bucket: s.uniques, name: rec.Unique}
	for again := true; again; {
		was, again, err = n.takeUnique(ctx, s, &mine, rec)
	}
	return was, mine, err
}

// takeUnique tries to have a key for a new task. Was is the job that has it; again: that is not known
// yet.
func (n *Node) takeUnique(ctx context.Context, s *store, mine *ownKey, rec *job.Record) (was *job.Record, again bool, err error) {
	text, _ := json.Marshal(keyed{ID: rec.ID.String()})
	e, again, err := mine.take(ctx, text)
	if e == nil {
		return nil, again, err
	}
	id := jobOf(e)
	changed, stop := n.hub.watch(id) // before it is looked at
	defer stop()
	r, err := s.getNow(ctx, id) // one that has ended may have been queued once more
	look, isThere, since := keyLook, err == nil, e.Created()
	if isThere && r.Status == job.Queued {
		look, isThere = lookEvery, s.hasMessage(ctx, &r.Record)                  // of its message nobody is told
		since = slices.MaxFunc([]time.Time{since, r.changed}, time.Time.Compare) // it may be moved, or run again, just now
	}
	switch {
	case err != nil && !errors.Is(err, errNoJob):
		return nil, false, err
	case isThere && !r.Status.Ended():
		return &r.Record, false, nil
	case !isThere && n.now().Sub(since) < aboutToBe: // another stores it just now
		err = awaitStored(ctx, changed, look)
		return nil, err == nil, err
	case !isThere && err == nil && !s.takeBack(&r.Record, r.revision): // it was begun after all
		return nil, true, nil
	}
	mine.revision, err = s.uniques.Update(ctx, mine.name, text, e.Revision())
	return nil, err != nil && wasQuicker(err), err
}

var errKeyTaken = &problem{http.StatusConflict, "another job with its unique key has not ended"}

// uniqueAgain takes the key of a job that is to be run once more, also where it has it still: a
// new task may take it until that job is queued, so hold must be asked then.
func (s *store) uniqueAgain(ctx context.Context, rec *job.Record) (mine ownKey, err error) {
	if rec.Unique == "" {
		return mine, nil
	}
	mine = ownKey{bucket: s.uniques, name: rec.Unique}
	text, _ := json.Marshal(keyed{ID: rec.ID.String()})
	for again := true; again; {
		var e jetstream.KeyValueEntry
		if e, again, err = mine.take(ctx, text); e == nil {
			continue
		}
		if err = s.mayTake(ctx, e, rec.ID); err == nil {
			mine.revision, err = s.uniques.Update(ctx, mine.name, text, e.Revision())
			again = wasQuicker(err)
		}
	}
	return mine, err
}

// mayTake reports with errKeyTaken that a key is of another job, which has not ended or is about
// to be stored.
func (s *store) mayTake(ctx context.Context, e jetstream.KeyValueEntry, id job.ID) error {
	other := jobOf(e)
	if other == id {
		return nil
	}
	r, err := s.getNow(ctx, other)
	switch {
	case errors.Is(err, errNoJob) && s.n.now().Sub(e.Created()) >= aboutToBe:
		return nil
	case err == nil && r.Status.Ended():
		return nil
	case err == nil || errors.Is(err, errNoJob):
		return errKeyTaken
	}
	return err
}

// jobOf is the job that has a key.
func jobOf(e jetstream.KeyValueEntry) job.ID {
	var has keyed
	_ = json.Unmarshal(e.Value(), &has)
	id, _ := job.ParseID(has.ID)
	return id
}

// hold fails with errKeyTaken if another job has taken the key meanwhile.
func (k *ownKey) hold(ctx context.Context, id job.ID) error {
	if k.name == "" {
		return nil
	}
	text, _ := json.Marshal(keyed{ID: id.String()})
	for {
		_, err := k.bucket.Update(ctx, k.name, text, k.revision)
		if !wasQuicker(err) {
			return err
		}
		e, err := k.bucket.Get(ctx, k.name)
		if err != nil {
			return err
		}
		switch {
		case e.Revision() <= k.revision: // a replica that has not heard of it yet
			if err := awaitStored(ctx, nil, keyLook); err != nil {
				return err
			}
		case jobOf(e) != id:
			return errKeyTaken
		default: // two want the same job to be run again
			k.revision = e.Revision()
		}
	}
}
