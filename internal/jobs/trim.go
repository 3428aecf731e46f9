package jobs

import (
	"bytes"
	"context"

	"github.com/nats-io/nats.go/jetstream"

	"girin/internal/jobs/job"
)

// recordsMost is how many records of jobs are kept. The engine has a few hundred bytes of
// each in its memory; what is more are jobs that ended long ago, of which nobody will
// hear any more that they were there.
const recordsMost = 100_000

// trimmedMost is how many are looked at at once.
const trimmedMost = 2000

// trim removes the records that are too many, of those that have ended those first that
// ended first. A record is where its last change has put it.
func (n *Node) trim(ctx context.Context) {
	s := n.store.Load()
	if s == nil || n.guest() {
		return
	}
	stream, err := n.js.Stream(ctx, "KV_"+n.bucket("jobs"))
	if err != nil {
		return
	}
	if state := stream.CachedInfo().State; state.Msgs > uint64(n.recordsMost) {
		ctx, cancel := context.WithTimeout(n.ctx, storeLimit)
		defer cancel()
		n.trimFrom(ctx, stream, state.FirstSeq, int(state.Msgs)-n.recordsMost)
	}
}

func (n *Node) trimFrom(ctx context.Context, stream jetstream.Stream, at uint64, most int) {
	only := jetstream.WithGetMsgSubject("$KV." + n.bucket("jobs") + ".>")
	inOrder := true // all so far have ended
	first, gone := at, 0
	for looked := 0; looked < trimmedMost && gone < most; looked++ {
		m, err := stream.GetMsg(ctx, at, only)
		if err != nil {
			break
		}
		at = m.Sequence + 1
		switch ended := hasEnded(m.Data); {
		case ended && inOrder:
			first, gone = at, gone+1
		case ended:
			gone++
			_ = stream.Purge(ctx, jetstream.WithPurgeSubject(m.Subject))
		default:
			inOrder = false
		}
	}
	if err := stream.Purge(ctx, jetstream.WithPurgeSequence(first)); err != nil && ctx.Err() == nil {
		n.cfg.Log.Warningf("jobs: what is known of old ones cannot be removed: %v", err)
	}
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
