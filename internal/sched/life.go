package sched

import "fmt"

// A call's life is one word: its state, whether its connection has let go of it,
// the number of its request and its cell. It changes by compare-and-swap, and
// only as the table below allows. What follows from a change, who is told and
// what is given back, is in ending.go.
//
//	idle ─keep→ kept ─place→ placed ─head→ answering ─last→ idle
//	  └─place─ ─ │ ─ ─ ─ ─ ─→  │ └─whole→ idle (nearly all)
//	             │  ←unplace─  │
//	             │cancel       │cancel      │cancel
//	             ▼             ▼            ▼
//	          recalled      withdrawn ───→ left       nobody waits; the answer is told
//	                                                  at the end that there is none
//	          placed, running, answering, withdrawn, left ─expire→ overdue (504 told)
//	          placed, withdrawn, overdue ─lose→ lost (502 told)
//
// Who may touch a call's cell, block and spool file:
//
//	idle                the connection
//	kept, recalled      the master: no worker knows of it
//	placed              also whoever reads the lane
//	running, answering  also the worker that begun it
//	withdrawn, left,    also a worker that looked at the flag before it was set; but the
//	overdue             file is given back: who asks for it is told that nobody waits
//	lost                a worker that has it in its hands and has not looked at the flag yet:
//	                    only the cell is still its own (see undertaker)
type state uint8

const (
	idle      state = iota
	kept            // the master holds it back: auto does, or the lane is full
	recalled        // nobody waits for it, and it was still held back
	placed          // it is in the lane, or a thread has it and says nothing yet
	running         // a worker has begun it; its answer's head is not there
	answering       // its head is there
	withdrawn       // nobody waits for it; as far as is known nobody has begun it
	left            // nobody waits for it, and a worker has begun it
	overdue         // its answer was told that it took too long; a thread may still run it
	lost            // its answer was told that a dead worker had it; one that lives may, too
	states
)

func (s state) String() string {
	return [states]string{"idle", "kept", "recalled", "placed", "running", "answering", "withdrawn", "left", "overdue", "lost"}[s]
}

// waited reports whether somebody waits for the answer.
func (s state) waited() bool { return 1<<s&(1<<kept|1<<placed|1<<running|1<<answering) != 0 }

// told reports whether the answer was told its end already.
func (s state) told() bool { return s == overdue || s == lost }

// flagged reports whether the flag table says that nobody waits.
func (s state) flagged() bool { return s >= withdrawn }

// begun reports whether it is known which worker has begun it.
func (s state) begun() bool { return s == running || s == answering || s == left }

// event is what can happen to a call.
type event uint8

const (
	keep    event = iota // it is submitted
	place                // it goes to the lane
	unplace              // the lane had no room
	early                // frames, by what they are: Early
	took                 // Taken
	fetch                // Fetch
	head                 // Response, and more follows; Accept
	more                 // Block, and more follows; Text, Binary
	whole                // Response, Final
	last                 // Block, Final; Close
	dropped              // Dropped
	failed               // Failed
	cancel               // its client has gone
	recall               // its client seems to have gone: only what nobody has begun is cancelled
	expire               // it took too long
	lose                 // a dead worker had taken it
	perish               // the worker that has it died
	discard              // whoever held it back has let go of it
	reclaim              // nobody can have it in hands any more
	stop                 // the server ends
	events
)

func (e event) String() string {
	return [events]string{
		"keep", "place", "unplace", "early", "took", "fetch", "head", "more", "whole", "last", "dropped", "failed",
		"cancel", "recall", "expire", "lose", "perish", "discard", "reclaim", "stop",
	}[e]
}

// What the table says instead of a state.
const (
	never  state = 0xff // it cannot happen: whoever caused it is wrong
	naught state = 0xfe // it changes nothing: it came too late, or twice
)

// next is the table of transitions.
var next = transitions()

// rows lists what may happen in each state; what is not listed never does.
var rows = [states]map[event]state{
	idle: {keep: kept, place: placed},
	kept: {
		place: placed, cancel: recalled, recall: recalled, expire: recalled, lose: naught, stop: idle,
	},
	recalled: {
		place: naught, cancel: naught, recall: naught, expire: naught, lose: naught, discard: idle, stop: idle,
	},
	placed: {
		unplace: kept, early: running, fetch: running, head: answering, whole: idle, failed: idle,
		cancel: withdrawn, recall: withdrawn, expire: overdue, lose: lost, perish: idle, stop: idle,
	},
	running: {
		early: running, fetch: running, head: answering, whole: idle, failed: idle,
		cancel: left, recall: naught, expire: overdue, lose: naught, perish: idle, stop: idle,
	},
	answering: {
		early: naught, took: answering, fetch: answering, more: answering, last: idle, failed: idle,
		cancel: left, recall: naught, expire: overdue, lose: naught, perish: idle, stop: idle,
	},
	withdrawn: {
		unplace: idle, early: left, fetch: left, head: left, whole: idle, dropped: idle, failed: idle,
		cancel: naught, recall: naught, expire: overdue, lose: lost, perish: idle, stop: idle,
	},
	left: {
		early: left, took: left, fetch: left, head: left, more: left, whole: idle, last: idle, dropped: idle, failed: idle,
		cancel: naught, recall: naught, expire: overdue, lose: naught, perish: idle, stop: idle,
	},
	overdue: {
		unplace: idle, early: overdue, took: overdue, fetch: overdue, head: overdue, more: overdue, whole: idle, last: idle,
		dropped: idle, failed: idle,
		cancel: naught, recall: naught, expire: naught, lose: lost, perish: idle, stop: idle,
	},
	lost: {
		unplace: idle, early: lost, took: lost, fetch: lost, head: lost, more: lost, whole: idle, last: idle,
		dropped: idle, failed: idle,
		cancel: naught, recall: naught, expire: naught, lose: naught, perish: idle, reclaim: idle, stop: idle,
	},
}

func transitions() (table [states][events]state) {
	for s := range table {
		for e := range table[s] {
			to, may := rows[s][event(e)]
			if !may {
				to = never
			}
			table[s][e] = to
		}
	}
	return table
}

// The parts of the word. Requests of a cell are counted in 40 bits: at a million
// a second for twelve days, and far longer than any worker lives.
const (
	cellBits   = 16
	stateShift = 56
	released   = 1 << 63 // nobody will submit this call again
	idMask     = 1<<stateShift - 1
	stateMask  = 0x7f << stateShift
	serialOne  = 1 << cellBits
)

func stateOf(word uint64) state { return state(word & stateMask >> stateShift) }

// id names the request in flight; 0: there is none.
func (c *Call) id() uint64 {
	if word := c.life.Load(); stateOf(word) != idle {
		return word & idMask
	}
	return 0
}

// NextID is how the next Submit will name a call that is registered.
func (c *Call) NextID() uint64 { return (c.life.Load() + serialOne) & idMask }

// in reports whether the request id is in the state.
func (c *Call) in(id uint64, s state) bool {
	word := c.life.Load()
	return word&idMask == id && stateOf(word) == s
}

// begin makes an idle call the request id, which is kept at first, or placed.
func (c *Call) begin(id uint64, as state) {
	for {
		word := c.life.Load()
		if c.life.CompareAndSwap(word, word&released|id|uint64(as)<<stateShift) {
			return
		}
	}
}

// change is what an event has done to a call, or why it has done nothing.
type change struct {
	from, to state
	released bool // nobody will submit the call again
	done     bool // the change was made
	refused  bool // the table says never
}

// step applies an event to the request id. One that is no longer in flight is
// left alone.
func (c *Call) step(id uint64, e event) change {
	for {
		word := c.life.Load()
		s := change{from: stateOf(word), released: word&released != 0}
		if word&idMask != id || s.from == idle {
			return change{}
		}
		switch s.to = next[s.from][e]; {
		case s.to == never:
			s.refused = true
			return s
		case s.to == naught:
			return s
		}
		s.done = true
		if s.to == s.from || c.life.CompareAndSwap(word, word&^stateMask|uint64(s.to)<<stateShift) {
			return s
		}
	}
}

// step applies an event of the master's own. If the table refuses that, it is a
// fault of the master's.
func (q *Queue) step(c *Call, id uint64, e event) change {
	s := c.step(id, e)
	if s.refused {
		q.refused(s.from, e)
	}
	return s
}

// refused is loud: in a test it is a failure.
func (q *Queue) refused(s state, e event) {
	what := fmt.Sprintf("a call that is %v cannot %v", s, e)
	if q.cfg.Refused == nil {
		panic(what)
	}
	q.cfg.Refused(what)
}
