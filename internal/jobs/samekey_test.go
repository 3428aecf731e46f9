package jobs

import (
	"context"
	"testing"
	"time"

	"girin/internal/jobs/job"
)

// sameKey asks for a job with a key.
func (n *Node) sameKey(ctx context.Context, s *store, rec *job.Record) (was *job.Record, mine ownKey, err error) {
	a := &asked{message: &job.Message{Body: []byte("x")}, request: &job.Request{Method: "POST", Path: "/both"}}
	return n.known(ctx, s, a, rec, "key")
}

// While a job is being stored, as with a large body, others of its key wait for it and are told
// of it; if it cannot be stored the next of them is stored instead.
func TestThoseOfOneKeyWaitForEachOther(t *testing.T) {
	for name, isStored := range map[string]bool{"stored": true, "not stored": false} {
		t.Run(name, func(t *testing.T) {
			n, s := storeOf(t)
			ctx, stop := context.WithTimeout(t.Context(), 30*time.Second)
			defer stop()
			first := &job.Record{ID: job.NewID(), Status: job.Queued, Version: "1", Format: job.Format, Created: time.Now()}
			was, mine, err := n.sameKey(ctx, s, first)
			if was != nil || err != nil || mine.revision == 0 {
				t.Fatalf("the first: %+v, %v", was, err)
			}
			ended := make(chan struct{})
			go func() {
				defer close(ended)
				second := &job.Record{ID: job.NewID()}
				was, mine, err := n.sameKey(ctx, s, second)
				switch {
				case err != nil:
					t.Errorf("the second: %v", err)
				case isStored && (was == nil || was.ID != first.ID):
					t.Errorf("the second is another job: %+v", was)
				case !isStored && (was != nil || mine.revision == 0):
					t.Errorf("the second is not stored in place of the first: %+v", was)
				}
			}()
			select {
			case <-ended:
				t.Error("the second does not wait")
			case <-time.After(5 * lookEvery):
			}
			if !isStored {
				mine.forget(&notStored{errUnstored})
			} else if err := s.accept(ctx, first, []byte{job.Format, 1}); err != nil {
				t.Error(err)
			}
			<-ended
		})
	}
}
