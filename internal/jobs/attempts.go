package jobs

import (
	"time"

	"girin/internal/jobs/job"
	"girin/internal/sched"
	"girin/internal/wire"
)

// stored notes what the engine says of a message: that it has it, or why not.
func (o *origin) stored(id job.ID, refused bool) {
	o.mu.Lock()
	p := o.jobs[id]
	home := p != nil && refused && p.runner == "" && o.forgetLocked(p)
	if p != nil {
		p.known = true
	}
	o.mu.Unlock()
	if home {
		o.home(p, hereRefused)
	}
}

// begin answers a runner that asks whether it may begin a job. The attempt is 0 if not.
func (o *origin) begin(id job.ID, runner string) (attempt uint16) {
	o.mu.Lock()
	defer o.mu.Unlock()
	p := o.jobs[id]
	if p == nil || p.runner != "" {
		return 0
	}
	return o.beginLocked(p, runner)
}

func (o *origin) beginLocked(p *placed, runner string) (attempt uint16) {
	p.runner, p.began, p.known, p.seq, p.granted = runner, o.n.cfg.Clock(), true, 0, 0
	o.sentLocked(p, false)
	return p.attempt
}

// Withdraw takes a job back that nobody waits for (sched.Remote).
func (o *origin) Withdraw(call uint64) {
	o.mu.Lock()
	p, w := o.calls[call], o.here[call]
	o.mu.Unlock()
	if w != nil {
		w.grant(wire.Cancelled)
	}
	if p == nil {
		return // it is about to be told its end
	}
	o.n.chores.add(func() { o.withdraw(p) })
}

func (o *origin) withdraw(p *placed) {
	o.mu.Lock()
	runner, attempt, subject := p.runner, p.attempt, p.subject
	p.left = true
	sent := p.sent
	gone := runner == "" && o.forgetLocked(p)
	o.mu.Unlock()
	switch {
	case gone && sent:
		o.n.purge(subject)
		o.n.queue.Lost(p.call, sched.ErrCancelled)
	case gone:
		o.n.queue.Lost(p.call, sched.ErrCancelled)
	case runner != "":
		o.n.tell(runner, &job.Word{Kind: job.Cancel, ID: p.id, Attempt: attempt})
	}
}

// home runs a job here that was taken out, and of which nobody else can begin what the
// stream may still have.
func (o *origin) home(p *placed, why here) {
	o.n.counts.local[why].Add(1)
	o.n.queue.Home(p.call)
	o.mu.Lock()
	inStream, subject := p.inStream, p.subject
	o.mu.Unlock()
	if inStream {
		o.n.purge(subject)
	}
}

// homeAll runs here what nobody has begun.
func (o *origin) homeAll() {
	for _, p := range o.takeIf(func(p *placed) bool { return p.runner == "" }) {
		o.n.chores.add(func() { o.home(p, hereEngine) })
	}
}

// takeIf takes jobs out.
func (o *origin) takeIf(is func(*placed) bool) (out []*placed) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, p := range o.jobs {
		if is(p) && o.forgetLocked(p) {
			out = append(out, p)
		}
	}
	return out
}

// slowFor is how long nothing is placed after the engine has not answered.
const slowFor = time.Second

// deliverLimit is within what a job must have come to a slot of this node that asks for one.
const deliverLimit = 2 * answerLimit

// lookAtQueued runs here what the engine has not acknowledged, or has and does not pass on,
// as one of a cluster without a majority.
func (o *origin) lookAtQueued() {
	now := o.n.cfg.Clock()
	stuck := o.n.runner.idle(now) > int64(deliverLimit)
	late := o.takeIf(func(p *placed) bool {
		if !p.sent {
			return false
		}
		return !p.known && now-p.since > int64(answerLimit) || stuck && now-p.since > int64(deliverLimit) && !o.n.limited(p.class)
	})
	if len(late) == 0 {
		return
	}
	o.slow.Store(now + int64(slowFor))
	o.n.cfg.Log.Warningf("The engine of the jobs does not answer in time: %d requests run here", len(late))
	for _, p := range late {
		o.home(p, hereSlow)
	}
}

// hangs runs here what nobody has begun, of an engine that passes nothing on.
func (o *origin) hangs(now int64) {
	o.slow.Store(now + int64(slowFor))
	waiting := o.takeIf(func(p *placed) bool { return p.runner == "" })
	o.n.cfg.Log.Warningf("The engine of the jobs hangs: %d requests that wait run here", len(waiting))
	for _, p := range waiting {
		o.home(p, hereSlow)
	}
}

// remind tells runners again what they may have missed: how much of an answer may come, and
// that nobody waits for it.
func (o *origin) remind() {
	type word struct {
		to string
		job.Word
	}
	var all []word
	o.mu.Lock()
	for _, p := range o.jobs {
		switch {
		case p.runner == "":
		case p.left: // also this node's own: it may have been told between the beginning and runner.register
			all = append(all, word{p.runner, job.Word{Kind: job.Cancel, ID: p.id, Attempt: p.attempt}})
		case p.granted > 0 && p.runner != o.n.name:
			all = append(all, word{p.runner, job.Word{Kind: job.Credit, ID: p.id, Attempt: p.attempt, N: p.granted}})
		}
	}
	o.mu.Unlock()
	for i := range all {
		o.n.tell(all[i].to, &all[i].Word)
	}
}

// lookAtVersions takes what nobody has begun along when another version is served: those
// who ran the one before pull no more.
func (o *origin) lookAtVersions() {
	if !o.n.up.Load() {
		return
	}
	version, now := o.n.Version(), o.n.cfg.Clock()
	type move struct {
		p        *placed
		from, to string
	}
	var moves []move
	o.mu.Lock()
	for _, p := range o.jobs {
		if p.runner == "" && p.version != version {
			from := p.subject
			p.version, p.subject, p.known, p.since = version, o.n.names.syncSubject(version, p.class, p.id), false, now
			if p.sent {
				moves = append(moves, move{p, from, p.subject})
			}
		}
	}
	o.mu.Unlock()
	for _, m := range moves {
		o.n.purge(m.from)
		o.publish(m.p, m.to)
	}
}

// lookAtBegun gives up runners that nobody hears of any more.
func (o *origin) lookAtBegun(dead func(runner string, id job.ID, began int64) bool) {
	var gone []*placed
	o.mu.Lock()
	for _, p := range o.jobs {
		if p.runner != "" && p.runner != o.n.name && dead(p.runner, p.id, p.began) {
			gone = append(gone, p)
		}
	}
	o.mu.Unlock()
	for _, p := range gone {
		o.failed(p, p.attempt, causeDied)
	}
}

// refusedMost is how often a job is sent again that nobody can begin. Then it runs here.
const refusedMost = 3

// failed sends a job once more whose attempt has failed, or ends its call.
func (o *origin) failed(p *placed, attempt uint16, why cause) {
	o.mu.Lock()
	if o.jobs[p.id] != p || p.attempt != attempt {
		o.mu.Unlock()
		return
	}
	switch {
	case p.left:
		why = causeCancelled
	case why == causeCancelled: // not by this node: its runner did not hear of it for too long
		why = causeDied
	}
	again := why.again(p.retry > 0) && !p.headed && p.runner != "" && !p.left
	runner := p.runner
	if again {
		if why.ran() {
			p.retry--
		} else {
			p.refused++
		}
		p.attempt++
		p.runner, p.known, p.since = "", false, o.n.cfg.Clock()
	} else {
		o.forgetLocked(p)
	}
	o.mu.Unlock()
	if why == causeDied {
		o.n.tell(runner, &job.Word{Kind: job.Cancel, ID: p.id, Attempt: attempt})
	}
	if !again {
		o.n.queue.Lost(p.call, why.err())
		return
	}
	o.n.counts.again.Add(1)
	if o.n.up.Load() && p.refused < refusedMost {
		o.queue(p)
	} else if o.forget(p) {
		o.home(p, hereRefused)
	}
}

// waiting counts the jobs that nobody has begun.
func (o *origin) waiting() (n int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, p := range o.jobs {
		if p.runner == "" {
			n++
		}
	}
	return n
}
