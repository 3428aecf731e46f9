package tune

import (
	"cmp"
	"math"
	"slices"
	"time"
)

// Effort is how thoroughly a setting is measured.
type Effort struct {
	Probe     time.Duration // of one rate
	Longest   int           // how many times Probe a slow application's may last
	Precision float64       // how near the rate that holds and the one that fails must be
	Step      float64       // from rate to rate until one holds and one fails
	Start     float64       // where to begin; 0: unknown
	Floor     float64       // a setting that fails there is of no interest; 0: any is
	Seed      uint64
}

// Measurement is what one fresh server of a setting did.
type Measurement struct {
	Rate      float64       `json:"rate"`               // the highest at which the SLO held; 0: none
	FailsAt   float64       `json:"fails_at,omitempty"` // the lowest rate above it that failed; 0: none
	Points    []Point       `json:"points,omitempty"`   // the rates that were tried
	MemoryMiB float64       `json:"memory_mib,omitempty"`
	CPUS      float64       `json:"cpu_s,omitempty"` // CPU seconds for a second at Rate
	ClientCPU float64       `json:"client_cpu,omitempty"`
	Client    bool          `json:"client_limited,omitempty"` // the load generator was the bottleneck
	Reason    string        `json:"reason,omitempty"`         // why no rate held, or why there is none
	Broken    bool          `json:"broken,omitempty"`         // it did not run at all: Reason says why
	AtLeast   bool          `json:"at_least,omitempty"`       // the time was up before a rate failed: it may hold more
	TooSlow   bool          `json:"too_slow,omitempty"`       // even a single request takes longer than the SLO allows
	Took      time.Duration `json:"took_ns"`
}

// Point is one rate and its latency.
type Point struct {
	Rate    float64 `json:"rate"`
	P50MS   float64 `json:"p50_ms"` // beyond all: 1.797e308
	P99MS   float64 `json:"p99_ms"`
	Failed  float64 `json:"failed"` // share
	Held    bool    `json:"held"`
	Sure    bool    `json:"sure"` // the SLO's verdict is certain
	Slowest string  `json:"slowest,omitempty"`
}

// Stage is how far a candidate came.
type Stage int

// The stages, in order.
const (
	Untried Stage = iota
	Screened
	Second
	Final
)

// Candidate is a setting and what is known of it.
type Candidate struct {
	Setting Setting       `json:"setting"`
	Stage   Stage         `json:"stage"`
	Runs    []Measurement `json:"runs"`
	Rates   []float64     `json:"rates"` // of its highest stage
}

// Rate is the best estimate of what it holds; 0 if it holds nothing.
func (c *Candidate) Rate() float64 { return geometricMean(c.Rates) }

// MemoryMiB is what its last server held.
func (c *Candidate) MemoryMiB() float64 {
	for _, m := range slices.Backward(c.Runs) {
		if m.MemoryMiB > 0 {
			return m.MemoryMiB
		}
	}
	return 0
}

// rank sorts by stage and rate, and equal rates by memory.
func rank(list []*Candidate) {
	slices.SortStableFunc(list, func(a, b *Candidate) int {
		return cmp.Or(cmp.Compare(b.Stage, a.Stage), cmp.Compare(b.Rate(), a.Rate()), cmp.Compare(a.MemoryMiB(), b.MemoryMiB()))
	})
}

// geometricMean is 0 if one of the values is, or there are none.
func geometricMean(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	sum := 0.0
	for _, v := range values {
		sum += math.Log(v) / float64(len(values))
	}
	return math.Exp(sum)
}
