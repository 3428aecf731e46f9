package result

import (
	"bytes"
	"encoding/csv"
	"io"
	"strconv"
)

// column is one column of results.csv.
type column struct {
	name  string
	value func(*Run) string
}

func number(f func(*Run) float64) func(*Run) string {
	return func(r *Run) string { return strconv.FormatFloat(f(r), 'g', 7, 64) }
}

func count(f func(*Run) int) func(*Run) string {
	return func(r *Run) string { return strconv.Itoa(f(r)) }
}

// columns of results.csv. Names carry their unit. A column is added at the end; none is
// renamed or removed, since notebooks read them by name.
func columns() []column {
	return []column{
		{"setting", func(r *Run) string { return r.Setting.ID() }},
		{"subject", func(r *Run) string { return r.Setting.Subject }},
		{"worker_class", func(r *Run) string { return r.Setting.Class }},
		{"workers", count(func(r *Run) int { return r.Setting.Workers })},
		{"threads", count(func(r *Run) int { return r.Setting.Threads })},
		{"recommended", func(r *Run) string { return strconv.FormatBool(r.Setting.Recommended) }},
		{"control_again", func(r *Run) string { return strconv.FormatBool(r.Setting.Again) }},
		{"scenario", func(r *Run) string { return r.Scenario }},
		{"phase", func(r *Run) string { return r.Phase }},
		{"stream", func(r *Run) string { return r.Stream }},
		{"kind", func(r *Run) string { return r.Kind }},
		{"path", func(r *Run) string { return r.Path }},
		{"clients", count(func(r *Run) int { return r.Clients })},
		{"offered_per_s", number(func(r *Run) float64 { return r.Offered })},
		{"block", count(func(r *Run) int { return r.Block })},
		{"order", count(func(r *Run) int { return r.Order })},
		{"started", func(r *Run) string { return r.Started.UTC().Format("2006-01-02T15:04:05.000Z") }},
		{"duration_s", number(func(r *Run) float64 { return r.DurationS })},
		{"ok", count(func(r *Run) int { return int(r.OK) })},
		{"failed", count(func(r *Run) int { return int(r.Failed) })},
		{"aborted", count(func(r *Run) int { return int(r.Aborted) })},
		{"requests_per_s", number(func(r *Run) float64 { return r.Rate })},
		{"time_per_request_ms", number(func(r *Run) float64 { return r.TimePerRequestMS })},
		{"latency_mean_ms", number(func(r *Run) float64 { return r.Latency.Mean })},
		{"latency_min_ms", number(func(r *Run) float64 { return r.Latency.Min })},
		{"latency_p50_ms", number(func(r *Run) float64 { return r.Latency.P50 })},
		{"latency_p90_ms", number(func(r *Run) float64 { return r.Latency.P90 })},
		{"latency_p95_ms", number(func(r *Run) float64 { return r.Latency.P95 })},
		{"latency_p99_ms", number(func(r *Run) float64 { return r.Latency.P99 })},
		{"latency_max_ms", number(func(r *Run) float64 { return r.Latency.Max })},
		{"app_p50_ms", number(func(r *Run) float64 { return r.AppMS })},
		{"server_cpu_s", number(func(r *Run) float64 { return r.ServerCPUS })},
		{"memory_mib", number(func(r *Run) float64 { return r.MemoryMiB })},
		{"processes", count(func(r *Run) int { return r.Processes })},
		{"client_cpu_share", number(func(r *Run) float64 { return r.ClientCPU })},
		{"valid", func(r *Run) string { return strconv.FormatBool(r.Invalid == "") }},
		{"invalid_because", func(r *Run) string { return r.Invalid }},
	}
}

// SaveCSV writes results.csv.
func (f *Folder) SaveCSV() error {
	judgeBodies(f.Runs)
	var text bytes.Buffer
	if err := writeCSV(&text, f.Runs); err != nil {
		return err
	}
	return Replace(f.Path(csvName), text.Bytes())
}

func writeCSV(w io.Writer, runs []Run) error {
	out := csv.NewWriter(w)
	cols := columns()
	row := make([]string, len(cols))
	for i, c := range cols {
		row[i] = c.name
	}
	if err := out.Write(row); err != nil {
		return err
	}
	for i := range runs {
		for j, c := range cols {
			row[j] = c.value(&runs[i])
		}
		if err := out.Write(row); err != nil {
			return err
		}
	}
	out.Flush()
	return out.Error()
}
