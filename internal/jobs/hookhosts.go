package jobs

import (
	"context"
	"net/url"
	"strings"
	"sync"
	"time"
)

// hookHosts are the hosts to which callbacks go just now. One that takes its time must not
// keep from theirs who tell others: it gets as many senders at once as leave some for all
// others, and one that was slow gets one.
type hookHosts struct {
	mu  sync.Mutex
	all map[string]*hookHost // guarded by mu: those that are busy, or were slow
}

type hookHost struct {
	turns chan struct{} // has a word for each sender that may begin
	users int           // guarded by hookHosts.mu: senders that have or want a turn
	slow  bool          // guarded by hookHosts.mu: its last answer came late, or not at all
}

const (
	hostSenders = hookers / 4            // that one host may have at once
	turnLimit   = 250 * time.Millisecond // for which a sender waits for its turn
	hostSlow    = time.Second            // is how long an answer lasts that comes late
	hostPause   = 3 * time.Second        // after which it is looked again whether a host has a turn
)

// turn waits for a sender's turn with the host of a URL. done tells how long it took. Not ok:
// it is another time.
func (h *hookHosts) turn(ctx context.Context, place string) (done func(took time.Duration), ok bool) {
	name := ""
	if u, err := url.Parse(place); err == nil {
		name = strings.ToLower(u.Hostname()) // however its client writes it
		if port := u.Port(); port != "" && port != "80" && port != "443" {
			name += ":" + port
		}
	}
	h.mu.Lock()
	host := h.all[name]
	if host == nil {
		host = &hookHost{turns: make(chan struct{}, hostSenders)}
		for range hostSenders {
			host.turns <- struct{}{}
		}
		if h.all == nil {
			h.all = map[string]*hookHost{}
		}
		h.all[name] = host
	}
	refused := host.slow && host.users > 0
	if !refused {
		host.users++
	}
	h.mu.Unlock()
	if refused {
		return nil, false
	}
	late := time.NewTimer(turnLimit)
	defer late.Stop()
	select {
	case <-host.turns:
		return func(took time.Duration) {
			host.turns <- struct{}{}
			h.leave(name, host, took >= hostSlow)
		}, true
	case <-late.C:
	case <-ctx.Done():
	}
	h.leave(name, host, true)
	return nil, false
}

func (h *hookHosts) leave(name string, host *hookHost, slow bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	host.users--
	if host.slow = slow; host.users == 0 && !slow {
		delete(h.all, name)
	}
}
