package jobs

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"girin/internal/jobs/job"
)

// keyed is what is known of a key, of requests or of tasks: what job it has made.
type keyed struct {
	ID     string `json:"id"`
	Digest string `json:"digest"`
}

// ownKey is the key of a job that is about to be stored; without a name: it has none.
type ownKey struct {
	bucket   jetstream.KeyValue
	name     string
	revision uint64
}

// aboutToBe is how long after its key a job may come to be there whole.
const aboutToBe = storeLimit + time.Second

// take takes a key that nobody has; otherwise it returns what the key says. Again: that has just
// gone, as its job could not be stored.
func (k *ownKey) take(ctx context.Context, text []byte) (e jetstream.KeyValueEntry, again bool, err error) {
	k.revision, err = k.bucket.Create(ctx, k.name, text)
	if err == nil || !wasQuicker(err) {
		return nil, false, err
	}
	e, err = k.bucket.Get(ctx, k.name)
	return e, errors.Is(err, jetstream.ErrKeyNotFound), err
}

// forget lets go of a key if its job certainly was not stored: who asks again at once would
// wait for it.
func (k *ownKey) forget(why error) {
	if k.name == "" || !isNotStored(why) {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), askLimit)
	defer cancel()
	_ = k.bucket.Delete(ctx, k.name, jetstream.LastRevision(k.revision))
}

// keyLook is how often a key is looked at whose job does not come: who had the key may have let
// go of it.
const keyLook = 500 * time.Millisecond

// awaitStored waits until a job has changed that another stores just now, or until it is to be
// looked at again.
func awaitStored(ctx context.Context, changed <-chan stored, look time.Duration) error {
	again := time.NewTimer(look)
	defer again.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-changed:
	case <-again.C:
	}
	return nil
}

// known returns the job that a key has made; nil: rec is to be it, and the key is mine. While
// another request of the same key is being stored it waits for that: each has the body.
func (n *Node) known(ctx context.Context, s *store, a *asked, rec *job.Record, key string) (was *job.Record, mine ownKey, err error) {
	digest, err := a.digest(n)
	if err != nil {
		return nil, mine, err
	}
	sum := sha256.Sum256(append([]byte(key+"\x00"+a.request.Method+" "+a.request.Path+"\x00"), rec.Principal...))
	mine = ownKey{bucket: s.keys, name: base64.RawURLEncoding.EncodeToString(sum[:])}
	for again := true; again; {
		was, again, err = n.takeKey(ctx, s, a, &mine, keyed{rec.ID.String(), digest})
	}
	return was, mine, err
}

// takeKey tries to have a key for a job. Was is the job that has it; again: that is not known
// yet.
func (n *Node) takeKey(ctx context.Context, s *store, a *asked, mine *ownKey, own keyed) (was *job.Record, again bool, err error) {
	text, _ := json.Marshal(own)
	e, again, err := mine.take(ctx, text)
	if e == nil {
		return nil, again, err
	}
	var other keyed
	if err := json.Unmarshal(e.Value(), &other); err != nil {
		return nil, false, err
	}
	if other.Digest != own.Digest {
		return nil, false, &problem{http.StatusUnprocessableEntity, "this Idempotency-Key was used for another request"}
	}
	id, _ := job.ParseID(other.ID)
	changed, stop := n.hub.watch(id) // before it is looked at
	defer stop()
	was, err = n.knownAs(ctx, s, a, id)
	switch {
	case !errors.Is(err, errNoJob):
		return was, false, err
	case n.now().Sub(e.Created()) > aboutToBe+limitFor(a.call.Length)-storeLimit: // who had the key has died
		mine.revision, err = s.keys.Update(ctx, mine.name, text, e.Revision())
		return nil, err != nil && wasQuicker(err), err
	case awaitStored(ctx, changed, keyLook) != nil:
		return nil, false, &problem{http.StatusServiceUnavailable, "another request of this Idempotency-Key is being stored"}
	}
	return nil, true, nil
}

// knownAs returns a job that was asked for with the same key before, and sees to it that it is
// whole.
func (n *Node) knownAs(ctx context.Context, s *store, a *asked, id job.ID) (*job.Record, error) {
	r, err := s.get(ctx, id)
	if errors.Is(err, errNoJob) {
		return nil, err
	}
	young := n.now().Sub(r.Created) < aboutToBe
	if err != nil || r.Status != job.Queued || !young && s.hasMessage(ctx, &r.Record) {
		return &r.Record, err
	}
	switch again, err := s.put(ctx, &r); { // who made the record does not take it back then
	case again: // it was begun, or was taken back already
		r, err = s.get(ctx, id)
		return &r.Record, err
	case err != nil:
		return nil, err
	}
	if s.hasMessage(ctx, &r.Record) {
		return &r.Record, nil
	}
	m := *a.message
	if r.Body > 0 {
		m.Body = nil
	}
	return &r.Record, asProblem(s.publish(ctx, &r.Record, m.Append(nil)))
}
