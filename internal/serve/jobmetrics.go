package serve

import (
	"girin/internal/jobs"
	"girin/internal/metrics/scrape"
)

// jobsGauges are what metrics tell of jobs.
func jobsGauges(n *jobs.Node) *scrape.Jobs {
	o := n.Overview()
	idle := 0
	for _, p := range o.Peers[1:] {
		if p.Version == o.Version && p.Busy+p.Works < 2*p.Slots {
			idle++
		}
	}
	return &scrape.Jobs{
		Connected: o.Connected, Waiting: o.Waiting, Running: o.Running, Works: o.Peers[0].Works, Slots: o.Peers[0].Slots, Peers: len(o.Peers) - 1, Idle: idle,
		Queued: o.Queued, Stored: o.Stored, Oldest: o.Oldest,
		Placed: o.Ways, Local: o.Why, Trips: o.Trips, In: o.In, Out: o.Out, Again: o.Again, Begun: o.Pulled, Redelivered: o.Redelivered, Attempts: o.Attempts, Accepted: o.Accepted,
		Ended:     map[string]int64{"done": o.Done, "cancelled": o.Cancelled, "failed": o.Failed - o.Lost - o.Dead, "lost": o.Lost, "dead": o.Dead},
		Callbacks: map[string]int64{"told": o.Told, "failed": o.Untold, "given_up": o.GivenUp},
	}
}
