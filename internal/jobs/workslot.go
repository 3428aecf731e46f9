package jobs

import (
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"

	"girin/internal/offload"
)

// workSlot runs one accepted job after the other: of those that wait, one of the highest
// priority.
func (r *runner) workSlot() {
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
		m, ended := r.next(r.n.names.jobs, r.workQueues(), woken)
		if ended {
			return
		}
		if m != nil {
			r.work(m)
		}
	}
}

// next asks consumers of a stream for what waits, in their order, and if nothing does for
// whatever comes first. Its subscription ends with it, so that nothing comes later.
func (r *runner) next(stream string, queues []string, woken chan struct{}) (m *nats.Msg, ended bool) {
	inbox := nats.NewInbox()
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
	for _, queue := range queues {
		r.wish(stream, queue, inbox, `{"batch":1,"no_wait":true}`)
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
	for _, queue := range queues {
		r.wish(stream, queue, inbox, `{"batch":1,"expires":`+strconv.FormatInt(pullFor.Nanoseconds(), 10)+`}`)
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
			return m, false
		}
		r.pause(m)
	}
	return nil, false
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

func (r *runner) wish(stream, queue, inbox, what string) {
	_ = r.n.nc.PublishRequest("$JS.API.CONSUMER.MSG.NEXT."+stream+"."+queue, inbox, []byte(what))
}

// giveBackFor returns what still comes to a subscription, and then ends it.
func giveBackFor(d time.Duration, sub *nats.Subscription, messages chan *nats.Msg) {
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
