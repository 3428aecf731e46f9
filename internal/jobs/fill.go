package jobs

import (
	"context"
	"net/http"
	"sync/atomic"
	"time"
)

// fill is how much the store has, when last looked at.
type fill struct {
	jobs  atomic.Int64 // accepted ones that have not ended
	bytes atomic.Int64 // of all that is stored of jobs
	since atomic.Int64 // how many jobs were accepted here since then
	look  chan struct{}

	stirred atomic.Bool // a job has changed or may come, a server has come, or a clock was set, since it was last looked at
}

// How old what is known of the store may be: less when that says that it is full, and more while
// there is no job and none changes, since each look costs the engine several questions.
const (
	fillEvery  = time.Second
	fullEvery  = 50 * time.Millisecond
	stillEvery = 10 * time.Second
)

var (
	errTooMany = &problem{http.StatusServiceUnavailable, "too many jobs wait"}
	errNoRoom  = &problem{http.StatusServiceUnavailable, "there is no room for the job"}
)

// full says why no job can be stored whose body has so many bytes; nil: it can. Of how many
// there may be the store has the last word.
func (n *Node) full(body int64) error {
	n.fill.stirred.Store(true) // its body may be stored long before its record is
	switch {
	case n.store.Load() == nil || !n.up.Load():
		return errUnstored
	case n.fill.jobs.Load() >= int64(n.cfg.MaxJobs):
		return errTooMany
	case n.cfg.MaxBytes > 0 && n.fill.bytes.Load()+max(body, 0) > n.cfg.MaxBytes:
		return errNoRoom
	case n.cfg.Room != nil && !n.cfg.Room(max(body, 0)):
		return errNoRoom
	}
	return nil
}

// Refuses says, by the head of a request, why it cannot be a job that is accepted; "": it
// can, or its client waits for it. Length is the body's, -1 if it is not known.
func (n *Node) Refuses(method, path, prefer []byte, length int64) string {
	route := n.cfg.Routes.Find(method, path)
	if route == nil || !accepts(route, string(prefer)) {
		return ""
	}
	if err := n.full(length); err != nil {
		return err.Error()
	}
	return ""
}

// took notes that a job was accepted, and has the store looked at if it may be full now.
func (n *Node) took() {
	n.counts.accepted.Add(1)
	if n.fill.since.Add(1)+n.fill.jobs.Load() < int64(n.cfg.MaxJobs) {
		return
	}
	select {
	case n.fill.look <- struct{}{}:
	default:
	}
}

// count keeps what is known of the store.
func (n *Node) count() {
	t := time.NewTimer(fillEvery)
	defer t.Stop()
	for looked, trimmed, off := int64(0), int64(0), int64(0); ; t.Reset(n.fillAge()) {
		asked := false
		select {
		case <-n.ctx.Done():
			return
		case <-t.C:
		case <-n.fill.look:
			asked = true
		}
		now := n.cfg.Clock()
		if n.wasSet(&off) {
			n.fill.stirred.Store(true)
		}
		if !n.up.Load() || !n.fill.stirred.Swap(false) && !asked && n.fill.jobs.Load() == 0 && !n.isFull() && now-looked < int64(stillEvery) {
			continue
		}
		looked = now
		ctx, cancel := context.WithTimeout(n.ctx, askLimit)
		n.measure(ctx)
		n.lookAtClasses(ctx)
		n.trim(ctx)
		cancel()
		if now-trimmed < int64(keysTrimmedEvery) {
			continue
		}
		trimmed = now
		ctx, cancel = context.WithTimeout(n.ctx, askLimit) // of the other nothing may be left
		n.trimKeys(ctx)
		cancel()
	}
}

func (n *Node) isFull() bool {
	return n.fill.jobs.Load() >= int64(n.cfg.MaxJobs) || n.cfg.MaxBytes > 0 && n.fill.bytes.Load() >= n.cfg.MaxBytes
}

func (n *Node) fillAge() time.Duration {
	if n.isFull() {
		return fullEvery
	}
	return fillEvery
}

func (n *Node) measure(ctx context.Context) {
	bytes := uint64(0)
	since := n.fill.since.Load()
	for _, name := range []string{n.names.jobs, "OBJ_" + n.bucket("bodies"), "KV_" + n.bucket("results"), "OBJ_" + n.bucket("results")} {
		asked := n.wall()
		stream, err := n.js.Stream(ctx, name)
		if err != nil {
			n.fill.stirred.Store(true) // soon again
			return
		}
		state := stream.CachedInfo().State
		if bytes += state.Bytes; name == n.names.jobs {
			n.fill.jobs.Store(int64(state.Msgs))
			n.fill.since.Add(-since)
			n.lookAtClock(stream, asked)
			n.oldestAt.Store(0)
			if state.Msgs > 0 {
				n.oldestAt.Store(state.FirstTime.UnixNano())
			}
		}
	}
	n.fill.bytes.Store(int64(bytes))
}
