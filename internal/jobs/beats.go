package jobs

import (
	"context"
	"encoding/json"
	"maps"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"

	"girin/internal/jobs/job"
)

// beats are what nodes tell each other of themselves.
type beats struct {
	n *Node

	alone  atomic.Bool  // no other node shares jobs with this one
	asked  atomic.Int64 // ns, when the engine was asked for its echo that has not come yet; 0: it has
	looked int64        // of the goroutine: ns, when it last looked

	mu    sync.Mutex
	mute  bool             // guarded by mu: the engine passes nothing on
	last  map[string]heard // guarded by mu: other nodes
	since int64            // guarded by mu: ns, when the engine was last reached anew
	echo  int64            // guarded by mu: ns, when this node last heard itself
}

type heard struct {
	beat
	at  int64         // ns
	off time.Duration // that its clock was ahead of this one
}

// beat is one heartbeat.
type beat struct {
	Node    string              `json:"node"`
	Host    string              `json:"host"`
	PID     int                 `json:"pid"`
	Format  int                 `json:"format"`
	Version string              `json:"version"`
	Slots   int                 `json:"slots"`
	Busy    int                 `json:"busy"`
	Now     time.Time           `json:"now,omitzero"`
	Bye     bool                `json:"bye,omitempty"`
	Classes []string            `json:"classes,omitempty"` // of its routes
	Runs    map[string][]string `json:"runs,omitempty"`    // by origin
}

const (
	beatEvery  = 500 * time.Millisecond
	lookEvery  = 50 * time.Millisecond
	beatSilent = int64(2 * time.Second) // of a runner: its jobs are given up
	beatGone   = int64(3 * time.Second) // of an origin: its jobs are cancelled
	beatForget = int64(time.Minute)

	// Who does not hear itself does not hear others: either the engine hangs, or this
	// node itself was stopped for a while.
	beatMute = int64(1500 * time.Millisecond)
)

func newBeats(n *Node) *beats { return &beats{n: n, last: map[string]heard{}} }

// run sends a beat now and then, and looks after what depends on others'.
func (b *beats) run() {
	look, beat := time.NewTicker(lookEvery), time.NewTicker(beatEvery)
	defer look.Stop()
	defer beat.Stop()
	for {
		select {
		case <-b.n.ctx.Done():
			return
		case <-beat.C:
			b.send(false)
			b.n.runner.renew()
			b.n.runner.recount()
			b.n.origin.remind()
		case <-look.C:
			b.look()
		}
	}
}

func (b *beats) send(bye bool) {
	if !b.n.nc.IsConnected() {
		return
	}
	runs := b.n.runner.forOthers()
	text, err := json.Marshal(beat{
		Node: b.n.name, Host: host(), PID: os.Getpid(), Format: job.Format, Version: b.n.Version(), Slots: b.n.cfg.Slots,
		Busy: b.n.Busy(), Now: b.n.wall(), Bye: bye, Classes: slices.Sorted(maps.Keys(classesOf(b.n.cfg.Routes))), Runs: runs,
	})
	if err != nil {
		b.n.cfg.Log.Errorf("jobs: %v", err)
		return
	}
	m := nats.NewMsg(b.n.names.alive)
	if m.Data = text; bye {
		_ = b.n.nc.PublishMsg(m) // the outbox has ended
	} else {
		b.n.outbox.publish(m, nil)
	}
}

func (b *beats) bye(ctx context.Context) {
	b.send(true)
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	_ = b.n.nc.FlushWithContext(ctx)
}

func (b *beats) hear(m *nats.Msg) {
	var heardBeat beat
	if json.Unmarshal(m.Data, &heardBeat) != nil || heardBeat.Node == "" {
		return
	}
	if heardBeat.Node == b.n.name {
		b.hearOwn()
		return
	}
	b.mu.Lock()
	_, known := b.last[heardBeat.Node]
	if heardBeat.Bye {
		delete(b.last, heardBeat.Node)
	} else {
		b.last[heardBeat.Node] = heard{heardBeat, b.n.cfg.Clock(), b.n.ahead(heardBeat.Now)}
	}
	b.mu.Unlock()
	b.lookAtOthers()
	if heardBeat.Bye {
		b.n.runner.lookAtOrigins(func(node string) bool { return node == heardBeat.Node })
		b.n.origin.lookAtBegun(func(node string, _ job.ID, _ int64) bool { return node == heardBeat.Node })
		return
	}
	if !known {
		b.n.fill.stirred.Store(true) // it may have lines of its own
		b.n.origin.lookAtKept()
		b.n.cfg.Log.Infof("Jobs: %s (pid %d) is there, with %d slots", heardBeat.Host, heardBeat.PID, heardBeat.Slots)
		if heardBeat.Format != job.Format {
			b.n.cfg.Log.Warningf("Jobs: it packs jobs in format %d, and this node in %d: neither runs the other's, until both run the same version of girin", heardBeat.Format, job.Format)
		}
		if heardBeat.Version != b.n.Version() {
			b.n.cfg.Log.Infof("Jobs: it serves version %s of the application, and this node %s: neither runs the other's", heardBeat.Version, b.n.Version())
		}
	}
}

// hearOwn notes that the engine passes on what it is told. Who was stopped may hear that before
// anybody has looked: what others have said meanwhile is still to come.
func (b *beats) hearOwn() {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.n.cfg.Clock()
	b.mute = b.mute || b.hearsNobodyLocked(now)
	b.echo = now
}

func (b *beats) hearsNobodyLocked(now int64) bool { return now-b.echo > beatMute }

// ahead is how far a clock is before this one that shows now; as far as the way is short.
func (n *Node) ahead(now time.Time) time.Duration {
	if now.IsZero() {
		return 0
	}
	return now.Sub(n.wall())
}

// all counts silence anew: nobody could be heard until now.
func (b *beats) all() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.since = b.n.cfg.Clock()
	b.echo = b.since
	b.alone.Store(false) // others may have come
	b.asked.Store(0)
	for name, h := range b.last {
		h.at = b.n.cfg.Clock()
		b.last[name] = h
	}
}

// reached is when the engine was last reached anew, ns.
func (b *beats) reached() int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.since
}

func (b *beats) look() {
	b.n.origin.lookAtQueued()
	b.lookAtEngine()
	b.n.origin.lookAtVersions()
	b.lookAtOthers()
	b.n.origin.lookAtKept()
	if b.isMute() {
		return
	}
	b.n.origin.lookAtBegun(b.lost)
	b.n.runner.lookAtOrigins(func(node string) bool { return b.silent(node, beatGone) })
	b.mu.Lock()
	defer b.mu.Unlock()
	for name, h := range b.last {
		if b.n.cfg.Clock()-h.at > beatForget && b.n.up.Load() {
			delete(b.last, name)
		}
	}
}

// isMute reports whether nobody can be heard. When that ends all silence counts anew.
func (b *beats) isMute() bool {
	b.mu.Lock()
	was, mute := b.mute, b.hearsNobodyLocked(b.n.cfg.Clock())
	b.mute = mute
	b.mu.Unlock()
	if was && !mute {
		b.all()
	}
	return mute
}

// lookAtEngine asks the engine for an echo while jobs wait that nobody has begun. If none
// comes they run here.
func (b *beats) lookAtEngine() {
	now, asked := b.n.cfg.Clock(), b.asked.Load()
	starved := now-b.looked > int64(3*lookEvery) // this node itself: that says nothing of the engine
	b.looked = now
	switch {
	case starved || !b.n.up.Load() || b.n.origin.waiting() == 0:
		b.asked.Store(0)
	case asked == 0:
		b.asked.Store(now)
		b.n.outbox.publish(nats.NewMsg(b.n.names.node(b.n.name, "echo")), nil)
	case now-asked > int64(answerLimit):
		b.asked.Store(0)
		b.n.origin.hangs(now)
	}
}

// silent reports whether a node has not been heard for so long, while it could have been.
// One that was never heard has said goodbye, or is so new that its first beat is to come.
func (b *beats) silent(node string, limit int64) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	h, known := b.last[node]
	return known && b.n.up.Load() && b.n.cfg.Clock()-h.at > limit
}

// lost reports whether a runner does not run a job any more that it began at a time.
func (b *beats) lost(runner string, id job.ID, began int64) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.n.cfg.Clock()
	if !b.n.up.Load() || now-began < beatSilent {
		return false
	}
	h, known := b.last[runner]
	if !known || now-h.at > beatSilent {
		return true
	}
	return h.at-began > beatSilent && !slices.Contains(h.Runs[b.n.name], id.String())
}

// Peer is another node, as it was last heard.
type Peer struct {
	Node    string        `json:"node"`
	Host    string        `json:"host"`
	PID     int           `json:"pid"`
	Version string        `json:"version"`
	Slots   int           `json:"slots"`
	Busy    int           `json:"busy"`  // jobs of clients that wait
	Works   int           `json:"works"` // accepted jobs
	Heard   time.Duration `json:"heard"` // ago
	Off     time.Duration `json:"off"`   // that its clock is ahead of this one's
	Format  int           `json:"format"`
}

// Peers are the nodes that are there, this one first.
func (n *Node) Peers() []Peer {
	all := []Peer{{Node: n.name, Host: host(), PID: os.Getpid(), Version: n.Version(), Slots: n.cfg.Slots, Busy: n.Busy(), Works: n.runner.working(), Format: job.Format}}
	n.beats.mu.Lock()
	defer n.beats.mu.Unlock()
	for _, h := range n.beats.last {
		all = append(all, Peer{h.Node, h.Host, h.PID, h.Version, h.Slots, h.Busy, len(h.Runs[ofNobody]), time.Duration(n.cfg.Clock() - h.at), h.off, h.Format})
	}
	slices.SortFunc(all[1:], func(a, b Peer) int {
		if a.Host+a.Node < b.Host+b.Node {
			return -1
		}
		return 1
	})
	return all
}

// runs reports whether an accepted job is run, here or elsewhere.
func (n *Node) runs(r *job.Record) bool {
	n.runner.mu.Lock()
	own := n.runner.works[r.ID] != nil || n.runner.claims[r.ID] > 0
	n.runner.mu.Unlock()
	return own || n.beats.runs(r)
}

// runs reports whether the node that a record names may still run its job: it says so, or
// it could not have been heard.
func (b *beats) runs(r *job.Record) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.n.cfg.Clock()
	h, known := b.last[r.Node]
	switch {
	case r.Node == b.n.name: // it has just begun here, or just ended
		return b.n.now().Sub(r.Began) < time.Duration(beatGone)
	case b.mute || b.hearsNobodyLocked(now):
		return true
	case !known:
		return now-b.since < beatGone
	case now-h.at > beatGone:
		return false
	}
	return slices.Contains(h.Runs[ofNobody], r.ID.String()) || b.n.now().Sub(r.Began) < time.Duration(beatGone)
}
