package jobs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"girin/internal/jobs/job"
	"girin/internal/jobs/webhook"
)

// Whoever asked for a job with a callback is told of its end. That it is to be told is
// stored before the end itself is, so that no death comes between: what is told then is
// compared with the record.

// callbackField is how a client names the place.
const callbackField = "Girin-Callback"

const (
	hookers     = 16               // messages that a server sends at once
	hookGiveUp  = 24 * time.Hour   // after the job's end
	hookLongest = time.Hour        // between two attempts
	hookWait    = 20 * time.Second // for a server that has taken one
	hookUnsure  = 30               // times, a second each, that it is looked whether an end was stored: longer than that may take
)

// hook says that the end of a job is to be told, which was stored as the change of a revision.
type hook struct {
	ID       string `json:"id"`
	Revision uint64 `json:"revision"`
}

func (n *names) hooksStream() jetstream.StreamConfig {
	return jetstream.StreamConfig{
		Name: n.hooks, Subjects: []string{"girin." + n.app + ".hooks.>"}, Retention: jetstream.WorkQueuePolicy,
		Storage: jetstream.FileStorage, MaxAge: keepLongest, MaxMsgs: recordsMost, Discard: jetstream.DiscardOld,
	}
}

func hooksConsumer() jetstream.ConsumerConfig {
	return jetstream.ConsumerConfig{Durable: "hooks", AckPolicy: jetstream.AckExplicitPolicy, AckWait: hookWait, MaxAckPending: -1}
}

// callback is where the end of the job is to be told that a request makes; "": nowhere.
func (n *Node) callback(request *job.Request) (url string, err error) {
	if url = request.Field(callbackField); url == "" {
		return "", nil
	}
	err = errors.New("this server takes none (--offload-callback)")
	if n.cfg.Hooks != nil {
		err = n.cfg.Hooks.Check(url)
	}
	if err != nil {
		return "", &problem{http.StatusUnprocessableEntity, callbackField + ": " + err.Error()}
	}
	return url, nil
}

// announce notes that the end that r is about to be stored with is to be told.
func (s *store) announce(ctx context.Context, r *stored) error {
	switch {
	case r.Callback == "":
		return nil
	case !r.Status.Ended():
		r.Hook = 0
		return nil
	case r.Hook != 0:
		return nil
	}
	r.Hook = r.revision
	text, _ := json.Marshal(hook{r.ID.String(), r.revision})
	m := nats.NewMsg("girin." + s.n.names.app + ".hooks." + r.ID.String())
	m.Data = text
	m.Header.Set(nats.MsgIdHdr, r.ID.String()+"."+strconv.FormatUint(r.revision, 10))
	ctx, cancel := context.WithTimeout(ctx, tryLimit)
	defer cancel()
	_, err := s.n.js.PublishMsg(ctx, m)
	return err
}

// tellHooks sends what is to be told, until the node ends.
func (n *Node) tellHooks() {
	for n.ctx.Err() == nil {
		if s := n.store.Load(); s != nil && n.up.Load() {
			if err := n.tellHooksOf(s); err != nil && n.ctx.Err() == nil {
				n.cfg.Log.Debugf("jobs: callbacks: %v", err)
			}
		}
		select {
		case <-n.ctx.Done():
		case <-time.After(askLimit):
		}
	}
}

func (n *Node) tellHooksOf(s *store) error {
	ctx, cancel := context.WithTimeout(n.ctx, storeLimit)
	defer cancel()
	c, err := n.js.CreateOrUpdateConsumer(ctx, n.names.hooks, hooksConsumer())
	if err != nil {
		return err
	}
	messages, err := c.Messages(jetstream.PullMaxMessages(1))
	if err != nil {
		return err
	}
	defer messages.Stop()
	defer context.AfterFunc(n.ctx, messages.Stop)()
	for {
		m, err := messages.Next()
		if err != nil {
			return err
		}
		n.tellHook(s, m)
	}
}

// tellHook sends one message, or sees to it that it is sent later.
func (n *Node) tellHook(s *store, m jetstream.Msg) {
	meta, err := m.Metadata()
	var h hook
	id, ok := job.ID{}, false
	if json.Unmarshal(m.Data(), &h) == nil {
		id, ok = job.ParseID(h.ID)
	}
	if err != nil || !ok {
		_ = m.Ack() // nobody understands it
		return
	}
	ctx, cancel := context.WithTimeout(n.ctx, hookWait*4/5)
	defer cancel()
	r, err := s.get(ctx, id)
	switch {
	case errors.Is(err, errNoJob), err == nil && r.Hook != h.Revision && r.revision > h.Revision: // another end counts
		_ = m.Ack()
		return
	case err != nil || r.Hook != h.Revision: // its end is not stored yet
		if err == nil && meta.NumDelivered > hookUnsure {
			_ = m.Ack() // who wanted to store it has died
			return
		}
		_ = m.NakWithDelay(time.Second)
		return
	}
	done, ok := n.hookHosts.turn(ctx, r.Callback)
	if !ok {
		_ = m.NakWithDelay(hostPause + time.Duration(rand.Int64N(int64(hostPause))))
		return
	}
	began := time.Now()
	f := n.cfg.Hooks.Send(ctx, n.hookMessage(&r))
	done(time.Since(began))
	switch {
	case f == nil:
		n.counts.hooksTold.Add(1)
		_ = m.Ack()
	case n.ctx.Err() != nil:
		_ = m.Nak()
	case f.Final || n.now().Sub(r.Ended) > hookGiveUp:
		n.counts.hooksGivenUp.Add(1)
		n.cfg.Log.Errorf("Job %s: %s is not told how it has ended: %v", r.ID, placeOf(r.Callback), f)
		_ = m.Ack()
	default:
		wait := hookPause(n.now().Sub(r.Ended), f.After)
		n.counts.hooksFailed.Add(1)
		n.cfg.Log.Warningf("Job %s: %s could not be told how it has ended (%v): again in %v", r.ID, placeOf(r.Callback), f, wait.Round(time.Second/10))
		_ = m.NakWithDelay(wait)
	}
}

// placeOf is a URL as a log may have it: what it asks for may be a secret of its client's.
func placeOf(url string) string {
	place, _, _ := strings.Cut(url, "?")
	return place
}

// hookPause is how long the next attempt is put off that long after the end: 1 s, 2 s, 4 s and
// so on, and not at the same moment for all.
func hookPause(age, after time.Duration) time.Duration {
	wait := min(max(age, 0)+time.Second, hookLongest)
	return max(wait+time.Duration(rand.Int64N(int64(wait)/5+1)), after)
}

// hookMessage is what is told: what the client of the job itself would see.
func (n *Node) hookMessage(r *stored) webhook.Message {
	told := statusOf(&r.Record)
	told.Node = ""
	body, _ := json.Marshal(map[string]any{"type": "job." + told.Status, "timestamp": r.Ended.UTC().Format(time.RFC3339Nano), "data": told})
	return webhook.Message{ID: fmt.Sprintf("job_%s_%d", r.ID, r.Hook), URL: r.Callback, Body: body}
}

// examineHooks looks whether callbacks are told.
func (n *Node) examineHooks(ctx context.Context, _ *store) ([]Finding, error) {
	stream, err := n.js.Stream(ctx, n.names.hooks)
	if err != nil {
		return nil, err
	}
	st := stream.CachedInfo().State
	switch {
	case st.Msgs == 0:
		return nil, nil
	case n.cfg.Hooks == nil:
		return []Finding{found(FoundBad, "give --offload-callback to a server that shares the queue", "%d callbacks wait, and this server sends none", st.Msgs)}, nil
	}
	return []Finding{found(FoundOdd, "the log says which place does not take them, and why; each is tried for a day", "%d callbacks could not be told yet, the first since %v ago",
		st.Msgs, n.now().Sub(st.FirstTime).Round(time.Second))}, nil
}
