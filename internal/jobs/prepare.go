package jobs

import (
	"context"
	"time"
)

// prepareLimit is how long the engine may take for a stream.
const prepareLimit = 5 * time.Second

func (n *Node) prepare() error {
	ctx, cancel := context.WithTimeout(n.ctx, prepareLimit)
	defer cancel()
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

// follow begins to watch the records of a store, in place of what was watched before.
func (n *Node) follow(s *store) {
	if n.unfollow != nil {
		n.unfollow()
	}
	ctx, stop := context.WithCancel(n.ctx)
	n.unfollow = stop
	n.launch("who follows the changes of jobs", func() { n.hub.follow(ctx, s) })
}
