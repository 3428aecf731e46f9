package jobs

import (
	"cmp"
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"girin/internal/jobs/job"
	"girin/internal/offload"
)

// Board is what all accepted jobs are at one moment, as a page shows it.
type Board struct {
	Overview
	Now    time.Time      `json:"now"`
	Counts map[string]int `json:"counts"` // by status, of all that are known
	Jobs   struct {
		Running []Item `json:"running"` // the longest first
		Waiting []Item `json:"waiting"` // as they will be begun
		Bad     []Item `json:"bad"`     // that ended badly, the latest first
		Ended   []Item `json:"ended"`   // in another way, the latest first
	} `json:"jobs"`
}

// Item is one job of a Board.
type Item struct {
	Status
	Version  string    `json:"version,omitempty"`
	Priority string    `json:"priority,omitempty"`
	After    time.Time `json:"after,omitzero"`     // not before then
	Cancel   bool      `json:"cancel,omitempty"`   // it was told to end
	Again    bool      `json:"again,omitempty"`    // it can be run again
	Unserved bool      `json:"unserved,omitempty"` // no server has its version
}

const (
	boardMost  = 100 // jobs of a kind on a board
	boardEnded = 25
	boardEvery = 500 * time.Millisecond // at most
	boardStill = 2 * time.Second        // at least
)

// showBoard tells the board, and again whenever it has changed.
func (n *Node) showBoard(w http.ResponseWriter, r *http.Request) {
	e, stop, ok := n.watch(w)
	if !ok {
		return
	}
	defer stop()
	defer n.boards.enter()()
	for {
		text, next := n.boards.latest()
		if text != "" && e.write(text) != nil {
			return
		}
		select {
		case <-r.Context().Done():
			return
		case <-n.ctx.Done():
			return
		case <-next:
		}
	}
}

// takeRecord keeps of a record what a board shows.
func (n *Node) takeRecord(known map[job.ID]*job.Record, u jetstream.KeyValueEntry) {
	id, ok := job.ParseID(u.Key())
	if !ok {
		return
	}
	var r stored
	if u.Operation() != jetstream.KeyValuePut || r.read(id, u) != nil {
		delete(known, id)
		return
	}
	r.Head, r.Small, r.Meta, r.Principal, r.Log, r.Callback = nil, nil, nil, nil, "", ""
	known[id] = &r.Record
}

// forgetOld forgets the jobs that are not shown any more, and those that the store has
// trimmed, which nobody is told of: a page may be open for weeks.
func (n *Node) forgetOld(known map[job.ID]*job.Record) {
	maps.DeleteFunc(known, func(_ job.ID, r *job.Record) bool { return n.isOld(r) })
	over := len(known) - n.recordsMost - trimmedMost
	if over <= 0 {
		return
	}
	ended := slices.DeleteFunc(slices.Collect(maps.Values(known)), func(r *job.Record) bool { return !r.Status.Ended() })
	slices.SortFunc(ended, func(a, b *job.Record) int { return a.Ended.Compare(b.Ended) })
	for _, r := range ended[:min(over+trimmedMost, len(ended))] {
		delete(known, r.ID)
	}
}

// board puts together what is known.
func (n *Node) board(known map[job.ID]*job.Record) *Board {
	b := &Board{Overview: n.Overview(), Now: n.now().UTC(), Counts: map[string]int{}}
	kinds := map[*[]Item][]*job.Record{&b.Jobs.Running: nil, &b.Jobs.Waiting: nil, &b.Jobs.Bad: nil, &b.Jobs.Ended: nil}
	n.forgetOld(known)
	for _, r := range known { // there may be a hundred thousand
		b.Counts[string(r.Status)]++
		kind := &b.Jobs.Bad
		switch r.Status {
		case job.Queued:
			kind = &b.Jobs.Waiting
		case job.Running:
			kind = &b.Jobs.Running
		case job.Done, job.Cancelled:
			kind = &b.Jobs.Ended
		}
		most := boardMost
		if kind == &b.Jobs.Ended {
			most = boardEnded
		}
		kinds[kind] = keepFirst(kinds[kind], r, most)
	}
	served := n.beats.versions()
	for kind, list := range kinds {
		*kind = make([]Item, 0, len(list))
		for _, r := range list {
			*kind = append(*kind, Item{
				Status: statusOf(r), Version: r.Version, Priority: r.Priority, After: r.After, Cancel: r.Cancel && r.Status == job.Running,
				Again: r.Status.Ended() && r.Status != job.Done && r.Status != job.Cancelled, Unserved: r.Status == job.Queued && !served[lineOf(r.Version, r.Format)],
			})
		}
	}
	return b
}

// keepFirst puts a job among the first of its kind, if it is one of those.
func keepFirst(first []*job.Record, r *job.Record, most int) []*job.Record {
	if len(first) == most {
		if before(r, first[most-1]) >= 0 {
			return first
		}
		first = first[:most-1]
	}
	at, _ := slices.BinarySearchFunc(first, r, before)
	return slices.Insert(first, at, r)
}

// before sorts jobs of one kind: those that wait as they will be begun, those that run by
// their beginning, and those that have ended the latest first.
func before(a, b *job.Record) int {
	if a.Status.Ended() {
		return b.Ended.Compare(a.Ended)
	}
	if a.Status == job.Running {
		return a.Began.Compare(b.Began)
	}
	rank := func(r *job.Record) int { return slices.Index(offload.Priorities, cmp.Or(r.Priority, offload.Usual)) }
	return cmp.Or(a.After.Compare(b.After), cmp.Compare(rank(a), rank(b)), a.Created.Compare(b.Created))
}
