package jobs

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// prepareLimit is how long the engine may take for a stream.
const prepareLimit = 5 * time.Second

func (n *Node) prepare() error {
	ctx, cancel := context.WithTimeout(n.ctx, prepareLimit)
	defer cancel()
	n.lookAtName(ctx)
	if _, err := n.openStream(ctx, n.names.syncStream()); err != nil {
		return err
	}
	s, err := n.openStore(ctx)
	if err == nil {
		err = n.openTimer(ctx)
	}
	if err != nil {
		return err
	}
	n.store.Store(s)
	n.follow(s)
	return nil
}

// lookAtName says so where a server that only runs jobs finds those of other applications: most
// likely one of the two has the wrong name.
func (n *Node) lookAtName(ctx context.Context) {
	if !n.guest() || n.named {
		return
	}
	n.named = true
	if _, err := n.js.Stream(ctx, n.names.sync); !errors.Is(err, jetstream.ErrStreamNotFound) {
		return
	}
	var others []string
	for name := range n.js.StreamNames(ctx, jetstream.WithStreamListSubject("girin.*.sync.>")).Name() {
		others = append(others, strings.TrimSuffix(strings.TrimPrefix(name, "GIRIN_"), "_SYNC"))
	}
	if len(others) > 0 {
		n.cfg.Log.Warningf("Jobs: the engine has none of %s, but of %s: servers share their jobs if they have the same --name", n.cfg.App, strings.Join(others, ", "))
	}
}

// follow begins to watch the records of a store, in place of what was watched before.
func (n *Node) follow(s *store) {
	if n.unfollow != nil {
		n.unfollow()
	}
	ctx, stop := context.WithCancel(n.ctx)
	n.unfollow = stop
	n.launch("who follows the changes of jobs", func() { n.hub.follow(ctx, s) })
}
