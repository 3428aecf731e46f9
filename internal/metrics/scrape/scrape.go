// Package scrape shows a server's counters to Prometheus, in its text format.
// Everything here happens when somebody asks, never in a request's path.
package scrape

import (
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"girin/internal/metrics"
)

// Gauges are what a server has at one moment.
type Gauges struct {
	Class       string // of the workers
	InFlight    int    // requests that were taken and not answered
	Running     int    // of those, how many the application runs
	Connections int
	Workers     int           // that are ready
	Serving     int           // of those, how many take requests
	StandingBy  int           // of those, how many the class auto keeps for when it needs them
	Draining    int           // of those, how many end when their requests have
	Slots       int           // requests that they run at once
	Computing   int           // requests that the class auto lets compute now
	Arena       int           // bytes of memory that workers read requests from
	Sockets     int           // WebSockets that are open
	Tasks       int           // of event loops
	Lag         time.Duration // how long an event loop was held up at most of late
	Spools      int           // bodies in files that workers may ask for
	SpoolFiles  int
	SpoolBytes  int
	Answers     int // bytes that wait for clients
	Sidecars    []Sidecar
	Jobs        *Jobs // nil: there are none
}

// Sidecar is a command that is kept running beside the server.
type Sidecar struct {
	Name   string
	Up     bool // it runs
	Starts int  // so far
}

// Config of a Handler.
type Config struct {
	Version string
	Server  *metrics.Server
	Gauges  func() Gauges
	Routes  func() (known []metrics.Route, others metrics.Sums)
}

// Handler answers GET /metrics.
func Handler(c Config) http.Handler {
	registry := prometheus.NewRegistry()
	registry.MustRegister(
		collector{c, new(labels)}, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	return mux
}

// collector reads the counters anew for each scrape.
type collector struct {
	Config
	labels *labels
}

// Describe declares nothing: the metrics are those that Collect sends.
func (c collector) Describe(chan<- *prometheus.Desc) {}

// Collect sends all metrics.
func (c collector) Collect(out chan<- prometheus.Metric) {
	e := emitter(out)
	n, g := c.Server.Snapshot(), c.Gauges()

	e.gauge("girin_info", "Always 1; the labels are the version and the class of the workers.", 1, "version", c.Version, "class", g.Class)
	for class, name := range []string{"none", "1xx", "2xx", "3xx", "4xx", "5xx"} {
		if class != 1 {
			e.counter("girin_responses_total", "Responses that have ended, by the class of their status; none: the client left before.", n.Responses[class], "status", name)
		}
	}
	e.gauge("girin_requests_in_flight", "Requests that wait or run.", g.InFlight)
	e.gauge("girin_requests_queued", "Requests that wait for a thread of the application.", max(g.InFlight-g.Running, 0))
	e.gauge("girin_arena_bytes", "Memory that requests take which are too large for a packet.", g.Arena)
	e.gauge("girin_websockets", "WebSockets that are open.", g.Sockets)
	e.gauge("girin_loop_tasks", "Tasks of the workers' event loops.", g.Tasks)
	e.gauge("girin_loop_lag_milliseconds", "How long a request held an event loop up at most in the last 10 to 20 s.", int(g.Lag.Milliseconds()))
	e.gauge("girin_spooled_bodies", "Bodies of requests in files that workers may ask for.", g.Spools)
	e.gauge("girin_spool_files", "Files with bodies, and with answers that outgrew memory.", g.SpoolFiles)
	e.gauge("girin_spool_bytes", "What is in those files.", g.SpoolBytes)
	e.gauge("girin_answers_waiting_bytes", "Answers in memory that wait for their clients.", g.Answers)
	e.histogram("girin_request_queue_seconds", "How long requests waited for a thread of the application.", n.Wait)
	e.histogram("girin_request_service_seconds", "How long the application took for requests that it has answered.", n.Service)
	e.counter("girin_request_body_bytes_total", "Bytes of requests' bodies.", n.Received)
	e.counter("girin_response_body_bytes_total", "Bytes of responses' bodies that clients have been sent.", n.Sent)
	e.gauge("girin_connections", "Open connections.", g.Connections)
	e.counter("girin_connections_total", "Connections so far.", n.Connections)
	e.gauge("girin_workers", "Workers that are ready.", g.Workers)
	for state, n := range map[string]int{"serving": g.Serving, "standby": g.StandingBy, "draining": g.Draining} {
		e.gauge("girin_workers_by_state", "Workers that are ready: those that take requests, that stand by (class auto), and that end when their requests have.", n, "state", state)
	}
	e.gauge("girin_slots", "How many requests those workers run at once.", g.Slots)
	e.gauge("girin_slots_busy", "How many requests run.", g.Running)
	e.counter("girin_workers_started_total", "Workers that were started.", n.Started)
	e.gauge("girin_requests_computing", "Requests that the class auto lets compute now.", g.Computing)
	e.counter("girin_decisions_total", "Decisions of the class auto: about workers, their lanes, and how many requests run at once.", n.Decisions)
	e.counter("girin_refused_transitions_total", "Changes in the life of a request that cannot be: a fault of the server's, which the error log describes.", n.Refused)
	for how, name := range []string{metrics.Finished: "finished", metrics.Failed: "failed", metrics.Killed: "killed"} {
		e.counter("girin_workers_ended_total", "Workers that have ended: with exit code 0, with another one, or by a signal.", n.Ended[how], "how", name)
	}
	for _, s := range g.Sidecars {
		up := 0
		if s.Up {
			up = 1
		}
		e.gauge("girin_sidecar_up", "Whether a sidecar runs: 1, or 0 until it is started again.", up, "sidecar", s.Name)
		e.counter("girin_sidecar_starts_total", "How often a sidecar of that name was started.", int64(s.Starts), "sidecar", s.Name)
	}
	if g.Jobs != nil {
		e.jobs(g.Jobs)
	}
	for _, r := range c.labels.scrape(c.Routes()) {
		e.route(r)
	}
}

// route emits what one route's requests came to.
func (e emitter) route(r metrics.Route) {
	e.counter("girin_route_requests_total", "Requests that have ended, by route: those that took most time, and all others.", r.Requests, "route", r.Name)
	e.counter("girin_route_failed_total", "Requests that ended with a 5xx, the server's own 502 and 504 too.", r.Failed, "route", r.Name)
	e.seconds("girin_route_service_seconds_total", "Time that the application took for requests.", r.Service, "route", r.Name)
	e.seconds("girin_route_queue_seconds_total", "Time that requests waited for a thread of the application.", r.Queue, "route", r.Name)
}

// emitter makes metrics. Labels are names and values in turn.
type emitter chan<- prometheus.Metric

func (e emitter) gauge(name, help string, value int, labels ...string) {
	e.send(prometheus.GaugeValue, name, help, float64(value), labels)
}

func (e emitter) counter(name, help string, value int64, labels ...string) {
	e.send(prometheus.CounterValue, name, help, float64(value), labels)
}

func (e emitter) seconds(name, help string, value time.Duration, labels ...string) {
	e.send(prometheus.CounterValue, name, help, value.Seconds(), labels)
}

func (e emitter) send(kind prometheus.ValueType, name, help string, value float64, labels []string) {
	constant := prometheus.Labels{}
	for i := 0; i < len(labels); i += 2 {
		constant[labels[i]] = labels[i+1]
	}
	e <- prometheus.MustNewConstMetric(prometheus.NewDesc(name, help, nil, constant), kind, value)
}

func (e emitter) histogram(name, help string, h metrics.Histogram) {
	buckets := make(map[float64]uint64, len(h.Counts))
	for i, bound := range metrics.Bounds() {
		buckets[bound] = h.Counts[i]
	}
	e <- prometheus.MustNewConstHistogram(prometheus.NewDesc(name, help, nil, nil), h.Count, h.Sum.Seconds(), buckets)
}
