package jobs

import (
	"fmt"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
)

// pullFor is how long the engine keeps a slot's wish.
const pullFor = 20 * time.Second

var (
	pullOne = []byte(fmt.Sprintf(`{"batch":1,"expires":%d}`, pullFor.Nanoseconds()))
	pullNow = []byte(`{"batch":1,"no_wait":true}`)
)

// slot runs one job after the other whose client waits: what this node has kept, else what
// the engine delivers.
type slot struct {
	r        *runner
	asks     *atomic.Int64 // see runner
	inbox    string        // none of those that replies to requests come to
	messages chan *nats.Msg
	several  puller
	late     *time.Timer   // the engine should have answered the wish
	woken    chan struct{} // closed when the engine has forgotten the slot's wish; nil: it has none
}

func newSlot(r *runner, asks *atomic.Int64) *slot {
	return &slot{r: r, asks: asks, inbox: nats.NewInbox(), messages: make(chan *nats.Msg, 4), several: puller{r: r, stream: r.n.names.sync}}
}

func (s *slot) loop() {
	sub, err := s.r.n.nc.ChanSubscribe(s.inbox, s.messages)
	if err != nil {
		return // the connection was closed
	}
	defer func() { _ = sub.Unsubscribe() }()
	s.late = time.NewTimer(time.Hour)
	defer s.late.Stop()
	for {
		s.asks.Store(0)
		select {
		case <-s.r.stop:
			s.r.giveBack(s.messages)
			return
		default:
		}
		if p, attempt := s.r.n.origin.takeKept(); p != nil {
			s.runKept(p, attempt)
			continue
		}
		woken := *s.r.expects.Load()
		queues := s.r.syncQueues()
		if len(queues) <= 1 {
			s.one(queues, woken)
			continue
		}
		giveBackAll(s.messages) // that were asked for while there was one queue
		s.woken = nil
		m, ended := s.several.next(queues, woken)
		if ended {
			return
		}
		if m != nil {
			s.r.run(m, nil)
		}
	}
}

// one asks the one queue for a job, and runs it. The wish outlives a job that was kept.
func (s *slot) one(queues []string, woken chan struct{}) {
	if s.woken == nil {
		for _, queue := range queues {
			_ = s.r.n.nc.PublishRequest("$JS.API.CONSUMER.MSG.NEXT."+s.r.n.names.sync+"."+queue, s.inbox, pullOne)
		}
		s.woken = woken
		s.late.Reset(pullFor + time.Second)
	}
	if len(queues) > 0 {
		s.asks.Store(s.r.n.cfg.Clock())
	}
	select {
	case <-s.r.stop:
	case <-s.r.n.origin.some:
	case <-s.woken:
		s.woken = nil
	case <-s.late.C:
		s.woken = nil
	case m := <-s.messages:
		s.asks.Store(0)
		s.woken = nil
		if m.Header.Get("Status") != "" { // the wish has expired, or the stream has gone
			s.r.pause(m)
		} else {
			s.r.run(m, s.messages)
		}
	}
}

func (s *slot) runKept(p *placed, attempt uint16) {
	r := s.r
	r.n.counts.pulled.Add(1)
	run := newRun(r, p.id, attempt, r.n.name)
	run.timeout, run.method, run.path = p.timeout, p.method, p.path
	run.begin(&p.message, p.length)
	if r.await(run, s.messages) {
		s.woken = nil
	}
}
