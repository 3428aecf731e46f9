package jobs

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"girin/internal/jobs/job"
	"girin/internal/offload"
)

// preference is what a Prefer field says of a job (RFC 7240).
type preference struct {
	async bool
	wait  time.Duration
}

// longestWait is how long a client may ask to be waited with.
const longestWait = time.Minute

func preferenceOf(field string) (p preference) {
	for part := range strings.SplitSeq(field, ",") {
		part, _, _ = strings.Cut(part, ";") // its parameters mean nothing here
		name, value, _ := strings.Cut(strings.TrimSpace(part), "=")
		switch strings.ToLower(strings.TrimSpace(name)) {
		case "respond-async":
			p.async = true
		case "wait":
			if n, err := strconv.ParseUint(strings.TrimSpace(value), 10, 16); err == nil || errors.Is(err, strconv.ErrRange) {
				p.wait = min(time.Duration(n)*time.Second, longestWait)
			}
		}
	}
	return p
}

// accepts reports whether a request is to be answered with 202.
func accepts(route *offload.Route, prefer string) bool {
	return route.Mode == offload.Async || route.Mode == offload.Both && preferenceOf(prefer).async
}

// problem is an error that a client is told.
type problem struct {
	status int
	text   string
}

func (p *problem) Error() string { return p.text }

var errUnstored = &problem{http.StatusServiceUnavailable, "the job could not be stored"}

// accept answers a request with 202 once it is on the disk.
func (n *Node) accept(w http.ResponseWriter, r *http.Request) {
	a := r.Context().Value(messageKey{}).(*asked)
	wants := preferenceOf(r.Header.Get("Prefer"))
	rec, err := n.enqueue(r, a)
	if err != nil {
		n.refuse(w, err)
		return
	}
	if wants.wait > 0 {
		if ended, ok := n.awaitEnd(r.Context(), rec.ID, wants.wait); ok {
			n.writeResult(w, unconditional(r), &ended.Record)
			return
		}
	}
	h := w.Header()
	h.Set("Location", jobPath(rec))
	if wants.async {
		h.Set("Preference-Applied", "respond-async")
	}
	n.writeStatus(w, r, http.StatusAccepted, rec)
}

// unconditional is a request without what its head asks of a result: that was for the
// application, which has answered as it likes.
func unconditional(r *http.Request) *http.Request {
	r = r.WithContext(r.Context())
	r.Header = http.Header{}
	return r
}

func (n *Node) refuse(w http.ResponseWriter, err error) {
	p := errUnstored
	switch {
	case errors.As(err, &p):
	case errors.Is(err, context.Canceled): // its client has left
	default:
		n.cfg.Log.Warningf("A job is refused: %s", strings.ReplaceAll(err.Error(), "\n", "; "))
	}
	if p.status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "1")
	}
	plain(w, p.status, p.text)
}

// plain answers with a line.
func plain(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, text+"\n")
}

// acceptLimit is how long a client is let hope that its job is stored: engines of which too
// few are there do not say so themselves. A large body takes longer.
const acceptLimit = 4 * time.Second

// enqueue stores the job that a request asks for, or finds the one that the request's
// Idempotency-Key has made before.
func (n *Node) enqueue(r *http.Request, a *asked) (*job.Record, error) {
	if err := n.full(max(a.call.Length, int64(len(a.message.Body)))); err != nil {
		return nil, err
	}
	callback, err := n.callback(a.request)
	if err != nil {
		return nil, err
	}
	large, size := len(a.message.Body) > inlineMost || a.call.Spooled, a.message.Size()
	if large {
		size -= len(a.message.Body)
	}
	if size > messageMost {
		return nil, &problem{http.StatusRequestHeaderFieldsTooLarge, "the request's head is too large for a job"}
	}
	s, route := n.store.Load(), n.route(a.request)
	rec := &job.Record{
		ID: job.NewID(), Status: job.Queued, Version: n.Version(), Format: job.Format, Route: a.call.Route, Once: !a.request.Idempotent(), Retries: n.retries(route),
		Class: route.Class(), Timeout: route.Timeout, Priority: route.Priority, Mount: a.request.Mount, Principal: s.principal(r), Callback: callback, Created: n.now().UTC(),
	}
	ctx, cancel := context.WithTimeout(r.Context(), acceptLimit+limitFor(a.call.Length)-storeLimit)
	defer cancel()
	var mine ownKey
	if key := a.request.Field("Idempotency-Key"); key != "" {
		var was *job.Record
		if was, mine, err = n.known(ctx, s, a, rec, key); was != nil || err != nil {
			return was, err
		}
	}
	if err := n.storeJob(ctx, s, a, rec, large); err != nil {
		if gone := (*notStored)(nil); mine.name != "" && errors.As(err, &gone) {
			s.forgetKey(mine) // or who asks again at once would wait for this one
		}
		return nil, err
	}
	n.took()
	return rec, nil
}

// storeJob stores what a request asks for, its body first.
func (n *Node) storeJob(ctx context.Context, s *store, a *asked, rec *job.Record, large bool) error {
	if large {
		body, err := a.body(n)
		if err != nil {
			return err
		}
		err = putObject(ctx, s.objects, bodyName(rec.ID), body)
		_ = body.Close()
		if err != nil {
			return &notStored{err}
		}
		rec.Body, a.message.Body = a.call.Length, nil
	}
	return s.accept(ctx, rec, a.message.Append(nil))
}

// notStored is why a job certainly will not be run. After other errors it may be.
type notStored struct{ error }

func (e *notStored) Unwrap() error { return e.error }

// keyed is what is known of an Idempotency-Key.
type keyed struct {
	ID     string `json:"id"`
	Digest string `json:"digest"`
}

// ownKey is the key of a job that is about to be stored.
type ownKey struct {
	name     string
	revision uint64
}

// forgetKey lets go of a key whose job could not be stored.
func (s *store) forgetKey(k ownKey) {
	ctx, cancel := context.WithTimeout(context.Background(), askLimit)
	defer cancel()
	_ = s.keys.Delete(ctx, k.name, jetstream.LastRevision(k.revision))
}

// known returns the job that a key has made; nil: rec is to be it, and the key is mine. While
// another request of the same key is being stored it waits for that: each has the body.
func (n *Node) known(ctx context.Context, s *store, a *asked, rec *job.Record, key string) (was *job.Record, mine ownKey, err error) {
	digest, err := a.digest(n)
	if err != nil {
		return nil, mine, err
	}
	sum := sha256.Sum256(append([]byte(key+"\x00"+a.request.Method+" "+a.request.Path+"\x00"), rec.Principal...))
	mine.name = base64.RawURLEncoding.EncodeToString(sum[:])
	text, _ := json.Marshal(keyed{rec.ID.String(), digest})
	for {
		mine.revision, err = s.keys.Create(ctx, mine.name, text)
		if err == nil || !errors.Is(err, jetstream.ErrKeyExists) {
			return nil, mine, err
		}
		e, err := s.keys.Get(ctx, mine.name)
		if errors.Is(err, jetstream.ErrKeyNotFound) { // its job could not be stored
			continue
		}
		if err != nil {
			return nil, mine, err
		}
		var other keyed
		if err := json.Unmarshal(e.Value(), &other); err != nil {
			return nil, mine, err
		}
		if other.Digest != digest {
			return nil, mine, &problem{http.StatusUnprocessableEntity, "this Idempotency-Key was used for another request"}
		}
		id, _ := job.ParseID(other.ID)
		was, err = n.knownAs(ctx, s, a, id)
		if !errors.Is(err, errNoJob) {
			return was, mine, err
		}
		if n.now().Sub(e.Created()) > aboutToBe+limitFor(a.call.Length)-storeLimit { // who had the key has died
			mine.revision, err = s.keys.Update(ctx, mine.name, text, e.Revision())
			if err == nil || !wasQuicker(err) {
				return nil, mine, err
			}
			continue
		}
		select {
		case <-ctx.Done():
			return nil, mine, &problem{http.StatusServiceUnavailable, "another request of this Idempotency-Key is being stored"}
		case <-time.After(lookEvery):
		}
	}
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

// digest is of the request's body.
func (a *asked) digest(n *Node) (string, error) {
	body, err := a.body(n)
	if err != nil {
		return "", err
	}
	defer func() { _ = body.Close() }()
	h := sha256.New()
	if _, err := io.Copy(h, body); err != nil {
		return "", err
	}
	fmt.Fprintf(h, "\x00%s", a.request.Query)
	return base64.RawURLEncoding.EncodeToString(h.Sum(nil)), nil
}
