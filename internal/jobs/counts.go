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
}

func (c *counts) ended(s job.Status) {
	switch s {
	case job.Done:
		c.done.Add(1)
	case job.Cancelled:
		c.cancelled.Add(1)
	default:
		c.failed.Add(1)
	}
}
