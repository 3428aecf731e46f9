package scrape

import (
	"time"

	"girin/internal/metrics"
)

// Jobs are what a server knows of jobs (--offload).
type Jobs struct {
	Connected                                           bool // the engine answers
	Waiting, Running, Works, Slots, Peers, Idle, Queued int
	Stored                                              int64         // bytes of the queue
	Oldest                                              time.Duration // of the job that has waited or run for the longest

	Again, Begun, Redelivered, Accepted, In, Out int64
	Attempts, Ended, Callbacks                   map[string]int64 // by what became of them
	Placed, Local                                map[string]int64 // by why
	Trips                                        metrics.Histogram
}

// jobs emits what there is of jobs.
func (e emitter) jobs(j *Jobs) {
	connected := 0
	if j.Connected {
		connected = 1
	}
	e.gauge("girin_offload_connected", "Whether the engine of the jobs answers: 1, or 0 while requests run here instead.", connected)
	const queues = "Jobs that nobody has begun: of this server's clients that wait, and accepted ones of all servers, those that run included."
	e.gauge("girin_offload_queue_jobs", queues, j.Waiting, "class", "waiting")
	e.gauge("girin_offload_queue_jobs", queues, j.Queued, "class", "accepted")
	e.gauge("girin_offload_slots", "Jobs of each kind that this server runs at once.", j.Slots)
	e.gauge("girin_offload_slots_busy", "Jobs of waiting clients that run here.", j.Running)
	e.gauge("girin_offload_slots_working", "Accepted jobs that run here.", j.Works)
	e.gauge("girin_offload_peers", "Other servers that share the queue.", j.Peers)
	e.gauge("girin_offload_idle_peers", "Of those with the same version of the application, the ones that have a free slot.", j.Idle)
	e.gauge("girin_offload_store_bytes", "What is stored of accepted jobs: their messages, bodies and results.", int(j.Stored))
	e.gauge("girin_offload_queue_oldest_seconds", "For how long the accepted job has waited or run that came first.", int(j.Oldest.Seconds()))
	for why, n := range j.Placed {
		e.counter("girin_offload_placed_total", "Jobs of waiting clients, by where they waited: here for a slot of this server, or in the queue.", n, "why", why)
	}
	for why, n := range j.Local {
		e.counter("girin_offload_run_local_total", "Requests that are jobs and ran here as if they were none, by why.", n, "why", why)
	}
	e.histogram("girin_offload_roundtrip_seconds", "Jobs of waiting clients, from when they were placed to the end of the answer.", j.Trips)
	e.counter("girin_offload_bytes_total", "Bytes of jobs, bodies and answers that went to the engine, and that came from it.", j.Out, "direction", "out")
	e.counter("girin_offload_bytes_total", "Bytes of jobs, bodies and answers that went to the engine, and that came from it.", j.In, "direction", "in")
	e.counter("girin_offload_again_total", "Attempts after the first one.", j.Again)
	e.counter("girin_offload_pulled_total", "Jobs that were begun here.", j.Begun)
	e.counter("girin_jobs_accepted_total", "Requests that this server has answered with 202.", j.Accepted)
	e.counter("girin_offload_redelivered_total", "Accepted jobs that were begun here after an attempt that failed.", j.Redelivered)
	e.counter("girin_offload_dead_total", "Accepted jobs that were tried here as often as they may be.", j.Ended["dead"])
	for result, n := range j.Attempts {
		e.counter("girin_offload_attempts_total", "Attempts of accepted jobs that have ended here, by how.", n, "result", result)
	}
	for status, n := range j.Ended {
		e.counter("girin_jobs_total", "Accepted jobs that have ended here, by how.", n, "status", status)
	}
	for result, n := range j.Callbacks {
		e.counter("girin_jobs_callbacks_total", "Attempts to tell how a job has ended: told, failed; and callbacks that nobody tries any more.", n, "result", result)
	}
}
