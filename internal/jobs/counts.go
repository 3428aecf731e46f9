package jobs

import (
	"sync/atomic"

	"girin/internal/jobs/job"
)

// counts are sums since the start.
type counts struct {
	placed atomic.Int64 // requests that went to the stream
	local  atomic.Int64 // requests that were for it and ran here
	again  atomic.Int64 // attempts after the first
	pulled atomic.Int64 // jobs that were begun here

	accepted  atomic.Int64 // jobs that were answered with 202
	done      atomic.Int64 // accepted jobs that were answered here
	cancelled atomic.Int64
	failed    atomic.Int64 // those that ended in any other way
	lost      atomic.Int64 // of these
	dead      atomic.Int64 // of these

	redelivered atomic.Int64                // accepted jobs that were begun here after an attempt that failed
	attempts    [job.LetGo + 1]atomic.Int64 // of accepted jobs, by how they ended

	hooksTold, hooksFailed, hooksGivenUp atomic.Int64 // attempts to tell how a job has ended
}

// attempts are how attempts of accepted jobs have ended, by name.
var attempts = map[job.Event]string{
	job.Answered: "answered", job.Raised: "raised", job.Died: "died", job.Refused: "refused", job.LetGo: "cancelled",
}

func (c *counts) attemptsByName() map[string]int64 {
	all := map[string]int64{}
	for e, name := range attempts {
		all[name] = c.attempts[e].Load()
	}
	return all
}

func (c *counts) ended(s job.Status) {
	switch s {
	case job.Done:
		c.done.Add(1)
	case job.Cancelled:
		c.cancelled.Add(1)
	case job.Lost:
		c.failed.Add(1)
		c.lost.Add(1)
	case job.Dead:
		c.failed.Add(1)
		c.dead.Add(1)
	default:
		c.failed.Add(1)
	}
}
