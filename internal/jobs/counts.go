package jobs

import (
	"sync/atomic"

	"girin/internal/jobs/job"
	"girin/internal/metrics"
)

// way is where a client's job waits for a slot.
type way uint8

const (
	placedSlot  way = iota // here: nobody else could take it
	placedQueue            // in the stream
	ways
)

var wayNames = [ways]string{placedSlot: "slot", placedQueue: "queue"}

// here is why a request ran here as if it were no job.
type here uint8

const (
	placeable   here = iota
	hereEngine       // the engine is not there
	hereSlow         // it does not answer in time
	hereSize         // the request's head is too large for a message
	hereRefused      // nobody could begin it, or the engine has not taken it
	hereEnding       // this server ends
	heres
)

var hereNames = [heres]string{hereEngine: "engine", hereSlow: "slow", hereSize: "size", hereRefused: "refused", hereEnding: "ending"}

// counts are sums since the start.
type counts struct {
	placed [ways]atomic.Int64  // jobs of clients that wait
	local  [heres]atomic.Int64 // requests that are jobs and ran here instead
	trips  metrics.Durations   // from when one was placed to the end of its answer
	out    atomic.Int64        // bytes of jobs and answers that went to the engine,
	in     atomic.Int64        // and that came from it
	again  atomic.Int64        // attempts after the first
	pulled atomic.Int64        // jobs that were begun here

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

// byName are some of the sums by their names.
func byName(sums []atomic.Int64, names []string) map[string]int64 {
	all := map[string]int64{}
	for i, name := range names {
		if name != "" {
			all[name] = sums[i].Load()
		}
	}
	return all
}

func total(sums []atomic.Int64) (n int64) {
	for i := range sums {
		n += sums[i].Load()
	}
	return n
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
