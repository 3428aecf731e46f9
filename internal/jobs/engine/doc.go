// Package engine is the process that holds the jobs' queues: NATS JetStream as a library,
// in a child of the server (`girin engine`), so that its heap, its disk and its faults are
// not the front's. Main is that process; Child starts it, starts it again when it dies, and
// connects to it. What is stored, and who may have it, is the business of package jobs.
//
//	master ─ fd 3: Settings as JSON; its end ends the engine ─▶ engine
//	       ◀─ fd 4: Started as JSON, when clients may connect ─
//	       ◀─ standard error: its log, a line each ──────────
package engine

// Settings are what the engine is told.
type Settings struct {
	Dir      string   `json:"dir"`                // what is stored
	Listen   string   `json:"listen"`             // HOST:PORT; port 0: any
	Keys     []string `json:"keys"`               // public nkeys of who may connect
	CertFile string   `json:"certfile,omitempty"` // of TLS; "": cleartext
	KeyFile  string   `json:"keyfile,omitempty"`
	MaxStore int64    `json:"max_store"` // bytes on the disk
	Cluster  *Cluster `json:"cluster,omitempty"`
}

// Cluster is what an engine is part of that keeps the queue with others.
type Cluster struct {
	Listen string   `json:"listen"` // HOST:PORT, for the others
	Others []string `json:"others"`
	Secret string   `json:"secret"`           // which all of them show
	CAFile string   `json:"cafile,omitempty"` // whom the others' certificates are checked with; "": the system's
}

// Started is what the engine says when clients may connect.
type Started struct {
	Addr string `json:"addr"`
}

// The descriptors that the engine inherits.
const (
	settingsFD = 3
	startedFD  = 4
)
