package result

import (
	"time"

	"girin/internal/lab/plan"
	"girin/internal/verdict"
)

// A Run is one load on one freshly started server: the sample of all statistics. A cell
// (Setting, Scenario, Phase, Stream) has one Run per block.
type Run struct {
	Visit    string       `json:"visit"` // plan.Visit.Key
	Block    int          `json:"block"`
	Order    int          `json:"order"` // the visit's place in the whole run, from 1
	Setting  plan.Setting `json:"setting"`
	Scenario string       `json:"scenario"`
	Phase    string       `json:"phase"`
	Stream   string       `json:"stream"`
	Kind     string       `json:"kind"`
	Path     string       `json:"path"`

	Clients   int     `json:"clients"` // closed loop; 0 in the open one
	Offered   float64 `json:"offered"` // open loop: requests/s; 0 in the closed one
	Keepalive bool    `json:"keepalive"`
	TakesS    float64 `json:"takes_s"` // what the endpoint waits, if it says
	Ideal     float64 `json:"ideal"`   // requests/s that the plan calls ideal, 0 if none

	Started   time.Time        `json:"started"`
	DurationS float64          `json:"duration_s"`
	OK        int64            `json:"ok"`
	Failed    int64            `json:"failed"`
	Aborted   int64            `json:"aborted"` // in flight or due when the time was over
	Errors    map[string]int64 `json:"errors,omitempty"`

	Rate float64 `json:"rate"` // successes per second
	// P99DueMS is the 99th percentile of all requests that were due: what failed, or was never
	// answered, takes longest, and where it falls among those it is verdict.Worst. 0 if the
	// run is of a lab that did not record it.
	P99DueMS float64 `json:"p99_due_ms,omitempty"`
	// TimePerRequestMS is ab's "Time per request": clients divided by Rate in the closed
	// loop; the mean latency in the open one, where there is no such number.
	TimePerRequestMS float64 `json:"time_per_request_ms"`
	Latency          Latency `json:"latency"`
	// AppMS is the median time within the app, by the wrapper's stamps.
	AppMS    float64 `json:"app_ms"`
	AppMinMS float64 `json:"app_min_ms"`

	ServerCPUS float64 `json:"server_cpu_s"` // user and system time of the process tree during the phase
	ClientCPU  float64 `json:"client_cpu"`   // share of the cores that the load generator used, 0 to 1
	MemoryMiB  float64 `json:"memory_mib"`   // Pss of the process tree after the phase
	Processes  int     `json:"processes"`

	// Doubts are the load generator's, each one sentence. Invalid says why the run does
	// not count; empty if it does.
	Doubts  []string `json:"doubts,omitempty"`
	Invalid string   `json:"invalid,omitempty"`

	// Body is a hash of what the endpoint sent when it was probed; empty if bodies may differ.
	Body string `json:"body,omitempty"`

	// Stamps has a line per request, at most MaxStamps.
	Stamps []Stamp `json:"stamps,omitempty"`
}

// Open reports whether requests came at a rate, whatever the answers did.
func (r *Run) Open() bool { return r.Offered > 0 }

// Metric is what settings are compared by: what they serve, where each asks again once it
// has its answer; where all get the same requests, how long 99 of 100 of those take. What
// a server leaves unanswered counts, so that none wins by the few that it answers.
func (r *Run) Metric() float64 {
	switch {
	case !r.Open():
		return r.Rate
	case r.P99DueMS > 0:
		return r.P99DueMS
	case float64(r.OK) < 0.99*float64(r.OK+r.Failed+r.Aborted):
		return verdict.Worst
	}
	return r.Latency.P99
}

// RuleOf is what counts as a difference of a Metric. One of less than 1 % is of no use to
// anybody, and clocks make as much.
func RuleOf(open bool) verdict.Rule { return verdict.Rule{MoreIsBetter: !open, Margin: 0.01} }

// MaxStamps bounds the requests of a run that are kept one by one, the first ones.
const MaxStamps = 256

// Latency in milliseconds, of successes. A percentile that the sample is too small for is
// listed in Unsure.
type Latency struct {
	Mean   float64   `json:"mean"`
	Min    float64   `json:"min"`
	P50    float64   `json:"p50"`
	P90    float64   `json:"p90"`
	P95    float64   `json:"p95"`
	P99    float64   `json:"p99"`
	Max    float64   `json:"max"`
	Unsure []float64 `json:"unsure,omitempty"`
}

// A Stamp is one request, in milliseconds since the run's start: when it should have been
// or was sent, when the app began and ended (both 0 if unknown), when the answer was there.
type Stamp struct {
	Sent  float64 `json:"s"`
	Begin float64 `json:"b"`
	End   float64 `json:"e"`
	Done  float64 `json:"d"`
	OK    bool    `json:"ok"`
}

// A Cell is what Runs are grouped by.
type Cell struct {
	Setting  string // plan.Setting.ID
	Scenario string
	Phase    string
	Stream   string
}

// Cell returns the cell that r is a sample of.
func (r *Run) Cell() Cell {
	return Cell{Setting: r.Setting.ID(), Scenario: r.Scenario, Phase: r.Phase, Stream: r.Stream}
}

// Machine is what the run ran on and with.
type Machine struct {
	Lab       string    `json:"lab"` // the version of girin that ran the lab
	Started   time.Time `json:"started"`
	Command   []string  `json:"command"` // the lab's own command line
	Directory string    `json:"directory"`
	Hostname  string    `json:"hostname"`
	System    string    `json:"system"` // kernel and distribution
	CPU       string    `json:"cpu"`

	LogicalCores  int     `json:"logical_cores"`
	PhysicalCores int     `json:"physical_cores"` // 0 if the system does not tell
	UsableCores   int     `json:"usable_cores"`   // affinity and quota considered; what expressions see
	CgroupCPU     float64 `json:"cgroup_cpu"`     // quota in cores, 0 if none
	CgroupMemory  int64   `json:"cgroup_memory"`  // bytes, 0 if none
	MemoryBytes   int64   `json:"memory_bytes"`
	LoadAverage   float64 `json:"load_average"` // of one minute, at the start

	User string `json:"user"` // whose processes they were
	Nice int    `json:"nice"` // of the servers
	// LoadNice is the load generators'; LoadNiceFailed says why it is not lower than Nice.
	LoadNice       int    `json:"load_nice"`
	LoadNiceFailed string `json:"load_nice_failed,omitempty"`

	Python   string            `json:"python"`   // interpreter and version
	Versions map[string]string `json:"versions"` // by subject
	Packages []string          `json:"packages"` // pip freeze of the interpreter
	// Commands are the exact command lines by setting; the port differs in each run.
	Commands map[string]string `json:"commands"`
	Skipped  []Skip            `json:"skipped,omitempty"`
	Planned  int               `json:"planned"` // visits that the plan asks for
	Repeats  int               `json:"repeats"` // of the plan, or that the lab chose to tell what it asks for
}

// A Skip is something that the plan asks for and that was not run.
type Skip struct {
	What string `json:"what"`
	Why  string `json:"why"`
}
