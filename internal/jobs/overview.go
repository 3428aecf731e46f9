package jobs

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
}

// Overview tells how the jobs are.
func (n *Node) Overview() Overview {
	c := &n.counts
	o := Overview{
		Connected: n.up.Load(), App: n.cfg.App, Version: n.Version(), Peers: n.Peers(), Waiting: n.origin.waiting(), Queued: int(n.fill.jobs.Load()), Running: n.Busy(),
		Placed: c.placed.Load(), Local: c.local.Load(), Again: c.again.Load(), Pulled: c.pulled.Load(),
		Accepted: c.accepted.Load(), Done: c.done.Load(), Failed: c.failed.Load(), Cancelled: c.cancelled.Load(),
	}
	return o
}
