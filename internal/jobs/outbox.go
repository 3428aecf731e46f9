package jobs

import (
	"sync"

	"github.com/nats-io/nats.go"
)

// outbox publishes what must not wait for the engine: of one that hangs the connection
// takes a second to say so, and keeps waiting whoever writes to it meanwhile. It holds what
// windows and answerLimit let come in that second.
type outbox struct {
	n      *Node
	mu     sync.Mutex
	cond   *sync.Cond
	list   []outgoing // guarded by mu
	closed bool       // guarded by mu
}

type outgoing struct {
	message *nats.Msg
	failed  func() // nil: then it is only said
}

func newOutbox(n *Node) *outbox {
	b := &outbox{n: n}
	b.cond = sync.NewCond(&b.mu)
	return b
}

// publish sends a message after those that were given before.
func (b *outbox) publish(m *nats.Msg, failed func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.list = append(b.list, outgoing{m, failed})
	if len(b.list) == 1 {
		b.cond.Signal()
	}
}

func (b *outbox) close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	b.cond.Signal()
}

// run sends until close, and then what is left.
func (b *outbox) run() {
	var spare []outgoing
	for {
		b.mu.Lock()
		for len(b.list) == 0 && !b.closed {
			b.cond.Wait()
		}
		list, closed := b.list, b.closed
		b.list = spare[:0]
		b.mu.Unlock()
		for i, o := range list {
			b.n.counts.out.Add(int64(len(o.message.Data)))
			if err := b.n.nc.PublishMsg(o.message); err != nil {
				b.n.cfg.Log.Debugf("jobs: %v", err)
				if o.failed != nil {
					o.failed()
				}
			}
			list[i] = outgoing{}
		}
		spare = list
		if closed {
			return
		}
	}
}
