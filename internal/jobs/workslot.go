package jobs

import (
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
)

// priorities of accepted jobs, the first ones first. Each has a consumer of its own.
var priorities = []string{"high", "mid", "low"}

const usual = "mid"

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
		m, ended := r.nextWork(woken)
		if ended {
			return
		}
		if m != nil {
			r.work(m)
		}
	}
}

// nextWork asks for what waits, in the order of priorities, and if nothing does for
// whatever comes first. Its subscription ends with it, so that nothing comes later.
func (r *runner) nextWork(woken chan struct{}) (m *nats.Msg, ended bool) {
	inbox := nats.NewInbox()
	messages := make(chan *nats.Msg, 4*len(priorities))
	sub, err := r.n.nc.ChanSubscribe(inbox, messages)
	if err != nil {
		return nil, true // the connection was closed
	}
	defer func() {
		_ = sub.Unsubscribe()
		giveBackAll(messages)
	}()
	late := time.NewTimer(askLimit)
	defer late.Stop()
	for _, queue := range r.queues() {
		r.wish(queue, inbox, `{"batch":1,"no_wait":true}`)
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
	for _, queue := range r.queues() {
		r.wish(queue, inbox, `{"batch":1,"expires":`+strconv.FormatInt(pullFor.Nanoseconds(), 10)+`}`)
	}
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

// queues are the consumers to ask, in the order of priorities.
func (r *runner) queues() (consumers []string) {
	for _, priority := range priorities {
		for _, version := range r.n.versions() {
			consumers = append(consumers, workConsumer(version, priority))
		}
	}
	return consumers
}

func (r *runner) wish(queue, inbox, what string) {
	_ = r.n.nc.PublishRequest("$JS.API.CONSUMER.MSG.NEXT."+r.n.names.jobs+"."+queue, inbox, []byte(what))
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
