package bench

import (
	"time"

	"girin/internal/verdict"
)

// ResultVersion is the version of the JSON form of Result. A field is added without a new version; a field that changes
// its meaning or goes away takes a new one.
const ResultVersion = 1

// Result is everything a run has found. Its JSON form is what --json writes and --against reads.
//
// Times are in milliseconds where the name ends in _ms, in seconds where it ends in _s.
type Result struct {
	Version int `json:"version"`
	// StartedAt is the moment of the start barrier, when all clients send their first request. Stamps in the CSV count
	// from here; StartedMonotonicNS is the same moment on CLOCK_MONOTONIC, so that stamps taken by a server on the same
	// machine can be laid beside them. Zero where the system has no such clock.
	StartedAt          time.Time `json:"started_at"`
	StartedUnixNS      int64     `json:"started_unix_ns"`
	StartedMonotonicNS int64     `json:"started_monotonic_ns,omitempty"`

	// Partial says that the run ended before it had done what it was asked; PartialReason says why.
	Partial       bool   `json:"partial"`
	PartialReason string `json:"partial_reason,omitempty"`

	Load    Load          `json:"load"`
	Targets []TargetCount `json:"targets"`
	Server  Server        `json:"server"`

	// DurationS is from the start barrier to the end of the last request.
	DurationS float64  `json:"duration_s"`
	Requests  Requests `json:"requests"`
	// Errors counts failed requests by kind (see ErrorKind); kinds that did not occur are absent.
	Errors map[string]int64 `json:"errors"`
	// ErrorExamples holds the first message of each kind.
	ErrorExamples map[string]string `json:"error_examples,omitempty"`
	// Statuses counts whole responses by status code, successes or not.
	Statuses map[int]int64 `json:"statuses"`
	Rate     Rate          `json:"rate"`
	Bytes    Bytes         `json:"bytes"`

	// Latency is of successes only. In the open loop it counts from the scheduled time; in the closed loop it is
	// connecting plus processing, as ab's Total.
	Latency Distribution `json:"latency"`
	// Phases splits the latency of successes.
	Phases Phases `json:"phases"`
	// Schedule is how well the open loop kept its schedule; absent in the closed loop.
	Schedule *Schedule `json:"schedule,omitempty"`

	// Runs are the runs that were made, one unless --runs asked for more; then the figures above are of all of them, and
	// Intervals say how far they differ.
	Runs      []RunFigures `json:"runs,omitempty"`
	Intervals []Interval   `json:"intervals,omitempty"`

	// LatencyHDR is the latency of successes in microseconds, as HdrHistogram's compressed form in base64.
	LatencyHDR string `json:"latency_hdr,omitempty"`

	// Events is how streamed responses came; absent unless asked for, and in a result of several runs.
	Events *Events `json:"events,omitempty"`

	Histogram []Bin    `json:"histogram"`
	Timeline  []Slice  `json:"timeline"`
	Batches   []Batch  `json:"batches"`
	Samples   Samples  `json:"samples"`
	Client    Client   `json:"client"`
	Content   Content  `json:"content"`
	Doubts    []Doubt  `json:"doubts"`
	SLO       *SLO     `json:"slo,omitempty"`
	Against   *Against `json:"against,omitempty"`

	// What the CSV, the HDR file and the page's curve need beyond the JSON. A Result read from JSON has none of it.
	samples  []sample // in the order in which they ended
	captured map[int][]string
	headers  []string // that were captured
	latency  series
	beyond   *tallies // nil if samples are complete; else all values, those of samples too
}

// Load is what the run was asked to do.
type Load struct {
	Mode         string  `json:"mode"` // "closed" or "open"
	Clients      int     `json:"clients"`
	MaxClients   int     `json:"max_clients"`          // open loop: how far it could grow
	Requests     int64   `json:"requests,omitempty"`   // as asked with -n; 0 is no limit
	DurationS    float64 `json:"duration_s,omitempty"` // as asked with -d; 0 is no limit
	KeepAlive    bool    `json:"keepalive"`
	HTTP         string  `json:"http"` // "1.1" or "2"
	RateFrom     float64 `json:"rate_from,omitempty"`
	RateTo       float64 `json:"rate_to,omitempty"`
	Arrivals     string  `json:"arrivals,omitempty"` // "constant" or "poisson"
	Seed         uint64  `json:"seed,omitempty"`
	TimeoutS     float64 `json:"timeout_s"`
	Follow       bool    `json:"follow,omitempty"`
	Stages       string  `json:"stages,omitempty"`
	Streams      int     `json:"streams,omitempty"`  // of a connection, where clients share some
	Scenario     bool    `json:"scenario,omitempty"` // targets were taken in their order
	ServerTiming bool    `json:"server_timing"`      // the server sent Server-Timing
}

// TargetCount is one URL and what became of its requests.
type TargetCount struct {
	Method    string  `json:"method"`
	URL       string  `json:"url"`
	Weight    int     `json:"weight"`
	BodyBytes int     `json:"body_bytes"`
	BodySum   string  `json:"body_sum,omitempty"` // FNV-1a of the body, to tell bodies apart
	OK        int64   `json:"ok"`
	Failed    int64   `json:"failed"`
	MeanMS    float64 `json:"mean_ms"`
	P50MS     float64 `json:"p50_ms"`
	P99MS     float64 `json:"p99_ms"`
}

// Server is what the first target and its first response say of the server.
type Server struct {
	Software string `json:"software"`
	Hostname string `json:"hostname"`
	Port     string `json:"port"`
	Path     string `json:"path"`
	// DocumentLength is the body length of the first success, in bytes.
	DocumentLength int64  `json:"document_length"`
	TLS            string `json:"tls,omitempty"`
}

// Requests counts requests: Done = OK + Failed.
type Requests struct {
	Done   int64 `json:"done"`
	OK     int64 `json:"ok"`
	Failed int64 `json:"failed"`
	Non2xx int64 `json:"non_2xx"`
	// Retried were sent a second time, because they crossed with the server's closing an idle connection.
	Retried int64 `json:"retried"`
	// Unasked are messages over a WebSocket before which the server had sent something: what was taken for their answer may
	// not be one.
	Unasked int64 `json:"unasked,omitempty"`
	// KeptAlive are whole responses, of any status, after which the connection could go on.
	KeptAlive int64 `json:"kept_alive"`
	// Aborted were in flight, or due but not sent, when the run was stopped. They are in no other count.
	Aborted int64 `json:"aborted"`
}

// Rate is in requests per second.
type Rate struct {
	OK       float64 `json:"ok"`                 // successes per second of DurationS: "Requests per second"
	Offered  float64 `json:"offered,omitempty"`  // open loop: scheduled
	Achieved float64 `json:"achieved,omitempty"` // open loop: sent
}

// Bytes counts what went over the connections, before TLS. Under HTTP/2 heads are counted as HTTP/1.1 would write them.
type Bytes struct {
	Sent     int64 `json:"sent"`
	Received int64 `json:"received"`
	Body     int64 `json:"body"` // decoded body bytes of whole responses
}

// Distribution describes a set of durations in milliseconds. All zero if Count is.
type Distribution struct {
	Count       int64        `json:"count"`
	MinMS       float64      `json:"min_ms"`
	MeanMS      float64      `json:"mean_ms"`
	SDMS        float64      `json:"sd_ms"`
	MedianMS    float64      `json:"median_ms"`
	MaxMS       float64      `json:"max_ms"`
	Percentiles []Percentile `json:"percentiles,omitempty"`
}

// Percentile is one percentile. Reliable is false if fewer than Needs samples were there, that is, if with more than 5 %
// probability the true percentile lies above everything that was seen.
type Percentile struct {
	P        float64 `json:"p"` // 0 < P <= 100
	MS       float64 `json:"ms"`
	Reliable bool    `json:"reliable"`
	Needs    int64   `json:"needs,omitempty"` // 0 for P = 100, which no sample carries and which is never reliable
}

// Phases splits latency. Connect counts a connection once, with the request that opened it; the others then have 0, as in
// ab. Queue, App and Network split Waiting where the server sends Server-Timing.
type Phases struct {
	Connect    Distribution  `json:"connect"`
	Processing Distribution  `json:"processing"` // sent to done
	Waiting    Distribution  `json:"waiting"`    // sent to first byte
	Queue      *Distribution `json:"queue,omitempty"`
	App        *Distribution `json:"app,omitempty"`
	Network    *Distribution `json:"network,omitempty"` // waiting less queue and app
}

// Schedule is how the open loop kept its schedule.
type Schedule struct {
	// Lag is from the scheduled time to sending, where a connection was free in time: the client's own doing.
	Lag Distribution `json:"lag"`
	// Backlog is the same where all connections were busy: the server's doing, or that of too low a limit.
	Backlog Distribution `json:"backlog"`
	// Connections is how many there were in the end.
	Connections int `json:"connections"`
	// Growth is by how many seconds requests waited longer with each second of the run; of several, the most.
	Growth float64 `json:"growth,omitempty"`
}

// Bin is one bar of the latency histogram of successes; bins are logarithmic and empty ones are left out.
type Bin struct {
	FromMS float64 `json:"from_ms"`
	ToMS   float64 `json:"to_ms"`
	Count  int64   `json:"count"`
}

// Slice is one stretch of the run, by the time requests ended. Percentiles are of the slice and within 10 %.
type Slice struct {
	FromS  float64 `json:"from_s"`
	ToS    float64 `json:"to_s"`
	OK     int64   `json:"ok"`
	Failed int64   `json:"failed"`
	P50MS  float64 `json:"p50_ms"`
	P99MS  float64 `json:"p99_ms"`
	MaxMS  float64 `json:"max_ms"`
}

// Batch is some consecutive successes, about a thirtieth of the run: how steady the run was.
type Batch struct {
	Count    int64   `json:"count"`
	MedianMS float64 `json:"median_ms"`
}

// Samples says how many requests were kept one by one. Up to a million are; percentiles of latency are exact if Complete,
// and from a histogram with three significant digits if not.
type Samples struct {
	Kept     int64 `json:"kept"`
	Complete bool  `json:"complete"`
}

// Client is what the load generator itself used.
type Client struct {
	CPUS     float64 `json:"cpu_s"`     // user and system time during the run
	CPUShare float64 `json:"cpu_share"` // of the cores it may use, 0 to 1
	Cores    int     `json:"cores"`     // threads that may run its code at once
	// WaitedS is how long its threads together had work to do, and no core to do it on. Linux tells.
	WaitedS float64 `json:"waited_s,omitempty"`
	// Machine tells machines apart, and says nothing else of them; MachineCores is how many cores it has. Of clients on several
	// machines, and where nobody knows, they are empty and 0.
	Machine      string `json:"machine,omitempty"`
	MachineCores int    `json:"machine_cores,omitempty"`
	// Bottleneck says that the figures describe the client rather than the server.
	Bottleneck bool `json:"bottleneck"`
}

// Content says whether all responses of a target were the same.
type Content struct {
	BodiesDiffer   bool  `json:"bodies_differ"`
	LengthsDiffer  bool  `json:"lengths_differ"`
	StatusesDiffer bool  `json:"statuses_differ"`
	MinBody        int64 `json:"min_body"`
	MaxBody        int64 `json:"max_body"`
}

// Doubt is a reason not to take the figures at their word.
type Doubt struct {
	Code string `json:"code"` // stable, for programs
	Text string `json:"text"` // one sentence, for people
}

// Verdict is what a guard says.
type Verdict = verdict.Verdict

// The verdicts of --slo and --against.
const (
	Holds     Verdict = "holds"
	Fails     Verdict = "fails"
	Undecided         = verdict.Undecided
	Better            = verdict.Better
	Worse             = verdict.Worse
	Same              = verdict.Same
)

// SLO is the verdict of --slo: Fails if one clause fails, else Undecided if one is undecided, else Holds.
type SLO struct {
	Verdict Verdict     `json:"verdict"`
	Clauses []SLOClause `json:"clauses"`
}

// SLOClause is one clause, such as p99<200ms.
type SLOClause struct {
	Clause  string  `json:"clause"`
	Value   float64 `json:"value"` // in the clause's unit: ms, a fraction, or requests per second
	Verdict Verdict `json:"verdict"`
	Reason  string  `json:"reason,omitempty"`
}

// Against is the verdict of --against: Worse if one figure is, else Better if one is, else Same if all are, else Undecided.
type Against struct {
	Baseline string          `json:"baseline"`
	Verdict  Verdict         `json:"verdict"`
	OldRuns  int             `json:"old_runs"`
	NewRuns  int             `json:"new_runs"`
	Figures  []FigureAgainst `json:"figures"`
	Margin   float64         `json:"margin"` // smaller changes do not count
	Reason   string          `json:"reason,omitempty"`
}

// FigureAgainst compares one figure of the runs.
type FigureAgainst struct {
	Figure  string  `json:"figure"` // "rate", "p50_ms", "p99_ms" or "errors"
	Verdict Verdict `json:"verdict"`
	Old     float64 `json:"old"` // means over the runs: geometric, but of errors
	New     float64 `json:"new"`
	// Change is new over old, less 1; of errors it is new less old. The four intervals hold together with 95 % confidence.
	Change     float64 `json:"change"`
	ChangeLow  float64 `json:"change_low"`
	ChangeHigh float64 `json:"change_high"`
	Reason     string  `json:"reason,omitempty"`
}
