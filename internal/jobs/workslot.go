package jobs

import (
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"girin/internal/offload"
)

// workSlot runs one accepted job after the other: of those that wait, one of the highest
// priority.
func (r *runner) workSlot() {
	var before sync.WaitGroup // what became of the last job is being stored
	defer before.Wait()
	jobs := puller{r: r, stream: r.n.names.jobs}
	for {
		woken := *r.expects.Load()
		if !r.n.up.Load() {
			select {
			case <-r.stop:
				return
			case <-woken:
			case <-time.After(time.Second):
			}
			continue
		}
		m, ended := jobs.next(r.workQueues(), woken)
		if ended {
			return
		}
		if m != nil {
			r.work(m, &before)
		}
	}
}

// puller asks consumers of a stream for one message after the other.
type puller struct {
	r      *runner
	stream string
	idle   int64 // ns, when it last had a message that it had to wait for; 0: what it had last had waited
}

const (
	// waitedFor is how long a message is waited for that did not wait itself.
	waitedFor = int64(time.Millisecond)
	// idleFor is how long after such a message it is believed that still none waits.
	idleFor = int64(10 * time.Millisecond)
)

// next asks consumers for what waits, in their order, and if nothing does for whatever comes
// first. Where nothing has waited a moment ago it waits at once: to ask each of them in turn
// takes longer than a short job. Its subscription ends with it, so that nothing comes later.
func (p *puller) next(queues []string, woken chan struct{}) (m *nats.Msg, ended bool) {
	r, inbox := p.r, nats.NewInbox()
	messages := make(chan *nats.Msg, 4*len(queues))
	sub, err := r.n.nc.ChanSubscribe(inbox, messages)
	if err != nil {
		return nil, true // the connection was closed
	}
	waited := false // for all of them: then others may be on their way
	defer func() {
		if waited && m != nil {
			r.done.Go(func() { giveBackFor(reconnectWait, sub, messages) })
			return
		}
		_ = sub.Unsubscribe()
		giveBackAll(messages)
	}()
	late := time.NewTimer(askLimit)
	defer late.Stop()
	began := r.n.cfg.Clock()
	if len(queues) > 1 && began-p.idle > idleFor {
		for _, queue := range queues {
			r.wish(p.stream, queue, inbox, pullNow)
			late.Reset(askLimit)
			select {
			case <-r.stop:
				return nil, true
			case <-woken:
				return nil, false
			case <-late.C:
				return nil, false
			case m := <-messages:
				if m.Header.Get("Status") == "" {
					return m, false
				}
			}
		}
		began = r.n.cfg.Clock()
	}
	for _, queue := range queues {
		r.wish(p.stream, queue, inbox, pullOne)
	}
	waited = true
	late.Reset(pullFor)
	select {
	case <-r.stop:
		return nil, true
	case <-woken:
	case <-late.C:
	case m := <-messages:
		if m.Header.Get("Status") == "" {
			p.came(began)
			return m, false
		}
		r.pause(m)
	}
	return nil, false
}

// came notes whether a message had waited that came after a wish of a time.
func (p *puller) came(wished int64) {
	p.idle = 0
	if now := p.r.n.cfg.Clock(); now-wished > waitedFor {
		p.idle = now
	}
}

// workQueues are the consumers of accepted jobs, in the order of priorities.
func (r *runner) workQueues() (queues []string) {
	s := r.n.store.Load()
	if s == nil {
		return nil
	}
	turn := r.turn.Add(1)
	for _, priority := range offload.Priorities {
		for _, version := range []string{anyVersion, s.version} {
			for _, class := range s.jobClasses(version, turn) {
				if name, _, _ := strings.Cut(class, "-"); name == priority {
					queues = append(queues, consumer(version, class))
				}
			}
		}
	}
	return queues
}

// wish asks a consumer for a message: one that waits (pullNow), or one that comes (pullOne).
func (r *runner) wish(stream, queue, inbox string, what []byte) {
	_ = r.n.nc.PublishRequest("$JS.API.CONSUMER.MSG.NEXT."+stream+"."+queue, inbox, what)
}

// giveBackFor returns what still comes to a subscription, and then ends it. The engine forgets the
// other wishes at once: else what comes for those would pass from one such subscription to the next.
func giveBackFor(d time.Duration, sub *nats.Subscription, messages chan *nats.Msg) {
	_ = sub.Drain() // what is on its way still comes
	end := time.NewTimer(d)
	defer end.Stop()
	for {
		select {
		case <-end.C:
			_ = sub.Unsubscribe()
			giveBackAll(messages)
			return
		case m := <-messages:
			if m.Header.Get("Status") == "" {
				_ = m.Nak()
			}
		}
	}
}

// giveBackAll returns what came beside the one that is run.
func giveBackAll(messages chan *nats.Msg) {
	for {
		select {
		case m := <-messages:
			if m.Header.Get("Status") == "" {
				_ = m.Nak()
			}
		default:
			return
		}
	}
}
