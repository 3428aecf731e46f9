package jobs

import (
	"time"

	"girin/internal/metrics"
)

// Overview is what is told of the jobs as a whole.
type Overview struct {
	Connected bool   `json:"connected"`
	App       string `json:"app"`
	Version   string `json:"version"`
	Peers     []Peer `json:"peers"`
	Queued    int    `json:"queued"`  // accepted jobs that have not ended
	Waiting   int    `json:"waiting"` // of this server's clients, whose jobs nobody has begun
	Running   int    `json:"running"` // here
	Placed    int64  `json:"placed"`
	Local     int64  `json:"local"`
	Again     int64  `json:"again"`
	Pulled    int64  `json:"pulled"`
	Accepted  int64  `json:"accepted"`
	Done      int64  `json:"done"`
	Failed    int64  `json:"failed"`
	Cancelled int64  `json:"cancelled"`
	Lost      int64  `json:"lost"` // of those that failed
	Dead      int64  `json:"dead"` // of those that failed

	Stored      int64            `json:"stored"`      // bytes of accepted jobs and results
	Oldest      time.Duration    `json:"oldest"`      // for how long that one has been accepted which has not ended
	Redelivered int64            `json:"redelivered"` // accepted jobs that were begun here again
	Attempts    map[string]int64 `json:"attempts"`    // of accepted jobs, by how they ended here
	Told        int64            `json:"told"`        // callbacks that were taken,
	Untold      int64            `json:"untold"`      // attempts that were not,
	GivenUp     int64            `json:"given_up"`    // and callbacks that nobody tries any more

	Ways  map[string]int64  `json:"ways"`  // of Placed: kept for a slot of this server, or sent to the queue
	Why   map[string]int64  `json:"why"`   // of Local
	Trips metrics.Histogram `json:"trips"` // from when a job was placed to the end of its answer
	Out   int64             `json:"out"`   // bytes of jobs and answers to the engine,
	In    int64             `json:"in"`    // and from it
}

// Overview tells how the jobs are.
func (n *Node) Overview() Overview {
	c := &n.counts
	o := Overview{
		Connected: n.up.Load(), App: n.cfg.App, Version: n.Version(), Peers: n.Peers(), Waiting: n.origin.waiting(), Queued: int(n.fill.jobs.Load()), Running: n.Busy(),
		Placed: total(c.placed[:]), Local: total(c.local[:]), Again: c.again.Load(), Pulled: c.pulled.Load(),
		Accepted: c.accepted.Load(), Done: c.done.Load(), Failed: c.failed.Load(), Cancelled: c.cancelled.Load(),
		Lost: c.lost.Load(), Dead: c.dead.Load(), Stored: n.fill.bytes.Load(), Redelivered: c.redelivered.Load(), Attempts: c.attemptsByName(),
		Told: c.hooksTold.Load(), Untold: c.hooksFailed.Load(), GivenUp: c.hooksGivenUp.Load(),
		Ways: byName(c.placed[:], wayNames[:]), Why: byName(c.local[:], hereNames[:]), Trips: c.trips.Snapshot(), Out: c.out.Load(), In: c.in.Load(),
	}
	if at := n.oldestAt.Load(); at != 0 {
		o.Oldest = max(n.now().Sub(time.Unix(0, at)), 0)
	}
	return o
}
