package jobs

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"girin/internal/jobs/job"
)

// recordsMost is how many records of jobs are kept. The engine has a few hundred bytes of
// each in its memory; what is more are jobs that ended long ago, of which nobody will
// hear any more that they were there.
const recordsMost = 100_000

// keysTrimmedEvery is how often keys are looked at.
const keysTrimmedEvery = 5 * time.Second

// trimmedMost is how many are looked at at once.
const trimmedMost = 2000

// trim removes the records that are too many, of those that have ended those first that
// ended first. A record is where its last change has put it.
func (n *Node) trim(ctx context.Context) {
	s := n.store.Load()
	if s == nil || n.guest() {
		return
	}
	n.trimBucket(ctx, "jobs", n.recordsMost, hasEnded)
}

// trimKeys removes the keys that are too many: those of requests by their age, since of the jobs
// that older ones have made no more records are kept, and those of tasks whose jobs have ended,
// since then they keep no other out.
func (n *Node) trimKeys(ctx context.Context) {
	s := n.store.Load()
	if s == nil || n.guest() {
		return
	}
	most := max(n.recordsMost, 2*n.cfg.MaxJobs) // none of one that waits is too old
	if stream, err := n.js.Stream(ctx, "KV_"+n.bucket("keys")); err == nil && stream.CachedInfo().State.Msgs > uint64(most) {
		_ = stream.Purge(ctx, jetstream.WithPurgeKeep(uint64(most)))
	}
	n.trimBucket(ctx, "unique", most, func(text []byte) bool {
		var k keyed
		_ = json.Unmarshal(text, &k) // what cannot be read is of no job
		id, _ := job.ParseID(k.ID)
		r, err := s.get(ctx, id)
		return errors.Is(err, errNoJob) || err == nil && r.Status.Ended()
	})
}

// trimBucket removes what a bucket has too much of what has ended, the oldest first.
func (n *Node) trimBucket(ctx context.Context, bucket string, most int, ended func([]byte) bool) {
	stream, err := n.js.Stream(ctx, "KV_"+n.bucket(bucket))
	if err != nil {
		return
	}
	if state := stream.CachedInfo().State; state.Msgs > uint64(most) {
		ctx, cancel := context.WithTimeout(n.ctx, storeLimit)
		defer cancel()
		trimFrom(ctx, stream, state.FirstSeq, int(state.Msgs)-most, ended)
	}
}

func trimFrom(ctx context.Context, stream jetstream.Stream, at uint64, most int, ended func([]byte) bool) {
	only := jetstream.WithGetMsgSubject("$KV.>")
	inOrder := true // all so far have ended
	first, gone := at, 0
	for looked := 0; looked < trimmedMost && gone < most; looked++ {
		m, err := stream.GetMsg(ctx, at, only)
		if err != nil {
			break
		}
		at = m.Sequence + 1
		switch is := ended(m.Data); {
		case is && inOrder:
			first, gone = at, gone+1
		case is:
			gone++
			_ = purgeTo(ctx, stream, m)
		default:
			inOrder = false
		}
	}
	_ = stream.Purge(ctx, jetstream.WithPurgeSequence(first)) // it is tried again
}

// purgeTo removes a message and those of its subject before it, and none that has come meanwhile.
func purgeTo(ctx context.Context, stream jetstream.Stream, m *jetstream.RawStreamMsg) error {
	return stream.Purge(ctx, jetstream.WithPurgeSubject(m.Subject), jetstream.WithPurgeSequence(m.Sequence+1))
}

// hasEnded reports whether a record, as it is stored, is of a job that has ended; what is
// none, such as the mark of one that was removed, has.
func hasEnded(text []byte) bool {
	for _, s := range []job.Status{job.Queued, job.Running} {
		if bytes.HasPrefix(text, []byte(`{"status":"`+string(s)+`"`)) {
			return false
		}
	}
	return true
}
