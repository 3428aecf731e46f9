package jobs

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"girin/internal/jobs/job"
)

// stored is a record and the revision that the next change is compared with.
type stored struct {
	job.Record
	revision uint64
	changed  time.Time // by the engine's clock
}

var errNoJob = errors.New("there is no such job")

func (s *store) get(ctx context.Context, id job.ID) (r stored, err error) {
	r, _, err = s.getText(ctx, id)
	return r, err
}

func (s *store) getText(ctx context.Context, id job.ID) (r stored, text []byte, err error) {
	ctx, cancel := context.WithTimeout(ctx, tryLimit)
	defer cancel()
	e, err := s.records.Get(ctx, id.String())
	if errors.Is(err, jetstream.ErrKeyNotFound) || errors.Is(err, jetstream.ErrKeyDeleted) {
		return r, nil, errNoJob
	}
	if err != nil {
		return r, nil, err
	}
	return r, e.Value(), r.read(id, e)
}

func (r *stored) read(id job.ID, e jetstream.KeyValueEntry) error {
	if err := json.Unmarshal(e.Value(), &r.Record); err != nil {
		return err
	}
	r.ID, r.revision, r.changed = id, e.Revision(), e.Created()
	return nil
}

// change is what is to be changed in a record.
type change struct {
	id    job.ID
	event job.Event
	is    func(*job.Record) bool // whether a record in this state is concerned; nil: it is in any
	note  func(*job.Record)      // changes what else is to be noted; nil: nothing is
	known *stored                // the record as it was seen last, which saves a question; nil: it is asked for
}

// change applies an event and what else is to be noted, unless another was quicker: then
// it looks anew. Not changed: the event does not concern the job any more.
//
// While the engine does not answer, as when a cluster chooses another leader, it tries again
// until ctx ends: of a change that was not acknowledged it then sees whether it was made.
func (s *store) change(ctx context.Context, c change) (r stored, changed bool, err error) {
	var mine [][]byte // what was tried to be written
	for ; ; err = s.pause(ctx, err) {
		if ctx.Err() != nil {
			return r, false, cmp.Or(err, ctx.Err())
		}
		var text []byte
		if c.known != nil {
			r, c.known = *c.known, nil
		} else if r, text, err = s.getText(ctx, c.id); errors.Is(err, errNoJob) {
			return r, false, err
		}
		if err != nil {
			continue
		}
		if slices.ContainsFunc(mine, func(own []byte) bool { return bytes.Equal(own, text) }) {
			return r, true, nil
		}
		if c.is != nil && !c.is(&r.Record) || !r.Apply(c.event, s.n.now()) {
			return r, false, nil
		}
		if c.note != nil {
			c.note(&r.Record)
		}
		if err = s.announce(ctx, &r); err != nil {
			continue
		}
		if text, err = json.Marshal(&r.Record); err != nil {
			return r, false, err
		}
		if err = s.write(ctx, &r, text); err == nil {
			return r, true, nil
		}
		mine = append(mine, text)
	}
}

// pause waits a moment after an error, unless it is that another was quicker.
func (s *store) pause(ctx context.Context, err error) error {
	if !wasQuicker(err) {
		select {
		case <-ctx.Done():
		case <-time.After(reconnectWait):
		}
	}
	return err
}

// tryLimit is for how long one answer of the engine's is waited for: one that comes later
// than that does not come.
const tryLimit = 3 * time.Second

// note changes what is no state.
func (s *store) note(ctx context.Context, id job.ID, note func(*job.Record)) error {
	for {
		r, err := s.get(ctx, id)
		if err != nil {
			return err
		}
		if note(&r.Record); r.Status != job.Running {
			return nil
		}
		if again, err := s.put(ctx, &r); !again {
			return err
		}
	}
}

// put changes a record. Again: another was quicker.
func (s *store) put(ctx context.Context, r *stored) (again bool, err error) {
	if err := s.announce(ctx, r); err != nil {
		return false, err
	}
	text, err := json.Marshal(&r.Record)
	if err != nil {
		return false, err
	}
	err = s.write(ctx, r, text)
	return err != nil && wasQuicker(err), err
}

func (s *store) write(ctx context.Context, r *stored, text []byte) error {
	ctx, cancel := context.WithTimeout(ctx, tryLimit)
	defer cancel()
	if !r.Status.Ended() {
		revision, err := s.records.Update(ctx, r.ID.String(), text, r.revision)
		if err == nil {
			r.revision = revision
		}
		return err
	}
	m := nats.NewMsg(s.n.recordSubject(r.ID))
	m.Data = text
	ack, err := s.n.js.PublishMsg(ctx, m, jetstream.WithExpectLastSequencePerSubject(r.revision), jetstream.WithMsgTTL(s.n.knownFor()))
	if err == nil {
		r.revision = ack.Sequence
	}
	return err
}

// recordSubject is where a record lies in the stream of its bucket.
func (n *Node) recordSubject(id job.ID) string { return "$KV." + n.bucket("jobs") + "." + id.String() }

// knownFor is how long it is known what became of a job.
func (n *Node) knownFor() time.Duration {
	return max(n.cfg.Keep+goneFor, time.Second).Round(time.Second)
}

// list returns the jobs that are wanted, those that began to exist last first.
func (s *store) list(ctx context.Context, most int, wanted func(*job.Record) bool) (all []stored, err error) {
	w, err := s.records.WatchAll(ctx, jetstream.IgnoreDeletes())
	if err != nil {
		return nil, err
	}
	defer func() { _ = w.Stop() }()
	for {
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case e := <-w.Updates():
			if e == nil {
				return newest(all, most), nil
			}
			var r stored
			if id, ok := job.ParseID(e.Key()); ok && r.read(id, e) == nil && wanted(&r.Record) {
				if all = append(all, r); len(all) >= 2*most {
					all = newest(all, most)
				}
			}
		}
	}
}
