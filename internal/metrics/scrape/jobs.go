package scrape

// Jobs are what a server knows of jobs (--offload).
type Jobs struct {
	Connected                                                  bool // the engine answers
	Waiting, Running, Slots, Peers, Queued                     int
	Placed, Local, Again, Begun, Accepted, Done, Failed, Ended int64 // Ended: those that were cancelled
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
	e.gauge("girin_offload_peers", "Other servers that share the queue.", j.Peers)
	e.counter("girin_offload_placed_total", "Requests that were sent to the queue.", j.Placed)
	e.counter("girin_offload_run_local_total", "Requests that are jobs and ran here, since the engine did not answer.", j.Local)
	e.counter("girin_offload_again_total", "Attempts after the first one.", j.Again)
	e.counter("girin_offload_pulled_total", "Jobs that were begun here.", j.Begun)
	e.counter("girin_jobs_accepted_total", "Requests that this server has answered with 202.", j.Accepted)
	for status, n := range map[string]int64{"done": j.Done, "cancelled": j.Ended, "failed": j.Failed} {
		e.counter("girin_jobs_total", "Accepted jobs that have ended here; failed: failed, lost or dead.", n, "status", status)
	}
}
