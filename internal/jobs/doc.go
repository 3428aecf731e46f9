// Package jobs takes requests to whichever node of the same application has a free slot.
// It is the only one that knows NATS. A Node has four parts:
//
//	origin    requests of this node's clients that run elsewhere (sched.Remote)
//	runner    requests of other nodes, and of this one, that run here
//	accepted  requests that were answered with 202, from the store
//	beats     which nodes there are, and what they run
//
// A waiting client's request goes
//
//	front ─ sched.Queue ─ origin ~~~ stream SYNC ~~~ runner ─ sched.Queue ─ a worker
//	                        ▲ ── begin? ──────────────┘ │
//	                        └─ frames ◀─────────────────┘   credit, cancel ─▶
//
// Pulling a message is not a claim, beginning is: the runner asks the origin first, which
// grants each attempt once, and takes frames of that attempt alone. Between parts of one
// node words go by function calls, between nodes by core NATS.
package jobs
