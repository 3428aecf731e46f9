package jobs

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

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
		mine.forget(err)
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
			return &notStored{err}
		}
		err = putObject(ctx, s.objects, bodyName(rec.ID), body)
		_ = body.Close()
		if err != nil {
			return &notStored{err}
		}
		rec.Body, a.message.Body = a.call.Length, nil
	}
	err := s.accept(ctx, rec, a.message.Append(nil))
	if isNotStored(err) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), askLimit)
		defer cancel()
		s.dropBody(ctx, rec)
	}
	return err
}

// notStored is why a job certainly will not be run. After other errors it may be.
type notStored struct{ error }

func (e *notStored) Unwrap() error { return e.error }

func isNotStored(err error) bool {
	is := (*notStored)(nil)
	return errors.As(err, &is)
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
